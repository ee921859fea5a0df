#!/usr/bin/env bats
# "process" of config.json, and what of "linux" belongs to a process.
load helper

@test "scheduler: policy, nice value and priority are set" {
    # nice, rt_priority, policy: see proc(5)
    make_config sh -c 'cut -d" " -f19,40,41 /proc/$$/stat; cut -d" " -f41 /proc/self/stat'
    edit "proc['scheduler'] = {'policy': 'SCHED_BATCH', 'nice': 7}"
    run_container
    [ "${lines[0]}" = "7 0 3" ]
    edit "proc['scheduler'] = {'policy': 'SCHED_RR', 'priority': 11, 'flags': ['SCHED_FLAG_RESET_ON_FORK']}"
    run_container
    # A kernel whose cgroups share out real-time time gives a new one none.
    if [ "$status" = 0 ]; then
        [ "${lines[0]}" = "0 11 2" ]
        [ "${lines[1]}" = 0 ] # what the shell forked is an ordinary process again
    else
        [[ "$output" == *"process.scheduler: cannot set SCHED_RR"* ]]
    fi
}

@test "ioPriority, personality and memoryPolicy are set" {
    make_config sh -c 'ionice -p $$; uname -m; grep -m1 -o "bind[^ ]*" /proc/self/numa_maps'
    edit "
proc['ioPriority'] = {'class': 'IOPRIO_CLASS_BE', 'priority': 6}
l['personality'] = {'domain': 'LINUX32'}"
    run_container
    [ "${lines[0]}" = "best-effort: prio 6" ]
    if [ "$(uname -m)" = x86_64 ]; then
        [ "${lines[1]}" = i686 ]
    fi
    [ -e /proc/self/numa_maps ] || skip "this kernel has no NUMA: memoryPolicy cannot be tested"
    edit "
l['personality'] = {'domain': 'LINUX'}
l['memoryPolicy'] = {'mode': 'MPOL_BIND', 'nodes': '0', 'flags': ['MPOL_F_STATIC_NODES']}"
    run_container
    [ "${lines[1]}" = "$(uname -m)" ]
    [ "${lines[2]}" = "bind=static:0" ]
    edit "l['memoryPolicy'] = {'mode': 'MPOL_BIND', 'nodes': '900-901'}"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *'linux.memoryPolicy: cannot set MPOL_BIND with the nodes "900-901"'* ]]
}

@test "capabilities that nobody can grant are warnings, and the others are there" {
    missing=$(python3 -c "
have = int([l for l in open('/proc/self/status') if l.startswith('CapPrm')][0].split()[1], 16)
names = {24: 'CAP_SYS_RESOURCE', 25: 'CAP_SYS_TIME', 16: 'CAP_SYS_MODULE', 12: 'CAP_NET_ADMIN'}
print(*[names[n] for n in names if not have >> n & 1])")
    make_config grep Cap /proc/self/status
    edit "
for k in ('bounding', 'permitted', 'effective'):
    proc['capabilities'][k] = ['CAP_CHOWN', 'CAP_NO_SUCH'] + '$missing'.split()
proc['capabilities']['ambient'] = ['CAP_CHOWN']"
    run_container
    [ "$status" = 0 ]
    [[ "$output" == *"warning: process.capabilities.bounding: cannot be granted: CAP_NO_SUCH"* ]]
    [[ "$output" == *"process.capabilities.permitted: cannot be granted: CAP_NO_SUCH"*"${missing##* }"* ]]
    [[ "$output" == *"CapPrm:	0000000000000001"* ]]
    [[ "$output" == *"CapBnd:	0000000000000001"* ]]
    [[ "$output" == *"CapAmb:	0000000000000000"* ]] # not inheritable
    [[ "$output" == *"warning: process.capabilities.ambient: not both permitted and inheritable, left out: CAP_CHOWN"* ]]
    # In a user namespace everything that exists can be granted.
    chmod 755 "$T" "$T/bundle"
    edit "
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65536}]
for k in ('bounding', 'permitted', 'effective', 'inheritable', 'ambient'): proc['capabilities'][k] = ['CAP_SYS_RESOURCE']"
    run_container
    [[ "$output" != *warning* ]]
    [ "$(grep -c 0000000001000000 <<<"$output")" = 5 ]
}

@test "each of the five sets is what the spec says" {
    make_config grep Cap /proc/self/status
    edit "
proc['user'] = {'uid': 1000, 'gid': 1000}
proc['capabilities'] = {'bounding': ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETUID', 'CAP_SETGID'], 'permitted': ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETUID'],
                        'effective': ['CAP_CHOWN'], 'inheritable': ['CAP_CHOWN', 'CAP_SETUID', 'CAP_SETGID'], 'ambient': ['CAP_SETUID']}"
    run_container
    [[ "$output" == *"CapInh:	00000000000000c1"* ]]
    # exec of a file without capabilities of its own leaves what is ambient.
    [[ "$output" == *"CapPrm:	0000000000000080"* ]]
    [[ "$output" == *"CapEff:	0000000000000080"* ]]
    [[ "$output" == *"CapBnd:	00000000000000e1"* ]]
    [[ "$output" == *"CapAmb:	0000000000000080"* ]]
}

@test "limits and scores that cannot be set are errors that name their member" {
    edit "proc['rlimits'] = [{'type': 'RLIMIT_CORE', 'soft': 1, 'hard': 1}, {'type': 'RLIMIT_CORE', 'soft': 2, 'hard': 2}]"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"process.rlimits[1].type: RLIMIT_CORE is there twice"* ]]
    edit "proc['rlimits'] = [{'type': 'RLIMIT_CORE', 'soft': 3, 'hard': 2}]"
    run_container
    [[ "$output" == *"process.rlimits[0]"*"the soft limit is above the hard limit"* ]]
    edit "proc['rlimits'] = []; proc['oomScoreAdj'] = 1001"
    run_container
    [[ "$output" == *"process.oomScoreAdj is not from -1000 to 1000"* ]]
    edit "proc['oomScoreAdj'] = -999"
    run_container
    if [ "$status" != 0 ]; then # no CAP_SYS_RESOURCE
        [[ "$output" == *"process.oomScoreAdj: cannot set to -999, lowering it takes CAP_SYS_RESOURCE"* ]]
        [ -z "$(ls "$T/state")" ]
    fi
    edit "del proc['oomScoreAdj']"
    make_config cat /proc/self/oom_score_adj
    run_container
    [ "$output" = "$(cat /proc/self/oom_score_adj)" ] # not touched
}

@test "names, a domain name, umask and supplementary groups" {
    make_config sh -c 'hostname; cat /proc/sys/kernel/domainname; umask; id -G; touch /tmp/x; stat -c %a /tmp/x'
    edit "c['domainname'] = 'example.org'; proc['user'].update({'umask': 0o077, 'additionalGids': [10, 4294967294]})"
    run_container
    [ "${lines[0]}" = box ]
    [ "${lines[1]}" = example.org ]
    [ "${lines[2]}" = 0077 ]
    [ "${lines[3]}" = "0 10 4294967294" ]
    [ "${lines[4]}" = 600 ]
    edit "c['hostname'] = 'x' * 65"
    run_container
    [[ "$output" == *hostname*"64"* ]]
    edit "c['hostname'] = 'x'; l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'uts']"
    run_container
    [[ "$output" == *"unable to set hostname without a private UTS namespace"* ]]
}

@test "preserved descriptors arrive, no others; one that is not open is refused" {
    make_config sh -c 'ls /proc/self/fd | tr "\n" " "; cat <&3; cat <&4'
    echo three >"$T/3" && echo four >"$T/4"
    output=$(rt run --preserve-fds 2 --bundle "$T/bundle" "$ID" </dev/null 3<"$T/3" 4<"$T/4" 5<"$T/4" 7<"$T/4")
    [ "$output" = "0 1 2 3 4 5 three
four" ] # 5 is the directory that ls reads
    status=0
    output=$(rt run --preserve-fds 2 --bundle "$T/bundle" "$ID" </dev/null 2>&1 3<"$T/3" 4<&- 5<"$T/4") || status=$?
    [ "$status" = 1 ]
    [[ "$output" == *"descriptor 4 is to be preserved, but is not open"* ]]
}

@test "socket activation: LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES are for the container's process" {
    make_config sh -c 'echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; ls /proc/self/fd | tr "\n" " "'
    # activate NUMBER: with descriptor 3 open, LISTEN_FDS=NUMBER for the process that exec makes of the shell
    activate() {
        sh -c 'LISTEN_FDS=$1 LISTEN_PID=${2:-$$} LISTEN_FDNAMES=web exec "$0" --root "$3" run --bundle "$4" "$5"' \
            "$DORY_BIN/dory-runtime" "$1" "$2" "$T/state" "$T/bundle" "$ID" </dev/null 3<"$T/bundle/config.json" 4<&- 2>&1
    }
    [ "$(activate 1 '')" = "1 1 web
0 1 2 3 4 " ]
    [ "$(activate 1 1)" = "
0 1 2 3 " ] # somebody else's sockets
    [[ "$(activate 2 '' || true)" == *"descriptor 4 is to be preserved, but is not open"* ]]
    [[ "$(activate x '' || true)" == *"invalid LISTEN_FDS=x"* ]]
}

@test "consoleSize counts with a terminal only" {
    make_config sh -c 'test -t 0 || echo no terminal'
    edit "proc['consoleSize'] = {'height': 10, 'width': 20}"
    run_container
    [ "$output" = "no terminal" ]
}

@test "the CPUs that the runtime is started on are not the container's" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs, this machine has $(nproc)"
    command -v taskset >/dev/null
    all=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)
    cpu=$(python3 -c "import os; print(min(os.sched_getaffinity(0)))")
    make_config sleep 1000
    taskset -c "$cpu" "$DORY_BIN/dory-runtime" --root "$T/state" run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    [ "$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$(cat "$T/pid")/status")" = "$all" ]
    output=$(taskset -c "$cpu" "$DORY_BIN/dory-runtime" --root "$T/state" exec "$ID" sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status </dev/null)
    [ "$output" = "$all" ]
}

@test "of an environment variable that is given twice the last value counts" {
    make_config sh -c 'env; echo home $HOME'
    edit "proc['env'] = ['ONE=1', 'PATH=/bin', 'HOME=/x', 'ONE=2', 'ONES=3', 'HOME=']"
    run_container
    [ "$(grep ONE <<<"$output")" = "ONE=2
ONES=3" ]
    [[ "$output" == *"home /root"* ]]
}

@test "execCPUAffinity is for exec: CPUs before and after the cgroup is entered, not for the first process" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs, this machine has $(nproc)"
    cpus=($(python3 -c "import os; print(*sorted(os.sched_getaffinity(0))[:2])"))
    all=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)
    make_config sh -c 'sleep 1000'
    edit "proc['execCPUAffinity'] = {'initial': '${cpus[0]}', 'final': '${cpus[1]}'}"
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    [ "$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$(cat "$T/pid")/status")" = "$all" ]
    [ "$(rt exec "$ID" sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)" = "${cpus[1]}" ]
    echo '{"cwd": "/", "args": ["/bin/sed", "-n", "s/^Cpus_allowed_list:\t//p", "/proc/self/status"], "execCPUAffinity": {"initial": "'"${cpus[0]}"'"}}' >"$T/process.json"
    [ "$(rt exec --process "$T/process.json" "$ID")" = "${cpus[0]}" ]
    sed -i 's/"initial": "[0-9]*"/"final": "8000"/' "$T/process.json"
    run rt exec --process "$T/process.json" "$ID"
    [ "$status" != 0 ]
    [[ "$output" == *"process.execCPUAffinity.final: cannot run on the CPUs 8000"* ]]
}

@test "a container has a session keyring of its own, unless it shall stay in the caller's" {
    [ -e /proc/keys ] || skip "this kernel shows no keys"
    make_config cat /proc/keys
    edit "l['maskedPaths'] = []"
    run_container
    [ "$status" -eq 0 ]
    [[ "$output" == *"_ses.$ID"* ]]
    output=$(rt run --no-new-keyring --bundle "$T/bundle" "$ID-b" </dev/null 2>&1)
    [[ "$output" != *"_ses.$ID-b"* ]]
}
