# `dory compose logs`: prefixes, choices, and following containers that come, go and come again.
load ../lib/compose

setup_file() {
    compose_setup_file
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    image: busybox:latest
    command: sh -c 'echo hello; exec sleep 1000'
    init: true
  worker:
    image: busybox:latest
    command: sh -c 'echo out; echo err >&2; exec sleep 1000'
    deploy: {replicas: 2}
    init: true
  screen:
    image: busybox:latest
    command: sh -c 'echo on a terminal; exec sleep 1000'
    tty: true
    init: true
  quiet:
    image: busybox:latest
    command: sh -c 'echo nothing to see; exec sleep 1000'
    attach: false
    init: true
  once:
    image: busybox:latest
    command: sh -c 'printf "no newline"; exit 3'
YAML
    compose_reference up -d
    local i
    for ((i = 0; i < 300; i++)); do
        [ "$(compose logs | wc -l)" -ge 7 ] && break
        sleep 0.1
    done
}

teardown_file() {
    compose_reference down -v -t 0 >/dev/null 2>&1 || true
    env_stop
}

teardown() {
    [ -z "${FOLLOWER:-}" ] || kill "$FOLLOWER" 2>/dev/null || true
}

# follow ARGUMENT...: logs -f in the background, into $FOLLOWED.
follow() {
    FOLLOWED=$BATS_TEST_TMPDIR/followed
    (cd "$PROJECT" && exec "$DORY_BIN/dory" compose logs -f "$@") >"$FOLLOWED" 2>&1 3>&- 4>&- &
    FOLLOWER=$!
}

# followed PATTERN [TIMES]: waits until so many lines are like that.
followed() {
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(grep -cE "$1" "$FOLLOWED")" -ge "${2:-1}" ] && return 0
        sleep 0.05
    done
    cat "$FOLLOWED"
    return 1
}

@test "logs stand behind names that are padded to the longest" {
    run -0 compose logs
    [ "$(sort -s -k1,1 <<<"$output")" = "$(printf '%s\n' 'once-1    | no newline' $'screen-1  | on a terminal\r' 'web-1     | hello' 'worker-1  | out' 'worker-1  | err' 'worker-2  | out' 'worker-2  | err')" ]
    compose_same logs web
    compose_same logs --no-log-prefix web
    compose_same logs screen
    compose_same logs quiet
    compose_same logs nonesuch
    compose_same logs --index 2 worker
    compose_same logs --index 3 worker
    compose_same logs --index 1
    compose_same logs --index 1 web worker
}

# say SERVICE TEXT: it says so, and the daemon has it.
say() {
    dory exec "shop-$1-1" sh -c "echo '$2' >/proc/1/fd/1"
    local i
    for ((i = 0; i < 600; i++)); do
        ! dory logs "shop-$1-1" | grep -q "$2" || return 0
        sleep 0.05
    done
    return 1
}

@test "logs of several containers come in the order of time" {
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<'YAML'
name: shop
services:
  aa: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}
  bb: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}
  zz: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s, tty: true}
YAML
    here=(-f "$BATS_TEST_TMPDIR/compose.yaml")
    COMPOSE_IGNORE_ORPHANS=1 compose "${here[@]}" up -d
    say bb first
    say aa second
    say aa third
    say zz fourth
    say bb fifth
    run -0 compose "${here[@]}" logs
    # A terminal's lines have no time of their own unless it is asked for.
    [ "$output" = $'zz-1  | fourth\r\nbb-1  | first\naa-1  | second\naa-1  | third\nbb-1  | fifth' ]
    run -0 compose "${here[@]}" logs -t
    [ "$(grep -oE 'first|second|third|fourth|fifth' <<<"$output" | tr '\n' ' ')" = "first second third fourth fifth " ]
    run -0 compose "${here[@]}" logs -n 1 --no-log-prefix aa bb
    [ "$output" = $'third\nfifth' ]
    compose "${here[@]}" rm -sf aa bb zz
}

@test "logs are chosen by time and number, and show their times" {
    compose_same logs -t web
    compose_same logs -n 1 --index 1 worker
    compose_same logs --tail 0 web
    compose_same logs --since 1h web
    compose_same logs --until 1h web
    compose_same logs --since nonsense web
    compose_same logs --until nonsense web
    run -0 compose logs --tail 1 --no-log-prefix worker
    [ "$output" = $'err\nerr' ]
}

@test "colours are those of the reference" {
    compose_same --ansi always logs web
    compose_same --ansi always logs --no-color web
    NO_COLOR=1 compose_same --ansi always logs web
    run -0 compose --ansi always logs web worker
    [[ "$output" == *$'\033[36mweb-1     | \033[0mhello'* ]]
    [[ "$output" == *$'\033[33mworker-1  | \033[0mout'* ]]
    [[ "$output" == *$'\033[32mworker-2  | \033[0mout'* ]]
    run -0 compose logs web
    [[ "$output" != *$'\033'* ]]
}

@test "logs work by the project's name alone" {
    cd /
    run -0 "$DORY_BIN/dory" compose -p shop logs --no-log-prefix quiet
    [ "$output" = "nothing to see" ]
    run -0 "$DORY_BIN/dory" compose -p other logs
    [ -z "$output" ]
}

@test "logs -f follows a container that is started again, and ends with the last one" {
    follow web screen
    followed '^web-1     \| hello$'
    compose_reference restart -t 0 web
    followed '^web-1     \| hello$' 2
    followed '^web-1 exited with code [0-9]+'
    dory kill shop-web-1 shop-screen-1
    wait "$FOLLOWER"
    [ "$(grep -c hello "$FOLLOWED")" = 2 ]
    grep -q '^web-1 exited with code 137$' "$FOLLOWED"
    grep -q '^screen-1 exited with code 137$' "$FOLLOWED"
    compose_reference start web screen
}

@test "logs -f follows containers that come later" {
    follow -n 1
    followed '^web-1     \| hello$'
    compose_reference up -d --scale worker=3 --no-recreate
    followed '^worker-3  \| out$'
    followed '^worker-3  \| err$'
    compose_reference up -d --force-recreate --no-deps web
    followed '^web-1     \| hello$' 2
    followed '^web-1 has been recreated$'
}

@test "logs -f of nothing ends" {
    cd /
    run -0 "$DORY_BIN/dory" compose -p other logs -f
    [ -z "$output" ]
}

@test "a container whose log driver keeps nothing is told, and the others are shown" {
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<'YAML'
name: mute
services:
  mute: {image: "busybox:latest", command: echo lost, logging: {driver: none}}
  said: {image: "busybox:latest", command: echo kept}
YAML
    compose_reference -f "$BATS_TEST_TMPDIR/compose.yaml" up -d
    compose_reference -p mute wait mute said >/dev/null 2>&1 || true
    run --separate-stderr -0 compose -p mute logs
    [ "$output" = "said-1  | kept" ]
    [[ "$stderr" == *'level=warning msg="Can'* ]]
    [[ "$stderr" == *mute-mute-1* ]]
    compose_reference -p mute down -t 0
}
