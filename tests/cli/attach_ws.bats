#!/usr/bin/env bats
# attach over a WebSocket.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

websocket() { # container query text
    timeout 60 /usr/bin/python3 "$BATS_TEST_DIRNAME/../lib/websocket_client.py" "$ENV_DIR/dory.sock" "/v1.47/containers/$1/attach/ws?$2" "$3"
}

wait_for_log() { # container text
    for ((i = 0; i < 600; i++)); do
        dory logs "$1" | grep -q "$2" && return
        sleep 0.05
    done
    return 1
}

@test "input and both outputs travel in frames" {
    dory run -d -i --name plain busybox sh -c 'read x; echo "got $x"; echo error >&2; head -c 100000 /dev/zero | tr "\0" z; sleep 0.1; echo; read y; echo end'
    run websocket plain 'stream=1&stdin=1&stdout=1&stderr=1' 'hello\nmore\n'
    [ "$status" -eq 0 ]
    [[ $output == *"got hello"* ]]
    [[ $output == *error* ]]
    [ "$(tr -cd z <<<"$output" | wc -c)" -eq 100000 ]
    [ "${lines[-1]}" = "closed 1000 pong" ]
    [ "${lines[-2]}" = end ]
    dory rm -f plain
}

@test "a terminal, and the log before the stream" {
    dory run -d -it --name term busybox sh -c 'echo before; read x; echo "after $x"'
    wait_for_log term before
    run websocket term 'stream=1&stdin=1&stdout=1&logs=1' 'typed\n'
    [ "$status" -eq 0 ]
    [[ $output == *before*after\ typed* ]]
    dory rm -f term
}

@test "a process that writes much before it reads its input gets it all the same" {
    local script='read x; head -c 3000000 /dev/zero; exec cat'
    dory run -d -i --name echo busybox sh -c "$script"
    run websocket echo 'stream=1&stdin=1&stdout=1' echo:1000000
    echo "$output"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "echoed 1000000" ]
    [ "${lines[-1]}" = "closed 1000" ]
    dory run -d -it --name tty busybox sh -c "stty raw -echo; echo ready; $script"
    wait_for_log tty ready
    run websocket tty 'stream=1&stdin=1&stdout=1' echo:1000000
    echo "$output"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "echoed 1000000" ]
    dory rm -f echo tty
}

@test "a client that breaks the protocol is told so, and the container goes on" {
    dory run -d -i --name steady busybox cat
    run websocket steady 'stream=1&stdin=1&stdout=1' raw:820568656c6c6f
    [ "$output" = "closed 1002" ]
    run websocket steady 'stream=1&stdin=1&stdout=1' raw:c18500000000
    [ "$output" = "closed 1002" ]
    # Its own close is answered with its code.
    run websocket steady 'stream=1&stdin=1&stdout=1' raw:88820000000003e9
    [ "$output" = "closed 1001" ]
    [ "$(dory inspect -f '{{.State.Running}}' steady)" = true ]
    run curl -s -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" "http://d/containers/steady/attach/ws?stream=1"
    [[ $output == *"this endpoint speaks WebSocket"*400 ]]
    run curl -s -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
        -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: short' "http://d/containers/steady/attach/ws?stream=1"
    [[ $output == *"Sec-WebSocket-Key is missing or malformed"*400 ]]
    run curl -s -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" "http://d/containers/nosuch/attach/ws?stream=1"
    [[ $output == *"No such container: nosuch"*404 ]]
    dory rm -f steady
}
