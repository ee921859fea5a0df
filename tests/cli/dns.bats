#!/usr/bin/env bats
# Names: the resolver at 127.0.0.11 of containers on networks of users, and what stands in resolv.conf and hosts.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    export SUBNET=${ENV_SUBNET/10.213/10.215} OTHER=${ENV_SUBNET/10.213/10.216}
    # A name server of the outside, on the bridge's own address.
    export UPSTREAM=$ENV_SUBNET.1 UPSTREAM_LOG=$ENV_DIR/upstream.log
    ip link set "$ENV_BRIDGE" up
    coproc SERVER { exec python3 "$ENV_SOURCE/tests/lib/dns.py" serve "$UPSTREAM" "$UPSTREAM_LOG" 3>&- 4>&-; }
    export SERVER_PID
    read -r -t 30 ready <&"${SERVER[0]}"
    [ "$ready" = ready ]
    disown "$SERVER_PID"
}

teardown_file() {
    [ -z "${SERVER_PID:-}" ] || kill "$SERVER_PID" 2>/dev/null || true
    env_stop
}

setup() {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
}

teardown() {
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
    dory network prune -f >/dev/null
}

start() { # name options...
    local name=$1
    shift
    dory run -d --name "$name" "$@" busybox sleep 1000
}

address() { # container network
    dory inspect -f "{{(index .NetworkSettings.Networks \"$2\").IPAddress}}" "$1"
}

# Asks from the container's network: code and answers in one line.
ask() { # container [--tcp] name [type]
    local pid tcp=
    pid=$(dory inspect -f '{{.State.Pid}}' "$1")
    shift
    if [ "$1" = --tcp ]; then
        tcp=--tcp
        shift
    fi
    nsenter -t "$pid" -n python3 "$ENV_SOURCE/tests/lib/dns.py" ask $tcp 127.0.0.11 "$@" | xargs
}

@test "containers are found by name, alias, short id and host name, by UDP and TCP" {
    id=$(start web --network one --network-alias www -h frontend)
    start app --network one >/dev/null
    ip=$(address web one)
    for name in web WEB www "${id:0:12}" frontend web.one www.one; do
        [ "$(ask app "$name")" = "NOERROR $ip" ] || { echo "$name"; false; }
        [ "$(ask app --tcp "$name")" = "NOERROR $ip" ] || { echo "tcp $name"; false; }
    done
    [ "$(ask app web AAAA)" = NOERROR ]
    [ "$(ask app web TXT)" = NOERROR ]
    reverse=$(echo "$ip" | awk -F. '{ print $4 "." $3 "." $2 "." $1 ".in-addr.arpa" }')
    [ "$(ask app "$reverse" PTR)" = "NOERROR web.one" ]
    dory exec app nslookup web
    dory exec app ping -c1 -W5 web >/dev/null
    dory rename web site
    [ "$(ask app site)" = "NOERROR $ip" ]
}

@test "several containers of one alias take turns; those that ended are not named" {
    start w1 --network one --network-alias web >/dev/null
    start w2 --network one --network-alias web >/dev/null
    start app --network one >/dev/null
    one=$(ask app web) two=$(ask app web)
    [ "$one" != "$two" ]
    [ "$(echo "$one" | xargs -n1 | sort | xargs)" = "$(echo "$two" | xargs -n1 | sort | xargs)" ]
    dory stop -t 0 w1 >/dev/null
    [ "$(ask app web)" = "NOERROR $(address w2 one)" ]
}

@test "names are known on their own network only; connecting makes them known" {
    dory network create --subnet "$OTHER.0/24" two >/dev/null
    start web --network two >/dev/null
    start app --network one --dns "$UPSTREAM" >/dev/null
    start plain --dns "$UPSTREAM" >/dev/null
    : >"$UPSTREAM_LOG"
    [ "$(ask app web)" = "NOERROR 192.0.2.53" ] # what the outside says
    grep -qx 'udp web' "$UPSTREAM_LOG"
    dory network connect --alias www two app
    [ "$(ask app web)" = "NOERROR $(address web two)" ]
    [ "$(ask web www)" = "NOERROR $(address app two)" ]
    dory network disconnect two app
    [ "$(ask app web)" = "NOERROR 192.0.2.53" ]
    # The default bridge has no names; a container of it that joins another network is served from then on.
    grep -qx "nameserver $UPSTREAM" <(dory exec plain cat /etc/resolv.conf)
    dory network connect two plain
    grep -qx 'nameserver 127.0.0.11' <(dory exec plain cat /etc/resolv.conf)
    [ "$(ask plain web)" = "NOERROR $(address web two)" ]
}

@test "other names go to the servers asked for, by UDP and by TCP; nothing leaves an internal network" {
    dory network create --internal --subnet "$OTHER.0/24" inside >/dev/null
    start app --network one --dns "$UPSTREAM" >/dev/null
    start locked --network inside --dns "$UPSTREAM" >/dev/null
    : >"$UPSTREAM_LOG"
    [ "$(ask app host.example)" = "NOERROR 192.0.2.53" ]
    [ "$(ask app --tcp host.example)" = "NOERROR 192.0.2.53" ]
    [ "$(sort "$UPSTREAM_LOG" | xargs)" = "tcp host.example udp host.example" ]
    : >"$UPSTREAM_LOG"
    [ "$(ask locked host.example)" = SERVFAIL ]
    [ "$(ask locked --tcp host.example)" = SERVFAIL ]
    [ "$(ask locked locked)" = "NOERROR $(address locked inside)" ]
    [ ! -s "$UPSTREAM_LOG" ]
    # A server that does not answer is passed over.
    start second --network one --dns "$ENV_SUBNET.2" --dns "$UPSTREAM" >/dev/null
    [ "$(ask second host.example)" = "NOERROR 192.0.2.53" ]
}

@test "links give names to one container alone" {
    start db --network one >/dev/null
    start app --network one --link db:database >/dev/null
    start other --network one --dns "$UPSTREAM" >/dev/null
    [ "$(ask app database)" = "NOERROR $(address db one)" ]
    [ "$(ask other database)" = "NOERROR 192.0.2.53" ]
    dory exec app ping -c1 -W5 database >/dev/null
}

@test "a daemon that was killed answers again when it is back" {
    start web --network one --network-alias www >/dev/null
    start app --network one --dns "$UPSTREAM" >/dev/null
    env_daemon_kill
    env_daemon_start
    [ "$(ask app www)" = "NOERROR $(address web one)" ]
    [ "$(ask app --tcp host.example)" = "NOERROR 192.0.2.53" ]
}

@test "port 53 of the container is its own, and broken messages do no harm" {
    start app --network one >/dev/null
    pid=$(dory inspect -f '{{.State.Pid}}' app)
    nsenter -t "$pid" -n python3 - "$ENV_SOURCE/tests/lib/dns.py" >"$ENV_DIR/asked" <<'EOF'
import socket, subprocess, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 53))
tcp = socket.create_server(("0.0.0.0", 53))
for how in [], ["--tcp"]:
    subprocess.run([sys.executable, sys.argv[1], "ask", *how, "127.0.0.11", "app"], check=True)
EOF
    [ "$(xargs <"$ENV_DIR/asked")" = "NOERROR $(address app one) NOERROR $(address app one)" ]
    nsenter -t "$pid" -n python3 "$ENV_SOURCE/tests/lib/dns.py" raw 127.0.0.11 "" 00 00010000000100000000 \
        00018180000100000000000003777777000001000100 000101000001000000000000ffffffff \
        00010100000100000000000003777777 0001010000010000000000003f61
    [ "$(ask app app)" = "NOERROR $(address app one)" ]
    nsenter -t "$pid" -n dig @127.0.0.11 +opcode=STATUS app | grep -q 'status: NOTIMP'
}

@test "answers that are too long for UDP are cut, and whole by TCP" {
    # 40 addresses take 640 bytes; the same ones, whoever asks how.
    dory run -d --name app --network one busybox sleep 1000 >/dev/null
    pid=$(dory inspect -f '{{.State.Pid}}' app)
    for i in $(seq 40); do
        dory create --network one --network-alias many busybox sleep 1000
    done | xargs "$ENV_CLI" start >/dev/null
    dig_many() {
        nsenter -t "$pid" -n dig @127.0.0.11 many "$@"
    }
    dig_many +noedns +ignore | grep -q '^;; flags: qr tc rd ra;'
    [ "$(dig_many +noedns +short | sort -u | wc -l)" -eq 40 ] # asks again by TCP
    [ "$(dig_many +ignore +bufsize=4096 +short | sort -u | wc -l)" -eq 40 ]
    dig_many +ignore +bufsize=4096 | grep -q '^;; flags: qr rd ra;'
    run ! grep -q . <(dig_many +noedns | grep 'EDNS: version')
}

@test "resolv.conf and hosts are as docker writes them" {
    dory run --rm --network one --dns-search a.example --dns-search b.example --dns-option timeout:3 -h box \
        --add-host extra:192.0.2.9 busybox sh -c 'cat /etc/resolv.conf /etc/hosts' >"$ENV_DIR/files"
    grep -qx 'nameserver 127.0.0.11' "$ENV_DIR/files"
    [ "$(grep -c nameserver "$ENV_DIR/files")" -eq 1 ]
    grep -qx 'search a.example b.example' "$ENV_DIR/files"
    grep -qx 'options timeout:3 ndots:0' "$ENV_DIR/files"
    grep -qx "$SUBNET.[0-9]*	box" "$ENV_DIR/files"
    grep -qx '192.0.2.9	extra' "$ENV_DIR/files"
    run dory run --rm --network one --dns-option ndots:2 busybox cat /etc/resolv.conf
    [ "$(echo "$output" | grep -c ndots)" -eq 1 ]
}
