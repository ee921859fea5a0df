# dockerd with dory-runtime as one of its runtimes.
bats_require_minimum_version 1.5.0
load ../lib/env
load engine

setup_file() {
    export ENV_ENGINE=docker
    ENV_CONFIG='{"runtimes": {"dory": {"path": "'$DORY_BIN/dory-runtime'"}}, "default-runtime": "dory",
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 1024}}}' env_start
    docker_cmd import -c 'CMD ["sh"]' -c 'ENV PATH=/bin' "$(busybox_tar)" busybox:latest >/dev/null
}

teardown_file() {
    export ENV_ENGINE=docker ENV_CLI=/usr/bin/docker
    env_stop
}

docker_cmd() {
    /usr/bin/docker "$@"
}

@test "dockerd starts containers with dory-runtime: output, status, terminal, exec" {
    run -0 docker_cmd run --rm busybox echo hello
    [ "$output" = hello ]
    run -6 docker_cmd run --rm busybox sh -c 'exit 6'
    run -127 docker_cmd run --rm busybox no-such-command
    [[ "$output" == *"no-such-command"*"not found"* ]]
    docker_cmd run -d --name dd1 -m 64m --pids-limit 50 busybox sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done' >/dev/null
    run -0 docker_cmd inspect -f '{{.HostConfig.Runtime}}' dd1
    [ "$output" = dory ]
    run -0 docker_cmd exec dd1 sh -c 'echo executed'
    [ "$output" = executed ]
    run -3 docker_cmd exec dd1 sh -c 'exit 3'
    run -0 docker_cmd exec -u 33 dd1 id -u
    [ "$output" = 33 ]
}

@test "dockerd pauses, updates, stops, restarts and removes them" {
    docker_cmd pause dd1 >/dev/null
    run -0 docker_cmd inspect -f '{{.State.Status}}' dd1
    [ "$output" = paused ]
    docker_cmd unpause dd1 >/dev/null
    docker_cmd update -m 48m --memory-swap -1 dd1 >/dev/null
    run -0 docker_cmd exec dd1 sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
    [ "$output" = 50331648 ]
    docker_cmd stop -t 20 dd1 >/dev/null
    run -0 docker_cmd inspect -f '{{.State.ExitCode}}' dd1
    [ "$output" = 5 ]
    docker_cmd start dd1 >/dev/null
    docker_cmd restart -t 0 dd1 >/dev/null
    run -0 docker_cmd inspect -f '{{.State.Status}}' dd1
    [ "$output" = running ]
    docker_cmd rm -f dd1 >/dev/null
}

@test "dockerd measures them" {
    local hidden
    hidden=$(engine_hidden_hierarchies)
    [ -z "$hidden" ] || skip "a cgroup hierarchy is mounted nowhere: $hidden"
    docker_cmd run -d --name dd3 busybox sleep 1000 >/dev/null
    run -0 docker_cmd stats --no-stream --format '{{.Name}} {{.PIDs}}' dd3
    [ "$output" = "dd3 1" ]
    docker_cmd rm -f dd3 >/dev/null
}

@test "a limit of memory ends what takes more, and dockerd hears of it" {
    run docker_cmd run --name dd2 -m 24m --memory-swap 24m busybox dd if=/dev/zero of=/dev/null bs=256M count=1
    [ "$status" -eq 137 ]
    docker_cmd rm dd2 >/dev/null
}
