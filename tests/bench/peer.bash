# The private docker that the benchmarks measure beside dory. It may stop to answer (Debian's 20.10 does among many starts at
# once): what asks it has PATIENCE seconds, then it is killed and another one starts.
PATIENCE=${BENCH_PATIENCE:-180}

peer_start() {
    DK=$(mktemp -d /tmp/dory-bench.XXXXXX)
    DK_BRIDGE=dkb$((RANDOM % 1000))
    DK_SUBNET=10.212.$((RANDOM % 250))
    iptables-save >"$DK/iptables" # dockerd leaves a forward policy of DROP behind
    ip link add "$DK_BRIDGE" type bridge
    ip addr add "$DK_SUBNET.1/24" dev "$DK_BRIDGE"
    ip link set "$DK_BRIDGE" up
    echo '{}' >"$DK/daemon.json"
    mkdir "$DK/run"
    mount -t tmpfs docker "$DK/run"
    dockerd --data-root "$DK/data" --exec-root "$DK/run" -H "unix://$DK/d.sock" --pidfile "$DK/pid" \
        --config-file "$DK/daemon.json" --bridge "$DK_BRIDGE" --cgroup-parent "/$DK_BRIDGE" >"$DK/log" 2>&1 &
    DK_PID=$!
    disown "$DK_PID"
    local i
    for ((i = 0; i < 600; i++)); do
        if curl -sf -m 5 --unix-socket "$DK/d.sock" http://d/_ping >/dev/null; then
            docker import -c 'CMD ["sh"]' -c 'ENV PATH=/bin:/sbin' "$(busybox_tar)" busybox:latest >/dev/null
            return
        fi
        sleep 0.1
    done
    tail "$DK/log" >&2
    return 1
}

docker() {
    DOCKER_HOST=unix://$DK/d.sock timeout -k 5 "$PATIENCE" /usr/bin/docker "$@"
}

# What is left of it, by its own directory and cgroup.
peer_kill() {
    local pid
    kill -9 "$DK_PID" 2>/dev/null || true
    for pid in $(pgrep -f "$DK/run" || true); do kill -9 "$pid" 2>/dev/null || true; done
    find /sys/fs/cgroup -path "*/$DK_BRIDGE/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | while read -r pid; do
        kill -9 "$pid" 2>/dev/null || true
    done
}

# The daemon gets half a minute to end in order. What it leaves must not keep our own daemon or the next one.
peer_stop() {
    [ -n "${DK:-}" ] || return 0
    kill "$DK_PID" 2>/dev/null || true
    local i
    for ((i = 0; i < 300; i++)); do
        kill -0 "$DK_PID" 2>/dev/null || break
        sleep 0.1
    done
    peer_kill
    env_wait_gone "$DK_PID" || true
    iptables-restore <"$DK/iptables"
    ip link del "$DK_BRIDGE" 2>/dev/null || true
    awk -v below="$DK/" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | while read -r i; do umount -l "$i" || true; done
    find /sys/fs/cgroup -depth -type d -path "*/$DK_BRIDGE*" -exec rmdir {} + 2>/dev/null || true
    rm -rf "$DK" 2>/dev/null || true
    DK=
}

peer_revive() {
    echo "    (docker did not answer: it is killed, and another one goes on)"
    peer_kill
    peer_stop
    peer_start
}

# The median of a command of docker's, or "-" when it fails or takes too long.
peer_median() { # runs, command...
    DOCKER_HOST=unix://$DK/d.sock timeout -k 5 "$PATIENCE" build/median -n "$1" -w 3 -- /usr/bin/docker "${@:2}" || echo "-"
}

# A part that is a program of its own, and asks docker: beyond its time it is ended. 75: docker did not answer it.
peer_part() { # times the patience, command...
    local status=0
    timeout -k 30 "$(($1 * PATIENCE))" "${@:2}" || status=$?
    case $status in
    0) ;;
    75) peer_revive ;;
    124 | 137)
        echo "    ($2 was not done in $(($1 * PATIENCE)) s)"
        peer_revive
        ;;
    *) return "$status" ;;
    esac
}
