# podman with dory-runtime in the place of crun: run, exec, stop, restart, limits, pause, removal.
bats_require_minimum_version 1.5.0
load ../lib/env
load engine

setup_file() {
    engine_directory
    export PODMAN_ROOT=$ENGINE_DIR
    podman_cmd import "$(busybox_tar)" busybox:latest >/dev/null 2>&1
}

teardown_file() {
    podman_cmd rm -fa -t 0 >/dev/null 2>&1 || true
    umount "$PODMAN_ROOT/storage/overlay" 2>/dev/null || true
    engine_directory_remove
    engine_remove_cgroups /dory-podman
}

podman_cmd() (
    # conmon notes an OOM kill in its working directory.
    cd "$ENGINE_DIR" || return
    TMPDIR=$ENGINE_DIR/tmp podman --root "$ENGINE_DIR/storage" --runroot "$ENGINE_DIR/run" --tmpdir "$ENGINE_DIR/libpod" \
        --cgroup-manager cgroupfs --events-backend file --runtime "$DORY_BIN/dory-runtime" "$@" 3>&- 4>&-
)

# Limits as low as these can be set everywhere: not every machine lets root raise its own.
quick=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --network none --cgroup-parent /dory-podman)

@test "podman runs containers: output, exit status, input, terminal" {
    run -0 podman_cmd run --rm "${quick[@]}" busybox echo hello
    grep -qx hello <<<"$output"
    run -7 podman_cmd run --rm "${quick[@]}" busybox sh -c 'exit 7'
    run -0 podman_cmd run --rm -i "${quick[@]}" busybox cat <<<"through podman"
    grep -qx "through podman" <<<"$output"
    run -0 podman_cmd run --rm -t "${quick[@]}" busybox sh -c 'test -t 0 && echo a terminal'
    [[ "$output" == *"a terminal"* ]]
    run -127 podman_cmd run --rm "${quick[@]}" busybox no-such-command
    run -126 podman_cmd run --rm "${quick[@]}" busybox /etc
}

@test "podman's container is executed in, paused, stopped, restarted and removed" {
    podman_cmd run -d --name pod1 "${quick[@]}" busybox sh -c 'trap "exit 5" TERM; echo began; while :; do sleep 0.1; done' >/dev/null
    run -0 podman_cmd exec pod1 sh -c 'echo in $(hostname | wc -c); exit 0'
    [[ "$output" == *"in 13"* ]]
    run -9 podman_cmd exec pod1 sh -c 'exit 9'
    run -0 podman_cmd exec -u 33 -w /tmp -e X=y pod1 sh -c 'id -u; pwd; echo $X'
    [ "$output" = $'33\n/tmp\ny' ]
    run -0 podman_cmd top pod1 pid args
    [[ "$output" == *"sh -c"* ]]
    podman_cmd pause pod1 >/dev/null
    run -0 podman_cmd inspect -f '{{.State.Status}}' pod1
    [ "$output" = paused ]
    podman_cmd unpause pod1 >/dev/null
    podman_cmd stop -t 20 pod1 >/dev/null
    run -0 podman_cmd inspect -f '{{.State.Status}} {{.State.ExitCode}}' pod1
    [ "$output" = "exited 5" ]
    podman_cmd restart pod1 >/dev/null
    run -0 podman_cmd inspect -f '{{.State.Status}}' pod1
    [ "$output" = running ]
    podman_cmd kill -s KILL pod1 >/dev/null
    podman_cmd wait pod1 >/dev/null
    podman_cmd rm pod1 >/dev/null
    run -1 podman_cmd container exists pod1
}

@test "limits that podman sets bind" {
    run -0 podman_cmd run --rm "${quick[@]}" -m 32m --pids-limit 20 busybox sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true'
    [ "$output" = $'33554432\n20' ]
    # More than the limit: the kernel ends whoever takes it.
    run podman_cmd run --name pod2 "${quick[@]}" -m 24m busybox dd if=/dev/zero of=/dev/null bs=256M count=1
    [ "$status" -eq 137 ]
    podman_cmd rm -f -t 0 pod2 >/dev/null
}

@test "podman's pods, volumes, read-only roots, users and capabilities work" {
    run -0 podman_cmd run --rm "${quick[@]}" --read-only --tmpfs /scratch -v vol1:/data busybox \
        sh -c 'echo x >/data/f && echo y >/scratch/f && ! touch /f 2>/dev/null && cat /data/f'
    grep -qx x <<<"$output"
    run -0 podman_cmd run --rm "${quick[@]}" --cap-drop all --security-opt no-new-privileges -u nobody busybox \
        sh -c 'id -u; grep -E "CapEff|NoNewPrivs" /proc/self/status'
    [ "$output" = $'65534\nCapEff:\t0000000000000000\nNoNewPrivs:\t1' ]
    podman_cmd volume rm vol1 >/dev/null
}

@test "nothing is left of podman's containers" {
    podman_cmd run --rm "${quick[@]}" busybox true
    run -0 podman_cmd ps -aq
    [ -z "$output" ]
    run -0 env XDG_RUNTIME_DIR= "$DORY_BIN/dory-runtime" list -q
    # conmon's own cgroup is podman's affair.
    run eval "engine_leftovers /dory-podman | grep -v '/conmon$'"
    [ -z "$output" ]
}
