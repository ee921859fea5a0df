# Containers of an application are brought up in the order of their dependencies when the daemon starts.
bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

# NAME [NEEDED]: a container of the application, as compose labels it.
make() {
    dory run -d --name "$1" --restart always -l com.docker.compose.project=order -l "com.docker.compose.service=$1" \
        -l "com.docker.compose.depends_on=${2:+$2:service_started:false}" busybox sleep 1000
}

started() {
    date -d "$(dory inspect -f '{{.State.StartedAt}}' "$1")" +%s%N
}

@test "what others need is started before them, after a machine that went down" {
    # Made against the order, so that no other order is mistaken for it.
    make web cache
    make cache database
    make database
    local pids name began
    for name in web cache database; do
        pids+=" $(dory inspect -f '{{.State.Pid}}' "$name")"
    done
    began=$(started web)
    env_daemon_kill
    # The machine's end: shims first, so that nobody records one.
    for name in $pids; do
        kill -KILL "$(awk '{print $4}' "/proc/$name/stat")"
        kill -KILL "$name" 2>/dev/null || true
        env_wait_gone "$name"
    done
    env_daemon_start
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(dory ps -q --filter status=running | wc -l)" = 3 ] && [ "$(started web)" -gt "$began" ] && break
        sleep 0.1
    done
    [ "$(started database)" -lt "$(started cache)" ]
    [ "$(started cache)" -lt "$(started web)" ]
    [ "$began" -lt "$(started database)" ]
}
