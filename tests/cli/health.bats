#!/usr/bin/env bats
# Health checks: states, log, events, ps, filters, timeouts, start period, images, restarts, and the daemon's own restart.
# With ENV_ENGINE=docker the same file runs against docker, except for what is marked as ours.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
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

health_is() { # container, status
    [ "$(dory inspect -f '{{.State.Health.Status}}' "$1")" = "$2" ]
}

health() { # container, jq expression on State.Health
    dory inspect "$1" | jq -r ".[0].State.Health | $2"
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's own"
}

@test "healthy, then unhealthy, then healthy again: state, log, ps, filter and events" {
    dory events --filter container=h1 --format '{{.Action}}' >"$BATS_TEST_TMPDIR/events" 3>&- &
    listener=$!
    dory run -d --name h1 --health-cmd 'cat /tmp/ok; test -e /tmp/ok' --health-interval 100ms --health-retries 2 busybox sleep 1000
    eventually health_is h1 unhealthy
    [ "$(health h1 '.FailingStreak >= 2')" = true ]
    [[ $(health h1 '.Log[0].Output') == *"can't open '/tmp/ok'"* ]]
    [ "$(health h1 '.Log[0].ExitCode')" = 1 ]
    run dory ps --filter name=h1 --format '{{.Status}}'
    [[ $output == "Up "*" (unhealthy)" ]]
    dory exec h1 sh -c 'echo fine >/tmp/ok'
    eventually health_is h1 healthy
    [ "$(health h1 '.FailingStreak')" = 0 ]
    eventually eval '[[ $(health h1 ".Log[-1] | [.ExitCode, .Output] | join(\":\")") == 0:fine* ]]'
    run dory ps --filter name=h1 --format '{{.Status}}'
    [[ $output == "Up "*" (healthy)" ]]
    [ "$(dory ps -q --filter health=healthy --filter name=h1 | wc -l)" -eq 1 ]
    [ "$(dory ps -q --filter health=unhealthy --filter name=h1 | wc -l)" -eq 0 ]
    [ "$(dory ps -q --filter health=none --filter name=h1 | wc -l)" -eq 0 ]
    # The log keeps five.
    eventually eval '[ "$(health h1 ".Log | length")" = 5 ]'
    [[ $(health h1 '.Log[0].Start') =~ ^20[0-9][0-9]-.*T ]]
    eventually grep -q 'health_status: healthy' "$BATS_TEST_TMPDIR/events"
    kill $listener
    wait $listener || true
    [ "$(grep health_status "$BATS_TEST_TMPDIR/events" | paste -sd,)" = "health_status: unhealthy,health_status: healthy" ]
    dory rm -f h1
}

@test "starting: what was not yet found out, and failures that the start period forgives" {
    dory run -d --name h2 --health-cmd false --health-interval 100ms --health-retries 1 --health-start-period 1h \
        busybox sleep 1000
    health_is h2 starting
    run dory ps --filter name=h2 --format '{{.Status}}'
    [[ $output == "Up "*" (health: starting)" ]]
    [ "$(dory ps -q --filter health=starting --filter name=h2 | wc -l)" -eq 1 ]
    dory rm -f h2
    ours
    dory run -d --name h2 --health-cmd 'test -e /tmp/ok' --health-interval 1h --health-retries 1 \
        --health-start-period 1h --health-start-interval 100ms busybox sleep 1000
    eventually eval '[ "$(health h2 ".Log | length")" = 5 ]'
    health_is h2 starting
    [ "$(health h2 .FailingStreak)" = 0 ]
    dory exec h2 touch /tmp/ok
    eventually health_is h2 healthy
    dory rm -f h2
}

@test "a check that takes too long is ended, and one that cannot be run says so" {
    dory run -d --name h3 --health-cmd 'echo begun; exec sleep 1000' --health-interval 100ms --health-timeout 300ms \
        --health-retries 1 busybox sleep 2000
    eventually health_is h3 unhealthy
    [ "$(health h3 '.Log[-1].ExitCode')" = -1 ]
    [[ $(health h3 '.Log[-1].Output') == "Health check exceeded timeout (300ms)"* ]]
    # The checks that hang do not pile up.
    eventually eval '[ "$(health h3 ".Log | length")" -ge 3 ]'
    [ "$(dory top h3 -o args | grep -c 'sleep 1000')" -le 1 ]
    dory rm -f h3
    dory run -d --name h3 --health-cmd none --health-interval 100ms --health-retries 1 busybox sleep 2000
    eventually health_is h3 unhealthy
    [ "$(health h3 '.Log[-1].ExitCode')" = 127 ]
    dory rm -f h3
    ours
    dory import -c 'HEALTHCHECK --interval=100ms --retries=1 CMD ["/nosuch"]' "$(busybox_tar)" nosuch:latest
    dory run -d --name h3 nosuch sleep 2000
    eventually health_is h3 unhealthy
    [ "$(health h3 '.Log[-1].ExitCode')" = -1 ]
    [[ $(health h3 '.Log[-1].Output') == *'exec: "/nosuch"'* ]]
    dory rm -f h3
}

@test "output is cut at 4096 bytes" {
    dory run -d --name h4 --health-cmd 'yes x | head -c 100000' --health-interval 100ms busybox sleep 1000
    eventually health_is h4 healthy
    [ "$(health h4 '.Log[0].Output | length')" -eq 4099 ]
    [[ $(health h4 '.Log[0].Output') == *... ]]
    dory rm -f h4
}

@test "what the image says, what flags change of it, and --no-healthcheck" {
    ours # docker's import takes no HEALTHCHECK with these flags
    dory import -c 'HEALTHCHECK --interval=100ms --timeout=7s --retries=9 CMD test -e /bin/sh' "$(busybox_tar)" checked:latest
    dory run -d --name h5 checked sleep 1000
    eventually health_is h5 healthy
    [ "$(dory inspect h5 | jq -c '.[0].Config.Healthcheck')" = '{"Test":["CMD-SHELL","test -e /bin/sh"],"Interval":100000000,"Timeout":7000000000,"Retries":9}' ]
    dory rm -f h5
    dory run -d --name h5 --health-retries 2 checked sleep 1000
    [ "$(dory inspect h5 | jq -c '.[0].Config.Healthcheck | [.Test[0], .Retries]')" = '["CMD-SHELL",2]' ]
    dory rm -f h5
    dory run -d --name h5 --no-healthcheck checked sleep 1000
    [ "$(dory inspect h5 | jq -c '.[0].State.Health')" = null ]
    [ "$(dory ps -q --filter health=none --filter name=h5 | wc -l)" -eq 1 ]
    dory rm -f h5
}

@test "mistakes are refused by name, and leave nothing" {
    run dory create --health-cmd x --health-interval 1us busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"Interval in Healthcheck cannot be less than 1ms"* ]]
    run dory create --health-cmd x --health-retries -1 busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"cannot be negative"* ]]
    run dory create --no-healthcheck --health-cmd x busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"--no-healthcheck conflicts with --health-* options"* ]]
    ours
    run curl -s --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' \
        -d '{"Image":"busybox","Healthcheck":{"Test":["FOO","x"]}}' http://d/containers/create
    [[ $output == *'Unknown type \"FOO\" in Healthcheck'* ]]
    [ "$(dory ps -aq | wc -l)" -eq 0 ]
}

@test "an ended container is not healthy, and begins anew when it is started again" {
    dory run -d --name h6 --health-cmd true --health-interval 100ms busybox sleep 1000
    eventually health_is h6 healthy
    dory kill h6
    dory wait h6
    health_is h6 unhealthy
    results=$(health h6 '.Log | length')
    dory start h6
    [ "$(health h6 '.Log | length')" -ge "$results" ]
    eventually health_is h6 healthy
    # Paused, nothing is asked; afterwards it is.
    dory pause h6
    last=$(health h6 '.Log[-1].Start')
    eventually eval '[ "$(dory inspect -f "{{.State.Status}}" h6)" = paused ]'
    dory unpause h6
    eventually eval '[ "$(health h6 ".Log[-1].Start")" != "'"$last"'" ]'
    eventually health_is h6 healthy
    dory rm -f h6
}

@test "checks survive the daemon: state, log, and they go on" {
    ours
    dory run -d --name h7 --health-cmd 'test -e /tmp/ok' --health-interval 100ms --health-retries 2 busybox sleep 1000
    dory exec h7 touch /tmp/ok
    eventually health_is h7 healthy
    dory run -d --name h8 --health-cmd 'echo up; exec sleep 1055' --health-interval 100ms --health-timeout 1h busybox sleep 1000
    eventually eval 'dory top h8 -o args | grep -q "sleep 1055"'
    env_daemon_kill KILL
    env_daemon_start
    health_is h7 healthy
    last=$(health h7 '.Log[-1].Start')
    dory exec h7 rm /tmp/ok
    eventually health_is h7 unhealthy
    [ "$(health h7 '.Log[-1].Start')" != "$last" ]
    # The check that ran while the daemon was killed went with it; the new daemon runs its own.
    eventually eval '[ "$(dory top h8 -o args | grep -c "sleep 1055")" -eq 1 ]'
    dory rm -f h7 h8
}

@test "--restart=on-unhealthy ends and restarts what is not healthy" {
    ours
    dory run -d --name h9 --restart on-unhealthy --health-cmd 'test -e /tmp/ok' --health-interval 100ms \
        --health-retries 2 --stop-timeout 1 busybox sh -c 'touch /tmp/ok; trap "rm -f /tmp/ok; exit 0" TERM; while :; do sleep 0.05; done'
    eventually health_is h9 healthy
    [ "$(dory inspect -f '{{.RestartCount}} {{.HostConfig.RestartPolicy.Name}}' h9)" = "0 on-unhealthy" ]
    dory exec h9 rm /tmp/ok
    eventually eval '[ "$(dory inspect -f "{{.RestartCount}}" h9)" -ge 1 ]'
    eventually health_is h9 healthy
    # A stop by hand is not undone, and neither is an orderly end.
    dory stop h9
    [ "$(dory inspect -f '{{.State.Status}}' h9)" = exited ]
    dory rm -f h9
    run dory create --restart on-unhealthy --rm busybox true
    [ "$status" -ne 0 ]
}

@test "wait --condition healthy" {
    ours
    dory run -d --name h10 --health-cmd 'test -e /tmp/ok' --health-interval 100ms busybox sleep 1000
    dory wait --condition healthy h10 >"$BATS_TEST_TMPDIR/out" 3>&- &
    waiter=$!
    dory exec h10 touch /tmp/ok
    wait $waiter
    [ "$(cat "$BATS_TEST_TMPDIR/out")" = 0 ]
    [ "$(dory wait --condition healthy h10)" = 0 ]
    dory rm -f h10
    dory run -d --name h10 --health-cmd false --health-interval 100ms busybox sh -c 'until [ -e /tmp/go ]; do sleep 0.05; done; exit 3'
    dory wait --condition healthy h10 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    waiter=$!
    dory exec h10 touch /tmp/go
    wait $waiter && status=0 || status=$?
    [ "$status" -eq 1 ]
    grep -q 'ended before it was healthy' "$BATS_TEST_TMPDIR/out"
    dory rm -f h10
    dory run -d --name h10 busybox sleep 1000
    run dory wait --condition healthy h10
    [ "$status" -eq 1 ]
    [[ $output == *"no health check"* ]]
    run dory wait --condition nonsense h10
    [ "$status" -ne 0 ]
    dory rm -f h10
}

@test "a check that is under way when the container is paused says nothing of its health" {
    ours
    # The second one is not paused, and shows that the time of the first one's check is over as well.
    for name in h11 h12; do
        dory run -d --name $name --health-cmd 'exec sleep 1066' --health-interval 10ms --health-timeout 500ms \
            --health-retries 100000 busybox sleep 2000
    done
    eventually eval '[ "$(health h11 .FailingStreak)" -ge 1 ]'
    for _ in 1 2; do
        dory pause h11
        before=$(health h11 .FailingStreak)
        goal=$(($(health h12 .FailingStreak) + 3))
        eventually eval '[ "$(health h12 .FailingStreak)" -ge "$goal" ]'
        [ "$(health h11 .FailingStreak)" = "$before" ]
        dory unpause h11
        eventually eval '[ "$(health h11 .FailingStreak)" -gt "$before" ]'
    done
    dory rm -f h11 h12
}
