#!/usr/bin/env bats
# Debian's python3-docker against doryd.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

@test "docker-py runs its scenario unmodified" {
    run /usr/bin/python3 "$ENV_SOURCE/tests/clients/python_sdk.py"
    echo "$output"
    [ "$status" -eq 0 ]
}
