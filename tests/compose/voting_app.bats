# The voting app, started in each of its ways; a browser votes on one port and sees the result change on the other.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients
load ../lib/voting

setup_file() {
    clients_newer
    env_start
    voting_images
    voting_ports
    export VOTING_TAKEN=$BATS_FILE_TMPDIR/taken
}

teardown_file() {
    env_stop
}

teardown() {
    [ ! -s "$VOTING_TAKEN" ] || compose down -v -t 5 >/dev/null 2>&1 || true
    rm -f "$VOTING_TAKEN"
    DORY=$ENV_CLI "$VOTING/run" down
}

# taken FILE COMMAND...: what `compose` is from now on, until the end of the test.
taken() {
    printf '%s\n' "$@" >"$VOTING_TAKEN"
}

compose() {
    local words
    mapfile -t words <"$VOTING_TAKEN"
    (cd "$VOTING" && "${words[@]:1}" -f "${words[0]}" -p voting-test "$@" </dev/null 3>&- 4>&-)
}

# A browser votes, and the result that it has open follows.
vote() {
    run -0 timeout 300 /usr/bin/python3 "$BATS_TEST_DIRNAME/vote_in_browser.py" "http://127.0.0.1:$VOTE_PORT" "http://127.0.0.1:$RESULT_PORT" 3>&-
    [[ "$output" == "voted for Cats, then for Dogs: {'a': 0, 'b': $1}" ]]
}

# A vote without a browser; its voter is another one each time.
vote_plainly() {
    curl -sf -o /dev/null -d "vote=$1" "http://127.0.0.1:$VOTE_PORT/"
}

counted() { # a b: waits for these counts
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(curl -s "http://127.0.0.1:$RESULT_PORT/counts")" = "{\"a\": $1, \"b\": $2}" ] && return 0
        sleep 0.1
    done
    curl -s "http://127.0.0.1:$RESULT_PORT/counts"
    return 1
}

up_votes_and_down() {
    run -0 compose up -d
    [ "$(dory ps -q --filter label=com.docker.compose.project=voting-test | wc -l)" = 5 ]
    vote 1
    run -0 compose down -v -t 5
    [ -z "$(dory ps -aq)" ]
    [ -z "$(dory network ls -q --filter type=custom)" ]
    [ -z "$(dory volume ls -q)" ]
}

@test "five run commands with links" {
    DORY=$ENV_CLI run -0 "$VOTING/run"
    DORY=$ENV_CLI run -1 "$VOTING/run"
    [[ "$output" == "the voting app is there already"* ]]
    vote 1
    DORY=$ENV_CLI "$VOTING/run" down
    [ -z "$(dory ps -aq)" ]
    [ -z "$(dory volume ls -q)" ]
}

@test "run commands of which one fails leave nothing" {
    VOTE_PORT=$RESULT_PORT DORY=$ENV_CLI run -125 "$VOTING/run"
    [[ "$output" == *"$RESULT_PORT"* ]]
    [ -z "$(dory ps -aq)$(dory volume ls -q)" ]
}

@test "dory compose, a file of version 2 with links" {
    taken compose-v2.yml "$ENV_CLI" compose
    up_votes_and_down
}

@test "dory compose, today's file with networks and health checks" {
    taken compose.yaml "$ENV_CLI" compose
    up_votes_and_down
}

@test "docker-compose 1.29, a file of version 2 with links" {
    taken compose-v2.yml docker-compose
    up_votes_and_down
}

@test "docker-compose 1.29, today's file with networks and health checks" {
    taken compose.yaml docker-compose
    up_votes_and_down
}

@test "Compose 2, a file of version 2 with links" {
    newer_docker version >/dev/null
    taken compose-v2.yml "$NEWER/usr/bin/docker" compose
    up_votes_and_down
}

@test "what one Compose has started the other finds unchanged, and ends" {
    newer_docker version >/dev/null
    local before ours=("$ENV_CLI" compose) theirs=("$NEWER/usr/bin/docker" compose)
    taken compose.yaml "${ours[@]}"
    run -0 compose up -d
    before=$(dory ps -q --no-trunc | sort)
    taken compose.yaml "${theirs[@]}"
    run -0 compose up -d
    [ "$(dory ps -q --no-trunc | sort)" = "$before" ]
    run -0 compose down -v
    [ -z "$(dory ps -aq)$(dory volume ls -q)" ]
    run -0 compose up -d
    before=$(dory ps -q --no-trunc | sort)
    taken compose.yaml "${ours[@]}"
    run -0 compose up -d
    [ "$(dory ps -q --no-trunc | sort)" = "$before" ]
    vote 1
    run -0 compose down -v
    [ -z "$(dory ps -aq)$(dory volume ls -q)" ]
}

@test "Compose 2, today's file: votes outlive the containers and the worker, and the daemon's end goes unnoticed" {
    newer_docker version >/dev/null
    taken compose.yaml "$NEWER/usr/bin/docker" compose
    run -0 compose up -d --wait --wait-timeout 300
    vote 1
    # Votes wait in the queue while nobody counts them, also when redis starts again.
    run -0 compose stop worker
    vote_plainly a
    vote_plainly a
    run -0 compose restart redis
    run -0 compose start worker
    counted 2 1
    run -0 compose down
    run -0 compose up -d --wait --wait-timeout 300
    counted 2 1
    env_daemon_kill KILL
    vote_plainly b
    counted 2 2
    env_daemon_start
    vote_plainly b
    counted 2 3
    run -0 compose ps -q --status running
    [ "${#lines[@]}" = 5 ]
}
