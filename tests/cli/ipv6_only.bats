#!/usr/bin/env bats
# Networks without IPv4: addresses, names, the way out, published ports, and who is kept from whom.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/peer

setup_file() {
    [ -e /proc/sys/net/ipv6 ] || skip "the kernel has no IPv6"
    env_start
    env_images busybox
    peer_start
    export SUBNET=${ENV_SUBNET/10.213/10.215} SIX=fd13:bbbb:${ENV_SUBNET##*.}:
}

teardown_file() {
    [ -z "${PEER:-}" ] || peer_stop
    env_stop
}

teardown() {
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
    dory network prune -f >/dev/null
}

sleeper() { # name options...
    local name=$1
    shift
    dory run -d --name "$name" "$@" busybox sleep 1000 >/dev/null
}

address6() { # container network
    dory inspect -f "{{(index .NetworkSettings.Networks \"$2\").GlobalIPv6Address}}" "$1"
}

# The ways out of a container, as "gateway interface".
route() {
    dory exec "$1" ip route | awk '$1 == "default" { print $3, $5 }'
}

route6() {
    dory exec "$1" ip -6 route | awk '$1 == "default" { print $3, $5 }'
}

gateway6() { # network
    dory network inspect -f '{{(index .IPAM.Config 0).Gateway}}' "$1"
}

ports() { # container
    dory inspect -f '{{json .NetworkSettings.Ports}}' "$1"
}

@test "a network without IPv4 has a unique local subnet, and its containers addresses and names of IPv6 alone" {
    dory network create --ipv4=false --ipv6 six >/dev/null
    [ "$(dory network inspect -f '{{.EnableIPv4}} {{.EnableIPv6}} {{len .IPAM.Config}}' six)" = "false true 1" ]
    [[ $(dory network inspect -f '{{(index .IPAM.Config 0).Subnet}}' six) == fd*::/64 ]]
    [ "$(dory network ls -f name=six --format '{{.IPv4}} {{.IPv6}}')" = "false true" ]
    bridge=br-$(dory network inspect -f '{{slice .Id 0 12}}' six)
    [ -z "$(ip -4 -o addr show dev "$bridge")" ]
    ip -6 -o addr show dev "$bridge" | grep -qF " $(gateway6 six)/64 "
    sleeper aa --network six
    sleeper bb --network six --network-alias other
    [ "$(dory inspect -f '{{with .NetworkSettings.Networks.six}}{{.IPAddress}},{{.IPPrefixLen}},{{.Gateway}},{{.GlobalIPv6PrefixLen}},{{.IPv6Gateway}}{{end}}' aa)" = \
        ",0,,64,$(gateway6 six)" ]
    [ "$(dory inspect -f '{{.NetworkSettings.Networks.six.MacAddress}}' aa)" != "$(dory inspect -f '{{.NetworkSettings.Networks.six.MacAddress}}' bb)" ]
    [ "$(dory network inspect -f '{{range .Containers}}{{.IPv4Address}}{{end}}' six)" = "" ]
    [ "$(dory exec aa ip -o addr show eth0 scope global | awk '{ print $4 }')" = "$(address6 aa six)/64" ]
    [ "$(route aa)/$(route6 aa)" = "/$(gateway6 six) eth0" ]
    dory exec aa grep -q "^$(address6 aa six)[[:space:]]" /etc/hosts
    dory exec aa grep -q '^nameserver 127.0.0.11' /etc/resolv.conf
    for name in bb other bb.six; do
        dory exec aa ping -6 -c1 -W20 "$name" >/dev/null
    done
    run dory exec aa nslookup -type=a bb
    [[ "$output" != *"Address: $SUBNET"* && "$output" != *"Name:"* ]]
    [[ $(dory exec aa nslookup "$(address6 bb six)") == *"name = bb.six"* ]]
    [ "$(dory run --rm --network six --add-host up:host-gateway busybox awk '$2 == "up" { print $1 }' /etc/hosts)" = "$(gateway6 six)" ]
}

@test "subnet, range, gateway and addresses of one are as they are asked for; what cannot be is refused" {
    dory network create --ipv4=false --ipv6 --subnet "$SIX:/64" --ip-range "$SIX:8000/113" --gateway "$SIX:99" six >/dev/null
    [ "$(dory network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.IPRange}} {{.Gateway}}{{end}}' six)" = "$SIX:/64 $SIX:8000/113 $SIX:99" ]
    sleeper aa --network six
    [[ $(address6 aa six) == $SIX:80* ]]
    [ "$(route6 aa)" = "$SIX:99 eth0" ]
    [ "$(dory run --rm --network six --ip6 "$SIX:77" busybox ip -o addr show eth0 scope global | awk '{ print $4 }')" = "$SIX:77/64" ]
    run -125 dory run --rm --network six --ip 10.1.2.3 busybox true
    [[ "$output" == *"user specified IP address is supported only when connecting to networks with user configured subnets"* ]]
    run -125 dory run --rm --network six --ip6 fd13:cccc::1 busybox true
    [[ "$output" == *"no configured subnet or ip-range contain the IP address fd13:cccc::1"* ]]
    run -1 dory network create --ipv4=false none6
    [[ "$output" == *"IPv4 or IPv6 must be enabled"* ]]
    # Subnets of a family that a network has not are kept for who reads them.
    dory network create --ipv4=false --ipv6 --subnet "$SUBNET.0/24" mixed >/dev/null
    [ "$(dory network inspect -f '{{(index .IPAM.Config 0).Subnet}} {{len .IPAM.Config}}' mixed)" = "$SUBNET.0/24 2" ]
    [ -z "$(dory run --rm --network mixed busybox ip -4 -o addr show eth0)" ]
    dory network create --subnet "$SUBNET.0/24" --subnet "${SIX}1::/64" four >/dev/null
    [ -z "$(dory run --rm --network four busybox ip -6 -o addr show eth0 scope global)" ]
    [ -z "$(dory network ls -qf name=none6)" ]
}

@test "ports are published on IPv6; a host address of IPv4 has nothing to lead to" {
    dory network create --ipv4=false --ipv6 six >/dev/null
    peer_server web --network six -p 80 -p 127.0.0.1::82 -p "[$LINK6:1]::81"
    port=$(dory port web 80 | sed 's/.*://') one=$(dory port web 81 | sed 's/.*://')
    [ "$(dory port web | sort | xargs)" = "80/tcp -> [::]:$port 81/tcp -> [$LINK6:1]:$one" ]
    [ "$(dory inspect -f '{{index .NetworkSettings.Ports "82/tcp"}}' web)" = "[]" ]
    grep -q 'port 82/tcp is not published on 127.0.0.1: network six has no IPv4 addresses' "$ENV_DIR/doryd.log"
    [ "$(peer_ask "[$LINK6:1]" "$port")" = "$LINK6:2" ] # the client's own address
    [ "$(peer_ask "[$LINK6:1]" "$one")" = "$LINK6:2" ]
    peer_ask_here "[$LINK6:1]" "$port" >/dev/null
    run -7 peer_ask_here "[$(gateway6 six)]" "$one"
    run -7 peer_ask_here 127.0.0.1 "$port"
    peer_is_kept_out "[$(address6 web six)]" 80
    run -125 dory run --rm --network six -p "$port:80" busybox true
    [[ "$output" == *"Bind for [::]:$port failed: port is already allocated"* ]]
    # Over a restart of the daemon, and when somebody removes the rules.
    env_daemon_kill
    env_daemon_start
    [ "$(peer_ask "[$LINK6:1]" "$port")" = "$LINK6:2" ]
    nft delete table ip6 "dory-$ENV_BRIDGE"
    for ((i = 0; i < 1500; i++)); do
        nft list chain ip6 "dory-$ENV_BRIDGE" forward 2>/dev/null | grep -q dnat && break
        sleep 0.02
    done
    [ "$(peer_ask "[$LINK6:1]" "$one")" = "$LINK6:2" ]
    sleeper next --network six
    [ "$(address6 next six)" != "$(address6 web six)" ]
}

@test "each family has its way out, and its ports, by the network that has it" {
    dory network create --ipv4=false --ipv6 six >/dev/null
    dory network create --subnet "$SUBNET.0/24" four >/dev/null
    peer_server web --network six -p 80
    port=$(dory port web 80 | sed 's/.*://')
    dory network connect four web
    [ "$(route web)/$(route6 web)" = "$SUBNET.1 eth1/$(gateway6 six) eth0" ]
    [ "$(dory port web 80 | xargs)" = "0.0.0.0:$port [::]:$port" ]
    [ "$(peer_ask "$LINK.1" "$port") $(peer_ask "[$LINK6:1]" "$port")" = "$LINK.2 $LINK6:2" ]
    dory network disconnect six web
    [ "$(route web)/$(route6 web)" = "$SUBNET.1 eth1/" ]
    [ "$(ports web)" = "{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"$port\"}]}" ]
    [ "$(peer_ask "$LINK.1" "$port")" = "$LINK.2" ]
    peer_is_kept_out "[$LINK6:1]" "$port"
    dory network connect six web
    [ "$(peer_ask "$LINK.1" "$port") $(peer_ask "[$LINK6:1]" "$port")" = "$LINK.2 $LINK6:2" ]
    env_daemon_kill
    env_daemon_start
    [ "$(peer_ask "$LINK.1" "$port") $(peer_ask "[$LINK6:1]" "$port")" = "$LINK.2 $LINK6:2" ]
    dory network disconnect four web
    [ "$(ports web)" = "{\"80/tcp\":[{\"HostIp\":\"::\",\"HostPort\":\"$port\"}]}" ]
    # A network with both families goes before those with one, unless a priority says otherwise.
    dory network create --ipv6 zz >/dev/null
    sleeper aa --network four --network six --network zz
    [ "$(route aa | cut -d' ' -f2)/$(route6 aa | cut -d' ' -f2)" = eth2/eth2 ]
    sleeper bb --network four --network name=six,gw-priority=1 --network zz
    [ "$(route bb | cut -d' ' -f2)/$(route6 bb | cut -d' ' -f2)" = eth2/eth1 ]
}

@test "networks without IPv4 are kept apart, internal ones have no way out, and gateway modes are theirs" {
    dory network create --ipv4=false --ipv6 one >/dev/null
    dory network create --ipv4=false --ipv6 two >/dev/null
    dory network create --ipv4=false --ipv6 --internal inside >/dev/null
    dory network create --ipv4=false --ipv6 -o com.docker.network.bridge.gateway_mode_ipv6=routed ways >/dev/null
    dory network create --ipv4=false --ipv6 -o com.docker.network.bridge.enable_icc=false apart >/dev/null
    peer_server web --network one -p 80
    sleeper near --network one
    sleeper far --network two
    sleeper shut --network inside
    port=$(dory port web 80 | sed 's/.*://') own=$(address6 web one)
    peer_ask_from near "[$own]" 81 >/dev/null
    peer_is_kept_out_from far "[$own]" 81
    peer_ask_from far "[$LINK6:1]" "$port" >/dev/null
    peer_is_kept_out_from shut "[$own]" 81
    [ -z "$(route6 shut)" ]
    dory exec near ping -6 -c1 -W20 "$LINK6:2" >/dev/null
    dory exec far ping -6 -c1 -W20 "$LINK6:2" >/dev/null
    peer_server there --network ways -p 80
    [ "$(peer_ask "[$(address6 there ways)]" 80)" = "$LINK6:2" ]
    peer_is_kept_out "[$(address6 there ways)]" 81
    peer_server left --network apart
    sleeper right --network apart
    peer_is_kept_out_from right "[$(address6 left apart)]" 80
}

@test "compose: enable_ipv4 is the network's" {
    mkdir "$ENV_DIR/six"
    cat >"$ENV_DIR/six/compose.yaml" <<END
services:
  web:
    image: busybox
    command: sleep 1000
    networks: [lan]
networks:
  lan:
    enable_ipv4: false
    enable_ipv6: true
    ipam:
      config:
        - subnet: $SIX:/64
END
    dory compose -f "$ENV_DIR/six/compose.yaml" up -d
    [ "$(dory network inspect -f '{{.EnableIPv4}} {{json .IPAM.Config}}' six_lan)" = "false [{\"Subnet\":\"$SIX:/64\"}]" ]
    [ "$(dory inspect -f '{{with .NetworkSettings.Networks.six_lan}}{{.IPAddress}},{{.GlobalIPv6Address}}{{end}}' six-web-1)" = ",$SIX:2" ]
    dory compose -f "$ENV_DIR/six/compose.yaml" down
}

# A server of UDP in the container's network (its busybox speaks none) that answers with the container's name.
udp_server() { # name options...
    sleeper "$1" --network six "${@:2}"
    nsenter -t "$(dory inspect -f '{{.State.Pid}}' "$1")" -n timeout 300 /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
while True:
    s.sendto(sys.argv[1].encode(), s.recvfrom(100)[1])' "$1" 3>&- &
}

# One socket that asks until the one who is named on the next line of its input answers, so that the flow stays known.
udp_client() { # address port
    exec ip netns exec "$PEER" /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(0.2)
s.connect((sys.argv[1], int(sys.argv[2])))
for name in sys.stdin:
    answer = ""
    for _ in range(600):
        try:
            s.send(b"who?")
            answer = s.recv(100).decode()
        except OSError:
            pass
        if answer == name.strip():
            break
    print(answer, flush=True)' "$1" "$2"
}

@test "udp of IPv6 goes to who has the port now, not to who had it" {
    dory network create --ipv4=false --ipv6 six >/dev/null
    udp_server first -p 53/udp
    first=$!
    port=$(dory port first 53/udp | sed 's/.*://')
    coproc ASKER { udp_client "$LINK6:1" "$port" 3>&-; }
    echo first >&"${ASKER[1]}"
    read -r -t 200 answer <&"${ASKER[0]}"
    [ "$answer" = first ]
    dory rm -f first >/dev/null
    sleeper other --network six # has its address, and no server
    udp_server second -p "$port:53/udp"
    second=$!
    echo second >&"${ASKER[1]}"
    read -r -t 200 answer <&"${ASKER[0]}"
    [ "$answer" = second ]
    kill "$first" "$second" "$ASKER_PID" 2>/dev/null || true
}

@test "macvlan and ipvlan stand on their parent's network with IPv6 alone, and have several subnets of it" {
    link=${ENV_BRIDGE}v
    for driver in macvlan ipvlan; do
        ip link add "$link" type veth peer name "${link}p"
        if ! ip link add link "$link" name "${link}x" type "$driver" 2>/dev/null; then
            ip link del "$link"
            continue
        fi
        ip link del "${link}x"
        ip netns add "$link"
        ip link set "${link}p" netns "$link"
        ip link set "$link" up
        ip -n "$link" link set "${link}p" up
        ip -n "$link" -6 addr add "$SIX:1/64" dev "${link}p" nodad
        result=0
        stands_on_parent "$driver" || result=1
        dory rm -f aa bb cc >/dev/null || true
        dory network prune -f >/dev/null
        ip netns del "$link"
        ip link del "$link" 2>/dev/null || true
        [ "$result" -eq 0 ]
    done
}

stands_on_parent() { # driver
    dory network create -d "$1" --ipv4=false --ipv6 --subnet "$SIX:/126" --gateway "$SIX:1" \
        --subnet "${SIX}1::/64" --gateway "${SIX}1::9" -o "parent=$link" lan >/dev/null || return 1
    [ "$(dory network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}};{{end}}' lan)" = \
        "$SIX:/126 $SIX:1;${SIX}1::/64 ${SIX}1::9;" ] || return 1
    sleeper aa --network lan && sleeper bb --network lan && sleeper cc --network lan --ip6 "${SIX}1::77" || return 1
    [ "$(address6 aa lan) $(address6 bb lan) $(address6 cc lan)" = "$SIX:2 $SIX:3 ${SIX}1::77" ] || return 1
    [ "$(route6 aa), $(route6 cc)" = "$SIX:1 eth0, ${SIX}1::9 eth0" ] || return 1
    dory exec aa ping -6 -c1 -W20 "$SIX:1" >/dev/null && dory exec aa ping -6 -c1 -W20 bb >/dev/null || return 1
    dory rm -f bb >/dev/null
    run dory run --rm --network lan --ip6 "fd13:cccc::5" busybox true
    [[ "$status" == 125 && "$output" == *"no configured subnet or ip-range contain the IP address fd13:cccc::5"* ]] || return 1
    env_daemon_kill && env_daemon_start || return 1
    run dory run --rm --network lan --ip6 "${SIX}1::77" busybox true
    [[ "$status" == 125 && "$output" == *"Address already in use"* ]] || return 1
    run dory network create --ipv6 --subnet "${SIX}1::/80" over
    [[ "$status" == 1 && "$output" == *"Pool overlaps"* ]]
}
