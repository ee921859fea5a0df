#!/usr/bin/env bats
# What is drawn on a terminal, and that nothing is drawn elsewhere: progress of pull and load, live stats.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    registry_start
    # An image of some size, so that there is progress to show.
    mkdir "$ENV_DIR/root"
    head -c 20000000 /dev/urandom >"$ENV_DIR/root/random"
    tar -C "$ENV_DIR/root" -cf "$ENV_DIR/root.tar" .
    dory import "$ENV_DIR/root.tar" big:1 >/dev/null
    dory save -o "$ENV_DIR/big.tar" big:1
    skopeo copy -q --dest-tls-verify=false "docker-archive:$ENV_DIR/big.tar" "docker://$REGISTRY/big:1"
    dory rmi big:1 >/dev/null
    dory run -d --name running busybox sleep 1000 >/dev/null
}

teardown_file() {
    registry_stop
    env_stop
}

on_terminal() {
    run /usr/bin/python3 "$ENV_SOURCE/tests/lib/terminal.py" "$@"
}

@test "a pull on a terminal rewrites one line for each layer, with a bar" {
    on_terminal --columns 150 "$ENV_CLI" pull "$REGISTRY/big:1"
    [ "$status" -eq 0 ]
    [[ $output == *$'\e[2K'* ]]
    [[ $output == *'=>'*'] '*MB/*MB* ]]
    [[ $output == *": Pull complete"* ]]
    [[ $output == *"Status: Downloaded newer image for $REGISTRY/big:1"* ]]
    dory rmi "$REGISTRY/big:1" >/dev/null
    # A narrow one has no room for the bar.
    on_terminal --columns 80 "$ENV_CLI" pull "$REGISTRY/big:1"
    [[ $output == *MB/*MB* ]]
    [[ $output != *'=>'* ]]
    dory rmi "$REGISTRY/big:1" >/dev/null
}

@test "a pull elsewhere prints plain lines without the moving parts" {
    run dory pull "$REGISTRY/big:1"
    [ "$status" -eq 0 ]
    [[ $output != *$'\e'* ]]
    [[ $output != *MB/* ]]
    [[ $output == *": Pull complete"* ]]
    [ "$(dory pull -q "$REGISTRY/big:1")" = "$REGISTRY/big:1" ]
}

@test "what runs in a terminal is drawn again for who attaches, also when the size is the same" {
    dory run -dt --name drawn busybox sh -c 'trap "stty size" WINCH; while :; do sleep 0.1; done' >/dev/null
    for ((i = 0; i < 600; i++)); do
        curl -s --unix-socket "$ENV_DIR/dory.sock" -X POST "http://d/containers/drawn/resize?h=40&w=80"
        [[ $(dory logs drawn) != *"40 80"* ]] || break
        sleep 0.1
        curl -s --unix-socket "$ENV_DIR/dory.sock" -X POST "http://d/containers/drawn/resize?h=10&w=20"
        sleep 0.1
    done
    [[ $(dory logs drawn) == *"40 80"* ]]
    on_terminal --columns 80 --until "40 80" "$ENV_CLI" attach drawn
    echo "$status: $output"
    [ "$status" -ne 99 ]
    [[ $output == *"40 80"* ]]
    dory rm -f drawn >/dev/null
}

@test "stats is drawn again and again on a terminal, until it is interrupted" {
    on_terminal --until $'\e[H' --times 3 "$ENV_CLI" stats
    [ "$status" -eq 130 ]
    [[ $output == *'CONTAINER ID   NAME'* ]]
    [[ $output == *running* ]]
    run dory stats --no-stream
    [[ $output != *$'\e'* ]]
    [ "${#lines[@]}" -eq 2 ]
    # Without a terminal the pictures follow each other as plain text.
    run timeout -s INT 20 bash -c '"$1" stats | head -3' sh "$ENV_CLI"
    [[ $output != *$'\e'* ]]
    [ "$(grep -c running <<<"$output")" -ge 1 ]
}

@test "stats counts the processor time between two looks" {
    dory run -d --name busy busybox sh -c 'while :; do :; done' >/dev/null
    [[ $(dory stats --no-stream --format '{{.Name}} {{.CPUPerc}}' running) =~ ^running\ [0-9.]+%$ ]]
    local i used=0
    for ((i = 0; i < 100 && used == 0; i++)); do
        used=$(dory stats --no-stream --format '{{.CPUPerc}}' busy | cut -d. -f1)
    done
    [ "$used" -gt 0 ]
    dory rm -f busy >/dev/null
    run --separate-stderr dory stats --no-stream running nope
    [ "$status" -eq 1 ]
    [ "$stderr" = "Error response from daemon: No such container: nope" ]
}
