#!/usr/bin/env bats
# exec: streams, terminal, exit codes, users, environment, rights, refusals, events, and what outlives the daemon. With
# ENV_ENGINE=docker the same file runs against docker, except for what is marked as ours.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory run -d --name main -e FROM=container -e GONE=x -w /tmp busybox sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
}

teardown_file() {
    env_stop
}

eventually() { # command...: within 30 seconds it succeeds
    local end=$((SECONDS + 30))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

api() { # method path [body]: prints status, then the body
    curl -s -w '\n%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -X "$1" -H 'Content-Type: application/json' \
        "http://d$2" ${3:+-d "$3"} | awk '{a[NR]=$0} END {print a[NR]; for (i = 1; i < NR; i++) print a[i]}'
}

exec_field() { # exec id, jq expression
    curl -s --unix-socket "$ENV_DIR/dory.sock" "http://d/exec/$1/json" | jq -r "$2"
}

new_exec() { # body: prints the id
    curl -s --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d "$1" \
        "http://d/containers/${2:-main}/exec" | jq -r .Id
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "differs from docker on purpose"
}

@test "streams are kept apart, stdin is passed, its end is seen, and the exit code comes back" {
    run --separate-stderr dory exec main sh -c 'echo out; echo err >&2; exit 7'
    [ "$status" -eq 7 ]
    [ "$output" = out ]
    [ "$stderr" = err ]
    run bash -c 'printf "a\nb\n" | "$ENV_CLI" exec -i main sh -c "cat; echo end"'
    [ "$output" = $'a\nb\nend' ]
    # Without -i there is nothing to read.
    run bash -c 'echo lost | "$ENV_CLI" exec main cat'
    [ -z "$output" ]
    run dory exec main sh -c 'kill -9 $$'
    [ "$status" -eq 137 ]
    # More than every buffer on the way holds.
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    dory exec -i main cat <"$BATS_TEST_TMPDIR/data" | cmp - "$BATS_TEST_TMPDIR/data"
}

@test "a command that cannot be run: 127 and 126, with docker's words" {
    dory exec main nosuch >"$BATS_TEST_TMPDIR/out" 2>&1 && status=0 || status=$?
    [ "$status" -eq 127 ] || { [ "$ENV_ENGINE" = docker ] && [ "$status" -eq 126 ]; }
    output=$(cat "$BATS_TEST_TMPDIR/out")
    [[ $output == *'exec: "nosuch": executable file not found in $PATH'* ]]
    run dory exec main /etc/passwd
    [ "$status" -eq 126 ]
    [[ $output == *"permission denied"* ]]
    run -127 dory exec -w /nosuch main true
    [[ $output == *'chdir to cwd ("/nosuch") set in config.json failed: no such file or directory'* ]]
    run -125 dory exec -e '' main true
    [[ $output == 'invalid argument "" for "-e, --env" flag: invalid environment variable: '* ]]
    # docker 28 refuses to make such an exec, older ones to start it
    run dory exec -u nosuch main true
    [ "$status" -eq 1 ] || { [ "$ENV_ENGINE" = docker ] && [ "$status" -eq 126 ]; }
    [[ $output == *"unable to find user nosuch: no matching entries in passwd file"* ]]
    # What was refused has left no process.
    [ "$(dory top main -o args | grep -c nosuch)" -eq 0 ]
}

@test "user, groups, environment and working directory" {
    run dory exec main id -u
    [ "$output" = 0 ]
    run dory exec -u www-data main id
    [[ $output == "uid=33(www-data) gid=33(www-data) groups="*"29(audio)"* ]]
    run dory exec -u 33:29 main id
    [[ $output == "uid=33(www-data) gid=29(audio)"* ]]
    run dory exec main pwd
    [ "$output" = /tmp ]
    run dory exec -w /etc main pwd
    [ "$output" = /etc ]
    printf '# comment\nFILE=1\n' >"$BATS_TEST_TMPDIR/env"
    run dory exec -e OWN=1 -e FROM=exec --env-file "$BATS_TEST_TMPDIR/env" main sh -c 'echo $OWN $FROM $FILE $HOSTNAME'
    [ "$output" = "1 exec 1 $(dory inspect -f '{{.Config.Hostname}}' main)" ]
    run dory exec -u www-data main sh -c 'echo $HOME'
    [ "$output" = /var/www ]
    # Nothing of the daemon's own environment.
    run dory exec main env
    [[ $output != *DORY* && $output != *ENV_DIR* ]]
}

@test "rights: no inheritable capabilities, the container's own, all with --privileged, three descriptors" {
    bounding=$(dory exec main awk '/CapBnd/ {print $2}' /proc/1/status)
    run dory exec main awk '/^Cap/ {print $1 $2}' /proc/self/status
    [[ $output == *"CapInh:0000000000000000"* ]]
    [[ $output == *"CapEff:$bounding"* ]]
    [[ $output == *"CapBnd:$bounding"* ]]
    run dory exec -u 33 main awk '/^CapEff/ {print $2}' /proc/self/status
    [ "$output" = 0000000000000000 ]
    run dory exec main sh -c 'grep Seccomp: /proc/self/status | tr -d "\t"; ls /proc/self/fd | wc -l; ls /proc/$$/fd | wc -l'
    # ls itself has one more open: the directory.
    [ "${lines[0]}" = Seccomp:2 ]
    [ "${lines[1]}" -eq 4 ]
    ours
    run dory exec --privileged main awk '/^CapInh|^CapEff/ {print $2}' /proc/self/status
    [ "${lines[0]}" = 0000000000000000 ]
    [ "${lines[1]}" != "$bounding" ]
}

@test "a working directory that leads out over a descriptor of the host is refused" {
    for fd in 3 4 5 6 7 8 9 10 11 12 16 20 30 40; do
        for path in "/proc/self/fd/$fd" "/proc/self/fd/$fd/../../../.." "/proc/1/fd/$fd"; do
            run dory exec -w "$path" main sh -c 'ls; cat /etc/hostname'
            [ "$status" -ne 0 ] || [ "$output" != "$(ls /; cat /etc/hostname)" ]
            [ "$status" -ne 0 ]
        done
    done
}

@test "an image full of trojans: nothing of it is loaded on the way into the container" {
    mkdir -p "$BATS_TEST_TMPDIR/lib"
    dory exec main sh -c 'mkdir -p /lib /etc; for f in /lib/libnss_files.so.2 /lib/libc.so.6 /etc/ld.so.preload; do echo trojan >$f; done; echo "passwd: trojan" >/etc/nsswitch.conf'
    run dory exec -u www-data main id -un
    [ "$output" = www-data ]
    # A passwd that is no file, or has no end, blocks nobody (docker waits for a writer).
    ours
    dory run -d --name odd busybox sleep 1000
    dory exec odd sh -c 'rm /etc/passwd && mkfifo /etc/passwd'
    for user in www-data 33; do
        run timeout 20 "$ENV_CLI" exec -u $user odd true
        [ "$status" -eq 1 ]
        [[ $output == *"/etc/passwd"* ]]
    done
    dory rm -f odd
}

@test "a terminal: size, raw stream, resize, detach keys" {
    run script -qefc "stty rows 33 cols 101; $ENV_CLI exec -it main sh -c 'tty; until stty size | grep \"33 101\"; do sleep 0.1; done; echo \$TERM'" /dev/null </dev/null
    [[ $output == *"/dev/pts/"* ]]
    [[ $output == *"33 101"* ]]
    [[ $output == *xterm* ]]
    run bash -c '"$ENV_CLI" exec -it main true </dev/null'
    [ "$status" -eq 1 ]
    [[ $output == *"the input device is not a TTY"* ]]
    id=$(new_exec '{"AttachStdout":true,"Tty":true,"Cmd":["sh","-c","until [ \"$(stty size)\" = \"44 99\" ]; do sleep 0.1; done; echo resized"]}')
    curl -sN --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d '{"Tty":true}' \
        "http://d/exec/$id/start" >"$BATS_TEST_TMPDIR/out" 3>&- &
    reader=$!
    eventually eval '[ "$(exec_field "'"$id"'" .Running)" = true ]'
    run api POST "/exec/$id/resize?h=44&w=99"
    [[ ${lines[0]} == 20[01] ]]
    wait $reader
    grep -q resized "$BATS_TEST_TMPDIR/out"
    run api POST "/exec/$id/resize?h=44&w=99"
    [ "${lines[0]}" -ge 400 ]
    # Ctrl-P Ctrl-Q ends the client and nothing else.
    ours
    run bash -c '{ for i in $(seq 100); do printf "\020\021"; sleep 0.2; done 2>/dev/null; } |
        script -qefc "$ENV_CLI exec -it main sh -c \"echo \\\$\\\$ >/tmp/pid; exec sleep 1077\"" /dev/null'
    [[ $output == *"read escape sequence"* ]]
    eventually dory exec main test -s /tmp/pid
    dory exec main sh -c 'kill $(cat /tmp/pid)'
}

@test "detached, several at once, and a client that goes away" {
    dory exec -d main sh -c 'echo detached >/tmp/detached'
    eventually dory exec main test -s /tmp/detached
    pids=()
    for i in $(seq 8); do
        dory exec main sh -c "sleep 0.3; echo $i; exit $i" >"$BATS_TEST_TMPDIR/$i" 3>&- &
        pids+=($!)
    done
    for i in $(seq 8); do
        wait "${pids[i - 1]}" && status=0 || status=$?
        [ "$status" -eq "$i" ]
        [ "$(cat "$BATS_TEST_TMPDIR/$i")" = "$i" ]
    done
    # A client that is killed leaves its command running, and holds up nobody.
    "$ENV_CLI" exec main sh -c 'echo $$ >/tmp/begun; exec sleep 1088' >/dev/null 2>&1 3>&- &
    client=$!
    eventually dory exec main test -s /tmp/begun
    kill -9 $client
    wait $client || true
    dory exec main sh -c 'kill $(cat /tmp/begun)'
    # A background process that keeps the pipe open delays the end only for a moment.
    run timeout 20 "$ENV_CLI" exec main sh -c 'sleep 1099 & echo $! >/tmp/pid; echo done'
    [ "$output" = done ]
    dory exec main sh -c 'kill $(cat /tmp/pid)'
}

@test "the API: create, start, inspect, and every refusal with its status" {
    run api POST /containers/main/exec '{"Cmd":[]}'
    [ "${lines[0]}" -eq 400 ]
    [[ $output == *"No exec command specified"* ]]
    run api POST /containers/nosuch/exec '{"Cmd":["true"]}'
    [ "${lines[0]}" -eq 404 ]
    [[ $output == *"No such container: nosuch"* ]]
    for what in "GET /exec/nosuch/json" "POST /exec/nosuch/start {}" "POST /exec/nosuch/resize?h=1&w=1"; do
        run api $what
        [ "${lines[0]}" -eq 404 ]
        [[ $output == *"No such exec instance"* ]]
    done
    run api POST /containers/main/exec '{"Cmd":["true"],"DetachKeys":"ctrl-"}'
    [ "${lines[0]}" -eq 400 ] || ours
    id=$(new_exec '{"AttachStdout":true,"Cmd":["sh","-c","exit 3"],"User":"33","Env":["A=b"]}')
    [ "$(exec_field "$id" '[.Running, .ExitCode, .Pid, .OpenStdout, .OpenStdin, .ProcessConfig.entrypoint, .ProcessConfig.user] | join(" ")')" = "false  0 true false sh 33" ]
    [[ $(dory inspect -f '{{json .ExecIDs}}' main) == *$id* ]]
    [ "$(exec_field "$(new_exec '{"Cmd":["true"],"DetachKeys":"ctrl-p,ctrl-x"}')" .DetachKeys)" = EBg= ]
    curl -s --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d '{}' "http://d/exec/$id/start"
    [ "$(exec_field "$id" '[.Running, .ExitCode, .ContainerID] | join(" ")')" = "false 3 $(dory inspect -f '{{.Id}}' main)" ]
    [[ $(dory inspect -f '{{json .ExecIDs}}' main) != *$id* ]]
    run api POST "/exec/$id/start" '{"Detach":true}'
    [ "${lines[0]}" -eq 409 ]
    id=$(new_exec '{"Cmd":["nosuch"]}')
    run api POST "/exec/$id/start" '{"Detach":true}'
    [ "${lines[0]}" -eq 400 ]
    [[ $output == *"executable file not found"* ]]
    eventually eval '[ "$(exec_field "'"$id"'" .ExitCode)" -ge 126 ]'
    # Paused, then ended.
    dory run -d --name state busybox sleep 1000
    id=$(new_exec '{"Cmd":["true"]}' state)
    dory pause state
    run api POST /containers/state/exec '{"Cmd":["true"]}'
    [ "${lines[0]}" -eq 409 ]
    [[ $output == *"Container state is paused, unpause the container before exec"* ]]
    run api POST "/exec/$id/start" '{"Detach":true}'
    [ "${lines[0]}" -eq 409 ]
    dory unpause state
    dory kill state
    dory wait state
    run api POST /containers/state/exec '{"Cmd":["true"]}'
    [ "${lines[0]}" -eq 409 ]
    [[ $output == *"is not running"* ]]
    # What was made for a run and not started in it is gone with it, for the next one too.
    run api POST "/exec/$id/start" '{"Detach":true}'
    [ "${lines[0]}" -eq 404 ]
    [[ $output == *"No such exec instance: $id"* ]]
    run dory exec state true
    [ "$status" -eq 1 ]
    dory start state
    run api POST "/exec/$id/start" '{"Detach":true}'
    [ "${lines[0]}" -eq 404 ]
    dory rm -f state
}

@test "pausing and executing at once: neither waits for the other for ever" {
    ours # docker's unpause may hang
    dory run -d --name frozen busybox sleep 1000
    dory exec frozen sh -c 'echo $$ >/tmp/first' 3>&-
    for _ in $(seq 10); do
        dory exec frozen true >/dev/null 2>&1 3>&- &
        dory exec frozen true >/dev/null 2>&1 3>&- &
        timeout 30 "$ENV_CLI" pause frozen
        timeout 30 "$ENV_CLI" unpause frozen
        wait
    done
    [ "$(dory exec frozen echo fine)" = fine ]
    dory rm -f frozen
}

@test "a container that stops what enters it holds up neither its supervisor nor its removal" {
    ours
    dory run -d --name stopper busybox sh -c 'while :; do kill -STOP -1; done'
    eventually eval '[ "$(dory inspect -f "{{.State.Running}}" stopper)" = true ]'
    # One may slip through between two signals.
    run timeout 60 "$ENV_CLI" exec -d stopper true
    [ "$status" -eq 0 ] || [[ $output == *"the process does not get to its command"* ]]
    timeout 60 "$ENV_CLI" logs stopper
    timeout 60 "$ENV_CLI" rm -f stopper
    run dory inspect stopper
    [ "$status" -eq 1 ]
}

@test "events tell of create, start and die, with the exec's id and exit code" {
    since=$(date +%s.%N)
    dory exec main sh -c 'exit 4' || true
    eventually eval 'dory events --since '"$since"' --until "$(date +%s.%N)" --filter container=main --format "{{json .}}" | grep -q exec_die'
    dory events --since "$since" --until "$(date +%s.%N)" --filter container=main --format '{{json .}}' >"$BATS_TEST_TMPDIR/events"
    [ "$(jq -r .Action "$BATS_TEST_TMPDIR/events" | grep exec_ | paste -sd,)" = "exec_create: sh -c exit 4,exec_start: sh -c exit 4,exec_die" ]
    [ "$(jq -r '.Actor.Attributes.execID' "$BATS_TEST_TMPDIR/events" | sort -u | wc -l)" -eq 1 ]
    [ "$(jq -r 'select(.Action == "exec_die") | .Actor.Attributes.exitCode' "$BATS_TEST_TMPDIR/events")" = 4 ]
}

@test "the container's end ends its execs" {
    dory run -d --name ending busybox sleep 1000
    id=$(new_exec '{"AttachStdout":true,"Cmd":["sh","-c","echo up; sleep 1000"]}' ending)
    curl -sN --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d '{}' \
        "http://d/exec/$id/start" >"$BATS_TEST_TMPDIR/out" 3>&- &
    reader=$!
    eventually grep -q up "$BATS_TEST_TMPDIR/out"
    dory kill ending
    wait $reader
    eventually eval '[ "$(exec_field "'"$id"'" "[.Running, .ExitCode] | join(\" \")")" = "false 137" ]'
    dory rm ending
    run api GET "/exec/$id/json"
    [ "${lines[0]}" -eq 404 ]
}

@test "an exec outlives the daemon: its stream, its inspect and its exit code" {
    ours
    mkfifo "$BATS_TEST_TMPDIR/in"
    id=$(new_exec '{"AttachStdin":true,"AttachStdout":true,"Tty":true,"Cmd":["sh","-c","until [ -e /tmp/go ]; do sleep 0.05; done; echo bye; exit 9"]}')
    ended=$(new_exec '{"Cmd":["sh","-c","until [ -e /tmp/end ]; do sleep 0.05; done; exit 8"]}')
    curl -s --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d '{"Detach":true}' "http://d/exec/$ended/start"
    curl -sN --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d '{"Tty":true}' \
        "http://d/exec/$id/start" >"$BATS_TEST_TMPDIR/out" 3>&- &
    reader=$!
    eventually eval '[ "$(exec_field "'"$id"'" .Running)" = true ]'
    root=/proc/$(dory inspect -f '{{.State.Pid}}' main)/root
    pid=$(exec_field "$ended" .Pid)
    env_daemon_kill KILL
    touch "$root/tmp/end"
    env_wait_gone "$pid"
    env_daemon_start
    [ "$(exec_field "$id" '[.Running, .ProcessConfig.tty] | join(" ")')" = "true true" ]
    [ "$(exec_field "$ended" '[.Running, .ExitCode] | join(" ")')" = "false 8" ]
    [[ $(dory inspect -f '{{json .ExecIDs}}' main) == *$id* ]]
    touch "$root/tmp/go"
    wait $reader
    grep -q bye "$BATS_TEST_TMPDIR/out"
    [ "$(exec_field "$id" '[.Running, .ExitCode] | join(" ")')" = "false 9" ]
    [ "$(dory exec main echo still)" = still ]
}

@test "execs at once, some of which fail, all end" {
    ours # docker 20.10 has 126 for what is not found
    dory run -d --name many busybox sleep 1000 >/dev/null
    local i pids=() pid
    for ((i = 0; i < 25; i++)); do
        dory exec many true 3>&- & pids+=($!)
        dory exec many /no/such/program 3>&- >/dev/null 2>&1 & pids+=($!)
        dory exec many sh -c 'exit 3' 3>&- & pids+=($!)
    done
    for i in "${!pids[@]}"; do
        pid=0
        wait "${pids[i]}" || pid=$?
        case $((i % 3)) in
        0) [ "$pid" = 0 ] ;;
        1) [ "$pid" = 127 ] ;;
        2) [ "$pid" = 3 ] ;;
        esac
    done
    dory rm -f many >/dev/null
}
