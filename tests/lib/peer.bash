# Another host beside this one: a network namespace PEER, joined by a veth pair, with routes to everything by way of this
# host; and a server in a container that tells its clients which address they have. After env_start.

# Sets LINK and LINK6, whose first addresses are this host's ("$LINK.1", "$LINK6:1") and whose second ones the peer's.
peer_start() {
    export PEER=${ENV_BRIDGE}q LINK=${ENV_SUBNET/10.213/10.220} LINK6=fd13:aaaa:${ENV_SUBNET##*.}:
    ip netns add "$PEER"
    ip link add "${PEER}0" type veth peer name eth0 netns "$PEER"
    ip addr add "$LINK.1/24" dev "${PEER}0"
    ip -6 addr add "$LINK6:1/64" dev "${PEER}0" nodad
    ip link set "${PEER}0" up
    ip -n "$PEER" addr add "$LINK.2/24" dev eth0
    ip -n "$PEER" -6 addr add "$LINK6:2/64" dev eth0 nodad
    ip -n "$PEER" link set eth0 up
    ip -n "$PEER" link set lo up
    ip -n "$PEER" route add default via "$LINK.1"
    ip -n "$PEER" -6 route add default via "$LINK6:1"
}

peer_stop() {
    ip netns del "$PEER" 2>/dev/null || true
    ip link del "${PEER}0" 2>/dev/null || true
}

# Runs a container with servers on ports 80 and 81 that answer /cgi-bin/ip with their client's address, and waits for them.
peer_server() { # name options...
    local name=$1 pid i
    shift
    dory run -d --name "$name" "$@" busybox sh -c \
        'mkdir -p /w/cgi-bin && printf "#!/bin/sh\necho \"Content-Type: text/plain\"; echo; echo \"\$REMOTE_ADDR\"\n" >/w/cgi-bin/ip && chmod +x /w/cgi-bin/ip && httpd -p 81 -h /w && exec httpd -f -p 80 -h /w' >/dev/null || return 1
    pid=$(dory inspect -f '{{.State.Pid}}' "$name")
    for ((i = 0; i < 1500; i++)); do
        if grep -q ':0050 .* 0A ' /proc/"$pid"/net/tcp* && grep -q ':0051 .* 0A ' /proc/"$pid"/net/tcp*; then return; fi
        sleep 0.02
    done
    return 1
}

# Addresses without brackets, and of IPv4 as such.
peer_plain() {
    sed 's/[][]//g; s/^::ffff://'
}

# The client's address as the server at ADDRESS:PORT sees it, asked from this host, from the peer, and from a container.
peer_ask_here() { # address port
    local answer
    answer=$(curl -gsf -m 20 "http://$1:$2/cgi-bin/ip") || return
    echo "$answer" | peer_plain
}

peer_ask() { # address port [seconds]
    local answer
    answer=$(ip netns exec "$PEER" curl -gsf -m "${3:-20}" "http://$1:$2/cgi-bin/ip") || return
    echo "$answer" | peer_plain
}

peer_ask_from() { # container address port
    local answer
    answer=$(dory exec "$1" timeout 20 wget -q -O - "http://$2:$3/cgi-bin/ip") || return
    echo "$answer" | peer_plain
}

# Nobody answers.
peer_is_kept_out() { # address port
    local status=0
    ip netns exec "$PEER" curl -gsf -m 1 -o /dev/null "http://$1:$2/" || status=$?
    [ "$status" -ne 0 ]
}

peer_is_kept_out_from() { # container address port
    local status=0
    dory exec "$1" timeout 1 wget -q -O /dev/null "http://$2:$3/" || status=$?
    [ "$status" -ne 0 ]
}
