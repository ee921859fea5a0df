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

dory-runtime --root /run/state run -d --bundle /tests/sub sub </dev/null >/dev/null 2>&1
for i in $(seq 100); do [ -d /sys/fs/cgroup/dory/sub/inner ] && break; usleep 20000; done
out=$(dory-runtime --root /run/state ps --format json sub)
check "ps lists the processes" has ,
dory-runtime --root /run/state kill --all sub KILL
for i in $(seq 100); do dory-runtime --root /run/state state sub | grep -q stopped && break; usleep 20000; done
out=$(dory-runtime --root /run/state delete sub 2>&1)
check "delete removes cgroups that the container made" gone sub
check "no mount is left" [ "$(grep -c /tests /proc/self/mountinfo)" = 0 ]

[ $failed = 0 ] && echo "ALL PASSED"
poweroff -f
