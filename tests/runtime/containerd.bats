# containerd's own runc shim with dory-runtime for its binary.
bats_require_minimum_version 1.5.0
load ../lib/env
load engine

setup_file() {
    engine_directory
    containerd_start
    containerd_image default localhost/busybox:test
}

teardown_file() {
    ctr_cmd tasks ls -q 2>/dev/null | while read -r id; do
        ctr_cmd tasks rm -f "$id" >/dev/null 2>&1 || true
    done
    containerd_stop
    engine_directory_remove
    engine_remove_cgroups /dory-containerd
}

ctr_cmd() {
    ctr --address "$CONTAINERD" "$@" </dev/null 3>&- 4>&-
}

ctr_run() { # flags and arguments of ctr run
    ctr_cmd run --snapshotter overlayfs --runtime io.containerd.runc.v2 --runc-binary "$DORY_BIN/dory-runtime" \
        --runc-root "$ENGINE_DIR/dory-runtime" --cgroup "/dory-containerd/$1" "${@:2}"
}

@test "ctr runs a container in the foreground and tells its status" {
    run -0 ctr_run c1 --rm localhost/busybox:test c1 echo hello
    [ "$output" = hello ]
    run -8 ctr_run c2 --rm localhost/busybox:test c2 sh -c 'exit 8'
    run ! ctr_run c3 --rm localhost/busybox:test c3 no-such-command
    [[ "$output" == *no-such-command* ]]
}

@test "ctr executes in it, pauses, resumes, measures, kills and removes it" {
    ctr_run c4 -d --memory-limit 67108864 localhost/busybox:test c4 sleep 1000
    run -0 ctr_cmd tasks ls
    [[ "$output" == *c4*RUNNING* ]]
    run -0 ctr_cmd tasks exec --exec-id e1 c4 sh -c 'echo executed'
    [ "$output" = executed ]
    run cat /sys/fs/cgroup{/memory,}/dory-containerd/c4/memory.{limit_in_bytes,max}
    [[ "$output" == *67108864* ]]
    run -5 ctr_cmd tasks exec --exec-id e2 c4 sh -c 'exit 5'
    run -0 ctr_cmd tasks ps c4
    ctr_cmd tasks pause c4
    run -0 ctr_cmd tasks ls
    [[ "$output" == *c4*PAUSED* ]]
    ctr_cmd tasks resume c4
    run -0 ctr_cmd tasks ls
    [[ "$output" == *c4*RUNNING* ]]
    run -0 "$DORY_BIN/dory-runtime" --root "$ENGINE_DIR/dory-runtime/default" list -q
    [ "$output" = c4 ]
    ctr_cmd tasks kill -s KILL c4
    engine_wait eval "ctr_cmd tasks ls | grep -q 'c4.*STOPPED'"
    ctr_cmd tasks rm c4 || true
    ctr_cmd containers rm c4
    run -0 "$DORY_BIN/dory-runtime" --root "$ENGINE_DIR/dory-runtime/default" list -q
    [ -z "$output" ]
}

@test "a container outlives containerd and is found again" {
    ctr_run c5 -d localhost/busybox:test c5 sleep 1000
    kill -9 "$(cat "$ENGINE_DIR/containerd.pid")"
    env_wait_gone "$(cat "$ENGINE_DIR/containerd.pid")"
    containerd_start
    run -0 ctr_cmd tasks ls
    [[ "$output" == *c5*RUNNING* ]]
    run -0 ctr_cmd tasks exec --exec-id e3 c5 echo still here
    [ "$output" = "still here" ]
    ctr_cmd tasks rm -f c5
    ctr_cmd containers rm c5
}

@test "nothing is left of containerd's containers" {
    run engine_leftovers /dory-containerd
    [ -z "$output" ]
}
