# Shared by the tests that put dory-runtime under another engine: one private directory for all that the engine keeps.

# Makes and exports ENGINE_DIR.
engine_directory() {
    export ENGINE_DIR
    ENGINE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/dory-engine.XXXXXX")
    mkdir -p "$ENGINE_DIR/tmp"
}

engine_directory_remove() {
    [ -n "${ENGINE_DIR:-}" ] || return 0
    # Mounts of an engine that was killed.
    grep -o " $ENGINE_DIR[^ ]*" /proc/self/mountinfo | sort -r | while read -r mount; do
        umount -l "$mount" 2>/dev/null || true
    done
    rm -rf "$ENGINE_DIR"
}

# engine_wait COMMAND...: until it succeeds, half a minute at most.
engine_wait() {
    local i
    for ((i = 0; i < 300; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "waited in vain for: $*" >&2
    return 1
}

# Ends a process of ours and waits for it.
engine_end() {
    [ -n "${1:-}" ] || return 0
    kill "$1" 2>/dev/null || true
    env_wait_gone "$1" || kill -9 "$1" 2>/dev/null || true
}

# engine_leftovers CGROUP-PARENT: prints the cgroups below that parent in any hierarchy.
engine_leftovers() {
    find /sys/fs/cgroup -mindepth 2 -type d -path "*$1/*" 2>/dev/null
}

# A containerd of our own below ENGINE_DIR, with dory-runtime as its default runtime; sets CONTAINERD to its socket.
containerd_start() {
    export CONTAINERD=$ENGINE_DIR/containerd.sock
    cat >"$ENGINE_DIR/containerd.toml" <<EOF_TOML
version = 2
root = "$ENGINE_DIR/root"
state = "$ENGINE_DIR/state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$CONTAINERD"
[ttrpc]
  address = "$CONTAINERD.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:test"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "$ENGINE_DIR/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "dory"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.dory]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.dory.options]
        BinaryName = "$DORY_BIN/dory-runtime"
        Root = "$ENGINE_DIR/dory-runtime"
EOF_TOML
    mkdir -p "$ENGINE_DIR/cni"
    containerd --config "$ENGINE_DIR/containerd.toml" >"$ENGINE_DIR/containerd.log" 2>&1 3>&- 4>&- &
    echo $! >"$ENGINE_DIR/containerd.pid"
    disown $! 2>/dev/null || true
    engine_wait ctr --address "$CONTAINERD" version || { tail -20 "$ENGINE_DIR/containerd.log" >&2; return 1; }
}

# Ends it and the shims that it left.
containerd_stop() {
    engine_end "$(cat "$ENGINE_DIR/containerd.pid" 2>/dev/null)"
    local pid
    for pid in $(pgrep -f -- "-address $CONTAINERD"); do
        engine_end "$pid"
    done
}

# An image of one busybox layer in containerd's namespace: containerd_image NAMESPACE NAME
containerd_image() {
    /usr/bin/python3 - "$(busybox_tar)" "$2" "$ENGINE_DIR/image.tar" <<'EOF_PY'
import hashlib, io, json, sys, tarfile
layer = open(sys.argv[1], "rb").read()
diff = "sha256:" + hashlib.sha256(layer).hexdigest()
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin:/sbin"], "Cmd": ["sleep", "3600"]},
                     "rootfs": {"type": "layers", "diff_ids": [diff]}}).encode()
name = hashlib.sha256(config).hexdigest() + ".json"
with tarfile.open(sys.argv[3], "w") as out:
    for path, data in ((name, config), ("layer.tar", layer),
                       ("manifest.json", json.dumps([{"Config": name, "RepoTags": [sys.argv[2]], "Layers": ["layer.tar"]}]).encode())):
        entry = tarfile.TarInfo(path)
        entry.size = len(data)
        out.addfile(entry, io.BytesIO(data))
EOF_PY
    ctr --address "$CONTAINERD" -n "$1" images import --snapshotter overlayfs "$ENGINE_DIR/image.tar" >/dev/null
}

# engine_remove_cgroups CGROUP-PARENT: the parent that the engine was given, with what is still below it after a failure.
engine_remove_cgroups() {
    local dir pids
    for dir in $(find /sys/fs/cgroup -mindepth 2 -type d -path "*$1/*" 2>/dev/null); do
        pids=$(cat "$dir/cgroup.procs" 2>/dev/null) || continue
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
    done
    local i
    for ((i = 0; i < 100; i++)); do
        find /sys/fs/cgroup -depth -mindepth 2 -type d \( -path "*$1" -o -path "*$1/*" \) -exec rmdir {} + 2>/dev/null || true
        [ -n "$(find /sys/fs/cgroup -mindepth 2 -maxdepth 2 -type d -path "*$1" 2>/dev/null)" ] || return 0
        sleep 0.1
    done
    echo "cgroups left below $1" >&2
}

# Prints the v1 hierarchies that exist and are mounted nowhere: containerd 1.6 finds no statistics on such a machine.
engine_hidden_hierarchies() {
    local name
    cut -d: -f2 /proc/self/cgroup | tr , '\n' | grep . | while read -r name; do
        grep -qE " - cgroup .*[ ,]$name(,|$)" /proc/self/mountinfo || echo "$name"
    done
}
