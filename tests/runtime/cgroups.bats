#!/usr/bin/env bats
load helper

@test "the container is in its own cgroup and sees only that" {
    make_config sh -c 'cat /proc/self/cgroup; ls /sys/fs/cgroup; cat /sys/fs/cgroup/memory/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null; mkdir /sys/fs/cgroup/x'
    run_container
    [[ "$output" == *"::/"* ]]
    [[ "$output" != *"$ID"* ]]
    [[ "$output" == *"Read-only file system"* ]]
}

@test "the memory limit binds" {
    make_config sh -c 'head -c 100m /dev/zero | tail | wc -c'
    edit "r['memory'] = {'limit': 16 << 20, 'swap': 16 << 20}"
    run_container
    [[ "$output" != *104857600* ]]
}

@test "the pids limit binds" {
    make_config sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; echo all'
    edit "r['pids'] = {'limit': 5}"
    run_container
    [[ "$output" == *"can't fork"* ]]
    make_config sh -c 'sleep 5 & echo none'
    edit "r['pids'] = {'limit': 0}"
    run_container
    [[ "$output" == *"can't fork"* ]]
    make_config sh -c 'sleep 0 & echo any'
    edit "r['pids'] = {'limit': -1}"
    run_container
    [[ "$output" == *any* ]]
}

@test "limits are written as asked" {
    make_config sleep 1000
    edit "
r['memory'] = {'limit': 64 << 20, 'reservation': 32 << 20, 'swap': 128 << 20}
r['cpu'] = {'shares': 512, 'quota': 50000, 'period': 100000}
r['pids'] = {'limit': 77}"
    rt run -d --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    [ "$(cat "$(cgroup_file memory memory.limit_in_bytes memory.max)")" = $((64 << 20)) ]
    [ "$(cat "$(cgroup_file memory memory.soft_limit_in_bytes memory.low)")" = $((32 << 20)) ]
    [ "$(cat "$(cgroup_file pids pids.max pids.max)")" = 77 ]
    if [ -d /sys/fs/cgroup/cpu ]; then
        [ "$(cat "/sys/fs/cgroup/cpu/dory/$ID/cpu.shares")" = 512 ]
        [ "$(cat "/sys/fs/cgroup/cpu/dory/$ID/cpu.cfs_quota_us")" = 50000 ]
        [ "$(cat "/sys/fs/cgroup/memory/dory/$ID/memory.memsw.limit_in_bytes")" = $((128 << 20)) ]
    else
        [ "$(cat "/sys/fs/cgroup/dory/$ID/cpu.weight")" = 20 ]
        [ "$(cat "/sys/fs/cgroup/dory/$ID/cpu.max")" = "50000 100000" ]
        [ "$(cat "/sys/fs/cgroup/dory/$ID/memory.swap.max")" = $((64 << 20)) ]
    fi
}

@test "a cpu quota binds" {
    # It works until it was held back three times, however little of the processor a busy machine gives it.
    make_config timeout 60 sh -c 'while :; do
        n=$(cat /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpu.stat 2>/dev/null | sed -n "s/^nr_throttled //p")
        [ "${n:-0}" -lt 3 ] || break
    done; echo "held back $n times"'
    edit "r['cpu'] = {'quota': 3000, 'period': 100000}"
    run_container
    [[ "$output" == *"held back"* ]] || { echo "$output"; false; }
}

@test "cpuset confines to the cpus it names" {
    make_config grep Cpus_allowed_list /proc/self/status
    edit "r['cpu'] = {'cpus': '0', 'mems': '0'}"
    run_container
    [ "$status" = 0 ]
    [[ "$output" == *"	0" ]]
}

@test "a device that the rules do not allow is refused, one that they allow works" {
    make_config sh -c 'mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg | wc -c'
    run_container
    [[ "$output" == *"Operation not permitted"* ]]
    edit "
r['devices'].append({'allow': True, 'type': 'c', 'major': 1, 'minor': 11, 'access': 'r'})
for s in proc['capabilities'].values(): s.append('CAP_SYSLOG')"
    rm -f "$ROOT/tmp/kmsg"
    run_container
    [[ "$output" != *"Operation not permitted"* ]]
}

@test "kill --all reaches children, and delete removes cgroups that the container made" {
    make_config sh -c 'mkdir -p /sys/fs/cgroup/memory/sub /sys/fs/cgroup/sub 2>/dev/null; sleep 1000 & sleep 1000; true'
    edit "
for m in c['mounts']:
    if m['type'] == 'cgroup': m['options'].remove('ro')"
    rt run -d --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    wait_for '[ "$(rt ps --format json "$ID" | tr , "\n" | wc -l)" = 3 ]'
    rt kill --all "$ID" KILL
    wait_for 'rt state "$ID" | grep -q stopped'
    rt delete "$ID"
}

@test "a cgroupsPath of the spec is used, one that climbs or is systemd's is refused" {
    make_config sleep 1000
    edit "l['cgroupsPath'] = '/dory/$ID'"
    rt run -d --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    [ -d "$(dirname "$(cgroup_file memory x x)")" ]
    rt delete --force "$ID"
    edit "l['cgroupsPath'] = '/dory/../../$ID'"
    run_container
    [[ "$output" == *".."* ]]
    edit "l['cgroupsPath'] = 'system.slice:dory:$ID'"
    run_container
    [[ "$output" == *"systemd"* ]]
}

@test "a cgroup that is there and frozen is refused" {
    parent=$(dirname "$(dirname "$(cgroup_file freezer freezer.state cgroup.freeze)")")
    file=freezer.state state=FROZEN
    [ -d /sys/fs/cgroup/freezer ] || file=cgroup.freeze state=1
    mkdir -p "$parent/$ID"
    echo $state >"$parent/$ID/$file"
    run_container
    rmdir "$parent/$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"container's cgroup unexpectedly frozen: dory/$ID"* ]]
    run_container
    [ "$status" = 0 ]
}
