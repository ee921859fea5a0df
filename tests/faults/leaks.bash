# What a container may leave behind, counted: used before and after, on an environment of tests/lib/env.bash.

# One line per kind: kind and count. Nothing here may grow once every container is removed.
leak_snapshot() {
    local pid
    pid=$(env_daemon_pid)
    echo "mounts $(grep -c "$ENV_DIR" /proc/self/mountinfo)"
    echo "daemon-mounts $(wc -l <"/proc/$pid/mountinfo")"
    echo "bridge-ports $(ls "/sys/class/net/$ENV_BRIDGE/brif" | wc -l)"
    echo "cgroups $(find /sys/fs/cgroup -type d -path "*/$ENV_BRIDGE/*" | wc -l)"
    echo "shims $(leak_shims | wc -l)"
    echo "shim-directories $(find "$ENV_DIR/run" -mindepth 2 -type d | wc -l)"
    echo "descriptors $(ls "/proc/$pid/fd" | wc -l)"
    echo "threads $(ls "/proc/$pid/task" | wc -l)"
    echo "container-directories $(find "$ENV_DIR/data/containers" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
    echo "overlays $(find "$ENV_DIR/data/overlay" -mindepth 1 -maxdepth 1 | wc -l)"
    echo "temporary $(find "$ENV_DIR/data/tmp" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
    echo "volumes $(find "$ENV_DIR/data/volumes" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l)"
    echo "rows $(curl -s --unix-socket "$ENV_DIR/dory.sock" 'http://d/containers/json?all=1' | jq length)"
    echo "children $(ps --no-headers -o pid --ppid "$pid" | wc -l)"
}

# Pids of the shims of this environment, without the idle one that the daemon keeps ready.
leak_shims() {
    local p
    for p in $(pgrep -x dory-shim); do
        if ls -l "/proc/$p/fd" 2>/dev/null | grep -q "$ENV_DIR"; then
            echo "$p"
        fi
    done
}

# Waits (teardown is asynchronous) until the snapshot is no larger than the given one in any line, for 30 s at most;
# prints what is still larger. The pool of warm namespaces and shims may have become larger or smaller by a few.
leak_compare() { # snapshot before
    local end=$((SECONDS + 30)) worse
    while :; do
        worse=$(join <(sort <<<"$1") <(leak_snapshot | sort) | awk '
            {slack = ($1 == "bridge-ports" || $1 == "threads" || $1 == "children") ? 4 : $1 == "descriptors" ? 12 : 0}
            $3 > $2 + slack {print $1 ": " $2 " before, " $3 " after"}')
        [ -n "$worse" ] || return 0
        if [ $SECONDS -ge $end ]; then
            echo "$worse"
            # What it is, for whoever reads the report.
            find "$ENV_DIR/run" -mindepth 2 -printf '%p %TT\n'
            find /sys/fs/cgroup -type d -path "*/$ENV_BRIDGE/*"
            find "$ENV_DIR/data/containers" "$ENV_DIR/data/tmp" -mindepth 1 -maxdepth 1 2>/dev/null
            curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/volumes
            ls -la --time-style=full-iso "$ENV_DIR/data/volumes"
            tail -5 "$ENV_DIR/doryd.log"
            return 1
        fi
        sleep 0.2
    done
}
