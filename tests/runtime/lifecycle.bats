#!/usr/bin/env bats
load helper

@test "run passes output and exit status through" {
    make_config sh -c 'echo out; echo err >&2; exit 42'
    run_container
    [ "$status" = 42 ]
    [[ "$output" == *out* && "$output" == *err* ]]
    [ -z "$(ls "$T/state")" ]
}

@test "a process killed by a signal exits with 128 plus its number" {
    make_config sh -c 'kill -9 $$'
    edit "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'pid']"
    run_container
    [ "$status" = 137 ]
}

@test "create, start, state, kill, delete" {
    make_config sleep 1000
    rt create --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    run rt state "$ID"
    [[ "$output" == *'"status":"created"'* ]]
    [ "$(tr '\0' ' ' </proc/$(cat "$T/pid")/cmdline)" != "sleep 1000 " ]
    rt start "$ID"
    wait_for '[ "$(tr "\0" " " </proc/$(cat "$T/pid")/cmdline)" = "sleep 1000 " ]'
    run rt state "$ID"
    [[ "$output" == *'"status":"running"'* ]]
    run rt start "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"cannot start an already running container"* ]]
    run rt delete "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"that is not stopped: running"* ]]
    rt kill "$ID" KILL
    wait_for 'rt state "$ID" | grep -q stopped'
    run rt kill "$ID" TERM
    [[ "$output" == *"container not running"* ]]
    rt delete "$ID"
    run rt state "$ID"
    [[ "$output" == *"container does not exist"* ]]
}

@test "delete --force ends a running container and does not mind an absent one" {
    make_config sleep 1000
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    rt delete --force "$ID"
    # Whoever inherits orphans here may be slow to reap it.
    [ ! -d "/proc/$(cat "$T/pid")" ] || grep -q '^State:.Z' "/proc/$(cat "$T/pid")/status"
    rt delete --force "$ID"
}

@test "an id can be used once, and only certain characters" {
    make_config sleep 1000
    rt run -d --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"already exists"* ]]
    run rt run --bundle "$T/bundle" ../evil
    [[ "$output" == *"invalid container ID"* ]]
}

@test "list and ps show the container" {
    make_config sleep 1000
    rt run -d --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    run rt list -q
    [ "$output" = "$ID" ]
    run rt list --format json
    [[ "$output" == *"\"id\":\"$ID\""* ]]
    run rt ps "$ID"
    [[ "$output" == *"sleep 1000"* ]]
    [ "${#lines[@]}" = 2 ]
    run rt ps --format json "$ID"
    [[ "$output" =~ ^\[[0-9]+\]$ ]]
}

@test "missing commands are 127, those that cannot run are 126, in docker's words" {
    make_config nosuch
    run_container
    [ "$status" = 127 ]
    [[ "$output" == *'exec: "nosuch": executable file not found in $PATH'* ]]
    make_config /no/such
    run_container
    [ "$status" = 127 ]
    [[ "$output" == *'exec: "/no/such": stat /no/such: no such file or directory'* ]]
    make_config /etc/passwd
    run_container
    [ "$status" = 126 ]
    [[ "$output" == *'exec: "/etc/passwd": permission denied'* ]]
    make_config /etc
    run_container
    [ "$status" = 126 ]
    printf 'nonsense' >"$ROOT/bin/bad"
    chmod +x "$ROOT/bin/bad"
    make_config bad
    run_container
    [ "$status" = 126 ]
    [[ "$output" == *"exec format error"* ]]
}

@test "a failed start leaves nothing behind" {
    edit "mount('/data', 'bind', '/no/such/dir', 'bind')"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *'error mounting "/no/such/dir" to rootfs at "/data"'* ]]
    [ -z "$(ls "$T/state")" ]
}

@test "commands and options that are missing say so" {
    run rt nosuch "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *'unknown command "nosuch"'* ]]
    run rt run --nonsense x
    [[ "$output" == *"flag provided but not defined"* ]]
    edit "l['intelRdt'] = {'closID': 'x'}"
    run_container
    [[ "$output" == *"linux.intelRdt: "* ]]
}

@test "a config with a wrong type is refused with its path" {
    edit "proc['user']['uid'] = 'root'"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"process.user.uid"* ]]
}

@test "errors go to the log file as JSON" {
    make_config nosuch
    ! rt --log "$T/log" --log-format json run --bundle "$T/bundle" "$ID" 2>/dev/null || false
    python3 -c "
import json, sys
entry = json.loads(open(sys.argv[1]).readlines()[-1])
assert entry['level'] == 'error' and 'executable file not found' in entry['msg'], entry" "$T/log"
}

@test "spec writes a config that runs" {
    rm "$T/bundle/config.json"
    (cd "$T/bundle" && rt spec)
    run rt spec --bundle "$T/bundle"
    [[ "$output" == *"Remove it first"* ]]
    edit "proc['terminal'] = False; proc['args'] = ['echo', 'fine']"
    run_container
    [ "$output" = fine ]
}

@test "features is JSON" {
    rt features | python3 -c "
import json, sys
f = json.load(sys.stdin)
assert f['linux']['cgroup']['v2'] and 'SCMP_ACT_ERRNO' in f['linux']['seccomp']['actions']"
}

@test "a terminal: controlling, sized, /dev/console, handed over by the console socket" {
    make_config sh -c 'stty size; tty; test -c /dev/console && echo console; test -t 0 && test -t 1 && test -t 2 && echo tty3; sleep 1000'
    edit "proc['terminal'] = True; proc['consoleSize'] = {'height': 33, 'width': 99}"
    python3 - "$T/sock" >"$T/out" <<'PY' &
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
c, _ = s.accept()
msg, anc, _, _ = c.recvmsg(100, socket.CMSG_LEN(4))
fd = array.array("i", anc[0][2])[0]
text = b""
while b"tty3" not in text:
    text += os.read(fd, 1000)
print(text.decode())
PY
    wait_for '[ -S "$T/sock" ]'
    rt run -d --console-socket "$T/sock" --bundle "$T/bundle" "$ID" </dev/null
    wait %1
    grep -q '33 99' "$T/out"
    grep -q '/dev/pts/0' "$T/out"
    grep -q console "$T/out"
    grep -q tty3 "$T/out"
}

@test "hooks run where and when the spec says, with the state on standard input" {
    make_config sh -c 'cat /proc/1/comm >/dev/null; echo ran'
    mkdir "$T/hooks"
    cat >"$T/hook" <<SH
#!/bin/sh
cat >"$T/hooks/\$1.json"
hostname >"$T/hooks/\$1.host"
SH
    chmod +x "$T/hook"
    edit "c['hooks'] = {n: [{'path': '$T/hook', 'args': ['hook', n], 'env': ['PATH=/usr/bin:/bin']}] for n in ('prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop')}"
    run_container
    [ "$output" = ran ]
    for n in prestart createRuntime createContainer poststart poststop; do
        grep -q "\"id\":\"$ID\"" "$T/hooks/$n.json"
    done
    grep -q '"status":"creating"' "$T/hooks/prestart.json"
    grep -q '"status":"running"' "$T/hooks/poststart.json"
    grep -q '"status":"stopped"' "$T/hooks/poststop.json"
    [ "$(cat "$T/hooks/createRuntime.host")" = "$(hostname)" ]
}

@test "a failing hook stops the start, a slow one is killed at its timeout" {
    edit "c['hooks'] = {'createRuntime': [{'path': '/bin/sh', 'args': ['sh', '-c', 'echo broken; exit 3']}]}"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"exit status 3"*broken* ]]
    edit "c['hooks'] = {'createRuntime': [{'path': '/bin/sleep', 'args': ['sleep', '100'], 'timeout': 1}]}"
    run_container
    [[ "$output" == *"timeout of 1"* ]]
}

@test "a terminal in the foreground ends its lines as a pipe does" {
    make_config sh -c 'echo one; stty -a'
    edit "proc['terminal'] = True"
    run_container
    [ "$status" = 0 ]
    [ "${lines[0]}" = one ]
    [[ "$output" == *-onlcr* ]]
}

@test "a created container is ended by a signal that ends processes, one of its own pid namespace too" {
    for signal in TERM INT; do
        make_config sleep 1000
        rt create --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
        rt kill "$ID" $signal
        wait_for 'rt state "$ID" | grep -q "\"stopped\""'
        rt delete "$ID"
    done
    # When it has started, that is the matter of its process again.
    make_config sh -c 'kill -TERM 1; sleep 1; echo still here'
    run_container
    [ "$output" = "still here" ]
}
