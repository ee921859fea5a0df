#!/usr/bin/env bats
# linux.resources and update: what is written where, on the kind of host that this machine is, and what is refused by name.
bats_require_minimum_version 1.5.0
load helper

start() {
    rt run -d --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
}

# The value of a control file: value CONTROLLER V1-NAME V2-NAME
value() {
    cat "$(cgroup_file "$@")"
}

pure_v2() {
    [ ! -d /sys/fs/cgroup/memory ]
}

@test "cgroupsPath: relative, absolute and nested names are used, empty parents stay out of the way" {
    make_config sleep 1000
    local path
    for path in "dory/$ID" "/dory/$ID" "//dory/./$ID/"; do
        edit "l['cgroupsPath'] = '$path'"
        start
        [ -d "$(dirname "$(cgroup_file pids pids.max pids.max)")" ]
        rt delete --force "$ID"
    done
    edit "l['cgroupsPath'] = ''" # the default
    start
    [ -d "$(dirname "$(cgroup_file pids pids.max pids.max)")" ]
}

@test "cpu: burst, idle and quota" {
    make_config sleep 1000
    edit "r['cpu'] = {'quota': 50000, 'period': 100000, 'burst': 20000}"
    start
    [ "$(value cpu cpu.cfs_burst_us cpu.max.burst)" = 20000 ]
    rt delete --force "$ID"
    edit "r['cpu'] = {'idle': 1}"
    start
    [ "$(value cpu cpu.idle cpu.idle)" = 1 ]
}

@test "cpu: realtime period and runtime, in whatever order the kernel takes them" {
    [ -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ] || skip "the kernel has no cpu.rt_runtime_us"
    parent=/sys/fs/cgroup/cpu/dory-rt-$ID
    mkdir "$parent"
    echo 300000 >"$parent/cpu.rt_runtime_us" || { rmdir "$parent"; skip "no realtime left on this host"; }
    make_config sleep 1000
    edit "l['cgroupsPath'] = '/dory-rt-$ID/$ID'; r['cpu'] = {'realtimePeriod': 1000000, 'realtimeRuntime': 200000}"
    rt run -d --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    seen=$(cat "$parent/$ID"/cpu.rt_{period,runtime}_us)
    rt update --cpu-rt-period 10000 --cpu-rt-runtime 2000 "$ID" # below the old runtime
    seen+=" $(cat "$parent/$ID"/cpu.rt_{period,runtime}_us)"
    rt delete --force "$ID"
    [ ! -d "$parent" ] || rmdir "$parent"
    [ "$(echo $seen)" = "1000000 200000 10000 2000" ]
}

@test "memory: swappiness and the OOM killer where the host has them, an error where not" {
    make_config sleep 1000
    edit "r['memory'] = {'limit': 64 << 20, 'swappiness': 10, 'useHierarchy': True, 'kernel': 32 << 20}"
    if pure_v2; then
        run_container
        [[ "$output" == *"linux.resources.memory"*"swappiness"* ]]
    else
        start
        [ "$(value memory memory.swappiness x)" = 10 ]
        rt delete --force "$ID"
        edit "r['memory'] = {'limit': 64 << 20, 'disableOOMKiller': True}"
        start
        grep -q "oom_kill_disable 1" "$(cgroup_file memory memory.oom_control x)"
    fi
}

@test "io: throttles per device" {
    local device
    device=$(lsblk -ndo MAJ:MIN 2>/dev/null | tr -d ' ' | head -1)
    [ -n "$device" ] || skip "this machine has no block device"
    make_config sleep 1000
    edit "
major, minor = map(int, '$device'.split(':'))
r['blockIO'] = {'throttleReadBpsDevice': [{'major': major, 'minor': minor, 'rate': 1048576}],
                'throttleWriteIOPSDevice': [{'major': major, 'minor': minor, 'rate': 50}]}"
    start
    if pure_v2; then
        grep -q "^$device rbps=1048576 wbps=max riops=max wiops=50" "/sys/fs/cgroup/dory/$ID/io.max"
    else
        grep -q "^$device 1048576" "$(cgroup_file blkio blkio.throttle.read_bps_device x)"
        grep -q "^$device 50" "$(cgroup_file blkio blkio.throttle.write_iops_device x)"
    fi
}

# Where the controller is, whichever version it belongs to.
hugetlb_file() {
    local name=$1
    for file in "/sys/fs/cgroup/hugetlb/dory/$ID/$name.limit_in_bytes" "/sys/fs/cgroup/unified/dory/$ID/$name.max" \
        "/sys/fs/cgroup/dory/$ID/$name.max"; do
        [ ! -e "$file" ] || echo "$file"
    done
}

@test "hugetlb: limits, also on a hybrid host that has given the controller to v2" {
    if [ ! -d /sys/fs/cgroup/hugetlb ] && ! grep -qs hugetlb /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/unified/cgroup.controllers; then
        skip "this kernel has no hugetlb controller"
    fi
    make_config sleep 1000
    edit "r['hugepageLimits'] = [{'pageSize': '2MB', 'limit': 4194304}]"
    start
    [ "$(cat "$(hugetlb_file hugetlb.2MB)")" = 4194304 ]
    rt delete --force "$ID"
    edit "r['hugepageLimits'] = [{'pageSize': '3MB', 'limit': 4194304}]"
    run_container
    [[ "$output" == *'linux.resources.hugepageLimits[0].pageSize: no huge pages of size "3MB" on this host'* ]]
}

@test "what the host cannot do is an error that names the member, and nothing is left" {
    local text message
    while IFS='|' read -r text message; do
        make_config true
        edit "r.update($text)"
        run_container
        [ "$status" != 0 ] || { echo "accepted: $text"; false; }
        [[ "$output" == *"$message"* ]] || { echo "$text: $output"; false; }
        [ ! -e "$T/state/$ID" ]
    done <<'CASES'
{'unified': {'nosuch.file': '1'}}|linux.resources.unified
{'unified': {'../x': '1'}}|must be a file name
{'rdma': {'mlx5_1': {'hcaHandles': 3}}}|linux.resources.rdma
{'rdma': {'mlx5_1': {'hcaHandles': 'x'}}}|linux.resources.rdma: mlx5_1
{'network': {'classID': 1048577}}|linux.resources.network
{'network': {'priorities': [{'name': 'lo'}]}}|linux.resources.network.priorities[0]
{'hugepageLimits': [{'pageSize': 'a/b', 'limit': 1}]}|linux.resources.hugepageLimits[0].pageSize
{'cpu': {'cpus': '9999'}}|linux.resources.cpu
{'cpu': {'quota': 1}}|linux.resources.cpu
{'memory': {'limit': 67108864, 'swap': 1048576}}|linux.resources.memory
{'devices': [{'allow': True, 'type': 'x'}]}|linux.resources.devices
{'devices': [{'allow': True, 'type': 'c', 'access': 'rwx'}]}|linux.resources.devices
{'blockIO': {'throttleReadBpsDevice': [{'major': 4000, 'minor': 9, 'rate': 1}]}}|linux.resources.blockIO
CASES
}

@test "unified is refused by name where the controller is not v2's, and written where it is" {
    make_config sleep 1000
    edit "r['unified'] = {'memory.high': '33554432'}"
    if pure_v2; then
        start
        [ "$(cat "/sys/fs/cgroup/dory/$ID/memory.high")" = 33554432 ]
    else
        run_container
        [[ "$output" == *'linux.resources.unified'*'memory.high'* || "$output" == *"linux.resources.unified needs"* ]]
        [ -d /sys/fs/cgroup/unified ] || return 0
        edit "r['unified'] = {'cgroup.max.descendants': '7'}"
        start
        [ "$(cat "/sys/fs/cgroup/unified/dory/$ID/cgroup.max.descendants")" = 7 ]
    fi
}

# A v1 hierarchy whose last cgroup was still being taken down when its last mount went stays, mounted nowhere, until it is
# mounted and unmounted once more; containerd takes such a one amiss.
let_hierarchy_go() { # controllers
    local i
    mkdir -p "$T/hierarchy"
    for ((i = 0; i < 100; i++)); do
        grep -q ":$1:" /proc/self/cgroup || return 0
        mount -t cgroup -o "$1" cgroup "$T/hierarchy" && umount "$T/hierarchy"
        sleep 0.1
    done
    echo "the hierarchy $1 stays" >&2
}

@test "network: class and priorities, where v1's controllers are mounted" {
    ! pure_v2 || skip "there is no such controller on cgroup v2"
    # A view of our own with them; the container's cgroups are removed in it as well.
    run unshare -m --propagation private bash -ec '
        mount -t tmpfs view "$1"
        mkdir "$1"/{memory,net_cls,net_prio}
        mount -t cgroup -o memory cgroup "$1/memory"
        mount -t cgroup -o net_cls,net_prio cgroup "$1/net_cls" || exit 77
        rmdir "$1/net_prio" && ln -s net_cls "$1/net_prio"
        mount -t sysfs sysfs /sys 2>/dev/null || true
        mount --move "$1" /sys/fs/cgroup
        "$2" --root "$3/state" run -d --bundle "$3/bundle" "$4" </dev/null >"$3/out" 2>&1
        cat "/sys/fs/cgroup/net_cls/dory/$4/net_cls.classid"
        grep "^lo " "/sys/fs/cgroup/net_cls/dory/$4/net_prio.ifpriomap"
        "$2" --root "$3/state" delete --force "$4"
        rmdir /sys/fs/cgroup/net_cls/dory
    ' - "$(mkdir "$T/view" && echo "$T/view")" "$DORY_BIN/dory-runtime" "$T" "$(
        make_config sleep 1000
        edit "r['network'] = {'classID': 1048577, 'priorities': [{'name': 'lo', 'priority': 5}]}
del r['devices']
c['mounts'] = [m for m in c['mounts'] if m['type'] != 'cgroup']"
        echo "$ID"
    )"
    let_hierarchy_go net_cls,net_prio
    [ "$status" != 77 ] || skip "this kernel cannot mount net_cls and net_prio"
    [ "$status" = 0 ] || { echo "$output"; cat "$T/out"; false; }
    [[ "$output" == *1048577* ]]
    [[ "$output" == *"lo 5"* ]]
}

@test "device rules: wildcards, order, and access by access" {
    # random is c 1:8, kmsg c 1:11, the memory devices are major 1
    make_config sh -c 'for n in 5 8 11; do mknod /tmp/d$n c 1 $n; done
        for n in 5 8 11; do head -c 1 /tmp/d$n >/dev/null 2>&1 && echo "read $n"; (: >>/tmp/d$n) 2>/dev/null && echo "write $n"; done; true'
    edit "
r['devices'] = [{'allow': False, 'access': 'rwm'}, {'allow': True, 'type': 'c', 'major': 1, 'minor': -1, 'access': 'rw'},
                {'allow': False, 'type': 'c', 'major': 1, 'minor': 11, 'access': 'w'}]
for s in proc['capabilities'].values(): s.append('CAP_SYSLOG')"
    run_container
    [[ "$output" == *"read 5"*"write 5"*"read 8"*"write 8"* ]] || { echo "$output"; false; }
    [[ "$output" != *"write 11"* ]]
}

@test "a cgroup namespace without a cgroup mount" {
    make_config cat /proc/self/cgroup
    edit "c['mounts'] = [m for m in c['mounts'] if m['type'] != 'cgroup']"
    run_container
    [ "$status" = 0 ]
    [[ "$output" != *"$ID"* ]] || { echo "$output"; false; }
}

@test "an OOM kill is counted, and the container ends by SIGKILL" {
    make_config sh -c 'exec tail /dev/zero'
    edit "r['memory'] = {'limit': 16 << 20, 'swap': 16 << 20}"
    run_container
    [ "$status" = 137 ]
}

@test "a memory limit of 512 KiB is enough to start" {
    make_config true
    edit "r['memory'] = {'limit': 512 << 10}"
    run_container
    [ "$status" = 0 ] || { echo "$output"; false; }
}
