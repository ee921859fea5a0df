#!/usr/bin/env bats
# Published ports on networks of users: who may reach them, both address families, long ranges, and rules that somebody
# flushes.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/peer

setup_file() {
    export POOL6=fd13:$(printf %x $((4096 + RANDOM)))
    ENV_CONFIG='{"default-address-pools": [{"base": "10.219.0.0/16", "size": 26}, {"base": "'$POOL6'::/62", "size": 64}]}' env_start
    env_images busybox
    peer_start
    export SUBNET=${ENV_SUBNET/10.213/10.215} OTHER=${ENV_SUBNET/10.213/10.216}
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

host_port() { # container: of its port 80
    dory port "$1" 80 | head -1 | sed 's/.*://'
}

@test "a port of a user's network is reached from the host, from other hosts and from every container" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create --subnet "$OTHER.0/24" two >/dev/null
    peer_server web --network one -p 80
    port=$(host_port web)
    [ "$(peer_ask_here 127.0.0.1 "$port")" = "$SUBNET.1" ] # nobody could answer 127.0.0.1
    [ "$(peer_ask_here "$LINK.1" "$port")" = "$LINK.1" ]
    [ "$(peer_ask "$LINK.1" "$port")" = "$LINK.2" ] # the client's own address
    dory run -d --name near --network one busybox sleep 1000 >/dev/null
    dory run -d --name far --network two busybox sleep 1000 >/dev/null
    dory run -d --name old busybox sleep 1000 >/dev/null
    for from in web near far old; do
        [ "$(peer_ask_from "$from" "$LINK.1" "$port")" = "$SUBNET.1" ] || { echo "$from"; false; }
    done
    # The container's own address is nobody's business outside of its network.
    address=$(dory inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' web)
    peer_ask_from near "$address" 80 >/dev/null
    run dory exec far timeout 1 wget -q -O /dev/null "http://$address/"
    [ "$status" -ne 0 ]
    run peer_ask "$address" 80 1
    [ -z "$output" ]
}

@test "loopback only, and the address that a network binds to" {
    dory network create -o "com.docker.network.bridge.host_binding_ipv4=127.0.0.1" one >/dev/null
    peer_server web --network one -p 80
    [ "$(dory port web 80)" = "127.0.0.1:$(host_port web)" ]
    peer_ask_here 127.0.0.1 "$(host_port web)" >/dev/null
    run peer_ask "$LINK.1" "$(host_port web)" 1
    [ -z "$output" ]
    [[ "$(dory network inspect -f '{{(index .IPAM.Config 0).Subnet}}' one)" == 10.219.*/26 ]] # the daemon's pool
}

@test "a host address of IPv4 may be written as one of IPv6, and protocols in capitals" {
    run curl -s -X POST -H 'Content-Type: application/json' --unix-socket "$ENV_DIR/dory.sock" 'http://d/containers/create?name=written' \
        -d '{"Image":"busybox","Cmd":["sleep","1000"],"ExposedPorts":{"80/TCP":{}},"HostConfig":{"PortBindings":{"80/TCP":[{"HostIp":"::ffff:127.0.0.1"}]}}}'
    [[ "$output" == *'"Id"'* ]]
    dory start written
    [[ "$(dory port written)" == "80/tcp -> 127.0.0.1:"* ]]
    run curl -s -X POST -H 'Content-Type: application/json' --unix-socket "$ENV_DIR/dory.sock" 'http://d/containers/create' \
        -d '{"Image":"busybox","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"+80"}]}}}'
    [[ "$output" == *'invalid port specification: \"+80\"'* ]]
}

@test "ports follow the network that is the way out" {
    dory network create --subnet "$SUBNET.0/24" bb >/dev/null
    dory network create --subnet "$OTHER.0/24" aa >/dev/null
    dory network create --internal inside >/dev/null
    peer_server web --network inside -p 80
    [ -z "$(dory port web)" ] # nothing is published on an internal network
    dory network connect bb web
    port=$(host_port web)
    peer_ask_here "$LINK.1" "$port" >/dev/null
    dory network connect aa web
    [ "$(host_port web)" = "$port" ]
    peer_ask_here "$LINK.1" "$port" >/dev/null
    dory network disconnect bb web
    [ "$(peer_ask "$LINK.1" "$port")" = "$LINK.2" ]
    dory network disconnect aa web
    run peer_ask_here 127.0.0.1 "$port"
    [ -z "$output" ]
    dory network connect bb web
    peer_ask_here 127.0.0.1 "$(host_port web)" >/dev/null
}

@test "IPv6: addresses, the way out, and ports of both families" {
    [ -e /proc/sys/net/ipv6 ] || skip "the kernel has no IPv6"
    # The pool has four; two of them are the host's: an address, and a route.
    ip -6 addr add "$POOL6::9/64" dev "${PEER}0" nodad
    ip -6 route add "$POOL6:0:2::/64" via "$LINK6:2"
    dory network create --ipv6 six >/dev/null
    subnet=$(dory network inspect -f '{{(index .IPAM.Config 1).Subnet}}' six)
    [ "$subnet" = "$POOL6:0:1::/64" ]
    peer_server web --network six -p 80
    dory run -d --name app --network six busybox sleep 1000 >/dev/null
    address=$(dory inspect -f '{{.NetworkSettings.Networks.six.GlobalIPv6Address}}' web)
    [ "${address%::*}" = "${subnet%::*}" ]
    dory exec app ping -6 -c1 -W10 "$address" >/dev/null
    dory exec app ping -6 -c1 -W10 web >/dev/null
    dory exec app ip -6 route | grep -q '^default via fd'
    port=$(host_port web)
    [ "$(dory port web 80 | xargs)" = "0.0.0.0:$port [::]:$port" ]
    [ "$(peer_ask "[$LINK6:1]" "$port")" = "$LINK6:2" ]
    # Refused at once there, so that who asks for localhost goes on to 127.0.0.1.
    run -7 peer_ask_here '[::1]' "$port"
    peer_ask_here localhost "$port" >/dev/null
    run -125 dory run --rm --network six -p '[::1]::80' busybox true
    [[ "$output" == *"a port cannot be published on ::1"* ]]
    [ "$(cat "/proc/sys/net/ipv6/conf/br-$(dory network inspect -f '{{.Id}}' six | cut -c1-12)/accept_ra")" = 0 ]
    run peer_ask "[$address]" 80 1
    [ -z "$output" ]
    # A second one has another subnet; a given one is taken as it is.
    dory network create --ipv6 more >/dev/null
    [ "$(dory network inspect -f '{{(index .IPAM.Config 1).Subnet}}' more)" = "$POOL6:0:3::/64" ]
    run dory network create --ipv6 third
    [ "$status" -eq 1 ]
    [[ "$output" == *"could not find an available, non-overlapping IPv6 address pool"* ]]
    dory network create --ipv6 --subnet fd13:ffff:${ENV_SUBNET##*.}::/80 given >/dev/null
    [ "$(dory run --rm --network given --ip6 fd13:ffff:${ENV_SUBNET##*.}::99 busybox ip -6 -o addr show eth0 scope global | awk '{ print $4 }')" = "fd13:ffff:${ENV_SUBNET##*.}::99/80" ]
    env_daemon_kill
    env_daemon_start
    [ "$(peer_ask "[$LINK6:1]" "$port")" = "$LINK6:2" ]
}

@test "several ports of the host lead to one of a container, in the order they were given" {
    dory run -d --name web -p 127.0.0.1::80 -p 81 -p 0:80 -p 127.0.0.2::80 -p 81/udp --expose 81 --expose 82 busybox sleep 1000
    run dory inspect -f '{{range $k, $v := .HostConfig.PortBindings}}{{$k}}{{range $v}} {{.HostIp}}{{end}};{{end}}' web
    [ "$output" = "80/tcp 127.0.0.1  127.0.0.2;81/tcp ;81/udp ;" ]
    run dory inspect -f '{{range $k, $v := .NetworkSettings.Ports}}{{$k}}{{range $v}} {{.HostIp}}{{end}};{{end}}' web
    [ "$output" = "80/tcp 127.0.0.1 0.0.0.0 127.0.0.2;81/tcp 0.0.0.0;81/udp 0.0.0.0;82/tcp;" ]
    run dory inspect -f '{{range $k, $v := .Config.ExposedPorts}}{{$k}} {{end}}' web
    [ "$output" = "80/tcp 81/tcp 81/udp 82/tcp " ]
    run dory ps --format '{{.Ports}}'
    [ "$(sed 's/:[0-9]*->/>/g; s/, /\n/g' <<<"$output" | LC_ALL=C sort | xargs)" = \
        "0.0.0.0>80/tcp 0.0.0.0>81/tcp 0.0.0.0>81/udp 127.0.0.1>80/tcp 127.0.0.2>80/tcp 82/tcp" ]
    # Both maps of the rules have theirs, and lose them.
    [ "$(nft list map ip "dory-$ENV_BRIDGE" ports_at | grep -o ' \. [0-9]* :' | wc -l)" -eq 2 ]
    [ "$(nft list map ip "dory-$ENV_BRIDGE" ports | grep -o ' \. [0-9]* :' | wc -l)" -eq 3 ]
    dory rm -f web >/dev/null
    [ "$(nft list table ip "dory-$ENV_BRIDGE" | grep -c ' \. [0-9]* :')" -eq 0 ]
}

@test "ten thousand ports are published and taken back" {
    dory network create one >/dev/null
    # Ten thousand in a row that no other program has, now that they are asked for.
    local first published=
    for ((first = 10000; first <= 22000; first += 1000)); do
        if peer_server web --network one -p "$first-$((first + 9999)):20000-29999" -p 80 2>"$ENV_DIR/refused"; then
            published=1
            break
        fi
        grep -q 'address already in use' "$ENV_DIR/refused"
        dory rm -f web >/dev/null
    done
    [ -n "$published" ] || skip "no ten thousand ports in a row are free on this machine"
    [ "$(dory port web | wc -l)" -eq 10001 ]
    [ "$(nft list map ip "dory-$ENV_BRIDGE" ports | grep -o ' \. [0-9]* :' | sort -u | wc -l)" -eq 10001 ]
    run dory run --rm -p "$((first + 5000)):80" busybox true
    [ "$status" -eq 125 ]
    [[ "$output" == *"port is already allocated"* ]]
    peer_ask_here "$LINK.1" "$(host_port web)" >/dev/null
    dory rm -f web >/dev/null
    [ "$(nft list map ip "dory-$ENV_BRIDGE" ports | grep -c ' \. [0-9]* :')" -eq 0 ]
    dory run --rm -p "$((first + 5000)):80" busybox true
}

# kB that only the daemon has, once it has calmed down: the lowest of some looks.
daemon_memory() {
    local i now low=1000000
    for ((i = 0; i < 15; i++)); do
        sleep 0.1
        now=$(awk '/^Private_(Dirty|Clean):/ {sum += $2} END {print sum}' "/proc/$(env_daemon_pid)/smaps_rollup")
        [ "$now" -ge "$low" ] || low=$now
    done
    echo "$low"
}

@test "ten thousand ports cost the daemon no memory worth naming, nor its database" {
    if env_sanitized; then skip "the sanitizer keeps what is freed"; fi
    dory run --rm -p 80 busybox true
    dory inspect "$(dory run -d --name other busybox sleep 1000)" >/dev/null
    local before with first published=
    before=$(daemon_memory)
    for ((first = 10000; first <= 22000; first += 1000)); do
        if peer_server web -p "$first-$((first + 9999)):$first-$((first + 9999))/udp" 2>"$ENV_DIR/refused"; then
            published=1
            break
        fi
        grep -q 'address already in use' "$ENV_DIR/refused"
        dory rm -f web >/dev/null
    done
    [ -n "$published" ] || skip "no ten thousand ports in a row are free on this machine"
    # What is told of them is whole all the same.
    [ "$(dory inspect -f '{{len .NetworkSettings.Ports}} {{len .HostConfig.PortBindings}} {{len .Config.ExposedPorts}}' web)" = \
        "10000 10000 10000" ]
    [ "$(dory inspect -f "{{(index .HostConfig.PortBindings \"$((first + 9999))/udp\")}} {{(index .NetworkSettings.Ports \"$((first + 1))/udp\")}}" web)" = \
        "[{ $((first + 9999))}] [{0.0.0.0 $((first + 1))}]" ]
    [ "$(dory ps --filter "publish=$((first + 5000))/udp" --format '{{.Ports}}')" = "0.0.0.0:$first-$((first + 9999))->$first-$((first + 9999))/udp" ]
    [ -z "$(dory ps -q --filter "publish=$((first + 10000))/udp")$(dory ps -q --filter "publish=$((first + 5000))/tcp")" ]
    with=$(daemon_memory)
    echo "private memory: $before kB before, $with kB with them"
    [ "$with" -lt $((before + 1024)) ]
    # Also those that a new daemon finds; and the row has no ten thousand entries either.
    [ "$(curl -sf --unix-socket "$ENV_DIR/dory.sock" "http://dory/v1.47/containers/web/json" | wc -c)" -gt 500000 ]
    [ "$(/usr/bin/python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("select max(length(config) + length(state)) from containers").fetchone()[0])' \
        "$(database)")" -lt 10000 ]
    env_daemon_kill
    env_daemon_start
    [ "$(dory port web | wc -l)" -eq 10000 ]
    [ "$(nft list map ip "dory-$ENV_BRIDGE" ports | grep -o ' \. [0-9]* :' | sort -u | wc -l)" -eq 10000 ]
    with=$(daemon_memory)
    echo "$with kB in a new daemon"
    [ "$with" -lt $((before + 1024)) ]
    dory commit web ranged >/dev/null
    [ "$(dory image inspect -f '{{len .Config.ExposedPorts}}' ranged)" = 10000 ]
    # Rules that somebody flushed are made anew, whatever descriptors are free.
    nft delete table ip "dory-$ENV_BRIDGE"
    for ((i = 0; i < 1500; i++)); do
        if [ "$(nft list map ip "dory-$ENV_BRIDGE" ports 2>/dev/null | grep -o ' \. [0-9]* :' | wc -l)" -eq 10000 ]; then break; fi
        sleep 0.02
    done
    dory version >/dev/null
    # Some of them go, and what is left is two ranges.
    dory update --publish-rm "$((first + 5000))/udp" web >/dev/null
    [ "$(dory ps --format '{{.Ports}}' --filter name=web)" = \
        "0.0.0.0:$first-$((first + 4999))->$first-$((first + 4999))/udp, 0.0.0.0:$((first + 5001))-$((first + 9999))->$((first + 5001))-$((first + 9999))/udp, $((first + 5000))/udp" ]
    [ "$(nft list map ip "dory-$ENV_BRIDGE" ports | grep -o ' \. [0-9]* :' | sort -u | wc -l)" -eq 9999 ]
    dory rm -f web other >/dev/null
    dory rmi ranged >/dev/null
}

database() {
    echo "$ENV_DIR/data/dory.db"
}

@test "a flushed rule set comes back by itself" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    peer_server web --network one -p 80
    port=$(host_port web)
    peer_ask_here "$LINK.1" "$port" >/dev/null
    # As "nft flush ruleset" and a reloaded firewall do it, but to our own table alone: others test on this machine, too.
    for command in "delete table ip dory-$ENV_BRIDGE" "flush table ip dory-$ENV_BRIDGE"; do
        nft "$command"
        for ((i = 0; i < 1500; i++)); do
            nft list chain ip "dory-$ENV_BRIDGE" forward 2>/dev/null | grep -q dnat && break
            sleep 0.02
        done
        [ "$(peer_ask "$LINK.1" "$port")" = "$LINK.2" ]
    done
    grep -q 'have been removed' "$ENV_DIR/doryd.log"
}

# Sends a megabyte on one connection and takes it back: once, and again for each line of its input.
echo_client() { # address port
    exec ip netns exec "$PEER" /usr/bin/python3 -c '
import socket, sys, threading
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
def exchange():
    data = bytes(range(256)) * 4096
    threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
    back = b""
    while len(back) < len(data):
        more = connection.recv(1 << 16)
        assert more, "the connection has ended"
        back += more
    assert back == data
    print("back", flush=True)
exchange()
for line in sys.stdin:
    exchange()
' "$1" "$2"
}

@test "a connection to a published port outlives the daemon, and a rule set that is replaced" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory run -d --name app --network one -p 80 busybox nc -ll -p 80 -e cat >/dev/null
    pid=$(dory inspect -f '{{.State.Pid}}' app)
    for ((i = 0; i < 1500; i++)); do
        grep -q ':0050 .* 0A ' /proc/"$pid"/net/tcp* && break
        sleep 0.02
    done
    coproc CLIENT { echo_client "$LINK.1" "$(host_port app)" 3>&- 4>&-; }
    read -r -t 60 answer <&"${CLIENT[0]}"
    [ "$answer" = back ]
    env_daemon_kill
    echo more >&"${CLIENT[1]}"
    read -r -t 60 answer <&"${CLIENT[0]}"
    [ "$answer" = back ]
    env_daemon_start
    dory network create two >/dev/null # the rules are replaced
    echo more >&"${CLIENT[1]}"
    read -r -t 60 answer <&"${CLIENT[0]}"
    [ "$answer" = back ]
    kill "$CLIENT_PID"
}
