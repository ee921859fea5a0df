#!/usr/bin/env bats
# Builds that fail, are cancelled or lose their daemon leave no container, mount, layer, cgroup or directory.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../faults/leaks

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

teardown() {
    [ ! -s "$ENV_DIR/server.pid" ] || kill "$(cat "$ENV_DIR/server.pid")" 2>/dev/null || true
    rm -f "$ENV_DIR/server.pid"
}

# Waits until a step runs that prints "started".
wait_for_step() { # log
    for _ in $(seq 300); do
        grep -q ' started$' "$1" && return
        sleep 0.1
    done
    cat "$1"
    return 1
}

begin() { # DOCKERFILE: a build in the background; sets BUILD
    printf '%s\n' "$1" >"$C/Dockerfile"
    "$ENV_CLI" build --progress plain -t never "$C" >"$C.log" 2>&1 3>&- &
    BUILD=$!
}

slow='FROM busybox AS other
RUN --mount=type=secret,id=none --mount=target=/ctx --mount=type=cache,target=/c sleep 1000
FROM busybox
RUN --mount=target=/ctx,rw echo started; sleep 1000
COPY --from=other /x /x'

@test "failures of every kind leave nothing" {
    dory build -q - <<<$'FROM busybox\nRUN true' >/dev/null
    before=$(leak_snapshot)
    for step in 'RUN exit 3' 'RUN --mount=type=bind,source=none,target=/x true' 'COPY none /' 'RUN ["/none"]' \
        'RUN --mount=type=secret,id=x,required true' 'WORKDIR /bin/sh/x' 'USER nobody-there
RUN true' 'ADD http://127.0.0.1:1/x /'; do
        printf 'FROM busybox AS other\nRUN sleep 1000\nFROM busybox\n%s\nCOPY --from=other /x /x\n' "$step" >"$C/Dockerfile"
        run dory build "$C"
        [ "$status" -ne 0 ]
    done
    leak_compare "$before"
}

@test "a build whose client goes away ends, with its containers" {
    dory build -q - <<<$'FROM busybox\nRUN true' >/dev/null
    before=$(leak_snapshot)
    begin "$slow"
    wait_for_step "$C.log"
    kill "$BUILD"
    wait "$BUILD" || true
    leak_compare "$before"
    run -1 dory inspect never
}

@test "a daemon that is killed while it builds leaves nothing to the next one" {
    dory build -q - <<<$'FROM busybox\nRUN true' >/dev/null
    env_daemon_kill
    env_daemon_start
    before=$(leak_snapshot)
    begin "$slow"
    wait_for_step "$C.log"
    env_daemon_kill
    wait "$BUILD" || true
    env_daemon_start
    leak_compare "$before"
    [ -z "$(dory ps -aq)" ]
    run dory build -q - <<<$'FROM busybox\nRUN echo goes on'
    [ "$status" -eq 0 ]
}

@test "a base image that is removed meanwhile, and an image removed while the cache has its layers" {
    dory build -q -t kept - <<<$'FROM busybox\nRUN echo layer >/layer' >/dev/null
    dory rmi kept >/dev/null
    run dory build --progress plain -t kept - <<<$'FROM busybox\nRUN echo layer >/layer'
    [[ $output == *CACHED* ]]
    [ "$(dory run --rm kept cat /layer)" = layer ]
    dory builder prune -af >/dev/null
    [ "$(dory run --rm kept cat /layer)" = layer ]
}

@test "a daemon that is stopped gives builds up, and their containers end" {
    dory build -q - <<<$'FROM busybox\nRUN true' >/dev/null
    env_daemon_kill
    env_daemon_start
    before=$(leak_snapshot)
    begin "$slow"
    wait_for_step "$C.log"
    pid=$(env_daemon_pid)
    kill "$pid"
    env_wait_gone "$pid"
    run -1 wait "$BUILD"
    env_daemon_start
    leak_compare "$before"
}

@test "a client that goes away while git waits for a silent server ends git and the build" {
    before=$(leak_snapshot)
    /usr/bin/python3 -c 'import os, socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
kept = s.accept()
time.sleep(1000)' >"$C.port" 2>/dev/null 3>&- 4>&- &
    echo $! >"$ENV_DIR/server.pid"
    for _ in $(seq 300); do [ ! -s "$C.port" ] || break; sleep 0.1; done
    port=$(cat "$C.port")
    begin "FROM busybox
ADD http://127.0.0.1:$port/repository.git /x"
    for _ in $(seq 300); do pgrep -f "gi[t].*127.0.0.1:$port" >/dev/null && break; sleep 0.1; done
    pgrep -f "gi[t].*127.0.0.1:$port"
    kill "$BUILD"
    wait "$BUILD" || true
    for _ in $(seq 300); do pgrep -f "gi[t].*127.0.0.1:$port" >/dev/null || break; sleep 0.1; done
    run -1 pgrep -f "gi[t].*127.0.0.1:$port"
    leak_compare "$before"
}

@test "a client that does not read its answer holds up nobody, and gets all of it when it does" {
    local line=
    printf 'FROM busybox\nRUN yes 0123456789abcdef | head -n 200000; echo told\n' >"$C/Dockerfile"
    mkfifo "$C.out" "$C.classic"
    dory build --progress plain -t slow:1 "$C" >"$C.out" 2>&1 3>&- &
    first=$!
    exec 5<"$C.out"
    until [[ $line == *" 0123456789abcdef" ]]; do read -r -u 5 line; done
    # It shares the step with the first one, whose client reads nothing.
    dory build -q -t slow:2 "$C" 5<&-
    # The same by docker's endpoint, whose client takes the first line alone.
    tar -C "$C" -c Dockerfile | curl -s -N --unix-socket "$ENV_DIR/dory.sock" -X POST --data-binary @- -H 'Content-Type: application/x-tar' \
        "http://dory/v1.41/build?nocache=1&t=slow:3" >"$C.classic" 3>&- 5<&- &
    second=$!
    exec 6<"$C.classic"
    read -r -u 6 line
    for _ in $(seq 600); do
        dory inspect slow:3 >/dev/null 2>&1 5<&- 6<&- && break
        sleep 0.1
    done
    dory inspect slow:3 >/dev/null 5<&- 6<&-
    [ "$(grep -c ' 0123456789abcdef$' <&5)" -eq 199999 ]
    [ "$(/usr/bin/python3 -c "import json, sys
print(''.join(json.loads(l).get('stream', '') for l in sys.stdin if l.strip()).count('0123456789abcdef\n'))" <&6)" -eq 200000 ]
    exec 5<&- 6<&-
    wait "$first"
    wait "$second"
}

@test "much that nobody reads is clipped, and said to be" {
    printf 'FROM busybox\nRUN yes 0123456789abcdef | head -c 90000000; echo told\n' >"$C/Dockerfile"
    mkfifo "$C.out"
    dory build --progress plain -t clipped "$C" >"$C.out" 2>&1 3>&- &
    build=$!
    exec 5<"$C.out"
    for _ in $(seq 900); do
        dory inspect clipped >/dev/null 2>&1 5<&- && break
        sleep 0.1
    done
    dory inspect clipped >/dev/null 5<&-
    run grep -v ' 0123456789abcdef$' <&5
    [[ $output == *"[output clipped: it is not read]"*DONE* && $output != *told*told* ]]
    exec 5<&-
    wait "$build"
}
