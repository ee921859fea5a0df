# Shared by the bats files, the demo, the benchmarks and the crash test: a private doryd with its own roots, socket,
# bridge and subnet; base images; a loopback registry. Everything lives below one temporary directory and is gone after
# env_stop.
#
#   DORY_BIN     where the programs are (default: bin/ of the source tree)
#   DORY_CACHE   where base images are kept between runs (default: build/cache of the source tree)

ENV_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DORY_BIN=${DORY_BIN:-$ENV_SOURCE/bin}
DORY_CACHE=${DORY_CACHE:-$ENV_SOURCE/build/cache}
export DORY_BIN DORY_CACHE
PATH=$DORY_BIN:$PATH

# The command under test. ENV_ENGINE=docker runs the same tests against a private dockerd and its CLI: what they state is
# then known to be docker's behaviour. ENV_DOCKER names another docker CLI.
ENV_ENGINE=${ENV_ENGINE:-dory}
ENV_CLI=$DORY_BIN/dory
[ "$ENV_ENGINE" = dory ] || ENV_CLI=${ENV_DOCKER:-/usr/bin/docker}
export ENV_ENGINE ENV_CLI
dory() {
    "$ENV_CLI" "$@"
}

# The programs were built with AddressSanitizer: they need more memory, and the shim is no static program.
env_sanitized() {
    grep -q __asan_init "$DORY_BIN/doryd"
}

# env_start [doryd option...]: sets ENV_DIR, ENV_BRIDGE, ENV_SUBNET, DORY_HOST and DOCKER_HOST, and waits for the daemon.
# ENV_LAUNCH is a command that the daemon is started through (an array; it has to exec it).
# With ENV_RUN_TMPFS set the state of what runs lies in memory, as /run does on a machine that systemd booted.
env_start() {
    ENV_DIR=$(mktemp -d "${TMPDIR:-/tmp}/dory-env.XXXXXX")
    if [ -n "${ENV_RUN_TMPFS:-}" ]; then
        mkdir "$ENV_DIR/run"
        mount -t tmpfs dory "$ENV_DIR/run"
    fi
    # A third octet that no other environment on this machine uses at the moment: the bridge's name claims it.
    local n
    for n in $(shuf -i 1-250); do
        if ip link add "doryt$n" type bridge 2>/dev/null; then
            ENV_BRIDGE=doryt$n
            ENV_SUBNET=10.213.$n
            break
        fi
    done
    ip link del "$ENV_BRIDGE"
    export ENV_DIR ENV_BRIDGE ENV_SUBNET
    export DORY_HOST=unix://$ENV_DIR/dory.sock DOCKER_HOST=unix://$ENV_DIR/dory.sock
    export DOCKER_CONFIG=$ENV_DIR/client
    unset DOCKER_CONTEXT
    mkdir -p "$DOCKER_CONFIG"
    echo "${ENV_CONFIG:-{\}}" >"$ENV_DIR/daemon.json"
    ENV_OPTIONS=("$@")
    env_daemon_start
}

# Starts doryd on the environment's roots (again, after env_daemon_kill).
env_daemon_start() {
    if [ "$ENV_ENGINE" = docker ]; then
        env_dockerd_start
        return
    fi
    ${ENV_LAUNCH[@]+"${ENV_LAUNCH[@]}"} "$DORY_BIN/doryd" --data-root "$ENV_DIR/data" --exec-root "$ENV_DIR/run" -H "unix://$ENV_DIR/dory.sock" \
        --pidfile "$ENV_DIR/doryd.pid" --config-file "$ENV_DIR/daemon.json" \
        --bridge "$ENV_BRIDGE" --bip "$ENV_SUBNET.1/24" --cgroup-parent "/$ENV_BRIDGE" ${ENV_OPTIONS[@]+"${ENV_OPTIONS[@]}"} \
        3>&- 4>&- >>"$ENV_DIR/doryd.log" 2>&1 &
    ENV_DAEMON=$!
    export ENV_DAEMON
    # bats runs setup_file and the tests in different shells: the pid travels in a file.
    echo "$ENV_DAEMON" >"$ENV_DIR/doryd.started"
    disown "$ENV_DAEMON" 2>/dev/null || true
    env_wait_ping
}

env_dockerd_start() {
    # dockerd leaves a forward policy of DROP behind, which would stop everybody else's containers.
    iptables-save >"$ENV_DIR/iptables"
    ip link add "$ENV_BRIDGE" type bridge 2>/dev/null && ip addr add "$ENV_SUBNET.1/24" dev "$ENV_BRIDGE" && ip link set "$ENV_BRIDGE" up
    ${ENV_LAUNCH[@]+"${ENV_LAUNCH[@]}"} dockerd --data-root "$ENV_DIR/data" --exec-root "$ENV_DIR/run" \
        -H "unix://$ENV_DIR/dory.sock" --pidfile "$ENV_DIR/doryd.pid" --config-file "$ENV_DIR/daemon.json" \
        --bridge "$ENV_BRIDGE" \
        3>&- 4>&- >>"$ENV_DIR/doryd.log" 2>&1 &
    ENV_DAEMON=$!
    echo "$ENV_DAEMON" >"$ENV_DIR/doryd.started"
    disown "$ENV_DAEMON" 2>/dev/null || true
    env_wait_ping
}

env_daemon_pid() {
    cat "$ENV_DIR/doryd.started"
}

env_wait_ping() {
    local i
    for ((i = 0; i < 1500; i++)); do
        if curl -sf --unix-socket "$ENV_DIR/dory.sock" http://dory/_ping >/dev/null; then
            return 0
        fi
        if ! kill -0 "$(env_daemon_pid)" 2>/dev/null; then
            break
        fi
        sleep 0.02
    done
    echo "doryd did not come up; its log:" >&2
    cat "$ENV_DIR/doryd.log" >&2
    return 1
}

# Waits until the process is gone; it need not be our child.
env_wait_gone() {
    local i
    for ((i = 0; i < 1500; i++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.02
    done
    return 1
}

env_daemon_kill() {
    local pid
    pid=$(env_daemon_pid)
    kill "-${1:-KILL}" "$pid" 2>/dev/null || true
    env_wait_gone "$pid"
}

# Removes every container, ends the daemon, and removes the bridge, the firewall table and the directory.
env_stop() {
    [ -n "${ENV_DIR:-}" ] || return 0
    local ids
    ids=$(dory ps -aq 2>/dev/null) || true
    if [ -n "$ids" ]; then
        # shellcheck disable=SC2086
        dory rm -f -v $ids >/dev/null 2>&1 || true
    fi
    dory network prune -f >/dev/null 2>&1 || true
    env_daemon_kill TERM
    env_remove_network
    [ ! -e "$ENV_DIR/iptables" ] || iptables-restore <"$ENV_DIR/iptables"
    [ -z "${ENV_RUN_TMPFS:-}" ] || umount "$ENV_DIR/run"
    rm -rf "$ENV_DIR"
    ENV_DIR=
}

env_remove_network() {
    find /sys/fs/cgroup -depth -type d -path "*/$ENV_BRIDGE*" -exec rmdir {} + 2>/dev/null || true
    ip link del "$ENV_BRIDGE" 2>/dev/null || true
    env_remove_rules "$ENV_BRIDGE"
}

# What stands for the bridge's name in the rules of a daemon that has none: its log, which is read here, tells.
env_rules_name() {
    sed -n 's/.*tables are named dory-\(none-[0-9a-f]*\).*/\1/p' | sort -u
}

# What a daemon leaves of its rules, known by the bridge's name (or what stands for it): the tables, and its chain beside
# docker's rules, where there are such.
env_remove_rules() { # name
    local family name handle
    nft list tables 2>/dev/null | grep -wF "dory-$1" | while read -r _ family name; do
        nft delete table "$family" "$name"
    done
    for family in ip ip6; do
        nft list chain "$family" filter "DORY-$1" >/dev/null 2>&1 || continue
        handle=$(nft -a list chain "$family" filter FORWARD | sed -n "s/.*jump DORY-$1 .*handle //p")
        [ -z "$handle" ] || nft delete rule "$family" filter FORWARD handle "$handle"
        nft flush chain "$family" filter "DORY-$1"
        nft delete chain "$family" filter "DORY-$1"
    done
}

# env_crun FILE: a program that is crun. It refuses hosts whose cgroup2 hierarchy has controllers beside those of v1: there it is shown v1 alone.
env_crun() {
    printf '#!/bin/sh\nexec crun "$@"\n' >"$1"
    if grep -q . /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null; then
        printf '#!/bin/sh\nexec unshare -m sh -c '"'"'umount -l /sys/fs/cgroup/unified; exec crun "$@"'"'"' crun "$@"\n' >"$1"
    fi
    chmod 755 "$1"
}

# ---- base images ----

# A root filesystem of Debian's busybox-static as a tar: prints its path.
busybox_tar() {
    local tar=$DORY_CACHE/busybox.tar
    if [ ! -s "$tar" ]; then
        local root
        mkdir -p "$DORY_CACHE"
        root=$(mktemp -d)
        mkdir -p "$root"/{bin,dev,etc,home,proc,root,sys,tmp,usr/bin,usr/sbin,sbin,var/run}
        chmod 755 "$root"
        chmod 1777 "$root/tmp"
        cp /bin/busybox "$root/bin/busybox"
        local applet
        for applet in $(/bin/busybox --list); do
            [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
        done
        printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n' \
            >"$root/etc/passwd"
        printf 'root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\naudio:x:29:nobody,www-data\nnogroup:x:65534:\n' >"$root/etc/group"
        tar -C "$root" --numeric-owner --owner=0 --group=0 -cf "$tar.new.$$" .
        mv "$tar.new.$$" "$tar"
        rm -rf "$root"
    fi
    echo "$tar"
}

# A minimal Debian by debootstrap as a tar: prints its path. About half a minute the first time.
debian_tar() {
    local tar=$DORY_CACHE/debian.tar
    if [ ! -s "$tar" ]; then
        local root codename mirror
        mkdir -p "$DORY_CACHE"
        root=$(mktemp -d)
        codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
        mirror=$(apt_mirror)
        debootstrap --variant=minbase "$codename" "$root" "$mirror" >"$DORY_CACHE/debootstrap.log" 2>&1 || {
            tail -20 "$DORY_CACHE/debootstrap.log" >&2
            return 1
        }
        chmod 755 "$root"
        rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
        tar -C "$root" --numeric-owner --xattrs -cf "$tar.new.$$" .
        mv "$tar.new.$$" "$tar"
        rm -rf "$root"
    fi
    echo "$tar"
}

# The mirror that this machine's apt uses for Debian itself.
apt_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/\?$' | head -1
}

# Imports busybox:latest (and with `debian`, debian:latest) into the environment's daemon.
env_images() {
    local name
    for name in "$@"; do
        case $name in
        busybox) dory import -c 'CMD ["sh"]' -c 'ENV PATH=/bin:/sbin:/usr/bin:/usr/sbin' \
            "$(busybox_tar)" busybox:latest >/dev/null ;;
        debian) dory import -c 'CMD ["bash"]' "$(debian_tar)" debian:latest >/dev/null ;;
        esac
    done
}

# ---- a real registry on loopback ----

# registry_start: Debian's docker-registry below ENV_DIR; sets REGISTRY to host:port.
registry_start() {
    local port
    port=$(free_port)
    mkdir -p "$ENV_DIR/registry"
    cat >"$ENV_DIR/registry.yml" <<EOF
version: 0.1
log: {level: error}
storage:
  filesystem: {rootdirectory: $ENV_DIR/registry}
  delete: {enabled: true}
http: {addr: "127.0.0.1:$port"}
EOF
    docker-registry serve "$ENV_DIR/registry.yml" 3>&- 4>&- >"$ENV_DIR/registry.log" 2>&1 &
    echo $! >"$ENV_DIR/registry.pid"
    disown $! 2>/dev/null || true
    export REGISTRY=127.0.0.1:$port
    local i
    for ((i = 0; i < 250; i++)); do
        curl -sf "http://$REGISTRY/v2/" >/dev/null && return 0
        sleep 0.02
    done
    cat "$ENV_DIR/registry.log" >&2
    return 1
}

registry_stop() {
    if [ -s "$ENV_DIR/registry.pid" ]; then
        kill "$(cat "$ENV_DIR/registry.pid")" 2>/dev/null || true
        env_wait_gone "$(cat "$ENV_DIR/registry.pid")"
    fi
}

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
