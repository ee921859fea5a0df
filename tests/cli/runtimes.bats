#!/usr/bin/env bats
# Other OCI runtimes under the daemon: Debian's runc and crun, and another dory-runtime, in the place of the linked one.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    ENV_DIR=
    directory=$(mktemp -d)
    echo "$directory" >"$BATS_FILE_TMPDIR/programs"
    env_crun "$directory/crun"
    # Fails without a word; hangs.
    printf '#!/bin/sh\nexit 7\n' >"$directory/mute"
    # runc that hangs in the calls that a file asks for, with a child of its own.
    cat >"$directory/slow" <<'END'
#!/bin/sh
directory=${0%/*}
for argument; do
    if [ -e "$directory/hang.$argument" ]; then
        setsid sleep 1000 &
        echo "$$ $!" >"$directory/hanging.new"
        mv "$directory/hanging.new" "$directory/hanging"
        wait
    fi
done
exec runc "$@"
END
    chmod 755 "$directory"/*
    ENV_CONFIG='{"runtimes": {"runc": {"path": "runc"}, "crun": {"path": "'$directory/crun'"}, "mute": {"path": "'$directory/mute'"}, "slow": {"path": "'$directory/slow'"},
        "second": {"path": "'$DORY_BIN/dory-runtime'", "runtimeArgs": ["--debug"]}, "gone": {"path": "/nonexistent/runtime"}}}'
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
    rm -rf "$(cat "$BATS_FILE_TMPDIR/programs")"
}

setup() {
    rm -f "$(cat "$BATS_FILE_TMPDIR/programs")"/hang.*
}

eventually() { # command...: within 30 seconds it succeeds
    local end=$((SECONDS + 30))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

status_is() { # container, status
    [ "$(dory inspect -f '{{.State.Status}}' "$1")" = "$2" ]
}

runtimes="runc crun second"

@test "info lists them, and inspect tells a container's" {
    run dory info --format '{{json .Runtimes}} {{.DefaultRuntime}}'
    echo "$output"
    [ "$(jq -r '.runc.path' <<<"${output% *}")" = runc ]
    [ "$(jq -c '.second.runtimeArgs' <<<"${output% *}")" = '["--debug"]' ]
    [ "$(jq -r '.dory.path' <<<"${output% *}")" = dory-shim ]
    [ "${output##* }" = dory ]
    # "runc" is the program that was configured; docker's long name is the linked one.
    [ "$(jq -r '.["io.containerd.runc.v2"].path' <<<"${output% *}")" = dory-shim ]
    [ "$(dory run --rm --runtime io.containerd.runc.v2 busybox echo long)" = long ]
    dory create --name told --runtime crun busybox
    [ "$(dory inspect -f '{{.HostConfig.Runtime}}' told)" = crun ]
    dory rm told
}

@test "a runtime beside HostConfig, where docker-py's create_container puts it, counts" {
    create() {
        curl -s --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d "$1" "http://d/containers/create?name=beside"
    }
    run -0 create '{"Image": "busybox", "Runtime": "nope"}'
    [[ $output == *"unknown or invalid runtime name: nope"* ]]
    run -0 create '{"Image": "busybox", "Runtime": "crun"}'
    [ "$(dory inspect -f '{{.HostConfig.Runtime}}' beside)" = crun ]
    dory rm beside
    run -0 create '{"Image": "busybox", "Runtime": "crun", "HostConfig": {"Runtime": "second"}}'
    [ "$(dory inspect -f '{{.HostConfig.Runtime}}' beside)" = second ]
    dory rm beside
}

@test "one that nobody configured is refused in docker's words; one whose program is missing fails at the start" {
    run -125 dory run --rm --runtime nope busybox true
    [[ $output == *"unknown or invalid runtime name: nope"* ]]
    run -125 dory run --rm --runtime gone busybox true
    [[ $output == *"start the runtime /nonexistent/runtime: "[Nn]"o such file or directory"* ]]
    run -125 dory run --rm --runtime mute busybox true
    [[ $output == *"the runtime "*"/mute has ended with status 7 and no message"* ]]
    run -0 dory ps -aq
    [ -z "$output" ]
}

@test "output, input, exit codes and missing commands" {
    for r in $runtimes; do
        echo "# $r"
        run -3 --separate-stderr dory run --rm --runtime $r busybox sh -c 'echo out; echo err >&2; exit 3'
        [ "$output $stderr" = "out err" ]
        [ "$(echo typed | dory run --rm -i --runtime $r busybox cat)" = typed ]
        run -127 dory run --rm --runtime $r busybox nosuch
        [[ $output == *"executable file"*"not found in \$PATH"* ]]
        run -126 dory run --rm --runtime $r busybox /etc/passwd
        [[ $output == *"permission denied"* ]]
        run -0 dory run --rm -t --runtime $r busybox tty
        [[ $output == /dev/pts/0* ]]
    done
}

@test "users, volumes, networks, limits, filters and --init are those of the linked runtime" {
    looks='id -u; cat /data/file; ip -o -4 addr show eth0 | wc -l; grep -E "^(CapBnd|CapInh|Seccomp|NoNewPrivs):" /proc/self/status;
        cat /proc/1/comm; hostname; ulimit -n; touch /x 2>&1; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true'
    dory run --rm -v shared:/data busybox sh -c "echo content >/data/file"
    dory network create shelf
    init=--init
    if env_sanitized; then
        echo "# the shim is no static program: it is not tried as the init of other runtimes"
        init=--init=false
    fi
    for r in dory $runtimes; do
        dory run --rm --runtime $r --network shelf --hostname box $init --read-only -m 64m --ulimit nofile=99 -u 33 \
            --security-opt no-new-privileges -v shared:/data:ro busybox sh -c "$looks" >"$BATS_TEST_TMPDIR/$r"
        diff "$BATS_TEST_TMPDIR/dory" "$BATS_TEST_TMPDIR/$r"
        [ "$(dory run --rm --runtime $r --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status)" = $'Seccomp:\t0' ]
        [ "$(dory run --rm --runtime $r --network host busybox readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" ]
    done
    grep -q 67108864 "$BATS_TEST_TMPDIR/dory"
    dory network rm shelf
    dory volume rm shared
}

@test "exec: output, input, terminal, exit codes, missing commands, users" {
    for r in $runtimes; do
        echo "# $r"
        dory run -d --name "ex$r" --runtime $r busybox sleep 1000
        run -7 --separate-stderr dory exec "ex$r" sh -c 'echo out; echo err >&2; exit 7'
        [ "$output $stderr" = "out err" ]
        [ "$(echo typed | dory exec -i "ex$r" cat)" = typed ]
        run -127 dory exec "ex$r" nosuch
        run -0 dory exec -t "ex$r" tty
        [[ $output == /dev/pts/* ]]
        [ "$(dory exec -u 33:33 -w /tmp -e A=b "ex$r" sh -c 'id -u; pwd; echo $A' | xargs)" = "33 /tmp b" ]
        id=$(curl -sf --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d '{"Cmd": ["sh", "-c", "exit 5"]}' \
            "http://d/containers/ex$r/exec" | jq -r .Id)
        curl -sf --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d '{"Detach": true}' "http://d/exec/$id/start"
        eventually eval '[ "$(curl -sf --unix-socket "$ENV_DIR/dory.sock" "http://d/exec/$id/json" | jq -r .ExitCode)" = 5 ]'
        dory rm -f "ex$r"
    done
}

@test "pause, update, stats, top, cp, health, stop and kill" {
    for r in $runtimes; do
        echo "# $r"
        dory run -d --name "li$r" --runtime $r -m 64m --stop-signal USR1 --health-cmd 'test -e /tmp/passwd' --health-interval 100ms \
            --health-retries 1 busybox sh -c 'trap "exit 9" USR1; while :; do sleep 0.1; done'
        eventually eval '[ "$(dory inspect -f "{{.State.Health.Status}}" "li$r")" = unhealthy ]'
        dory cp /etc/passwd "li$r:/tmp/passwd"
        eventually eval '[ "$(dory inspect -f "{{.State.Health.Status}}" "li$r")" = healthy ]'
        dory pause "li$r"
        status_is "li$r" paused
        dory unpause "li$r"
        [ "$(dory stats --no-stream --format '{{.MemUsage}}' "li$r" | cut -d/ -f2)" = " 64MiB" ]
        dory update -m 128m --memory-swap -1 "li$r"
        [ "$(dory stats --no-stream --format '{{.MemUsage}}' "li$r" | cut -d/ -f2)" = " 128MiB" ]
        dory top "li$r" | grep -q 'trap'
        dory stop "li$r"
        [ "$(dory inspect -f '{{.State.ExitCode}}' "li$r")" = 9 ]
        dory start "li$r"
        dory kill "li$r"
        [ "$(dory wait "li$r")" = 137 ]
        run -1 dory kill "li$r"
        [[ $output == *"is not running"* ]]
        dory rm "li$r"
    done
}

@test "a killed daemon loses neither containers nor their streams, and restart policies go on" {
    for r in $runtimes; do
        dory run -d --name "up$r" --runtime $r --restart always busybox sh -c 'echo begun; while :; do echo tick; sleep 0.1; done'
        dory attach --no-stdin "up$r" >"$BATS_TEST_TMPDIR/attached.$r" 3>&- &
        echo $! >"$BATS_TEST_TMPDIR/client.$r"
        eventually grep -q tick "$BATS_TEST_TMPDIR/attached.$r"
    done
    env_daemon_kill
    env_daemon_start
    for r in $runtimes; do
        echo "# $r"
        status_is "up$r" running
        dory exec "up$r" sh -c 'echo from outside >/proc/1/fd/1'
        eventually grep -q 'from outside' "$BATS_TEST_TMPDIR/attached.$r"
        [ "$(dory logs "up$r" | grep -c begun)" = 1 ]
        before=$(dory inspect -f '{{.State.Pid}}' "up$r")
        kill -9 "$before"
        eventually eval '[ "$(dory logs "up$r" | grep -c begun)" = 2 ]'
        [ "$(dory inspect -f '{{.RestartCount}}' "up$r")" = 1 ]
        dory rm -f "up$r"
        env_wait_gone "$(cat "$BATS_TEST_TMPDIR/client.$r")"
    done
}

@test "nothing is left: no process, cgroup, state, or mount, also when the shim or the daemon is killed" {
    for r in $runtimes; do
        echo "# $r"
        id=$(dory run -d --name "end$r" --runtime $r -v "vol$r:/v" busybox sleep 1000)
        run -1 grep -F "$id" /proc/self/mountinfo
        pid=$(dory inspect -f '{{.State.Pid}}' "end$r")
        shim=$(awk '$1 == "PPid:" {print $2}' "/proc/$pid/status")
        [ "$(tr -d '\0' <"/proc/$shim/comm")" = dory-shim ]
        kill -9 "$shim"
        eventually status_is "end$r" exited
        [ "$(dory inspect -f '{{.State.ExitCode}}' "end$r")" = 137 ]
        env_wait_gone "$pid"
        dory start "end$r"
        dory rm -f "end$r"
        dory volume rm "vol$r"
        eventually eval '[ ! -e "$ENV_DIR/run/shim/$id" ]'
        eventually eval '[ -z "$(find /sys/fs/cgroup -type d -name "$id")" ]'
    done
}

# The slow runtime hangs in the given call from now on.
hang_in() {
    slow=$(cat "$BATS_FILE_TMPDIR/programs")
    rm -f "$slow/hanging" "$slow"/hang.*
    touch "$slow/hang.$1"
}

# It hangs: $runtime is its process, $helper its child.
await_hanging() {
    eventually test -e "$slow/hanging"
    read -r runtime helper <"$slow/hanging"
}

@test "a runtime that hangs in exec is ended with all that it has begun" {
    dory run -d --name late --runtime slow busybox sleep 1000
    hang_in exec
    run -126 dory exec late true
    [[ $output == *"has not ended within 8 s"* ]]
    await_hanging
    env_wait_gone "$runtime"
    env_wait_gone "$helper"
    rm "$slow/hang.exec"
    dory exec late true
    dory rm -f late
}

@test "a shim that is killed while its runtime works leaves nothing" {
    for call in create start; do
        echo "# $call"
        id=$(dory create --name "half$call" --runtime slow busybox sleep 1000)
        hang_in "$call"
        dory start "half$call" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
        client=$!
        await_hanging
        [ "$call" = create ] || [ -n "$(find /sys/fs/cgroup -type d -name "$id")" ]
        shim=$(awk '$1 == "PPid:" {print $2}' "/proc/$runtime/status")
        [ "$(tr -d '\0' <"/proc/$shim/comm")" = dory-shim ]
        kill -9 "$shim"
        status=0
        wait "$client" || status=$?
        [ "$status" -eq 1 ]
        grep -q "shim has ended unexpectedly" "$BATS_TEST_TMPDIR/said"
        env_wait_gone "$runtime"
        eventually eval '[ -z "$(find /sys/fs/cgroup -type d -name "$id")" ]'
        kill "$helper" # of nobody that the daemon could know
        rm "$slow/hang.$call"
        dory start "half$call"
        dory rm -f "half$call"
    done
}

@test "a restart that hangs in its runtime does not keep the others from theirs" {
    dory run -d --name stuck --restart always --runtime slow busybox sleep 1000
    dory run -d --name quick --restart always busybox sleep 1000
    hang_in start
    kill -9 "$(dory inspect -f '{{.State.Pid}}' stuck)"
    await_hanging
    kill -9 "$(dory inspect -f '{{.State.Pid}}' quick)"
    eventually eval '[ "$(dory inspect -f "{{.RestartCount}} {{.State.Status}}" quick)" = "1 running" ]'
    kill -0 "$runtime"
    rm "$slow/hang.start"
    kill "$helper"
    eventually status_is stuck running
    dory rm -f stuck quick
}

@test "a container whose start outlives its daemon is ended and started once" {
    id=$(dory create --name twice --restart always --runtime slow busybox sh -c 'echo begun; exec sleep 1000')
    hang_in start
    dory start twice >/dev/null 2>&1 3>&- &
    client=$!
    await_hanging
    shim=$(awk '$1 == "PPid:" {print $2}' "/proc/$runtime/status")
    env_daemon_kill
    rm "$slow/hang.start"
    env_daemon_start
    for pid in "$shim" "$runtime" "$helper" "$client"; do
        env_wait_gone "$pid"
    done
    eventually status_is twice running
    [ "$(dory logs twice)" = begun ]
    [ -S "$ENV_DIR/run/shim/$id/sock" ]
    dory exec twice true
    dory rm -f twice
}

@test "the init of other runtimes is that of this daemon, whatever a former one has left" {
    if env_sanitized; then
        skip "the shim is no static program"
    fi
    dory run --rm --init --runtime runc busybox true
    env_daemon_kill TERM
    # Of the same size, and newer.
    tr '\0-\377' '\0' <"$DORY_BIN/dory-shim" >"$ENV_DIR/data/docker-init"
    env_daemon_start
    run -0 dory run --rm --init --runtime runc busybox cat /proc/1/comm
    [ "$output" = docker-init ]
}

@test "SIGHUP takes new runtimes and another default; a container whose runtime has gone does not start" {
    jq '. + {"default-runtime": "second", "runtimes": (.runtimes + {"late": .runtimes.second} | del(.mute))}' "$ENV_DIR/daemon.json" >"$ENV_DIR/new.json"
    dory create --name orphan --runtime mute busybox true
    cp "$ENV_DIR/daemon.json" "$ENV_DIR/former.json"
    cp "$ENV_DIR/new.json" "$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    eventually eval '[ "$(dory info -f "{{.DefaultRuntime}}")" = second ]'
    dory run --name now busybox true
    [ "$(dory inspect -f '{{.HostConfig.Runtime}}' now)" = second ]
    dory run --rm --runtime late busybox true
    run -1 dory start orphan
    [[ $output == *"unknown or invalid runtime name: mute"* ]]
    dory rm now orphan
    cp "$ENV_DIR/former.json" "$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    eventually eval '[ "$(dory info -f "{{.DefaultRuntime}}")" = dory ]'
}

@test "doryd refuses settings that cannot be" {
    check() { # json, option...
        echo "$1" >"$BATS_TEST_TMPDIR/daemon.json"
        shift
        run "$DORY_BIN/doryd" --validate --config-file "$BATS_TEST_TMPDIR/daemon.json" "$@"
    }
    check '{"runtimes": {"x": {"path": "/x"}}, "default-runtime": "x"}'
    [ "$status" -eq 0 ]
    check '{}' --add-runtime x=/x --default-runtime x
    [ "$status" -eq 0 ]
    check '{"default-runtime": "y"}'
    [[ $status -eq 1 && $output == *"specified default runtime 'y' does not exist"* ]]
    check '{"runtimes": {"dory": {"path": "/x"}}}'
    [[ $status -eq 1 && $output == *"runtime name 'dory' is reserved"* ]]
    check '{"runtimes": {"x": {"runtimeType": "io.containerd.runsc.v1"}}}'
    [[ $status -eq 1 && $output == *"runtimes: x: runtimeType"* ]]
    check '{"runtimes": {"x": {"path": ""}}}'
    [[ $status -eq 1 && $output == *"runtime x: its path must be configured"* ]]
    check '{"runtimes": {"x": {"path": "/x"}}}' --add-runtime y=/y
    [[ $status -eq 1 && $output == *"both as a flag and in the configuration file: runtimes"* ]]
}
