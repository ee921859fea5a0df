# dory compose up without -d.
load ../lib/compose_up

# Starts `compose up ARGUMENT...` in the background, its output in $BATS_TEST_TMPDIR/up; sets UP to its pid.
up_in_background() {
    (cd "$PROJECT" && exec "$DORY_BIN/dory" compose up "$@" >"$BATS_TEST_TMPDIR/up" 2>&1 3>&- 4>&-) &
    UP=$!
}

# Waits for a line in the output of `up`.
up_says() {
    local i
    for ((i = 0; i < 600; i++)); do
        ! grep -q "$1" "$BATS_TEST_TMPDIR/up" || return 0
        sleep 0.1
    done
    cat "$BATS_TEST_TMPDIR/up"
    return 1
}

@test "up shows the output of the containers with their names, and ends when they have ended" {
    file <<'YAML'
services:
  a: {image: "busybox:latest", command: sh -c 'echo out; echo error >&2'}
  longer: {image: "busybox:latest", command: sh -c 'printf "without newline"; exit 3'}
  silent: {image: "busybox:latest", command: echo never, attach: false}
YAML
    run -0 --separate-stderr compose up
    [ "${lines[0]}" = "Attaching to a-1, longer-1" ]
    [[ "$output" == *"a-1       | out"* ]]
    [[ "$output" == *"longer-1  | without newline"* ]]
    [[ "$output" == *"a-1 exited with code 0"* ]]
    [[ "$output" == *"longer-1 exited with code 3"* ]]
    [[ "$stderr" == *"a-1       | error"* ]]
    [[ "$output" != *never* ]]
    run -0 --separate-stderr compose --ansi always up --no-log-prefix a
    [[ "$output" == *$'\n'out$'\n'* ]]
    run -0 --separate-stderr compose --ansi always up a
    [[ "$output" == *$'\e[36ma-1  | \e[0mout'* ]]
    run -0 --separate-stderr compose up --no-attach a --no-attach longer --attach-dependencies
    [[ "$output" != *"| out"* ]]
    run -1 compose up --attach nothing
    [[ "$output" == *"cannot attach to services not included in up: nothing" ]]
}

@test "Ctrl-C stops all containers, in the order of what needs what, and the status is 130" {
    file <<'YAML'
services:
  db: {image: "busybox:latest", command: sh -c 'echo db runs; exec sleep 1000', stop_grace_period: 0s}
  web: {image: "busybox:latest", command: sh -c 'echo web runs; exec sleep 1000', stop_grace_period: 0s, depends_on: [db]}
YAML
    up_in_background
    up_says "db runs"
    up_says "web runs"
    kill -INT "$UP"
    wait "$UP" && status=0 || status=$?
    [ "$status" = 130 ]
    grep -q '^Gracefully Stopping... press Ctrl+C again to force$' "$BATS_TEST_TMPDIR/up"
    [ "$(grep -o 'Container shop-[a-z]*-1  Stopp[a-z]*' "$BATS_TEST_TMPDIR/up" | tr '\n' ,)" = \
        "Container shop-web-1  Stopping,Container shop-web-1  Stopped,Container shop-db-1  Stopping,Container shop-db-1  Stopped," ]
    [ "$(state_of shop-web-1)" = exited ]
}

@test "a second Ctrl-C kills" {
    file <<'YAML'
services:
  web: {image: "busybox:latest", command: sh -c 'trap "echo not yet" TERM; echo runs; while true; do sleep 1; done', stop_grace_period: 10m}
YAML
    up_in_background
    up_says runs
    kill -INT "$UP"
    up_says "Container shop-web-1  Stopping"
    kill -INT "$UP"
    wait "$UP" && status=0 || status=$?
    [ "$status" = 130 ]
    grep -q 'Container shop-web-1  Killed' "$BATS_TEST_TMPDIR/up"
    [ "$(state_of shop-web-1)" = exited ]
}

@test "--abort-on-container-exit, --abort-on-container-failure and --exit-code-from" {
    file <<'YAML'
services:
  job: {image: "busybox:latest", command: sh -c 'exit 5', depends_on: [web]}
  good: {image: "busybox:latest", command: "true", depends_on: [web]}
  web: {image: "busybox:latest", command: sh -c 'trap "exit 6" TERM; while true; do sleep 0.1; done'}
YAML
    run -5 compose up --abort-on-container-exit job
    [[ "$output" == *"Aborting on container exit..."* ]]
    [ "$(state_of shop-web-1)" = exited ]
    run -5 compose up --abort-on-container-failure
    run -6 compose up --exit-code-from web
    run -1 compose up -d --abort-on-container-exit
    [[ "$output" == "--detach cannot be combined with --abort-on-container-exit, "* ]]
}

@test "a container that is started again while up is attached is shown again, and restarts are told" {
    file <<'YAML'
services:
  web:
    image: busybox:latest
    command: sh -c 'if [ -e /second ]; then echo again; exec sleep 1000; fi; touch /second; echo once; exit 1'
    restart: on-failure
    stop_grace_period: 0s
YAML
    up_in_background
    up_says '^web-1  | once$'
    up_says '^web-1 exited with code 1 (restarting)$'
    up_says '^web-1  | again$'
    dory rm -f shop-web-1
    wait "$UP"
    [ "$(grep -c '| again' "$BATS_TEST_TMPDIR/up")" = 1 ]
}
