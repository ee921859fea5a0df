# `dory compose watch`: files go into containers as they change, services are restarted and rebuilt.
load ../lib/compose

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

setup() {
    export PROJECT=$BATS_TEST_TMPDIR/shop
    WATCHED=$BATS_TEST_TMPDIR/watched
    mkdir -p "$PROJECT/src/sub" "$PROJECT/build"
    echo one >"$PROJECT/src/page"
    cat >"$PROJECT/build/Dockerfile" <<'EOT'
FROM busybox:latest
COPY note /note
CMD ["sleep", "1000"]
EOT
    echo first >"$PROJECT/build/note"
}

teardown() {
    [ -z "${WATCHER:-}" ] || kill "$WATCHER" 2>/dev/null || true
    compose down -t 0 --rmi local >/dev/null 2>&1 || true
}

# Writes the Compose file: one service, with what standard input has as its develop.watch.
project() {
    {
        printf 'services:\n  web:\n    image: busybox:latest\n    command: sleep 1000\n    init: true\n    develop:\n      watch:\n'
        cat
    } >"$PROJECT/compose.yaml"
}

watch() {
    (cd "$PROJECT" && exec "$DORY_BIN/dory" compose watch "$@") >"$WATCHED" 2>&1 3>&- 4>&- &
    WATCHER=$!
    said 'Watch enabled'
}

# said TEXT: waits until watch has said so.
said() {
    local i
    for ((i = 0; i < 600; i++)); do
        grep -qF "$1" "$WATCHED" && return 0
        sleep 0.05
    done
    cat "$WATCHED"
    return 1
}

# inside COMMAND...: waits until it succeeds in the container.
inside() {
    local i
    for ((i = 0; i < 300; i++)); do
        dory exec shop-web-1 "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    cat "$WATCHED"
    return 1
}

@test "sync copies what changes and what comes, and removes what goes" {
    project <<'YAML'
        - {path: ./src, action: sync, target: /app}
YAML
    watch
    echo two >"$PROJECT/src/page"
    inside grep -q two /app/page
    said '⦿ Syncing service "web" after 1 changes were detected'
    mkdir -p "$PROJECT/src/new/deep"
    echo deep >"$PROJECT/src/new/deep/file"
    inside grep -q deep /app/new/deep/file
    rm "$PROJECT/src/page"
    inside test ! -e /app/page
    kill -INT "$WATCHER"
    local status=0
    wait "$WATCHER" || status=$?
    [ "$status" = 130 ]
    said 'Watch disabled'
}

@test "include and ignore patterns, .dockerignore and editors' files decide" {
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    build: ./build
    init: true
    develop:
      watch:
        - {path: ./build, action: sync, target: /app, include: ["*.html", "note", "hidden.html", "x.html~"], ignore: ["no*.html"]}
YAML
    echo hidden.html >"$PROJECT/build/.dockerignore"
    watch
    local name
    for name in nope.html hidden.html other.txt x.html~; do
        echo "$name" >"$PROJECT/build/$name"
    done
    echo yes >"$PROJECT/build/yes.html"
    inside grep -q yes /app/yes.html
    run -0 dory exec shop-web-1 ls /app
    [ "$output" = yes.html ]
}

@test "one file can be watched, also when it is replaced" {
    project <<'YAML'
        - {path: ./src/page, action: sync, target: /page}
YAML
    watch
    echo two >"$PROJECT/src/page.new"
    mv "$PROJECT/src/page.new" "$PROJECT/src/page"
    inside grep -q two /page
    run -1 dory exec shop-web-1 ls /page.new
}

@test "sync+restart starts the service again, sync+exec runs a command in it" {
    project <<'YAML'
        - {path: ./src, action: sync+exec, target: /app, exec: {command: sh -c 'echo ran as $$WHO >>/ran', environment: {WHO: me}}}
        - {path: ./build, action: sync+restart, target: /conf}
YAML
    watch
    echo two >"$PROJECT/src/page"
    inside grep -q 'ran as me' /ran
    inside grep -q two /app/page
    local started
    started=$(dory inspect -f '{{.State.StartedAt}}' shop-web-1)
    echo second >"$PROJECT/build/note"
    said 'service(s) ["web"] restarted'
    inside grep -q second /conf/note
    [ "$(dory inspect -f '{{.State.StartedAt}}' shop-web-1)" != "$started" ]
}

@test "restart alone copies nothing" {
    project <<'YAML'
        - {path: ./src, action: restart}
YAML
    watch
    echo two >"$PROJECT/src/page"
    said 'service(s) ["web"] restarted'
    run -1 dory exec shop-web-1 ls /app
}

@test "rebuild builds the image and makes the container anew" {
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    build: ./build
    init: true
    develop: {watch: [{path: ./build, action: rebuild}]}
YAML
    watch
    run -0 dory exec shop-web-1 cat /note
    [ "$output" = first ]
    echo second >"$PROJECT/build/note"
    said 'Rebuilding service(s) ["web"] after changes were detected...'
    said 'service(s) ["web"] successfully built'
    inside grep -q second /note
    # A build that fails is told, and the next change is another chance.
    echo nonsense >>"$PROJECT/build/Dockerfile"
    said 'Build failed. Error: '
    sed -i '$d' "$PROJECT/build/Dockerfile"
    echo third >"$PROJECT/build/note"
    inside grep -q third /note
}

@test "--quiet hides what builds say" {
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    build: ./build
    init: true
    develop: {watch: [{path: ./build, action: rebuild}]}
YAML
    watch --quiet
    echo second >"$PROJECT/build/note"
    said 'service(s) ["web"] successfully built'
    inside grep -q second /note
    run -1 grep -E 'COPY note|busybox' "$WATCHED"
}

@test "initial_sync copies what is newer than the image" {
    project <<'YAML'
        - {path: ./src, action: sync, target: /app, initial_sync: true}
YAML
    touch -d '2001-01-01' "$PROJECT/src/sub/old"
    touch "$PROJECT/src/page"
    watch
    run -0 dory exec shop-web-1 cat /app/page
    [ "$output" = one ]
    run -1 dory exec shop-web-1 ls /app/sub/old
}

@test "--no-up starts nothing" {
    project <<'YAML'
        - {path: ./src, action: sync, target: /app}
YAML
    watch --no-up
    [ -z "$(dory ps -aq)" ]
}

@test "what cannot be watched is refused" {
    project <<'YAML'
        - {path: ./src, action: rebuild}
YAML
    run -1 compose watch
    [ "$output" = "can't watch service \"web\" with action rebuild without a build context" ]
    printf 'services: {web: {image: busybox}}\n' >"$PROJECT/compose.yaml"
    run -1 compose watch
    [ "$output" = "none of the selected services is configured for watch, consider setting a 'develop' section" ]
    run -1 compose watch nonesuch
    [ "$output" = "no such service: nonesuch" ]
    project <<'YAML'
        - {path: ./nonesuch, action: sync, target: /app}
YAML
    run -1 compose watch --no-up
    [[ "$output" == *"watch $PROJECT/nonesuch: No such file or directory"* ]]
}
