# The commands of `dory compose` that copy, commit, export, wait and tell of events, beside Compose 2.x.
load ../lib/compose

setup_file() {
    compose_setup_file
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    image: busybox:latest
    command: sh -c 'echo made here >/made; exec sleep 1000'
    init: true
  worker:
    image: busybox:latest
    command: sleep 1000
    init: true
    deploy: {replicas: 2}
  once:
    image: busybox:latest
    command: "true"
YAML
    compose_reference up -d
    compose_reference exec -T web sh -c 'until [ -e /made ]; do sleep 0.1; done'
}

teardown_file() {
    compose_reference down -v -t 0 >/dev/null 2>&1 || true
    env_stop
}

teardown() {
    [ -z "${BACKGROUND:-}" ] || kill "$BACKGROUND" 2>/dev/null || true
}

# background FILE ARGUMENT...: dory compose in the background, its output into the file.
background() {
    local file=$1
    shift
    (cd "$PROJECT" && exec "$DORY_BIN/dory" compose "$@") >"$file" 2>&1 3>&- 4>&- &
    BACKGROUND=$!
}

# appears PATTERN FILE: waits until a line is like that.
appears() {
    local i
    for ((i = 0; i < 600; i++)); do
        grep -qE "$1" "$2" && return 0
        sleep 0.05
    done
    cat "$2"
    return 1
}

# waiting COUNT: until `wait` in the background has found its containers; it has a connection for each of them.
waiting() {
    local i sockets
    for ((i = 0; i < 600; i++)); do
        sockets=$(find "/proc/$BACKGROUND/fd" -lname 'socket:*' | wc -l)
        [ "$sockets" -ge "$1" ] && return 0
        sleep 0.05
    done
    return 1
}

@test "cp copies out of the first container of a service" {
    run -0 compose cp web:/made "$BATS_TEST_TMPDIR/copy"
    [[ "$output" == *"copy shop-web-1:/made to $BATS_TEST_TMPDIR/copy Copied"* ]]
    [ "$(cat "$BATS_TEST_TMPDIR/copy")" = "made here" ]
    run -0 bash -c '"$DORY_BIN/dory" compose -p shop cp web:/made - 2>/dev/null | tar -xO made'
    [ "$output" = "made here" ]
    run -1 compose cp web:/nonesuch "$BATS_TEST_TMPDIR/copy"
    [[ "$output" == *"Could not find the file /nonesuch in container shop-web-1"* ]]
}

@test "cp copies into all containers of a service, or into one" {
    echo all >"$BATS_TEST_TMPDIR/file"
    run -0 compose cp "$BATS_TEST_TMPDIR/file" worker:/all
    [ "$(compose exec --index 1 worker cat /all)" = all ]
    [ "$(compose exec --index 2 worker cat /all)" = all ]
    run -0 compose cp --index 2 "$BATS_TEST_TMPDIR/file" worker:/second
    run -1 compose exec --index 1 worker cat /second
    [ "$(compose exec --index 2 worker cat /second)" = all ]
    ln -s file "$BATS_TEST_TMPDIR/link"
    run -0 compose cp -L "$BATS_TEST_TMPDIR/link" web:/followed
    [ "$(compose exec web cat /followed)" = all ]
    chown 1234:1234 "$BATS_TEST_TMPDIR/file"
    run -0 compose cp -a "$BATS_TEST_TMPDIR/file" web:/owned
    [ "$(compose exec web stat -c %u /owned)" = 1234 ]
}

@test "cp includes the containers of run with --all" {
    compose_reference run -d --name shop-extra worker sleep 1000 >/dev/null
    echo x >"$BATS_TEST_TMPDIR/file"
    compose cp "$BATS_TEST_TMPDIR/file" worker:/without
    run -1 dory exec shop-extra cat /without
    compose cp --all "$BATS_TEST_TMPDIR/file" worker:/with
    run -0 dory exec shop-extra cat /with
    dory rm -f shop-extra
}

@test "cp refuses what it cannot do, in the reference's words" {
    compose_same cp a b
    compose_same cp web:/a worker:/b
    compose_same cp '' b
    compose_same cp web:/a ''
    compose_same cp nonesuch:/a b
    compose_same cp --index 9 worker:/a b
}

@test "commit makes an image of a container" {
    run -0 compose commit -m why -a me -c 'ENV ADDED=yes' web made:here
    [[ "$output" == *"Commit shop-web-1 Committed as sha256:"* ]]
    run -0 dory image inspect -f '{{.Author}} {{.Comment}} {{.Config.Env}}' made:here
    [[ "$output" == "me why "*ADDED=yes* ]]
    run -0 dory run --rm made:here cat /made
    [ "$output" = "made here" ]
    run -0 compose commit --index 2 --pause=false worker made:two
    compose_same commit --index 3 worker
    compose_same commit nonesuch
    compose_same commit once x:y
    run -0 compose --dry-run commit web made:dry
    run -1 dory image inspect made:dry
}

@test "export writes the files of a container" {
    run -0 compose export -o "$BATS_TEST_TMPDIR/web.tar" web
    [ "$(tar -xOf "$BATS_TEST_TMPDIR/web.tar" made)" = "made here" ]
    run -0 bash -c '"$DORY_BIN/dory" compose -p shop export web 2>/dev/null | tar -xO made'
    [ "$output" = "made here" ]
    compose_same export nonesuch
    compose_same export --index 7 worker
    run -1 compose export -o "$BATS_TEST_TMPDIR/nonesuch/web.tar" web
    [[ "$output" == *"failed to export container"* ]]
}

@test "wait tells of each container's end, and has its status" {
    compose_same wait nonesuch
    compose_same wait once
    local id
    id=$(compose_reference run -d worker sh -c 'until [ -e /go ]; do sleep 0.1; done; exit 7')
    id=$(dory inspect -f '{{.Id}}' "$id")
    background "$BATS_TEST_TMPDIR/wait" wait worker
    waiting 3
    dory exec "$id" touch /go
    appears "^container \"$id\" exited with status code 7\$" "$BATS_TEST_TMPDIR/wait"
    # The others are waited for, too.
    kill -0 "$BACKGROUND"
    dory kill -s KILL shop-worker-1
    appears 'exited with status code 137' "$BATS_TEST_TMPDIR/wait"
    dory kill -s KILL shop-worker-2
    local status=0
    wait "$BACKGROUND" || status=$?
    [ "$status" = 137 ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/wait")" = 3 ]
    dory rm "$id"
    compose_reference start worker
}

@test "wait --down-project removes the project when the first container has ended" {
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<'YAML'
name: ending
services:
  brief:
    image: busybox:latest
    command: sh -c 'until [ -e /go ]; do sleep 0.1; done; exit 4'
  long: {image: "busybox:latest", command: sleep 1000, stop_signal: KILL}
YAML
    compose -f "$BATS_TEST_TMPDIR/compose.yaml" up -d
    background "$BATS_TEST_TMPDIR/wait" -p ending wait --down-project brief long
    waiting 2
    dory exec ending-brief-1 touch /go
    local status=0
    wait "$BACKGROUND" || status=$?
    [ "$status" = 4 ]
    grep -q '^container "[0-9a-f]*" exited with status code 4$' "$BATS_TEST_TMPDIR/wait"
    [ -z "$(dory ps -aq --filter label=com.docker.compose.project=ending)" ]
    [ -z "$(dory network ls -q --filter label=com.docker.compose.project=ending)" ]
}

@test "events tells what happens to the containers of a project" {
    background "$BATS_TEST_TMPDIR/events" events --json web
    local i
    for ((i = 0; i < 100; i++)); do
        compose_reference pause web
        compose_reference unpause web
        grep -q unpause "$BATS_TEST_TMPDIR/events" && break
    done
    run -0 jq -r '[.type, .service, .action, .attributes.name, (.attributes | keys | length), (.time | length > 20)] | @csv' "$BATS_TEST_TMPDIR/events"
    [[ "$output" == *'"container","web","pause","shop-web-1",2,true'* ]]
    kill "$BACKGROUND"
    run -0 compose events --since 10m --until 0s web
    [[ "$output" =~ [0-9]{4}-[0-9-]+\ [0-9:]+\.[0-9]{6}\ container\ pause\ [0-9a-f]{64}\ \(.*name=shop-web-1 ]]
    run -0 compose events --since 10m --until 0s once
    [[ "$output" != *shop-web-1* ]]
    run -1 compose events --since nonsense
    [[ "$output" == *'failed to parse value as time or duration: "nonsense"'* ]]
}
