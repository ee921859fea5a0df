# dockerode and Testcontainers, unmodified.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_node
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

@test "dockerode: information, run, attach, exec, logs, archives, statistics, events, volumes, networks, errors" {
    run -0 timeout 240 node "$BATS_TEST_DIRNAME/node/dockerode.js"
    [ "$(grep -c '^ok ' <<<"$output")" = 10 ]
}

@test "Testcontainers: waiting by log, ports, HTTP and health, copying, exec, networks with aliases" {
    export TESTCONTAINERS_RYUK_DISABLED=true
    run -0 timeout 240 node "$BATS_TEST_DIRNAME/node/testcontainers.js"
    [ "$(grep -c '^ok ' <<<"$output")" = 4 ]
}
