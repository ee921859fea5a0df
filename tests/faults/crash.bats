#!/usr/bin/env bats
# The daemon is killed with -9: at chosen moments, and at random ones under load. Containers go on, logs lose nothing,
# everything is found again, nothing leaks.

bats_require_minimum_version 1.5.0
load ../lib/env
load leaks

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

restart_daemon() {
    env_daemon_kill KILL
    env_daemon_start
}

@test "a running container survives: ps, logs, wait, stop work on it afterwards" {
    id=$(dory run -d --name survivor -p 127.0.0.1::80 busybox sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done')
    pid=$(dory inspect -f '{{.State.Pid}}' survivor)
    port=$(dory port survivor 80)
    env_daemon_kill KILL
    kill -0 "$pid"
    sleep 0.3
    env_daemon_start
    [ "$(dory ps -q --no-trunc)" = "$id" ]
    [ "$(dory inspect -f '{{.State.Pid}}' survivor)" = "$pid" ]
    [ "$(dory port survivor 80)" = "$port" ]
    sleep 0.2
    dory stop -t 1 survivor
    # Not a line is missing, not one is double.
    dory logs survivor >"$BATS_TEST_TMPDIR/log"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/log")" -gt 30 ]
    awk '$1 != NR - 1 {print "line " NR " is " $1; exit 1}' "$BATS_TEST_TMPDIR/log"
    [ "$(dory wait survivor)" = 137 ]
    dory rm survivor
}

@test "what a killed daemon's children still have locked is waited for; another daemon is told at once" {
    run "$DORY_BIN/doryd" --data-root "$ENV_DIR/data" --exec-root "$ENV_DIR/run2" -H "unix://$ENV_DIR/other.sock" \
        --pidfile "$ENV_DIR/other.pid" --config-file "$ENV_DIR/daemon.json" --bridge none
    [ "$status" -eq 1 ]
    [[ $output == *"another dory daemon (process $(env_daemon_pid)) uses the data root"* ]]
    env_daemon_kill KILL
    # As a child that has not yet come to run its program.
    (exec 8<"$ENV_DIR/data" && flock 8 && exec 9<>"$ENV_DIR/data/lock" && flock 9 && touch "$BATS_TEST_TMPDIR/held" &&
        sleep 0.5) 3>&- 4>&- &
    holder=$!
    for ((i = 0; i < 500; i++)); do
        [ ! -e "$BATS_TEST_TMPDIR/held" ] || break
        sleep 0.02
    done
    env_daemon_start
    wait "$holder"
    dory version >/dev/null
}

@test "a container that ends while no daemon runs has its exit status" {
    dory run -d --name ended busybox sh -c 'sleep 0.5; echo last words; exit 23'
    env_daemon_kill KILL
    sleep 1
    env_daemon_start
    [ "$(dory inspect -f '{{.State.Status}} {{.State.ExitCode}}' ended)" = "exited 23" ]
    [ "$(dory logs ended)" = "last words" ]
    [ "$(dory wait ended)" = 23 ]
    dory rm ended
}

@test "--rm is honoured and --restart always is taken up after a restart" {
    dory run -d --rm --name gone busybox sh -c 'sleep 0.3'
    dory run -d --name again --restart always busybox sh -c 'sleep 0.3'
    env_daemon_kill KILL
    sleep 0.8
    env_daemon_start
    for _ in $(seq 100); do
        ! dory inspect gone >/dev/null 2>&1 && [ "$(dory inspect -f '{{.RestartCount}}' again)" -ge 1 ] && break
        sleep 0.05
    done
    ! dory inspect gone >/dev/null 2>&1 || false
    [ "$(dory inspect -f '{{.RestartCount}}' again)" -ge 1 ]
    dory rm -f again
}

@test "an attached session survives the daemon" {
    mkfifo "$BATS_TEST_TMPDIR/in"
    dory run -i --name session busybox cat <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
    exec 8>"$BATS_TEST_TMPDIR/in"
    echo before >&8
    for _ in $(seq 100); do grep -q before "$BATS_TEST_TMPDIR/out" && break; sleep 0.02; done
    env_daemon_kill KILL
    echo during >&8
    for _ in $(seq 100); do grep -q during "$BATS_TEST_TMPDIR/out" && break; sleep 0.02; done
    grep -q during "$BATS_TEST_TMPDIR/out"
    exec 8>&-
    env_daemon_start
    dory rm -f session
}

@test "killed at random under load, it finds everything and leaks nothing" {
    restart_daemon
    before=$(leak_snapshot)
    dory run -d --name crash-base --health-cmd true --health-interval 100ms busybox sleep 1000
    : >"$BATS_TEST_TMPDIR/stop"
    rm "$BATS_TEST_TMPDIR/stop"
    worker() {
        local n=0 me=$1
        while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do
            n=$((n + 1))
            case $((n % 6)) in
            0) dory run --rm busybox true ;;
            1) dory run -d --name "crash-$me-$n" -v /data -p 127.0.0.1::80 busybox sleep 0.2 ;;
            2) dory create --name "crash-$me-$n" busybox true && dory rm "crash-$me-$n" ;;
            3) dory run -d --rm --network none busybox sleep 0.1 ;;
            4) dory rm -f -v "crash-$me-$((n - 3))" ;;
            5) dory exec crash-base sleep 0.05 ;;
            esac >/dev/null 2>&1
        done
    }
    workers=()
    for w in 1 2 3; do
        worker $w 3>&- &
        workers+=($!)
    done
    for ((i = 0; i < ${CRASH_ROUNDS:-15}; i++)); do
        sleep "0.$((RANDOM % 40 + 10))"
        restart_daemon
        # Whatever the list says runs, does.
        for pid in $(curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/containers/json | jq -r '.[].Id' |
            while read -r id; do curl -s --unix-socket "$ENV_DIR/dory.sock" "http://d/containers/$id/json" | jq -r 'select(.State.Running) | .State.Pid'; done); do
            [ "$pid" = null ] || kill -0 "$pid" 2>/dev/null || ended=$((${ended:-0} + 1))
        done
    done
    touch "$BATS_TEST_TMPDIR/stop"
    for w in "${workers[@]}"; do wait "$w" || true; done
    # Every exec has ended, is known to have, and has left no process; and checks go on.
    for _ in $(seq 600); do
        [ "$(dory inspect -f '{{json .ExecIDs}}' crash-base)$(dory top crash-base -o args | grep -c 'sleep 0.05')" != null0 ] || break
        sleep 0.05
    done
    [ "$(dory inspect -f '{{json .ExecIDs}}' crash-base)" = null ]
    [ "$(dory top crash-base -o args | grep -c 'sleep 0.05')" -eq 0 ]
    [ "$(dory inspect -f '{{.State.Status}} {{.State.Health.Status}}' crash-base)" = "running healthy" ]
    ids=$(dory ps -aq)
    [ -z "$ids" ] || dory rm -f -v $ids
    run leak_compare "$before"
    echo "$output"
    [ "$status" -eq 0 ]
    # And it still works.
    [ "$(dory run --rm busybox echo fine)" = fine ]
}
