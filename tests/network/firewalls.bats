#!/usr/bin/env bats
# Beside the firewalls and engines that people have: ufw, firewalld, dockerd and podman, the real ones, in a namespace of
# their own that stands for the host. What is published is reached from another host and containers reach that one, whoever came
# first and whatever makes its rules anew.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's rules beside others'"
    HOST_DIR=$(mktemp -d "${TMPDIR:-/tmp}/dory-firewalls.XXXXXX")
    export HOST_DIR
    mkdir "$HOST_DIR/bin" "$HOST_DIR/www" "$HOST_DIR/dbus"
    echo outside >"$HOST_DIR/www/x"
    # doryd runs in that host's namespaces.
    ln -s "$DORY_BIN"/* "$HOST_DIR/bin/"
    rm "$HOST_DIR/bin/doryd"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec nsenter -t "$(cat %s/host)" -n -m %s/doryd "$@"\n' "$HOST_DIR" "$DORY_BIN" >"$HOST_DIR/bin/doryd"
    chmod +x "$HOST_DIR/bin/doryd"
}

teardown_file() {
    [ -z "${HOST_DIR:-}" ] || rm -rf "$HOST_DIR"
}

on_host() {
    nsenter -t "$(cat "$HOST_DIR/host")" -n -m "$@"
}

on_peer() {
    nsenter -t "$(cat "$HOST_DIR/peer")" -n "$@"
}

soon() {
    for _ in $(seq 600); do
        "$@" && return
        sleep 0.05
    done
    return 1
}

setup() {
    unshare -n -m --propagation private sh -c 'ip link set lo up && echo $$ >"$0" && exec sleep 100000' "$HOST_DIR/host" 3>&- 4>&- &
    unshare -n sh -c 'ip link set lo up && echo $$ >"$0" && exec sleep 100000' "$HOST_DIR/peer" 3>&- 4>&- &
    soon test -s "$HOST_DIR/host"
    soon test -s "$HOST_DIR/peer"
    ip link add dfwA netns "$(cat "$HOST_DIR/host")" type veth peer name dfwB netns "$(cat "$HOST_DIR/peer")"
    on_host sh -c 'ip addr add 198.51.100.1/24 dev dfwA && ip link set dfwA up && ip route add default via 198.51.100.2'
    on_peer sh -c 'ip addr add 198.51.100.2/24 dev dfwB && ip link set dfwB up'
    nsenter -t "$(cat "$HOST_DIR/peer")" -n busybox httpd -f -p 81 -h "$HOST_DIR/www" 3>&- 4>&- &
    echo $! >"$HOST_DIR/httpd.pid"
    # What they keep is this host's own.
    for name in ufw firewalld; do
        [ -e "/etc/$name" ] || continue
        cp -a "/etc/$name" "$HOST_DIR/$name"
        on_host mount --bind "$HOST_DIR/$name" "/etc/$name"
    done
    on_host mount --bind "$HOST_DIR/dbus" /run/dbus
    DORY_BIN=$HOST_DIR/bin
    PATH=$DORY_BIN:$PATH
}

teardown() {
    env_stop
    [ ! -d "$HOST_DIR/podman" ] || podman_cmd rm -fa -t 0 >/dev/null 2>&1 || true
    for name in firewalld bus docker httpd; do
        [ ! -s "$HOST_DIR/$name.pid" ] || kill "$(cat "$HOST_DIR/$name.pid")" 2>/dev/null || true
        [ ! -s "$HOST_DIR/$name.pid" ] || env_wait_gone "$(cat "$HOST_DIR/$name.pid")"
    done
    for name in host peer; do
        [ ! -s "$HOST_DIR/$name" ] || kill -9 "$(cat "$HOST_DIR/$name")" 2>/dev/null || true
    done
    rm -rf "$HOST_DIR"/{host,peer,ufw,firewalld,docker,podman} "$HOST_DIR"/*.pid "$HOST_DIR"/dbus/*
}

start_daemon() {
    env_start
    env_images busybox
}

# One container on the default bridge and one on a network of its own, with a published port each.
start_containers() {
    dory network create web >/dev/null
    local network port=8080
    for network in web bridge; do
        dory run -d --name "on-$network" --network "$network" -p "$port:80" busybox \
            sh -c 'mkdir w; echo inside >w/x; exec httpd -f -h w -p 80' >/dev/null
        port=$((port + 1))
    done
}

works() {
    local network port=8080
    for network in web bridge; do
        [ "$(on_peer curl -s -m 5 "http://198.51.100.1:$port/x")" = inside ] || return
        [ "$(on_host curl -s -m 5 "http://127.0.0.1:$port/x")" = inside ] || return
        [ "$(dory exec "on-$network" timeout 5 wget -qO- http://198.51.100.2:81/x 2>/dev/null)" = outside ] || return
        port=$((port + 1))
    done
}

@test "beside ufw, which denies what is routed: over its reload, and with an empty ruleset" {
    command -v ufw >/dev/null || skip "no ufw"
    start_daemon
    start_containers
    soon works
    on_host ufw --force enable
    on_host iptables -S FORWARD | grep -qx -- '-P FORWARD DROP'
    soon works
    on_host ufw reload
    soon works
    # A network that comes later, and another daemon.
    dory network create later >/dev/null
    [ "$(dory run --rm --network later busybox timeout 20 wget -qO- http://198.51.100.2:81/x)" = outside ]
    env_daemon_kill
    env_daemon_start
    soon works
    on_host nft flush ruleset
    soon works
    # What it is told to deny it denies.
    on_host ufw --force enable
    on_host ufw route deny from any to 198.51.100.2
    soon works_not_outward
}

works_not_outward() {
    if dory exec on-web timeout 5 wget -qO- http://198.51.100.2:81/x 2>/dev/null; then
        return 1
    fi
}

start_firewalld() {
    on_host dbus-daemon --system --fork --nopidfile --print-pid 3>&- 4>&- >"$HOST_DIR/bus.pid"
    nsenter -t "$(cat "$HOST_DIR/host")" -n -m firewalld --nofork --nopid >"$HOST_DIR/firewalld.log" 2>&1 3>&- 4>&- &
    echo $! >"$HOST_DIR/firewalld.pid"
    soon on_host firewall-cmd --state >/dev/null 2>&1
}

is_trusted() { # interface
    on_host firewall-cmd --zone=trusted --list-interfaces | grep -qw -- "$1"
}

@test "beside firewalld, which refuses what is forwarded: started before and after us, over its reload" {
    command -v firewalld >/dev/null || skip "no firewalld"
    start_daemon
    start_containers
    soon works
    start_firewalld
    soon works
    is_trusted "$ENV_BRIDGE"
    on_host firewall-cmd --reload
    soon works
    # A network that comes when it is there, and goes.
    dory network create later >/dev/null
    bridge=br-$(dory network inspect -f '{{.Id}}' later | cut -c1-12)
    is_trusted "$bridge"
    [ "$(dory run --rm --network later busybox timeout 20 wget -qO- http://198.51.100.2:81/x)" = outside ]
    dory network rm later >/dev/null
    run ! is_trusted "$bridge"
    dory network create --internal inside >/dev/null
    run ! is_trusted "br-$(dory network inspect -f '{{.Id}}' inside | cut -c1-12)"
    on_host firewall-cmd --complete-reload
    soon works
    # It was there first.
    env_daemon_kill
    on_host firewall-cmd --zone=trusted --remove-interface="$ENV_BRIDGE"
    env_daemon_start
    soon works
    # An administrator's zone is kept.
    on_host firewall-cmd --zone=trusted --remove-interface="$ENV_BRIDGE"
    on_host firewall-cmd --zone=drop --add-interface="$ENV_BRIDGE"
    env_daemon_kill
    env_daemon_start
    [ "$(on_host firewall-cmd --get-zone-of-interface="$ENV_BRIDGE")" = drop ]
}

@test "beside firewalld with its iptables backend" {
    command -v firewalld >/dev/null || skip "no firewalld"
    sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/' "$HOST_DIR/firewalld/firewalld.conf"
    grep -qx FirewallBackend=iptables "$HOST_DIR/firewalld/firewalld.conf"
    start_daemon
    start_containers
    start_firewalld
    on_host iptables -S FORWARD_direct >/dev/null
    run ! on_host nft list table inet firewalld
    soon works
    is_trusted "$ENV_BRIDGE"
    on_host firewall-cmd --reload
    soon works
    on_host firewall-cmd --complete-reload
    soon works
    env_daemon_kill
    on_host firewall-cmd --zone=trusted --remove-interface="$ENV_BRIDGE"
    env_daemon_start
    soon works
    dory network create later >/dev/null
    is_trusted "br-$(dory network inspect -f '{{.Id}}' later | cut -c1-12)"
    [ "$(dory run --rm --network later busybox timeout 20 wget -qO- http://198.51.100.2:81/x)" = outside ]
}

@test "beside dockerd, which was there first and whose FORWARD drops" {
    command -v dockerd >/dev/null || skip "no dockerd"
    on_host sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward' # it drops where it is the one who switches that on
    start_dockerd
    on_host iptables -S FORWARD | grep -qx -- '-P FORWARD DROP'
    start_daemon
    start_containers
    soon works
    dory network create later >/dev/null
    [ "$(dory run --rm --network later busybox timeout 20 wget -qO- http://198.51.100.2:81/x)" = outside ]
    env_daemon_kill
    env_daemon_start
    soon works
}

start_dockerd() {
    mkdir -p "$HOST_DIR/docker"
    nsenter -t "$(cat "$HOST_DIR/host")" -n -m dockerd --data-root "$HOST_DIR/docker/data" --exec-root "$HOST_DIR/docker/run" --pidfile "$HOST_DIR/docker/pid" \
        -H "unix://$HOST_DIR/docker/sock" >"$HOST_DIR/docker/log" 2>&1 3>&- 4>&- &
    echo $! >"$HOST_DIR/docker.pid"
    soon curl -sf --unix-socket "$HOST_DIR/docker/sock" http://docker/_ping >/dev/null
}

# ---- containers of another engine beside ours ----

# Their server, called "theirs", has port 8090: reached from another host, from this one and from our containers, and it
# reaches what is outside and our published ports.
theirs_works() { # command that runs another in it
    [ "$(on_peer curl -s -m 5 http://198.51.100.1:8090/x)" = theirs ] &&
        [ "$(on_host curl -s -m 5 http://198.51.100.1:8090/x)" = theirs ] &&
        [ "$(dory exec on-web timeout 5 wget -qO- http://198.51.100.1:8090/x 2>/dev/null)" = theirs ] &&
        [ "$("$@" timeout 5 wget -qO- http://198.51.100.2:81/x 2>/dev/null)" = outside ] &&
        [ "$("$@" timeout 5 wget -qO- http://198.51.100.1:8080/x 2>/dev/null)" = inside ]
}

SERVE='mkdir -p w; echo theirs >w/x; exec httpd -f -h w -p 80'

podman_cmd() {
    on_host env -u DOCKER_CONFIG -u DOCKER_HOST TMPDIR="$HOST_DIR/podman/tmp" podman --root "$HOST_DIR/podman/storage" --runroot "$HOST_DIR/podman/run" \
        --tmpdir "$HOST_DIR/podman/libpod" --cgroup-manager cgroupfs --events-backend file --runtime "$DORY_BIN/dory-runtime" "$@" 3>&- 4>&-
}

@test "beside podman: neither breaks the other, whoever starts anew, and when the rules are flushed" {
    command -v podman >/dev/null || skip "no podman"
    mkdir -p "$HOST_DIR"/podman/{tmp,cni,hosts}
    on_host mkdir -p /var/lib/cni
    on_host mount --bind "$HOST_DIR/podman/cni" /var/lib/cni
    start_daemon
    start_containers
    podman_cmd import "$(busybox_tar)" localhost/busybox:latest >/dev/null
    podman_cmd run -d --name theirs --cgroup-parent "/$ENV_BRIDGE-podman" --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 -p 8090:80 \
        localhost/busybox sh -c "$SERVE" >/dev/null
    soon works
    soon theirs_works podman_cmd exec theirs
    # We start anew, and go.
    env_daemon_kill
    env_daemon_start
    works && theirs_works podman_cmd exec theirs
    dory run --rm -p 8091:80 busybox true
    theirs_works podman_cmd exec theirs
    # They do.
    podman_cmd restart -t 0 theirs >/dev/null
    soon theirs_works podman_cmd exec theirs
    works
    # All rules have gone: ours come back by themselves, theirs when they are asked for.
    on_host nft flush ruleset
    soon works
    podman_cmd network reload theirs >/dev/null
    soon theirs_works podman_cmd exec theirs
    works
    podman_cmd rm -f -t 0 theirs >/dev/null
    works
}

docker_cmd() {
    env -u DOCKER_CONFIG DOCKER_HOST="unix://$HOST_DIR/docker/sock" /usr/bin/docker "$@" 3>&- 4>&-
}

@test "beside containers of docker: neither breaks the other, whoever starts anew, and when the rules are flushed" {
    command -v dockerd >/dev/null || skip "no dockerd"
    [ -x /usr/bin/docker ] || skip "no docker"
    start_dockerd
    start_daemon
    start_containers
    docker_cmd import "$(busybox_tar)" busybox:latest >/dev/null
    docker_cmd run -d --name theirs --cgroup-parent "/$ENV_BRIDGE-docker" -p 8090:80 busybox sh -c "$SERVE" >/dev/null
    soon works
    soon theirs_works docker_cmd exec theirs
    env_daemon_kill
    env_daemon_start
    works && theirs_works docker_cmd exec theirs
    dory run --rm -p 8091:80 busybox true
    theirs_works docker_cmd exec theirs
    docker_cmd restart -t 0 theirs >/dev/null
    soon theirs_works docker_cmd exec theirs
    works
    on_host nft flush ruleset
    soon works
    kill "$(cat "$HOST_DIR/docker.pid")"
    env_wait_gone "$(cat "$HOST_DIR/docker.pid")"
    start_dockerd
    docker_cmd start theirs >/dev/null
    soon theirs_works docker_cmd exec theirs
    works
    docker_cmd rm -f theirs >/dev/null
    works
}
