#!/usr/bin/env bats
# com.docker.network.bridge.gateway_mode_ipv4 and _ipv6: who reaches containers, and at which address.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/peer

setup_file() {
    env_start
    env_images busybox
    peer_start
    export SUBNET=${ENV_SUBNET/10.213/10.215} OTHER=${ENV_SUBNET/10.213/10.216} SIX=fd13:bbbb:${ENV_SUBNET##*.}:
}

teardown_file() {
    peer_stop
    env_stop
}

teardown() {
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
    dory network prune -f >/dev/null
}

mode() { # network subnet mode options...
    local name=$1 subnet=$2 mode=$3
    shift 3
    dory network create --subnet "$subnet.0/24" -o "com.docker.network.bridge.gateway_mode_ipv4=$mode" "$@" "$name" >/dev/null
}

address() { # container network
    dory inspect -f "{{.NetworkSettings.Networks.$2.IPAddress}}" "$1"
}

@test "routed: published ports at the container's own address, for other hosts and networks, and nothing is translated" {
    mode ways "$SUBNET" routed
    dory network create --subnet "$OTHER.0/24" far >/dev/null
    peer_server web --network ways -p 8080:80
    dory run -d --name other --network far busybox sleep 1000 >/dev/null
    own=$(address web ways)
    [ "$(peer_ask "$own" 80)" = "$LINK.2" ]
    peer_is_kept_out "$own" 81
    ip netns exec "$PEER" /bin/busybox ping -c1 -W20 "$own" >/dev/null
    [ "$(peer_ask_from other "$own" 80)" = "$SUBNET.1" ] # its own network is one with NAT
    peer_is_kept_out_from other "$own" 81
    # No port of the host is taken, so the same one twice is fine.
    run curl -s -m 5 "http://127.0.0.1:8080/"
    [ "$status" -eq 7 ]
    peer_server more --network ways -p 8080:80
    [ "$(peer_ask "$(address more ways)" 80)" = "$LINK.2" ]
    [ "$(dory inspect -f '{{json .NetworkSettings.Ports}}' web)" = '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""}]}' ]
    [ "$(dory ps --filter name=web --format '{{.Ports}}')" = 80/tcp ]
    grep -q 'ways is routed: port 80/tcp is reached' "$ENV_DIR/doryd.log"
    # What the container sends has its own address.
    ip netns exec "$PEER" /usr/bin/python3 -c '
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", 9)); s.listen()
print("ready", flush=True)
c, (host, _) = s.accept(); print(host, flush=True)' >"$BATS_TEST_TMPDIR/seen" 3>&- &
    for ((i = 0; i < 1500; i++)); do
        if grep -q ready "$BATS_TEST_TMPDIR/seen"; then break; fi
        sleep 0.02
    done
    dory exec web nc -w 20 "$LINK.2" 9 </dev/null
    wait
    [ "$(tail -1 "$BATS_TEST_TMPDIR/seen")" = "$own" ]
    # The same for a daemon that comes again, and rules that are made anew; not any more without the container.
    env_daemon_kill
    env_daemon_start
    [ "$(peer_ask "$own" 80)" = "$LINK.2" ]
    peer_is_kept_out "$own" 81
    nft list set ip "dory-$ENV_BRIDGE" routed_ports | grep -q "$own"
    dory update --publish-add 81 web >/dev/null
    [ "$(peer_ask "$own" 81)" = "$LINK.2" ]
    dory rm -f web >/dev/null
    run ! grep "$own" <(nft list set ip "dory-$ENV_BRIDGE" routed_ports)
}

@test "a container's ports follow its way out from a network with NAT to a routed one and back" {
    dory network create --subnet "$OTHER.0/24" usual >/dev/null
    mode ways "$SUBNET" routed
    peer_server web --network usual -p 8089:80
    [ "$(peer_ask "$LINK.1" 8089)" = "$LINK.2" ]
    dory network connect --gw-priority 1 ways web
    own=$(address web ways)
    [ "$(peer_ask "$own" 80)" = "$LINK.2" ]
    run curl -s -m 5 "http://127.0.0.1:8089/"
    [ "$status" -eq 7 ]
    dory network disconnect ways web
    [ "$(peer_ask "$LINK.1" 8089)" = "$LINK.2" ]
    [ "$(dory port web 80)" = "0.0.0.0:8089" ]
}

@test "nat-unprotected: published ports of the host, and every port of the container for other hosts" {
    mode open "$SUBNET" nat-unprotected
    dory network create --subnet "$OTHER.0/24" far >/dev/null
    peer_server web --network open -p 80
    dory run -d --name other --network far busybox sleep 1000 >/dev/null
    own=$(address web open)
    port=$(dory port web 80 | sed 's/.*://')
    [ "$(peer_ask "$LINK.1" "$port")" = "$LINK.2" ]
    [ "$(peer_ask "$own" 80)" = "$LINK.2" ]
    [ "$(peer_ask "$own" 81)" = "$LINK.2" ]
    # Not for containers of other networks, which have the published ports.
    peer_is_kept_out_from other "$own" 81
    peer_ask_from other "$LINK.1" "$port" >/dev/null
    # nat is the default, and says the same as nothing.
    mode usual "${SUBNET/10.215/10.217}" nat
    peer_server plain --network usual -p 80
    peer_is_kept_out "$(address plain usual)" 80
    [ "$(peer_ask "$LINK.1" "$(dory port plain 80 | sed 's/.*://')")" = "$LINK.2" ]
}

@test "isolated: the host is not on the network, containers reach each other" {
    mode alone "$SUBNET" isolated --internal -o "com.docker.network.bridge.name=$ENV_BRIDGE-i"
    dory run -d --name web --network alone busybox sleep 1000 >/dev/null
    dory run -d --name near --network alone busybox sleep 1000 >/dev/null
    dory exec near ping -c1 -W20 web >/dev/null
    [ -z "$(ip -o -4 addr show dev "$ENV_BRIDGE-i")" ]
    run dory exec near ping -c1 -W1 "$SUBNET.1"
    [ "$status" -ne 0 ]
    run dory exec near arping -c1 -w1 -I eth0 "$ENV_SUBNET.1" # another address of the host
    [ "$status" -ne 0 ]
    env_daemon_kill
    env_daemon_start
    [ -z "$(ip -o -4 addr show dev "$ENV_BRIDGE-i")" ]
    dory exec near ping -c1 -W20 web >/dev/null
    run -1 dory network create -o com.docker.network.bridge.gateway_mode_ipv4=isolated open
    [[ "$output" == *"gateway mode 'isolated' can only be used for an internal network"* ]]
    run -1 dory network create -o com.docker.network.bridge.gateway_mode_ipv6=bridged open
    [[ "$output" == *'invalid value for network option com.docker.network.bridge.gateway_mode_ipv6: "bridged"'* ]]
    [ "$(dory network ls -q -f name=open)" = "" ]
}

@test "each address family has its mode" {
    [ -e /proc/sys/net/ipv6 ] || skip "the kernel has no IPv6"
    dory network create --subnet "$SUBNET.0/24" --ipv6 --subnet "$SIX:/64" \
        -o com.docker.network.bridge.gateway_mode_ipv6=routed both >/dev/null
    peer_server web --network both -p 8088:80
    six=$(dory inspect -f '{{.NetworkSettings.Networks.both.GlobalIPv6Address}}' web)
    [ "$(peer_ask "[$six]" 80)" = "$LINK6:2" ]
    peer_is_kept_out "[$six]" 81
    peer_is_kept_out "[$LINK6:1]" 8088
    ip netns exec "$PEER" /bin/busybox ping -6 -c1 -W20 "$six" >/dev/null
    [ "$(peer_ask "$LINK.1" 8088)" = "$LINK.2" ]
    peer_is_kept_out "$(address web both)" 80
    dory network create --internal --ipv6 --subnet "${SIX}1::/64" -o com.docker.network.bridge.gateway_mode_ipv6=isolated \
        -o "com.docker.network.bridge.name=$ENV_BRIDGE-i" alone >/dev/null
    dory run -d --name near --network alone busybox sleep 1000 >/dev/null
    dory run -d --name next --network alone busybox sleep 1000 >/dev/null
    [ -z "$(ip -o -6 addr show dev "$ENV_BRIDGE-i")" ]
    dory exec near ping -6 -c1 -W20 next >/dev/null
}
