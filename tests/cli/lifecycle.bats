#!/usr/bin/env bats
# create, start, stop, kill, rm, ps, logs, inspect, wait, attach, restart policies.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

wait_for() { # seconds, command...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

state_is() {
    [ "$(dory inspect -f '{{.State.Status}}' "$1")" = "$2" ]
}

@test "create, start -a, and the state along the way" {
    id=$(dory create --name c1 busybox echo hi)
    [ ${#id} -eq 64 ]
    state_is c1 created
    run dory start -a c1
    [ "$status" -eq 0 ]
    [ "$output" = hi ]
    state_is c1 exited
    run dory start c1
    [ "$output" = c1 ]
    dory wait c1
    dory rm c1
}

@test "ps shows what docker shows" {
    id=$(dory run -d --name psone -l role=web busybox sleep 100)
    run dory ps --filter name=psone --format '{{.ID}}|{{.Image}}|{{.Command}}|{{.Names}}|{{.Label "role"}}'
    [ "$output" = "${id:0:12}|busybox|\"sleep 100\"|psone|web" ]
    run dory ps
    [[ ${lines[0]} =~ ^"CONTAINER ID"\ +IMAGE\ +COMMAND\ +CREATED\ +STATUS\ +PORTS\ +NAMES ]]
    [[ $output == *"Up "*second* ]]
    run dory ps -q --no-trunc --filter label=role=web
    [ "$output" = "$id" ]
    run dory ps -a --filter status=exited --filter name=psone -q
    [ -z "$output" ]
    dory rm -f psone
}

@test "ps --filter publish asks for the host's port, expose for the container's" {
    dory run -d --name pspub -p 127.0.0.1::80 busybox sleep 1000 >/dev/null
    port=$(dory port pspub 80 | sed 's/.*://')
    [ "$(dory ps --filter "publish=$port" --format '{{.Names}}')" = pspub ]
    [ "$(dory ps --filter "publish=$((port - 1))-$((port + 1))/tcp" --filter name=pspub --format '{{.Names}}')" = pspub ]
    [ -z "$(dory ps -q --filter publish=80 --filter name=pspub)$(dory ps -q --filter "publish=$port/udp")" ]
    [ "$(dory ps --filter expose=80 --format '{{.Names}}')" = pspub ]
    dory rm -f pspub
}

@test "top sorts by the columns it is told" {
    dory run -d --name sorted busybox sh -c 'sleep 1001 & sleep 1002 & sleep 1003 & dd if=/dev/zero bs=8M | sleep 1004'
    wait_for 30 eval '[ "$(dory top sorted -o args | grep -c "^sleep 100")" = 4 ]'
    rising=$(dory top sorted -o pid | tail -n +2)
    [ "$rising" = "$(sort -n <<<"$rising")" ]
    [ "$(dory top sorted -o pid --sort -pid | tail -n +2)" = "$(sort -rn <<<"$rising")" ]
    [ "$(dory top sorted aux --sort=ppid,-pid | awk 'NR > 1 {print $2}')" = \
        "$(dory top sorted -o ppid,pid | tail -n +2 | sort -k1,1n -k2,2rn | awk '{print $2}')" ]
    rss=$(dory top sorted -o rss,pid --sort=-rss | awk 'NR > 1 {print $1}')
    [ "$rss" = "$(sort -rn <<<"$rss")" ]
    run -1 dory top sorted aux --sort -nonsense
    [ "$ENV_ENGINE" != dory ] || [[ $output == *'ps: dory does not sort by "nonsense"'* ]]
    run -1 dory top sorted aux --sort
    [ "$ENV_ENGINE" != dory ] || [[ $output == *"--sort needs a column"* ]]
    dory rm -f sorted
}

@test "stop sends the stop signal, then kills" {
    dory run -d --name st1 busybox sh -c 'trap "exit 5" TERM; while :; do sleep 0.05; done'
    sleep 0.2
    dory stop st1
    run dory inspect -f '{{.State.ExitCode}} {{.State.Status}} {{.State.Pid}}' st1
    [ "$output" = "5 exited 0" ]
    dory run -d --name st2 busybox sh -c 'trap "" TERM; while :; do sleep 0.05; done'
    sleep 0.2
    dory stop -t 1 st2
    [ "$(dory inspect -f '{{.State.ExitCode}}' st2)" = 137 ]
    dory run -d --name st3 --stop-signal USR1 busybox sh -c 'trap "exit 9" USR1; while :; do sleep 0.05; done'
    sleep 0.2
    dory stop st3
    [ "$(dory inspect -f '{{.State.ExitCode}}' st3)" = 9 ]
    dory rm st1 st2 st3
}

@test "kill, and kill of what does not run" {
    dory run -d --name k1 busybox sleep 100
    dory kill k1
    wait_for 5 state_is k1 exited
    [ "$(dory inspect -f '{{.State.ExitCode}}' k1)" = 137 ]
    run dory kill k1
    [ "$status" -eq 1 ]
    [[ $output == *"is not running"* ]]
    run dory kill -s NOSUCH k1
    [ "$status" -eq 1 ]
    [[ $output == *"cannot kill container: k1: invalid signal: NOSUCH" ]]
    dory rm k1
}

@test "rm refuses a running container and takes it with -f" {
    id=$(dory run -d --name r1 busybox sleep 100)
    run dory rm r1
    [ "$status" -eq 1 ]
    [[ $output == *'cannot remove container "r1": container is running: stop the container before removing or force remove' ]]
    run dory rm -f r1
    [ "$output" = r1 ]
    run dory rm r1
    [ "$status" -eq 1 ]
    [[ $output == *"No such container: r1"* ]]
    run dory inspect "$id"
    [ "$status" -eq 1 ]
}

@test "logs: both streams, tail, timestamps, since, follow" {
    dory run --name l1 busybox sh -c 'for i in 1 2 3 4 5; do echo out$i; done; echo err >&2' >/dev/null 2>&1
    run --separate-stderr dory logs l1
    [ "$output" = $'out1\nout2\nout3\nout4\nout5' ]
    [ "$stderr" = err ]
    run --separate-stderr dory logs --tail 3 l1
    [ "$output" = $'out4\nout5' ] || [ "$output" = $'out3\nout4\nout5' ]
    run --separate-stderr dory logs -t --tail 1 l1
    [[ $output$stderr =~ ^20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9:]+\.[0-9]+Z\ (err|out5)$ ]]
    run dory logs --since 1h l1
    [ "${#lines[@]}" -eq 6 ]
    run dory logs --until 1h l1
    [ -z "$output" ]
    dory rm l1
    dory run -d --name l2 busybox sh -c 'for i in 1 2 3; do echo line$i; sleep 0.3; done'
    run dory logs -f l2
    [ "$output" = $'line1\nline2\nline3' ]
    dory rm l2
}

@test "wait prints the exit code" {
    dory run -d --name w1 busybox sh -c 'sleep 0.3; exit 42'
    run dory wait w1
    [ "$output" = 42 ]
    run dory wait w1
    [ "$output" = 42 ]
    dory rm w1
}

@test "attach sees the output and returns the status" {
    dory run -d --name a1 busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do echo tick$i; sleep 0.1; done; exit 4'
    run dory attach a1
    [ "$status" -eq 4 ]
    [[ $output == *tick10 ]]
    dory rm a1
    run dory attach a1
    [ "$status" -eq 1 ]
}

@test "attach feeds standard input" {
    dory run -d -i --name a2 busybox sh -c 'read x; echo got $x'
    run bash -c '(echo word; sleep 1) | "$ENV_CLI" attach a2'
    [ "$output" = "got word" ]
    dory rm -f a2
}

@test "inspect has docker's shape" {
    dory run -d --name i1 -e X=1 -p 127.0.0.1::80 -v /data --label a=b --restart on-failure:3 busybox sleep 50
    dory inspect i1 >"$BATS_TEST_TMPDIR/i.json"
    jq -e '.[0] | .Id and .Created and .Path == "sleep" and .Args == ["50"] and .State.Status == "running" and (.State.Pid > 0)
        and .Name == "/i1" and .HostConfig.RestartPolicy.Name == "on-failure" and .HostConfig.RestartPolicy.MaximumRetryCount == 3
        and (.Config.Env | index("X=1")) and .Config.Labels.a == "b" and .Config.Image == "busybox"
        and (.Mounts | length) == 1 and .Mounts[0].Type == "volume" and .Mounts[0].Destination == "/data"
        and .NetworkSettings.Ports["80/tcp"][0].HostIp == "127.0.0.1" and (.NetworkSettings.IPAddress | length) > 6
        and .NetworkSettings.Networks.bridge.IPAddress == .NetworkSettings.IPAddress' "$BATS_TEST_TMPDIR/i.json"
    run dory inspect -f '{{json .Config.Cmd}} {{.HostConfig.NetworkMode}} {{range .Mounts}}{{.Type}}{{end}}' i1
    [[ $output == '["sleep","50"] '*' volume' ]]
    dory rm -fv i1
    run dory inspect nosuchthing
    [ "$status" -eq 1 ]
    [[ ${output,,} == *"no such object: nosuchthing"* ]]
}

@test "restart policies: on-failure counts, always comes back, stop ends it" {
    dory run -d --name rp1 --restart on-failure:2 busybox sh -c 'exit 3'
    done_restarting() { [ "$(dory inspect -f '{{.RestartCount}} {{.State.Status}}' rp1)" = "2 exited" ]; }
    wait_for 15 done_restarting
    dory run -d --name rp2 --restart always busybox sh -c 'sleep 0.2; exit 0'
    came_back() { [ "$(dory inspect -f '{{.RestartCount}}' rp2)" -ge 1 ]; }
    wait_for 10 came_back
    dory stop rp2
    count=$(dory inspect -f '{{.RestartCount}}' rp2)
    sleep 1.5
    [ "$(dory inspect -f '{{.RestartCount}}' rp2)" = "$count" ]
    state_is rp2 exited
    dory rm rp1 rp2
}

@test "--rm removes with its anonymous volumes, also after stop" {
    dory run -d --rm --name gone -v /x busybox sleep 100
    dory stop -t 0 gone
    no_such() { ! dory inspect gone >/dev/null 2>&1; }
    wait_for 5 no_such
}

@test "names: unique prefixes of ids work, ambiguous and unknown ones are errors" {
    id=$(dory create busybox true)
    [ "$(dory inspect -f '{{.Id}}' "${id:0:10}")" = "$id" ]
    run dory start nosuch
    [ "$status" -eq 1 ]
    [[ $output == *"No such container: nosuch"* ]]
    dory rm "${id:0:12}"
    run dory create --name 'bad name!' busybox
    [ "$status" -ne 0 ]
    [[ $output == *'Invalid container name (bad name!), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'* ]]
}

@test "a failed start leaves a created container with the error and nothing else" {
    run dory run --name fs1 busybox /nope
    [ "$status" -eq 127 ]
    run dory inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}' fs1
    [ "$output" = "created 127 0" ]
    [ -n "$(dory inspect -f '{{.State.Error}}' fs1)" ]
    dory rm fs1
}

@test "a --rm container that is restarted is kept, and goes when it ends" {
    dory run -d --rm --name rmagain busybox sh -c 'echo run >>/runs; wc -l </runs; exec sleep 100'
    said() { [ "$(dory logs rmagain)" = "$1" ]; }
    wait_for 30 said 1
    dory restart -t 0 rmagain
    state_is rmagain running
    wait_for 30 said $'1\n2'
    dory stop -t 0 rmagain
    no_such() { ! dory inspect rmagain >/dev/null 2>&1; }
    wait_for 30 no_such
}

@test "wait tells the status of a container that its policy starts again" {
    dory run -d --name again --restart always busybox sh -c 'sleep 0.3; exit 6' >/dev/null
    run -0 timeout 30 "$ENV_CLI" wait again
    [ "$output" = 6 ]
    dory rm -f again >/dev/null
}
