# Shared by the tests of dory-runtime: one bundle with a busybox root per test, everything below a private directory.
DORY_BIN=${DORY_BIN:-$(cd "$BATS_TEST_DIRNAME/../../bin" && pwd)}
CAPS='"CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID","CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"'

setup() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    T=$(mktemp -d "${TMPDIR:-/tmp}/dory-runtime.XXXXXX")
    ID="t$$-$BATS_TEST_NUMBER"
    ROOT=$T/bundle/rootfs
    mkdir -p "$ROOT"/{bin,etc,tmp,proc,sys,dev,root}
    cp "$(command -v busybox)" "$ROOT/bin/busybox"
    for applet in $("$ROOT/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$ROOT/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$ROOT/etc/passwd"
    make_config sh -c true
}

teardown() {
    runtime_teardown
}

# Files with a teardown of their own call this one.
runtime_teardown() {
    [ -n "$T" ] || return 0
    rt delete --force "$ID" 2>/dev/null || true
    [ -z "${UNSHARE:-}" ] || kill -9 "$UNSHARE"
    # Nothing may be left of the container.
    leftovers=$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$ID" 2>/dev/null)
    mounts=$(grep -c "$T" /proc/self/mountinfo || true)
    [ "$mounts" = 0 ] || awk -v t="$T" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount -l
    rm -rf "$T"
    [ -z "$leftovers" ] || { echo "left behind: $leftovers"; return 1; }
    [ "$mounts" = 0 ] || { echo "$mounts mounts left behind"; return 1; }
}

rt() {
    "$DORY_BIN/dory-runtime" --root "$T/state" "$@"
}

# Runs the container in the foreground with the config as it stands: $status and $output. (Not through bats's `run`, which
# takes the exit status 127 for a mistake in the test.)
run_container() {
    status=0
    output=$(rt run --bundle "$T/bundle" "$ID" </dev/null 2>&1) || status=$?
    mapfile -t lines <<<"$output"
}

# make_config ARG...: a config like docker's with this command
make_config() {
    python3 - "$T/bundle/config.json" "$CAPS" "$@" <<'PY'
import json, sys
caps = json.loads("[" + sys.argv[2] + "]")
mount = lambda d, t, s, *o: {"destination": d, "type": t, "source": s, "options": list(o)}
json.dump({
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "args": sys.argv[3:], "env": ["PATH=/bin"], "cwd": "/",
                "capabilities": {"bounding": caps, "effective": caps, "permitted": caps}},
    "root": {"path": "rootfs"}, "hostname": "box",
    "mounts": [
        mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev"),
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=67108864")],
    "linux": {
        "namespaces": [{"type": t} for t in ("mount", "uts", "ipc", "pid", "network", "cgroup")],
        "cgroupsPath": "",
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}},
    open(sys.argv[1], "w"))
PY
}

# edit 'python statements on c': changes the config
edit() {
    python3 -c "
import json, sys
p = sys.argv[1]
c = json.load(open(p))
l = c['linux']; r = l['resources']; proc = c['process']
mount = lambda d, t, s, *o: c['mounts'].append({'destination': d, 'type': t, 'source': s, 'options': list(o)})
$1
json.dump(c, open(p, 'w'))" "$T/bundle/config.json"
}

# The file of a cgroup controller of the container, on v1 and v2: cgroup_file v1-controller v1-name v2-name
cgroup_file() {
    if [ -d /sys/fs/cgroup/"$1" ]; then
        echo "/sys/fs/cgroup/$1/dory/$ID/$2"
    else
        echo "/sys/fs/cgroup/dory/$ID/$3"
    fi
}

wait_for() {
    for _ in $(seq 1500); do
        eval "$1" && return 0
        sleep 0.02
    done
    echo "timed out: $1"
    return 1
}

# A process in new namespaces that stays until the test is over: holder FLAG...; its pid is $HOLDER.
holder() {
    unshare --fork --kill-child "$@" sh -c 'echo ready; exec sleep 1000' </dev/null >"$T/holder" 2>&1 3>&- &
    UNSHARE=$!
    wait_for 'grep -q ready "$T/holder"'
    # Not unshare itself: that is outside of new pid and time namespaces.
    HOLDER=$(pgrep -P $UNSHARE)
}

release() {
    kill -9 "$UNSHARE"
    wait "$UNSHARE" || true
    wait_for '[ ! -e /proc/$HOLDER ] || grep -q "^State:.Z" /proc/$HOLDER/status'
    UNSHARE=
}
