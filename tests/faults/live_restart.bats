#!/usr/bin/env bats
# The daemon ends, killed and in order, and another one comes: what goes on meanwhile, what ends with it, and what is begun anew.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

teardown() {
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f -v $ids >/dev/null
}

eventually() { # command...: within 60 seconds it succeeds
    local end=$((SECONDS + 60))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

ended() { # pid
    if kill -0 "$1" 2>/dev/null; then return 1; fi
}

signals="KILL TERM"

@test "execs and sessions with input and terminals go on, over both, and tell their status to the next daemon" {
    for signal in $signals; do
        echo "# $signal"
        D=$BATS_TEST_TMPDIR/$signal
        mkdir "$D"
        mkfifo "$D"/{run,exec,tty,execty}
        dory run -d --name "base$signal" busybox sleep 1000 >/dev/null
        dory run -i --name "run$signal" busybox sh -c 'cat; exit 6' <"$D/run" >"$D/run.out" 3>&- &
        run=$!
        dory exec -i "base$signal" sh -c 'cat; exit 7' <"$D/exec" >"$D/exec.out" 3>&- &
        exec=$!
        script -qefc "$ENV_CLI run -it --name tty$signal busybox sh" /dev/null <"$D/tty" >"$D/tty.out" 3>&- &
        tty=$!
        script -qefc "$ENV_CLI exec -it base$signal sh" /dev/null <"$D/execty" >"$D/execty.out" 3>&- &
        execty=$!
        exec 21>"$D/run" 22>"$D/exec" 23>"$D/tty" 24>"$D/execty"
        say() { # word: everyone hears and repeats it; terminals show more than what was typed
            echo "$1" >&21
            echo "$1" >&22
            echo "echo $1\$((40 + 2))" >&23
            echo "echo $1\$((40 + 2))" >&24
            eventually grep -q "$1" "$D/run.out"
            eventually grep -q "$1" "$D/exec.out"
            eventually grep -q "${1}42" "$D/tty.out"
            eventually grep -q "${1}42" "$D/execty.out"
        }
        say before
        env_daemon_kill $signal
        say during
        env_daemon_start 21>&- 22>&- 23>&- 24>&-
        say after
        echo "exit 8" >&23
        echo "exit 9" >&24
        exec 21>&- 22>&- 23>&- 24>&-
        for client in "$run" "$exec" "$tty" "$execty"; do
            eventually ended "$client" || { pstree -ap "$client"; dory ps -a; head -50 "$D"/*.out; return 1; }
        done
        [ "$(dory wait "run$signal" "tty$signal" | paste -sd,)" = 6,8 ]
        # The clients ask for the status when their stream has ended: the new daemon knows it.
        wait "$run" && s=0 || s=$?
        [ "$s" = 6 ]
        wait "$tty" && s=0 || s=$?
        [ "$s" = 8 ]
        wait "$exec" && s=0 || s=$?
        [ "$s" = 7 ]
        wait "$execty" && s=0 || s=$?
        [ "$s" = 9 ]
        dory exec "base$signal" true
    done
}

@test "a health check that is under way costs nobody his health, and the next daemon goes on" {
    for signal in $signals; do
        dory run -d --name "sick$signal" --health-cmd 'touch /checking; until [ -e /go ]; do sleep 0.05; done' --health-interval 100ms --health-timeout 600s \
            --health-retries 1 busybox sleep 1000 >/dev/null
        eventually dory exec "sick$signal" test -e /checking
        env_daemon_kill $signal
        env_daemon_start
        [ "$(dory inspect -f '{{.State.Health.Status}}' "sick$signal")" = starting ]
        dory exec "sick$signal" touch /go
        [ "$(timeout 60 "$ENV_CLI" wait --condition healthy "sick$signal")" = 0 ]
        eventually eval '[ "$(dory top "sick$signal" -o args | grep -c "until")" = 0 ]'
    done
}

@test "streams of the daemon's own end with it; asked again they have missed nothing" {
    for signal in $signals; do
        echo "# $signal"
        dory run -d --name "talks$signal" busybox sh -c 'i=0; until [ -e /go ]; do echo $i; i=$((i+1)); sleep 0.02; done; exit 5' >/dev/null
        since=$(date +%s)
        clients=
        for command in "logs -f talks$signal" "wait talks$signal" events "stats talks$signal"; do
            # shellcheck disable=SC2086
            dory $command >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
            clients+=" $!"
        done
        eventually eval '[ "$(dory info -f "{{.NEventsListener}}")" -ge 1 ]'
        env_daemon_kill $signal
        for client in $clients; do
            eventually ended "$client"
        done
        env_daemon_start
        dory wait "talks$signal" >"$BATS_TEST_TMPDIR/status" 3>&- &
        waiter=$!
        dory logs -f "talks$signal" >"$BATS_TEST_TMPDIR/log" 3>&- &
        follower=$!
        dory stats --no-stream "talks$signal" >/dev/null
        dory exec "talks$signal" touch /go
        eventually ended "$waiter"
        eventually ended "$follower"
        [ "$(cat "$BATS_TEST_TMPDIR/status")" = 5 ]
        [ "$(wc -l <"$BATS_TEST_TMPDIR/log")" -gt 10 ]
        awk '$1 != NR - 1 {print "line " NR " is " $1; exit 1}' "$BATS_TEST_TMPDIR/log"
        dory events --since "$since" --until "$(($(date +%s) + 1))" --filter "container=talks$signal" --filter event=die --format '{{.Actor.Attributes.exitCode}}' |
            grep -qx 5
    done
}

@test "a policy that waits before it starts a container again does so under the next daemon" {
    for signal in $signals; do
        dory run -d --name "backs$signal" --restart always busybox sh -c 'echo begun; exit 3' >/dev/null
        eventually eval '[ "$(dory inspect -f "{{.RestartCount}}" "backs$signal")" -ge 3 ]'
        env_daemon_kill $signal
        lines=$(cat "$ENV_DIR"/data/containers/*/*-json.log | grep -c begun)
        env_daemon_start
        eventually eval '[ "$(dory logs "backs$signal" | wc -l)" -gt "$lines" ]'
        dory rm -f "backs$signal" >/dev/null
    done
}

@test "--rm is kept although no daemon sees the end, with the container's own volumes" {
    for signal in $signals; do
        id=$(dory run -d --rm --name "gone$signal" -v /own busybox sleep 1000)
        volume=$(dory inspect -f '{{(index .Mounts 0).Name}}' "$id")
        pid=$(dory inspect -f '{{.State.Pid}}' "$id")
        env_daemon_kill $signal
        kill -KILL "$pid"
        env_wait_gone "$pid"
        env_daemon_start
        eventually eval '! dory inspect "$id" >/dev/null 2>&1'
        run -1 dory volume inspect "$volume"
        [ ! -e "$ENV_DIR/data/containers/$id" ]
    done
}

@test "a build that is under way ends with the daemon, all of it; the next one builds it" {
    mkdir "$BATS_TEST_TMPDIR/context"
    printf 'FROM busybox\nRUN echo one >/one\nRUN [ -e /proc/self/environ ] && if grep -q WAIT /proc/self/environ; then exec sleep 98765; fi\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
    sed -i 's/^FROM busybox$/FROM busybox\nARG WAIT/' "$BATS_TEST_TMPDIR/context/Dockerfile"
    for signal in $signals; do
        echo "# $signal"
        DOCKER_BUILDKIT=0 dory build -t under-way --build-arg WAIT=yes "$BATS_TEST_TMPDIR/context" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
        client=$!
        sleeper() { # of this file's daemon: in its cgroup
            grep -lsw 98765 /proc/[0-9]*/cmdline | while IFS=/ read -r _ _ pid _; do
                if grep -q "/$ENV_BRIDGE/" "/proc/$pid/cgroup"; then echo "$pid"; fi
            done
        }
        eventually eval '[ -n "$(sleeper)" ]'
        env_daemon_kill $signal
        eventually ended "$client"
        wait "$client" && s=0 || s=$?
        [ "$s" != 0 ]
        env_daemon_start
        eventually eval '[ -z "$(sleeper)" ]'
        run -1 dory image inspect under-way
        dory build -q -t under-way "$BATS_TEST_TMPDIR/context"
        dory run --rm under-way cat /one
        dory rmi under-way >/dev/null
        dory system check
    done
}
