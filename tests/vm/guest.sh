#!/bin/sh
# Inside the virtual machine, as pid 1.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
/bin/busybox --install -s /bin
mkdir -p /tests/rootfs/bin /tests/rootfs/proc /tests/rootfs/sys /tests/rootfs/dev /tests/rootfs/tmp
cp /bin/busybox /tests/rootfs/bin/
/bin/busybox --install -s /tests/rootfs/bin
failed=0

start() { # NAME: runs it, output in $out, status in $status
    out=$(dory-runtime --root /run/state run --bundle "/tests/$1" "$1" 2>&1 </dev/null)
    status=$?
}
check() { # WHAT CONDITION...
    what=$1
    shift
    if "$@"; then echo "ok - $what"; else echo "not ok - $what"; echo "$out"; failed=1; fi
}
has() { case $out in *"$1"*) true ;; *) false ;; esac; }
lacks() { ! has "$1"; }
gone() { [ ! -d "/sys/fs/cgroup/dory/$1" ]; }

start view
check "the container is at the root of its cgroup namespace" has "0::/
1"
check "its cgroup is read-only" has "Read-only file system"
check "the cgroup is removed" gone view

start memory
check "the memory limit binds" lacks 104857600

start pids
check "the pids limit binds" has "can't fork"

start cpu
throttled=$(echo "$out" | awk '/nr_throttled/ {print $2}')
check "the cpu quota binds" [ "${throttled:-0}" -ge 3 ]

start cpuset
check "the cpuset confines" has "	1"

start device
check "the device program refuses memory" has "Operation not permitted"
check "the device program allows null" has null

start files
want="67108864
33554432
33554432
77
20
50000 100000
50331648"
check "limits are written as asked" [ "$out" = "$want" ]

start swappiness
check "what v2 cannot do is an error" has "cgroup v2 has no memory swappiness"
check "a failed start leaves no cgroup" gone swappiness

dory-runtime --root /run/state run -d --bundle /tests/high high </dev/null >/dev/null 2>&1
for i in $(seq 600); do grep -q "^high [1-9]" /sys/fs/cgroup/dory/high/memory.events && break; usleep 50000; done
out=$(cat /sys/fs/cgroup/dory/high/memory.events)
check "memory.high throttles" lacks "high 0"
check "memory.high kills nobody" has "oom_kill 0"
dory-runtime --root /run/state delete --force high

start small
check "a memory limit of 512 KiB is enough to start" [ "$status" = 0 ]

start hugepages
check "huge pages are limited" [ "$out" = 4194304 ]

start idle
check "cpu.idle is set" [ "$out" = 1 ]

start burst
check "cpu.max.burst is set" [ "$out" = 20000 ]

start network
check "network classes are refused by name" has "linux.resources.network"

start wildcard
check "a device rule takes one of a wildcard back" lacks kmsg
check "the others of the wildcard are allowed" has zero

. /guest_io.sh
. /guest_network.sh

dory-runtime --root /run/state run -d --bundle /tests/oom oom </dev/null >/run/oom.out 2>&1
for i in $(seq 600); do grep -q "oom_kill [1-9]" /sys/fs/cgroup/dory/oom/memory.events && break; usleep 50000; done
out=$(cat /sys/fs/cgroup/dory/oom/memory.events /run/oom.out)
check "an OOM kill is counted in the container's cgroup" has "oom_kill 1"
out=$(cat /sys/fs/cgroup/dory/oom/cgroup.controllers)
for controller in cpu cpuset io memory pids hugetlb misc; do check "the container's cgroup has the controller $controller" has $controller; done
for i in $(seq 600); do grep -q "still here" /run/oom.out && break; usleep 50000; done
out=$(cat /run/oom.out)
check "it takes the process that is too large, not the container" has "still here"
dory-runtime --root /run/state pause oom
out=$(cat /sys/fs/cgroup/dory/oom/cgroup.events)
check "pause freezes the cgroup" has "frozen 1"
dory-runtime --root /run/state resume oom
out=$(cat /sys/fs/cgroup/dory/oom/cgroup.events)
check "resume thaws it" has "frozen 0"
echo '{"memory": {"limit": 33554432, "swap": 50331648}, "pids": {"limit": 9}, "cpu": {"shares": 1024, "cpus": "0"}}' |
    dory-runtime --root /run/state update -r - oom
out=$(cd /sys/fs/cgroup/dory/oom && cat memory.max memory.swap.max pids.max cpu.weight cpuset.cpus)
check "update changes the limits of a running container" [ "$out" = "33554432
16777216
9
39
0" ]
dory-runtime --root /run/state exec oom sh -c 'mknod /tmp/kmsg2 c 1 11'
out=$(dory-runtime --root /run/state exec oom sh -c ': >/tmp/kmsg2' 2>&1)
check "a device that the rules leave out is refused to an exec" has "Operation not permitted"
echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]}' |
    dory-runtime --root /run/state update -r - oom
out=$(dory-runtime --root /run/state exec oom sh -c ': >/tmp/kmsg2' 2>&1)
check "update replaces the device rules" lacks "Operation not permitted"
dory-runtime --root /run/state pause oom
out=$(dory-runtime --root /run/state delete --force oom 2>&1)
check "cgroup.kill ends a frozen container" gone oom

dory-runtime --root /run/state run -d --bundle /tests/sub sub </dev/null >/dev/null 2>&1
for i in $(seq 1500); do [ -d /sys/fs/cgroup/dory/sub/inner ] && break; usleep 20000; done
out=$(dory-runtime --root /run/state exec --cgroup inner sub cat /proc/self/cgroup 2>&1)
check "exec --cgroup puts a process below the container's cgroup" has "/inner"
out=$(dory-runtime --root /run/state exec --cgroup memory:inner sub true 2>&1)
check "v2 has no cgroups of one controller" has "unknown controller memory"
out=$(dory-runtime --root /run/state ps --format json sub)
check "ps lists the processes" has ,
dory-runtime --root /run/state kill --all sub KILL
for i in $(seq 600); do dory-runtime --root /run/state state sub | grep -q stopped && break; usleep 20000; done
out=$(dory-runtime --root /run/state delete sub 2>&1)
check "delete removes cgroups that the container made" gone sub
check "no mount is left" [ "$(grep -c /tests /proc/self/mountinfo)" = 0 ]

. /guest_criu.sh
. /guest_criu_network.sh
. /guest_quota.sh

[ $failed = 0 ] && echo "ALL PASSED"
poweroff -f
