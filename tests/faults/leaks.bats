#!/usr/bin/env bats
# Many containers leave nothing behind. LEAK_RUNS=10000 is the long form; the default keeps `make check` short.

bats_require_minimum_version 1.5.0
load ../lib/env
load leaks

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

@test "run --rm, again and again, leaves no mount, namespace, veth, cgroup, descriptor, row or file" {
    for _ in 1 2 3 4 5; do dory run --rm busybox true; done
    leak_compare "$(leak_snapshot)"
    before=$(leak_snapshot)
    for ((i = 0; i < ${LEAK_RUNS:-400}; i++)); do
        dory run --rm busybox true
    done
    run leak_compare "$before"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "failed starts leave nothing either" {
    before=$(leak_snapshot)
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        dory run --rm busybox nosuchcommand 2>/dev/null || true
        dory run --rm -u nosuchuser busybox true 2>/dev/null || true
        dory run --rm -v /anonymous -w /proc/1/fd/x busybox true 2>/dev/null || true
    done
    run leak_compare "$before"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "twenty at a time leave nothing" {
    before=$(leak_snapshot)
    for _ in 1 2 3; do
        pids=()
        for _ in $(seq 20); do
            dory run --rm -p 127.0.0.1::80 -v /x busybox true 3>&- &
            pids+=($!)
        done
        for p in "${pids[@]}"; do wait "$p"; done
    done
    run leak_compare "$before"
    echo "$output"
    [ "$status" -eq 0 ]
}
