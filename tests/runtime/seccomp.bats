#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helper

# seccomp 'python expression': the spec's linux.seccomp
profile() {
    edit "l['seccomp'] = $1"
}

# A listener on $T/listener for one process: writes what it is told to $T/told, then answers every notification with errno
# 42 ("let": lets the call pass).
listener() {
    cat >"$T/listener.py" <<'PY'
import array, ctypes, fcntl, json, os, select, socket, struct, sys
path, told, answer = sys.argv[1:]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(8)
print("ready", flush=True)
def take():
    peer, _ = server.accept()
    fds = array.array("i")
    data, ancillary, _, _ = peer.recvmsg(65536, socket.CMSG_LEN(16))
    for level, kind, payload in ancillary:
        fds.frombytes(payload[:len(payload) // 4 * 4])
    with open(told + ".new", "wb") as f:
        f.write(data)
    os.rename(told + ".new", told)
    return fds[0]
RECV, SEND = 0xC0502100, 0xC0182101
poll = select.poll()
poll.register(server, select.POLLIN)
while True:
    for fd, event in poll.poll():
        if fd == server.fileno():
            poll.register(take(), select.POLLIN)
        elif event & select.POLLIN:
            buffer = bytearray(80)
            try:
                fcntl.ioctl(fd, RECV, buffer)
                ident = struct.unpack_from("Q", buffer)[0]
                reply = struct.pack("QqiI", ident, 0, 0, 1) if answer == "let" else struct.pack("QqiI", ident, 0, -42, 0)
                fcntl.ioctl(fd, SEND, bytearray(reply))
            except FileNotFoundError:
                pass
        else:
            poll.unregister(fd)
            os.close(fd)
PY
    python3 "$T/listener.py" "$T/listener" "$T/told" "$1" >"$T/listener.out" 2>&1 3>&- &
    LISTENER=$!
    wait_for 'grep -q ready "$T/listener.out"'
}

teardown() {
    [ -z "${LISTENER:-}" ] || { kill "$LISTENER" 2>/dev/null; wait "$LISTENER" 2>/dev/null; } || true
    runtime_teardown
}

@test "errno, errnoRet and the default's errnoRet are what the program sees" {
    make_config sh -c 'mkdir /tmp/a; chmod 700 /tmp; ln -s x /tmp/b && echo linked'
    profile "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [
        {'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_ERRNO'},
        {'names': ['chmod', 'fchmodat', 'fchmodat2'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 28}]}"
    run_container
    [[ "$output" == *"mkdir: can't create directory '/tmp/a': Operation not permitted"* ]]
    [[ "$output" == *"chmod: /tmp: No space left on device"* ]]
    [[ "$output" == *linked* ]]
}

@test "arguments decide: equality, order, masks, and alternatives on one argument" {
    make_config sh -c 'for m in 700 701 740 751 4700; do chmod $m /tmp 2>/dev/null && echo "ok $m"; done'
    # chmod(path, mode) or fchmodat(directory, path, mode), whichever this libc uses
    edit "
rules = []
for name, index in (('chmod', 1), ('fchmodat', 2), ('fchmodat2', 2)):
    arg = lambda op, value, two=0: {'index': index, 'value': value, 'valueTwo': two, 'op': 'SCMP_CMP_' + op}
    other = {'index': 5 if index == 2 else 3, 'value': 0, 'op': 'SCMP_CMP_GE'}
    for args in ([arg('EQ', 0o701), other], [arg('GT', 0o750), arg('EQ', 0o740)], [arg('MASKED_EQ', 0o4000, 0o4000)]):
        rules.append({'names': [name], 'action': 'SCMP_ACT_ERRNO', 'args': args})
l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': rules}"
    run_container
    [ "$output" = "ok 700" ]
}

@test "kill, kill_process and trap end the process by SIGSYS" {
    local action
    for action in SCMP_ACT_KILL SCMP_ACT_KILL_THREAD SCMP_ACT_KILL_PROCESS SCMP_ACT_TRAP; do
        make_config sh -c 'mkdir /tmp/a; echo "status $?"'
        profile "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': '$action'}]}"
        run_container
        [[ "$output" == *"status 159"* ]] || { echo "$action: $output"; false; }
    done
}

@test "log and trace let pass, or are missing, as the kernel has it" {
    make_config sh -c 'mkdir /tmp/a && echo made; chmod 700 /tmp/a'
    profile "{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
        'SECCOMP_FILTER_FLAG_TSYNC'], 'syscalls': [
        {'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_LOG'},
        {'names': ['chmod', 'fchmodat', 'fchmodat2'], 'action': 'SCMP_ACT_TRACE'}]}"
    run_container
    [[ "$output" == *made* ]]
    [[ "$output" == *"chmod: /tmp/a: Function not implemented"* ]] # nobody traces
}

@test "an allow list with the machine's other architectures, and names that nobody knows" {
    make_config sh -c 'echo works; mkdir /tmp/a'
    profile "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 13,
        'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_S390X'],
        'syscalls': [{'names': ['nosuchcall', 'close_range', 'openat2', 'faccessat2', 'rseq', 'statx', 'read', 'write', 'writev',
            'execve', 'exit', 'exit_group', 'brk', 'mmap', 'mprotect', 'munmap', 'arch_prctl', 'set_tid_address',
            'set_robust_list', 'prlimit64', 'readlink', 'readlinkat', 'getrandom', 'newfstatat', 'stat', 'fstat', 'close', 'open',
            'openat', 'dup2', 'dup3', 'fcntl', 'ioctl', 'rt_sigaction', 'rt_sigprocmask', 'rt_sigreturn', 'getpid',
            'getppid', 'getuid', 'geteuid', 'getgid', 'getegid', 'getcwd', 'wait4', 'clone', 'clone3', 'fork', 'vfork', 'uname',
            'prctl', 'capset', 'capget', 'futex', 'poll', 'umask', 'time', 'gettimeofday', 'clock_gettime', 'getpgrp',
            'sysinfo', 'lseek', 'access', 'faccessat'],
            'action': 'SCMP_ACT_ALLOW'}]}"
    run_container
    [[ "$output" == *works* ]]
    [[ "$output" == *"mkdir: can't create directory '/tmp/a': Permission denied"* ]]
}

@test "a bad profile is refused with its place, and nothing is left" {
    local case
    while IFS='|' read -r text message; do
        make_config true
        profile "$text"
        run_container
        [ "$status" != 0 ] || { echo "accepted: $text"; false; }
        [[ "$output" == *"$message"* ]] || { echo "$text: $output"; false; }
        [ ! -e "$T/state/$ID" ]
    done <<'CASES'
{'defaultAction': 'SCMP_ACT_NOPE'}|seccomp.defaultAction: invalid action "SCMP_ACT_NOPE"
{'defaultAction': 'SCMP_ACT_NOTIFY'}|SCMP_ACT_NOTIFY cannot be used as default action
{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_NOPE']}|seccomp.architectures[0]: unknown architecture "SCMP_ARCH_NOPE"
{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['X']}|seccomp.flags[0]
{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['a'], 'action': 'X'}]}|seccomp.syscalls[0]: invalid action "X"
{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['a'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 70000}]}|seccomp.syscalls[0]: errnoRet
{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['a'], 'action': 'SCMP_ACT_ERRNO', 'args': [{'index': 6, 'value': 0, 'op': 'SCMP_CMP_EQ'}]}]}|seccomp.syscalls[0]: args[0].index: 6
{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['a'], 'action': 'SCMP_ACT_ERRNO', 'args': [{'index': 0, 'value': 0, 'op': 'X'}]}]}|args[0].op: invalid operator "X"
{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['write'], 'action': 'SCMP_ACT_NOTIFY'}]}|SCMP_ACT_NOTIFY cannot be used for the write syscall
{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['mkdir'], 'action': 'SCMP_ACT_NOTIFY'}]}|listenerPath is not set
{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': 'x'}|listenerPath "x" is not absolute
{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '/nonexistent/socket', 'syscalls': [{'names': ['mkdir'], 'action': 'SCMP_ACT_NOTIFY'}]}|listenerPath /nonexistent/socket
{'defaultAction': 5}|linux.seccomp.defaultAction
CASES
}

@test "a listener gets the descriptor and the process's state, and answers: run" {
    listener refuse
    make_config sh -c 'mkdir /tmp/a; ls /proc/self/fd'
    profile "{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '$T/listener', 'listenerMetadata': 'some words',
        'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_NOTIFY'}]}"
    edit "c['annotations'] = {'key': 'value'}"
    run_container
    [[ "$output" == *"mkdir: can't create directory '/tmp/a': No message of desired type"* ]]
    [[ "$output" != *$'\n4' ]] # 0, 1, 2, and the directory that ls reads
    python3 - "$T/told" "$ID" "$T/bundle" <<'PY'
import json, sys
told = json.load(open(sys.argv[1]))
assert told["fds"] == ["seccompFd"], told
assert told["metadata"] == "some words", told
assert told["ociVersion"] == "1.0.2", told
assert told["pid"] == told["state"]["pid"] > 0, told
assert told["state"]["id"] == sys.argv[2] and told["state"]["bundle"] == sys.argv[3], told
assert told["state"]["status"] == "creating" and told["state"]["annotations"] == {"key": "value"}, told
PY
}

@test "a listener gets the descriptor: create and start, and exec" {
    listener let
    make_config sh -c 'mkdir /tmp/a && touch /tmp/made; sleep 1000'
    profile "{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '$T/listener',
        'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_NOTIFY'}]}"
    rt create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    wait_for '[ -s "$T/told" ]'
    rt start "$ID"
    wait_for '[ -e "$ROOT/tmp/made" ]'
    rm "$T/told"
    run -0 rt exec "$ID" mkdir /tmp/b
    [ -d "$ROOT/tmp/b" ]
    grep -q '"status":"running"' "$T/told"
    python3 -c 'import json, sys; t = json.load(open(sys.argv[1])); sys.exit(t["pid"] == t["state"]["pid"])' "$T/told"
}
