#!/usr/bin/env bats
# Operations that lock several things, against each other: nothing hangs, and nothing is half done.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

stress() {
    run /usr/bin/python3 "$BATS_TEST_DIRNAME/stress.py" "$ENV_DIR/dory.sock" "$@"
    echo "$output"
    [ "$status" -eq 0 ]
    run timeout 20 dory ps -aq
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "images are removed while containers are made from them, listed and inspected" {
    stress create:stress1 create:stress1 create:stress2 remove:stress1 remove:stress2 remove:stress2 list
}

@test "volumes are pruned and removed while containers are made that use them" {
    stress volumes volumes volumes prune prune
    # What is left has a row and a directory each, once the last data is deleted.
    for ((i = 0; i < 600; i++)); do
        rows=$(dory volume ls -q | sort) directories=$(ls -A "$ENV_DIR/data/volumes" | sort)
        [ "$rows" != "$directories" ] || break
        sleep 0.05
    done
    [ "$rows" = "$directories" ]
}
