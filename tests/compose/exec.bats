# The commands of `dory compose` that act on one container of a service, beside Compose 2.x.
load ../lib/compose

setup_file() {
    compose_setup_file
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    image: busybox:latest
    command: sleep 1000
    init: true
    environment: {GREETING: hello}
  worker:
    image: busybox:latest
    command: sh -c 'trap "exit 5" TERM; sleep 1000 & wait'
    deploy: {replicas: 2}
  reader:
    image: busybox:latest
    command: sh -c 'read line; echo "got $$line"'
    stdin_open: true
  once:
    image: busybox:latest
    command: "true"
YAML
    compose_reference up -d
}

teardown_file() {
    compose_reference down -v -t 0 >/dev/null 2>&1 || true
    env_stop
}

@test "exec runs a command, and its status is the exit status" {
    compose_same exec -T web echo hi
    compose_same exec web sh -c 'echo $GREETING'
    compose_same exec web sh -c 'exit 7'
    compose_same exec web nonesuch
    run -0 bash -c 'echo typed | "$DORY_BIN/dory" compose -p shop exec -T web cat'
    [ "$output" = typed ]
    run -0 bash -c 'echo typed | "$DORY_BIN/dory" compose -p shop exec -T -i=false web cat'
    [ -z "$output" ]
}

@test "exec takes -e, -w, -u, --privileged and -d" {
    compose_same exec -e A=b --env C -w /tmp -u nobody web sh -c 'echo $A; echo $C; pwd; id -u'
    C=d run -0 compose exec -e C web sh -c 'echo $C'
    [ "$output" = d ]
    compose_same exec --privileged web grep CapEff /proc/self/status
    [ "$(compose exec web grep CapEff /proc/self/status)" != "$(compose exec --privileged web grep CapEff /proc/self/status)" ]
    run -0 compose exec -d web touch /tmp/detached
    [ -z "$output" ]
    local i
    for ((i = 0; i < 300; i++)); do
        compose exec web test -e /tmp/detached && break
        sleep 0.1
    done
    compose exec web test -e /tmp/detached
}

@test "exec chooses by --index, and says what does not run" {
    compose_same exec --index 2 worker hostname
    [ "$(compose exec worker hostname)" = "$(compose exec --index 1 worker hostname)" ]
    [ "$(compose exec worker hostname)" != "$(compose exec --index 2 worker hostname)" ]
    compose_same exec --index 3 worker hostname
    compose_same exec nonesuch true
    compose_same exec once true
    run -1 compose exec web
    [[ "$output" == *"requires at least 2 arguments"* ]]
}

@test "exec has a terminal when it is called from one, unless -T" {
    cd "$PROJECT"
    run -0 /usr/bin/python3 "$ENV_SOURCE/tests/lib/terminal.py" "$DORY_BIN/dory" compose exec web tty
    [[ "$output" == *"/dev/pts/"* ]]
    run -1 /usr/bin/python3 "$ENV_SOURCE/tests/lib/terminal.py" "$DORY_BIN/dory" compose exec -T web tty
    [[ "$output" == *"not a tty"* ]]
}

@test "attach speaks with the container of a service" {
    compose_same attach nonesuch
    compose_same attach once
    compose_same attach --index 3 worker
    # An end of the input would end the attachment.
    mkfifo "$BATS_TEST_TMPDIR/input"
    exec 7<>"$BATS_TEST_TMPDIR/input"
    echo line >&7
    run -0 "$DORY_BIN/dory" compose -p shop attach reader <"$BATS_TEST_TMPDIR/input"
    exec 7>&-
    [ "$output" = "got line" ]
}
