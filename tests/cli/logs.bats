#!/usr/bin/env bats
# Log drivers: json-file, local, none, syslog, journald; their options, rotation, and reading back. With ENV_ENGINE=docker
# the same file runs against docker, except for what is marked as ours.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    [ ! -e "$ENV_DIR/journal" ] || rm -rf /run/systemd/journal/socket
    env_stop
}

eventually() { # command...: within 30 seconds it succeeds
    local end=$((SECONDS + 30))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's own"
}

log_dir() { # container
    echo "$ENV_DIR/data/containers/$(dory inspect -f '{{.Id}}' "$1")"
}

# Everything that comes to a socket, into a file: collector FAMILY TYPE ADDRESS FILE. Sets COLLECTOR; for inet the port
# that was found goes to FILE.port.
collector() {
    python3 - "$@" 3>&- <<'P' &
import os, socket, sys
family, kind, address, path = sys.argv[1:]
s = socket.socket(getattr(socket, family), getattr(socket, kind))
s.bind((address, 0) if family == 'AF_INET' else address)
if kind == 'SOCK_STREAM':
    s.listen(9)
with open(path + '.new', 'w') as f:
    f.write(str(s.getsockname()[1]) if family == 'AF_INET' else 'up')
os.rename(path + '.new', path + '.port')
with open(path, 'ab', 0) as f:
    while True:
        if kind == 'SOCK_DGRAM':
            f.write(s.recv(1 << 20))
            continue
        c, _ = s.accept()
        while data := c.recv(65536):
            f.write(data)
P
    COLLECTOR=$!
    eventually test -e "$4.port"
}

end_collector() {
    kill "$COLLECTOR"
    wait "$COLLECTOR" || true
}

@test "json-file: labels, environment and tag are in each record, and logs --details shows them" {
    dory run --name l1 -l a=1 -l ab=2 -l c=3 -e E1=x -e E2=y --log-opt labels=a,zz --log-opt labels-regex='^ab' \
        --log-opt env=E1 --log-opt env-regex='2$' --log-opt tag='{{.Name}}/{{.ImageName}}/{{.ID}}' busybox echo hi
    id=$(dory inspect -f '{{.Id}}' l1)
    path=$(dory inspect -f '{{.LogPath}}' l1)
    [ "$(jq -c '[.log, .stream, .attrs]' "$path")" = "[\"hi\\n\",\"stdout\",{\"E1\":\"x\",\"E2\":\"y\",\"a\":\"1\",\"ab\":\"2\",\"tag\":\"l1/busybox/${id:0:12}\"}]" ]
    [ "$(dory logs --details l1)" = "E1=x,E2=y,a=1,ab=2,tag=l1%2Fbusybox%2F${id:0:12} hi" ]
    [ "$(dory logs l1)" = hi ]
    dory rm l1
}

@test "a file that is full is put aside; logs read them all, forwards and from the end" {
    dory run --name l2 --log-opt max-size=10k --log-opt max-file=3 busybox seq 1 300 >/dev/null
    dir=$(log_dir l2)
    [ "$(find "$dir" -name '*-json.log*' | wc -l)" -eq 3 ]
    dory logs l2 >"$BATS_TEST_TMPDIR/log"
    # What is kept is the end of it, without a gap.
    [ "$(tail -1 "$BATS_TEST_TMPDIR/log")" = 300 ]
    awk 'NR > 1 && $1 != last + 1 {exit 1} {last = $1}' "$BATS_TEST_TMPDIR/log"
    [ "$(dory logs --tail 150 l2 | head -1)" = 151 ]
    for f in "$dir"/*-json.log*; do [ "$(stat -c %s "$f")" -lt 10200 ]; done
    dory rm l2
    ours
    dory run --name l2 --log-opt max-size=10k --log-opt compress=true busybox seq 1 300 >/dev/null
    dir=$(log_dir l2)
    eventually eval '[ -e "'"$dir"'"/*-json.log.2.gz ] && [ ! -e "'"$dir"'"/*-json.log.1 ]'
    [ "$(dory logs l2 | md5sum)" = "$(seq 1 300 | md5sum)" ]
    [ "$(dory logs --tail 290 l2 | head -1)" = 11 ]
    dory rm l2
}

@test "rotation is on by default" {
    ours # docker keeps one file without end
    # 40 MB of text into files of 20 MB.
    dory run -d --name l3 busybox sh -c 'yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678 | head -500000; echo end'
    dory wait l3
    dir=$(log_dir l3)
    [ "$(find "$dir" -name '*-json.log*' | wc -l)" -ge 3 ]
    for f in "$dir"/*-json.log*; do [ "$(stat -c %s "$f")" -le 20001000 ]; done
    [ "$(dory logs l3 | wc -l)" -eq 500001 ]
    [ "$(dory logs --tail 1 l3)" = end ]
    dory rm l3
}

@test "a reader that goes away ends the program quietly" {
    dory run --name talker busybox sh -c 'yes | head -100000' >/dev/null
    run bash -c '"$ENV_CLI" logs talker | head -1; echo ${PIPESTATUS[0]}'
    echo "$output"
    [ "$output" = $'y\n141' ]
    dory rm talker >/dev/null
}

@test "of a large file little is read for --tail and --since" {
    ours
    dory run --name large --log-opt max-size=-1 busybox seq 1 1000000 >/dev/null
    [ "$(stat -c %s "$(log_dir large)"/*-json.log)" -gt 70000000 ]
    counter() {
        awk '$1 == "rchar:" {print $2}' "/proc/$(env_daemon_pid)/io"
    }
    little() { # bytes, command...: the daemon has read no more than that meanwhile; others may still be reading: one of a few tries counts
        local before few try
        for try in 1 2 3 4 5 6 7 8; do
            before=$(counter)
            "${@:2}" >"$ENV_DIR/said"
            few=$(($(counter) - before))
            [ "$few" -gt "$1" ] || return 0
            echo "$few bytes were read"
            sleep 0.2
        done
        return 1
    }
    little 3000000 dory logs --tail 10 large
    [ "$(cat "$ENV_DIR/said")" = "$(seq 999991 1000000)" ]
    time=$(dory logs --tail 1000 -t large | head -1 | cut -d' ' -f1)
    little 8000000 dory logs -t --since "$time" large
    dory logs -t large | awk -v t="$time" '$1 >= t' | cmp - "$ENV_DIR/said"
    dory rm large
}

@test "following goes across rotations and the daemon's restart" {
    dory run -d --name l4 --log-opt max-size=20k --log-opt max-file=20 busybox \
        sh -c 'i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); echo $i; done; until [ -e /tmp/go ]; do sleep 0.05; done; while [ $i -lt 2000 ]; do i=$((i + 1)); echo $i; done'
    dory logs -f l4 >"$BATS_TEST_TMPDIR/followed" 3>&- &
    follower=$!
    eventually grep -qx 1000 "$BATS_TEST_TMPDIR/followed"
    dory exec l4 touch /tmp/go
    wait $follower
    ours # docker's follower loses lines where a file is put aside
    [ "$(md5sum <"$BATS_TEST_TMPDIR/followed")" = "$(seq 1 2000 | md5sum)" ]
    env_daemon_kill KILL
    env_daemon_start
    [ "$(dory logs l4 | md5sum)" = "$(seq 1 2000 | md5sum)" ]
    dory rm l4
}

@test "local: rotated and compressed by default, read back, kept to itself" {
    dory run --name l5 --log-driver local -l a=1 --log-opt max-size=10k busybox sh -c 'seq 1 1000; echo err >&2' >/dev/null 2>&1
    [ "$(dory inspect -f '{{.HostConfig.LogConfig.Type}}:{{.LogPath}}' l5)" = "local:" ]
    run --separate-stderr dory logs l5
    [[ $output == *$'999\n1000' ]]
    [ "$stderr" = err ]
    eventually eval '[ -n "$(find "'"$(log_dir l5)"'/local-logs" -name "container.log.*.gz")" ]'
    dory rm l5
}

@test "none: nothing is written, nothing can be read" {
    run dory run --name l6 --log-driver none busybox echo hi
    [ "$output" = hi ]
    run dory logs l6
    [ "$status" -eq 1 ]
    [[ $output == *"configured logging driver does not support reading"* ]]
    [ -z "$(find "$(log_dir l6)" -name '*.log*')" ]
    dory rm l6
}

@test "syslog over UDP: formats, facility, severity and tag; and logs reads its copy" {
    collector AF_INET SOCK_DGRAM 127.0.0.1 "$BATS_TEST_TMPDIR/udp"
    port=$(cat "$BATS_TEST_TMPDIR/udp.port")
    for format in "" rfc3164 rfc5424 rfc5424micro; do
        dory run --name "s-${format:-plain}" --log-driver syslog --log-opt "syslog-address=udp://127.0.0.1:$port" \
            --log-opt "syslog-format=$format" --log-opt syslog-facility=local3 --log-opt 'tag={{.Name}}' busybox \
            sh -c 'echo out; echo err >&2'
    done
    eventually eval '[ "$(wc -l <"'"$BATS_TEST_TMPDIR/udp"'")" -eq 8 ]'
    end_collector
    host=$(hostname)
    day='[A-Z][a-z][a-z] [ 123][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]'
    grep -Eqx "<158>$day s-plain\[[0-9]+\]: out" "$BATS_TEST_TMPDIR/udp"
    grep -Eqx "<155>$day s-plain\[[0-9]+\]: err" "$BATS_TEST_TMPDIR/udp"
    grep -Eqx "<158>$day $host s-rfc3164\[[0-9]+\]: out" "$BATS_TEST_TMPDIR/udp"
    grep -Eqx "<158>1 [0-9-]+T[0-9:]+Z $host s-rfc5424 [0-9]+ s-rfc5424 - out" "$BATS_TEST_TMPDIR/udp"
    grep -Eqx "<155>1 [0-9-]+T[0-9:]+\.[0-9]{6}Z $host s-rfc5424micro [0-9]+ s-rfc5424micro - err" "$BATS_TEST_TMPDIR/udp"
    run --separate-stderr dory logs s-plain
    [ "$output" = out ]
    [ "$stderr" = err ]
    dory rm s-plain s-rfc3164 s-rfc5424 s-rfc5424micro
    run dory create --name s-none --log-driver syslog --log-opt "syslog-address=udp://127.0.0.1:$port" --log-opt cache-disabled=true busybox
    run dory logs s-none
    [ "$status" -eq 1 ]
    [[ $output == *"does not support reading"* ]]
    dory rm s-none
}

@test "syslog over TCP and Unix sockets: every line arrives, in order" {
    collector AF_INET SOCK_STREAM 127.0.0.1 "$BATS_TEST_TMPDIR/tcp"
    dory run --rm --log-driver syslog --log-opt "syslog-address=tcp://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/tcp.port")" \
        --log-opt tag=t busybox seq 1 20000 >/dev/null
    eventually eval '[ "$(wc -l <"'"$BATS_TEST_TMPDIR/tcp"'")" -eq 20000 ]'
    end_collector
    [ "$(sed 's/.*: //' "$BATS_TEST_TMPDIR/tcp" | md5sum)" = "$(seq 1 20000 | md5sum)" ]
    for type in unix:SOCK_STREAM unixgram:SOCK_DGRAM; do
        name=${type%:*}
        collector AF_UNIX "${type#*:}" "$BATS_TEST_TMPDIR/$name.sock" "$BATS_TEST_TMPDIR/$name"
        dory run --rm --log-driver syslog --log-opt "syslog-address=$name://$BATS_TEST_TMPDIR/$name.sock" busybox seq 1 500 >/dev/null
        eventually eval '[ "$(wc -l <"'"$BATS_TEST_TMPDIR/$name"'")" -eq 500 ]'
        end_collector
        [ "$(sed 's/.*: //' "$BATS_TEST_TMPDIR/$name" | md5sum)" = "$(seq 1 500 | md5sum)" ]
    done
}

@test "a syslog server that is not there fails the start, one that goes away does not stop the container" {
    run dory run --name s1 --log-driver syslog --log-opt syslog-address=tcp://127.0.0.1:1 busybox true
    [ "$status" -eq 125 ] || [ "$status" -eq 128 ]
    [[ $output == *"failed to initialize logging driver"* ]]
    [[ $output == *"127.0.0.1:1"*[Cc]"onnection refused"* ]]
    dory rm s1
    collector AF_INET SOCK_STREAM 127.0.0.1 "$BATS_TEST_TMPDIR/gone"
    dory run -d --name s1 --log-driver syslog --log-opt "syslog-address=tcp://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/gone.port")" \
        busybox sh -c 'echo before; until [ -e /tmp/go ]; do sleep 0.05; done; seq 1 10000; exit 5'
    eventually grep -q before "$BATS_TEST_TMPDIR/gone"
    end_collector
    dory exec s1 touch /tmp/go
    [ "$(timeout 60 "$ENV_CLI" wait s1)" = 5 ]
    ours
    # What syslog lost is in the copy.
    [ "$(dory logs s1 | wc -l)" -eq 10001 ]
    dory rm s1
}

@test "journald: fields of the entry, and a clear error where there is no journal" {
    ours
    [ ! -e /run/systemd/journal/socket ] || skip "this machine runs a journal"
    run dory run --name j1 --log-driver journald busybox true
    [ "$status" -eq 125 ]
    [[ $output == *"there is no /run/systemd/journal/socket"* ]]
    dory rm j1
    touch "$ENV_DIR/journal"
    mkdir -p /run/systemd/journal
    collector AF_UNIX SOCK_DGRAM /run/systemd/journal/socket "$BATS_TEST_TMPDIR/journal"
    dory run --name j1 -l com.example.role=web --log-driver journald --log-opt labels=com.example.role --log-opt 'tag=tag/{{.Name}}' \
        busybox sh -c 'echo "hello journal"; echo bad >&2'
    id=$(dory inspect -f '{{.Id}}' j1)
    eventually grep -q bad "$BATS_TEST_TMPDIR/journal"
    end_collector
    for line in "CONTAINER_ID=${id:0:12}" "CONTAINER_ID_FULL=$id" CONTAINER_NAME=j1 CONTAINER_TAG=tag/j1 IMAGE_NAME=busybox \
        SYSLOG_IDENTIFIER=tag/j1 COM_EXAMPLE_ROLE=web PRIORITY=6 PRIORITY=3; do
        grep -aqx "$line" "$BATS_TEST_TMPDIR/journal"
    done
    grep -aq 'hello journal' "$BATS_TEST_TMPDIR/journal"
    [ "$(dory logs j1 2>/dev/null)" = "hello journal" ]
    rm -f /run/systemd/journal/socket "$ENV_DIR/journal"
    rmdir -p /run/systemd/journal 2>/dev/null || true
    dory rm j1
}

@test "mistakes are refused with docker's words, and leave nothing" {
    check() { # message, options...
        local message=$1
        shift
        run dory create "$@" busybox true
        [ "$status" -ne 0 ] || return 1
        [[ $output == *"$message"* ]]
    }
    check "unknown log opt 'foo' for json-file log driver" --log-opt foo=1
    check "unknown log opt 'foo' for syslog log driver" --log-driver syslog --log-opt foo=1
    check 'error looking up logging plugin nosuch: plugin "nosuch" not found' --log-driver nosuch
    check "logger: logging mode not supported: foo" --log-opt mode=foo
    check "max-buffer-size option is only supported with 'mode=non-blocking'" --log-opt max-buffer-size=1m
    check "invalid syslog facility" --log-driver syslog --log-opt syslog-facility=foo
    check "syslog-address should be in form proto://address, got 1.2.3.4" --log-driver syslog --log-opt syslog-address=1.2.3.4
    ours
    check "invalid size: 'xx'" --log-opt max-size=xx
    [ "$(dory ps -aq | wc -l)" -eq 0 ]
    # And nothing of the containers before, wherever their logs were.
    eventually eval '[ -z "$(ls "$ENV_DIR/data/containers")" ]'
}

@test "daemon.json says what is the default, for its own driver only" {
    ours
    env_daemon_kill TERM
    echo '{"log-driver": "json-file", "log-opts": {"max-size": "5k", "max-file": "2", "labels": "a"}}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    dory run --name d1 -l a=1 busybox seq 1 300 >/dev/null
    [ "$(dory inspect d1 | jq -c '.[0].HostConfig.LogConfig')" = '{"Type":"json-file","Config":{"max-size":"5k","max-file":"2","labels":"a"}}' ]
    [ "$(find "$(log_dir d1)" -name '*-json.log*' | wc -l)" -eq 2 ]
    dory run --name d2 --log-driver local busybox true
    [ "$(dory inspect d2 | jq -c '.[0].HostConfig.LogConfig')" = '{"Type":"local","Config":{}}' ]
    [ "$(curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/info | jq -c '[.LoggingDriver, .Plugins.Log]')" = '["json-file",["fluentd","gelf","journald","json-file","local","none","syslog"]]' ]
    dory rm d1 d2
    env_daemon_kill TERM
    echo '{"log-opts": {"max-size": "nonsense"}}' >"$ENV_DIR/daemon.json"
    run timeout 20 "$DORY_BIN/doryd" --data-root "$ENV_DIR/data" --exec-root "$ENV_DIR/run" --config-file "$ENV_DIR/daemon.json" \
        -H "unix://$ENV_DIR/other.sock" --pidfile "$ENV_DIR/other.pid" --bridge none
    [ "$status" -ne 0 ]
    [ "$status" -ne 124 ]
    [[ $output == *"failed to set log opts: invalid size: 'nonsense'"* ]]
    echo '{}' >"$ENV_DIR/daemon.json"
    env_daemon_start
}
