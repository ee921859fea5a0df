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
