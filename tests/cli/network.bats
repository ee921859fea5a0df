#!/usr/bin/env bats
# The bridge, published ports, and a second host (a network namespace).

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    # The other host: a namespace with a veth to this one.
    export PEER=${ENV_BRIDGE}p
    ip netns add "$PEER"
    ip link add "${PEER}0" type veth peer name eth0 netns "$PEER"
    ip addr add "${ENV_SUBNET/10.213/10.214}.1/24" dev "${PEER}0"
    ip link set "${PEER}0" up
    ip -n "$PEER" addr add "${ENV_SUBNET/10.213/10.214}.2/24" dev eth0
    ip -n "$PEER" link set eth0 up
    ip -n "$PEER" link set lo up
    ip -n "$PEER" route add default via "${ENV_SUBNET/10.213/10.214}.1"
    export HOST_ADDRESS=${ENV_SUBNET/10.213/10.214}.1
}

teardown_file() {
    ip netns del "$PEER" 2>/dev/null || true
    ip link del "${PEER}0" 2>/dev/null || true
    env_stop
}

# A server that answers every connection with its peer's address.
server() { # name, options...
    local name=$1
    shift
    dory run -d --name "$name" "$@" busybox sh -c \
        'mkdir -p /w && printf "#!/bin/sh\necho \"Content-Type: text/plain\"; echo; echo \"from \$REMOTE_ADDR\"\n" >/w/ip && mkdir -p /w/cgi-bin && mv /w/ip /w/cgi-bin/ip && chmod +x /w/cgi-bin/ip && exec httpd -f -p 80 -h /w'
    local pid
    pid=$(dory inspect -f '{{.State.Pid}}' "$name")
    for _ in $(seq 200); do
        grep -q ':0050 .* 0A ' /proc/"$pid"/net/tcp* && return
        sleep 0.02
    done
    return 1
}

@test "a published port answers on loopback, on the host's address, and from another host with its own address" {
    server web1 -p 8080
    port=$(dory port web1 8080 || true)
    dory rm -f web1
    server web1 -p 80
    port=$(dory port web1 80 | head -1 | sed 's/.*://')
    curl -sf "http://127.0.0.1:$port/cgi-bin/ip"
    curl -sf "http://$HOST_ADDRESS:$port/cgi-bin/ip"
    run ip netns exec "$PEER" curl -sf "http://$HOST_ADDRESS:$port/cgi-bin/ip"
    [[ $output == *"${HOST_ADDRESS%.1}.2"* ]]
    dory rm -f web1
}

@test "a port published on loopback is closed to other hosts" {
    server web2 -p 127.0.0.1::80
    port=$(dory port web2 80 | sed 's/.*://')
    curl -sf "http://127.0.0.1:$port/cgi-bin/ip"
    run ip netns exec "$PEER" curl -sf -m 2 "http://$HOST_ADDRESS:$port/"
    [ "$status" -ne 0 ]
    # Nor by routing 127.0.0.1 or the container's own address at us.
    ip -n "$PEER" route add "$ENV_SUBNET.0/24" via "$HOST_ADDRESS"
    address=$(dory inspect -f '{{.NetworkSettings.IPAddress}}' web2)
    run ip netns exec "$PEER" curl -sf -m 2 "http://$address/"
    [ "$status" -ne 0 ]
    ip -n "$PEER" route del "$ENV_SUBNET.0/24"
    dory rm -f web2
}

@test "containers reach each other and the published port of another" {
    server web3 -p 80
    address=$(dory inspect -f '{{.NetworkSettings.IPAddress}}' web3)
    port=$(dory port web3 80 | head -1 | sed 's/.*://')
    run dory run --rm busybox wget -qO- "http://$address/cgi-bin/ip"
    [[ $output == from*"$ENV_SUBNET."* ]]
    run dory run --rm busybox wget -qO- "http://$ENV_SUBNET.1:$port/cgi-bin/ip"
    [[ $output == from* ]]
    # The container reaches itself through its own published port.
    pid=$(dory inspect -f '{{.State.Pid}}' web3)
    run nsenter -t "$pid" -n curl -sf -m 3 "http://$HOST_ADDRESS:$port/cgi-bin/ip"
    [ "$status" -eq 0 ]
    dory rm -f web3
}

@test "udp is published" {
    port=$(free_port)
    dory run -d --name udp1 -p "127.0.0.1:$port:5000/udp" busybox sleep 60
    # This busybox speaks no UDP: the echo server is the host's python in the container's network.
    nsenter -t "$(dory inspect -f '{{.State.Pid}}' udp1)" -n timeout 20 /usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5000))
while True:
    data, peer = s.recvfrom(100)
    s.sendto(data, peer)' 3>&- &
    server=$!
    answer=
    for _ in $(seq 50); do
        answer=$(printf 'hello' | timeout 2 socat -t 0.2 - "UDP:127.0.0.1:$port" 2>/dev/null) || true # not listening yet
        [ -z "$answer" ] || break
        sleep 0.05
    done
    kill $server
    [ "$answer" = hello ]
    dory rm -f udp1
}

@test "a range is published one to one" {
    base=$(free_port)
    dory run -d --name range1 -p "127.0.0.1:$base-$((base + 2)):7000-7002" busybox sh -c 'for p in 7000 7001 7002; do (while :; do echo $p | nc -l -p $p; done) & done; wait'
    sleep 0.4
    for i in 0 1 2; do
        run bash -c 'timeout 2 nc 127.0.0.1 "$1" </dev/null' - $((base + i))
        [ "$output" = $((7000 + i)) ]
    done
    [[ $(dory ps --filter name=range1 --format '{{.Ports}}') == "127.0.0.1:$base->7000/tcp, 127.0.0.1:$((base + 1))->7001/tcp, 127.0.0.1:$((base + 2))->7002/tcp" ]]
    dory rm -f range1
}

@test "-P publishes what is exposed" {
    dory run -d --name pub -P --expose 81 --expose 82/udp busybox sleep 60
    [[ $(dory port pub 81/tcp | head -1) =~ ^0\.0\.0\.0:[0-9]+$ ]]
    [[ $(dory port pub 82/udp | head -1) =~ ^0\.0\.0\.0:[0-9]+$ ]]
    dory rm -f pub
}

@test "a port in use is refused and the container is not running" {
    /usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("0.0.0.0", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)' >"$BATS_TEST_TMPDIR/port" 3>&- 4>&- &
    holder=$!
    for _ in $(seq 100); do [ -s "$BATS_TEST_TMPDIR/port" ] && break; sleep 0.02; done
    port=$(cat "$BATS_TEST_TMPDIR/port")
    run dory run --name inuse -p "$port:80" busybox true
    kill $holder
    [ "$status" -eq 125 ]
    [[ $output == *"address already in use"* ]]
    [ "$(dory inspect -f '{{.State.Running}}' inuse)" = false ]
    dory rm inuse
    dory run -d --name first -p "$port:80" busybox sleep 60
    run dory run --name second -p "$port:80" busybox true
    [ "$status" -eq 125 ]
    [[ $output == *"Bind for 0.0.0.0:$port failed: port is already allocated"* ]]
    dory rm -f first second
}

# Runs the command until it succeeds, five times at most.
outside() {
    local try
    for try in 1 2 3 4 5; do
        "$@" && return
    done
    return 1
}

@test "the outside is reached through NAT and names resolve" {
    mirror=$(apt_mirror | sed 's,^[a-z]*://,,; s,/.*,,')
    [ -n "$mirror" ] || skip "apt on this machine has no Debian mirror"
    # A static busybox has no resolver but nslookup's, so name and connection are shown one after the other.
    # What is outside may be slow, or lose a packet.
    run outside dory run --rm busybox nslookup "$mirror"
    [ "$status" -eq 0 ]
    address=$(getent ahostsv4 "$mirror" | awk 'NR == 1 {print $1}')
    run outside dory run --rm busybox sh -c \
        'printf "HEAD / HTTP/1.0\r\nHost: $1\r\n\r\n" | nc -w 20 "$2" 80 | grep "^HTTP/1"' - "$mirror" "$address"
    [ "$status" -eq 0 ]
}

@test "addresses are given back" {
    for _ in 1 2 3 4 5; do dory run --rm busybox true; done
    id=$(dory run -d --rm busybox sleep 30)
    n=$(dory inspect -f '{{.NetworkSettings.IPAddress}}' "$id" | sed 's/.*\.//')
    [ "$n" -lt 12 ]
    dory rm -f "$id"
}
