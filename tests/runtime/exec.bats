#!/usr/bin/env bats
# dory-runtime exec: another process in a running container.
load helper

# Starts the container that the tests exec into.
start_container() {
    make_config sleep 1000
    [ $# = 0 ] || edit "$1"
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
}

# ex ARG...: exec with $status and $output. (Not through bats's `run`, which takes 127 for a mistake in the test.)
ex() {
    status=0
    output=$(rt exec "$@" </dev/null 2>&1) || status=$?
}

@test "exec joins namespaces, root and cgroup of the container" {
    start_container
    pid=$(cat "$T/pid")
    ex "$ID" sh -c 'hostname; for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done; ls /bin/busybox; cat /proc/self/cgroup'
    [ "$status" = 0 ]
    want="box"
    for n in cgroup ipc mnt net pid uts; do want+=$'\n'$(readlink "/proc/$pid/ns/$n"); done
    [[ "$output" == "$want"$'\n/bin/busybox\n'* ]]
    # In its own cgroup namespace the container is at the root of every hierarchy that it was put into.
    file=$(cgroup_file pids pids.max pids.max)
    [ -e "$file" ]
    ex "$ID" sh -c 'grep -E "^0::|pids" /proc/self/cgroup | grep -v ":/$"; true'
    [ "$output" = "" ]
}

@test "the exit status is the process's, 128 and the signal's number, or 255 when there was no process" {
    start_container
    ex "$ID" sh -c 'echo out; echo err >&2; exit 42'
    [ "$status" = 42 ]
    [[ "$output" == *out* && "$output" == *err* ]]
    ex "$ID" sh -c 'kill -TERM $$'
    [ "$status" = 143 ]
    ex "$ID" nosuch
    [ "$status" = 255 ]
    [[ "$output" == *'exec failed: exec: "nosuch": executable file not found in $PATH'* ]]
    ex "$ID" /etc/passwd
    [ "$status" = 255 ]
    [[ "$output" == *'permission denied'* ]]
    ex --cwd /no/where "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *'chdir to cwd ("/no/where")'*'no such file'* ]]
    ex "$ID"
    [ "$status" = 255 ]
    [[ "$output" == *"process args cannot be empty"* ]]
    ex "$ID-other" true
    [ "$status" = 255 ]
    [[ "$output" == *"container does not exist"* ]]
}

@test "options change user, groups, directory, environment, capabilities and no_new_privs" {
    start_container
    ex --user 1000:2000 --additional-gids 3000 -g 4000 --cwd /tmp --env A=1 -e B=2 "$ID" sh -c 'id -u; id -g; id -G; pwd; echo $A$B'
    [ "$output" = "1000
2000
2000 3000 4000
/tmp
12" ]
    ex "$ID" grep -E '^(CapInh|CapEff|CapAmb|NoNewPrivs)' /proc/self/status
    [[ "$output" == *CapInh:*0000000000000000* && "$output" == *CapAmb:*0000000000000000* && "$output" == *NoNewPrivs:*0* ]]
    before=$(grep CapEff <<<"$output" | grep -o '[0-9a-f]*$')
    ex --cap CAP_SYS_PTRACE --no-new-privs "$ID" grep -E '^(CapInh|CapEff|NoNewPrivs)' /proc/self/status
    [[ "$output" == *CapInh:*0000000000000000* && "$output" == *NoNewPrivs:*1* ]]
    after=$(grep CapEff <<<"$output" | grep -o '[0-9a-f]*$')
    [ $((0x$after)) = $((0x$before | 1 << 19)) ]
    for bad in 4294967295 -1 0x0 1:x 99999999999; do
        ex --user "$bad" "$ID" id
        [ "$status" = 255 ]
    done
    ex --cap CAP_NONE "$ID" true
    [ "$status" = 0 ]
    [[ "$output" == *'warning: --cap: ignoring unknown capability CAP_NONE'* ]]
}

@test "--process takes the whole process from a file" {
    start_container
    cat >"$T/process.json" <<'JSON'
{"args": ["sh", "-c", "id -u; pwd; echo $X $HOME; ulimit -n; umask; cat /proc/self/oom_score_adj"], "cwd": "/tmp", "env": ["PATH=/bin", "X=y"],
 "user": {"uid": 7, "gid": 8, "umask": 63}, "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 100}], "oomScoreAdj": 500}
JSON
    ex --process "$T/process.json" "$ID"
    [ "$output" = "7
/tmp
y /
99
0077
500" ]
    echo '{"args": 3}' >"$T/process.json"
    ex --process "$T/process.json" "$ID"
    [ "$status" = 255 ]
    [[ "$output" == *"args: expected"* ]]
    echo '{"args": ["true"], "cwd": "relative"}' >"$T/process.json"
    ex --process "$T/process.json" "$ID"
    [ "$status" = 255 ]
    [[ "$output" == *"Cwd must be an absolute path"* ]]
}

@test "a detached process is left running and its pid written" {
    start_container
    rt exec -d --pid-file "$T/exec.pid" "$ID" sleep 999 </dev/null >/dev/null 2>&1
    pid=$(cat "$T/exec.pid")
    [ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = "sleep 999 " ]
    run rt ps --format json "$ID"
    [[ "$output" == *"$pid"* ]]
    # It ends with the container.
    rt kill "$ID" KILL
    wait_for '[ ! -e /proc/'"$pid"'/root/. ]'
    ex "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"container not running"* ]]
}

@test "a terminal is the controlling one, and its master can be handed over" {
    start_container
    run timeout 60 script -qec "$DORY_BIN/dory-runtime --root $T/state exec -t $ID sh -c 'tty; exit 5'" /dev/null </dev/null
    [ "$status" = 5 ]
    [[ "$output" == */dev/pts/* ]]
    ex -d -t "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"without setting console socket"* ]]
    cat >"$T/receive.py" <<'PY'
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
c, _ = s.accept()
fds = array.array("i")
_, ancillary, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
fds.frombytes(ancillary[0][2][:4])
text = b""
try:
    while b"done" not in text:
        text += os.read(fds[0], 1000)
except OSError:
    pass
print(text.decode())
PY
    timeout 60 python3 "$T/receive.py" "$T/console" >"$T/received" </dev/null 3>&- &
    receiver=$!
    wait_for '[ -S "$T/console" ]'
    rt exec -d -t --console-socket "$T/console" "$ID" sh -c 'stty size; tty; echo done; sleep 1000' </dev/null >/dev/null 2>&1
    wait "$receiver"
    grep -q /dev/pts/ "$T/received"
}

@test "only the descriptors asked for go along" {
    start_container
    exec 7<"$T/pid" 8<"$T/bundle/config.json"
    ex "$ID" sh -c 'ls /proc/self/fd | tr "\n" " "'
    [ "$output" = "0 1 2 3 " ] # 3 is the directory that ls reads
    status=0
    output=$(rt exec --preserve-fds 1 "$ID" sh -c 'cat <&3' </dev/null 2>&1 3<"$T/pid") || status=$?
    [ "$output" = "$(cat "$T/pid")" ]
    exec 7<&- 8<&-
}

@test "no directory outside of the root can be the working directory" {
    start_container
    exec 7</
    for fd in 3 4 5 6 7 8 9 10 11 12 13 14 15 20; do
        ex --cwd "/proc/self/fd/$fd" "$ID" pwd
        [ "$status" = 255 ]
    done
    exec 7<&-
}

@test "the process is under the container's seccomp filter and its limits" {
    start_container "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_X86_64'], 'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 95}]}
r['pids'] = {'limit': 6}"
    ex "$ID" mkdir /tmp/x
    [ "$status" = 1 ]
    [[ "$output" == *"not supported"* ]]
    ex "$ID" grep Seccomp: /proc/self/status
    [[ "$output" == *2 ]]
    ex "$ID" sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all'
    [[ "$output" == *"can't fork"* ]]
}

@test "exec into a container with a user namespace" {
    chown -R 100000:100000 "$ROOT"
    start_container "
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 100000, 'size': 65536}]"
    ex "$ID" sh -c 'id -u; cat /proc/self/uid_map; readlink /proc/self/ns/user'
    [ "$status" = 0 ]
    [[ "$output" == 0*100000*65536*"$(readlink "/proc/$(cat "$T/pid")/ns/user")" ]]
    # Hard limits above our own are raised from outside, by whoever may.
    echo '{"args": ["sh", "-c", "ulimit -Hn"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
 "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 400, "hard": 600}]}' >"$T/process.json"
    status=0
    output=$(ulimit -n 500 && rt exec --process "$T/process.json" "$ID" </dev/null 2>&1) || status=$?
    if (ulimit -n 500 && ulimit -n 600) 2>/dev/null; then
        [ "$status" = 0 ]
        [ "$output" = 600 ]
    else
        [ "$status" = 255 ]
        [[ "$output" == *"process.rlimits[0]: cannot raise RLIMIT_NOFILE"* ]]
    fi
    ex --user 1000 "$ID" sh -c 'id -u; touch /tmp/mine && ls -n /tmp/mine'
    [[ "$output" == *1000* ]]
}

@test "scheduling and processors of the process are set" {
    start_container
    cat >"$T/process.json" <<'JSON'
{"args": ["sh", "-c", "grep Cpus_allowed_list /proc/self/status; cut -d\" \" -f41 /proc/self/stat"], "cwd": "/", "env": ["PATH=/bin"],
 "scheduler": {"policy": "SCHED_BATCH", "nice": 5}, "ioPriority": {"class": "IOPRIO_CLASS_IDLE"},
 "execCPUAffinity": {"initial": "0", "final": "0"}}
JSON
    ex --process "$T/process.json" "$ID"
    [ "$status" = 0 ]
    [ "$output" = "Cpus_allowed_list:	0
3" ]
    sed -i 's/"final": "0"/"final": "4095"/' "$T/process.json"
    ex --process "$T/process.json" "$ID"
    [ "$status" = 255 ]
    [[ "$output" == *"process.execCPUAffinity.final"* ]]
}

@test "a cgroup below the container's can be asked for, and must exist" {
    start_container
    ex --cgroup nosuch "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"/nosuch of "*"does not exist"* ]]
    ex --cgroup .. "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *".. is not a sub cgroup path"* ]]
    ex --cgroup / "$ID" grep -cE '^0::|pids' /proc/self/cgroup
    [ "$status" = 0 ]
    for file in $(find /sys/fs/cgroup -maxdepth 4 -type d -name "$ID"); do
        mkdir "$file/inner"
        [ ! -e "$file/inner/cpuset.cpus" ] || { cat "$file/cpuset.cpus" >"$file/inner/cpuset.cpus"; cat "$file/cpuset.mems" >"$file/inner/cpuset.mems"; } 2>/dev/null || true
    done
    [ -d "$(dirname "$(cgroup_file pids pids.max pids.max)")/inner" ]
    ex --cgroup inner "$ID" grep -E '^0::|pids' /proc/self/cgroup
    [ "$status" = 0 ]
    [[ "$output" == */inner* ]]
}

@test "with v1 each controller can have a cgroup of its own below the container's" {
    start_container
    local pids memory pid
    for bad in nosuch:x "pids:x|pids" ":x|empty <controller> prefix" "pids:x memory,pids:y|multiple times" "x pids:y|missing <controller>: prefix"; do
        local want=${bad#*|} options=()
        for argument in ${bad%|*}; do options+=(--cgroup "$argument"); done
        [ "$bad" != nosuch:x ] || want="unknown controller nosuch"
        [ "$bad" != "pids:x|pids" ] || [ -d /sys/fs/cgroup/pids ] || want="unknown controller pids"
        ex "${options[@]}" "$ID" true
        [ "$status" = 255 ]
        [[ "$output" == *"$want"* ]]
    done
    [ -d /sys/fs/cgroup/pids ] || skip "no v1 hierarchies"
    pids=$(dirname "$(cgroup_file pids pids.max pids.max)") memory=$(dirname "$(cgroup_file memory x x)")
    mkdir "$pids/first" "$memory/second"
    rt exec -d --cgroup pids:first --cgroup memory,cpu:/second --pid-file "$T/exec.pid" "$ID" sleep 999 </dev/null >"$T/out" 2>&1 && false
    grep "second of cpu: it does not exist" "$T/out"
    rt exec -d --cgroup pids:first --cgroup memory:/second --pid-file "$T/exec.pid" "$ID" sleep 999 </dev/null >/dev/null 2>&1
    pid=$(cat "$T/exec.pid")
    grep -qx "$pid" "$pids/first/cgroup.procs"
    grep -qx "$pid" "$memory/second/cgroup.procs"
    grep -qx "$pid" "$(dirname "$(cgroup_file cpu x x)")/cgroup.procs"
    [ ! -d /sys/fs/cgroup/unified ] || grep -qx "0::/dory/$ID" "/proc/$pid/cgroup"
    # One that is in one hierarchy alone is not enough for all of them.
    ex --cgroup first "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"/first of "*"does not exist"* ]]
}

@test "a container that has handed its controllers on is entered where its init is" {
    local top=/sys/fs/cgroup controllers
    [ -e $top/cgroup.controllers ] || top=/sys/fs/cgroup/unified
    [ -e $top/cgroup.controllers ] || skip "no v2 hierarchy"
    read -ra controllers <$top/cgroup.subtree_control || true
    [ ${#controllers[@]} -gt 0 ] || skip "no controller is in the v2 hierarchy"
    start_container "l['cgroupsPath'] = '/$ID'"
    mkdir "$top/$ID/inner"
    find /sys/fs/cgroup -maxdepth 2 -type d -name "$ID" -exec mkdir {}/other \;
    cat "$T/pid" >"$top/$ID/inner/cgroup.procs"
    echo "+${controllers[0]}" >"$top/$ID/cgroup.subtree_control"
    run bash -c 'echo $$ >"'"$top/$ID"'/cgroup.procs"'
    [[ "$output" == *busy* ]]
    rt exec -d --pid-file "$T/exec.pid" "$ID" sleep 999 </dev/null >/dev/null 2>&1
    grep -qx "0::/$ID/inner" "/proc/$(cat "$T/exec.pid")/cgroup"
    # One that is named is not replaced by another.
    ex --cgroup other "$ID" true
    [ "$status" = 0 ]
    cat "$T/pid" >"$top/cgroup.procs"
    ex "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"cannot join cgroup $ID: it gives controllers"* ]]
    cat "$T/pid" >"$top/$ID/inner/cgroup.procs"
}

@test "a process that writes much to its terminal before it reads gets its input all the same" {
    start_container
    cat >"$T/echo.py" <<'PY'
import os, select, subprocess, sys
p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
data = b"go\n" + os.urandom(200000).hex().encode()
came = b""
while b"ready\n" not in came:
    came += os.read(p.stdout.fileno(), 4096) or sys.exit("no terminal")
came, unsent = bytearray(), memoryview(data)
os.set_blocking(p.stdin.fileno(), False)
while len(came) < 1000000 + len(data) - 3:
    r, w, _ = select.select([p.stdout], [p.stdin] if unsent else [], [], 30)
    if w:
        unsent = unsent[os.write(p.stdin.fileno(), unsent[:4096]) :]
    elif r:
        came += os.read(p.stdout.fileno(), 65536) or sys.exit(f"ended after {len(came)} bytes")
    else:
        p.kill()
        sys.exit(f"nothing moves: {len(unsent)} bytes are not sent, {len(came)} came")
print("echoed" if came.translate(None, b"z\r\n") == data[3:] else "other bytes came back", p.wait(30))
PY
    run timeout 60 python3 "$T/echo.py" "$DORY_BIN/dory-runtime" --root "$T/state" exec -t "$ID" sh -c \
        'stty raw -echo; echo ready; read x; head -c 1000000 /dev/zero | tr "\0" z; head -c 400000; exit 5' </dev/null
    echo "$output"
    [ "$output" = "echoed 5" ]
    [ "$status" = 0 ]
}

@test "personality, memory policy and keyring are those of the container's first process" {
    make_config sleep 1000
    edit "
l['maskedPaths'] = []
l['personality'] = {'domain': 'LINUX32'}
if __import__('os').path.exists('/proc/self/numa_maps'):
    l['memoryPolicy'] = {'mode': 'MPOL_BIND', 'nodes': '0', 'flags': ['MPOL_F_STATIC_NODES']}"
    rt run -d --no-new-keyring --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    ex "$ID" uname -m
    [ "$status" = 0 ]
    [ "$(uname -m)" != x86_64 ] || [ "$output" = i686 ]
    if [ -e /proc/self/numa_maps ]; then
        ex "$ID" grep -m1 -o "bind[^ ]*" /proc/self/numa_maps
        [ "$output" = bind=static:0 ]
    fi
    [ ! -e /proc/keys ] || {
        ex "$ID" cat /proc/keys
        [ "$status" = 0 ]
        [[ "$output" != *"_ses.$ID"* ]]
    }
}
