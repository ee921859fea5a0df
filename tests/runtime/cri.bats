# Kubernetes' way to a runtime: a pod sandbox and containers through containerd's CRI plugin, on dory-runtime.
bats_require_minimum_version 1.5.0
load ../lib/env
load engine

setup_file() {
    engine_directory
    containerd_start
    containerd_image k8s.io localhost/busybox:test
    containerd_image k8s.io localhost/pause:test
}

teardown_file() {
    containerd_stop
    engine_directory_remove
    engine_remove_cgroups /dory-cri
}

@test "a pod and its containers are run, executed in, updated, limited, stopped, started anew and removed" {
    /usr/bin/python3 "$BATS_TEST_DIRNAME/cri.py" "$CONTAINERD" "$ENGINE_DIR/logs" >&2 || tail -5 "$ENGINE_DIR/containerd.log" >&2
    run -0 /usr/bin/python3 "$BATS_TEST_DIRNAME/cri.py" "$CONTAINERD" "$ENGINE_DIR/logs"
    [ "${lines[-1]}" = ok ]
    grep -q logged "$ENGINE_DIR"/logs/main_0.log
    grep -q 'once more' "$ENGINE_DIR"/logs/main_1.log
}

@test "nothing is left of the pod" {
    run -0 "$DORY_BIN/dory-runtime" --root "$ENGINE_DIR/dory-runtime/k8s.io" list -q
    [ -z "$output" ]
    run engine_leftovers /dory-cri
    [ -z "$output" ]
}
