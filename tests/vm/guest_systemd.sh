#!/bin/bash
# Inside the virtual machine of run_systemd, as a service of systemd.
failed=0
rt() { dory-runtime --root /run/state "$@"; }
check() { # WHAT CONDITION...
    local what=$1
    shift
    if "$@"; then echo "ok - $what"; else echo "not ok - $what"; echo "$out"; failed=1; fi
}
has() { [[ $out == *"$1"* ]]; }
lacks() { ! has "$1"; }
stopped() {
    for _ in $(seq 600); do rt state "$1" | grep -q '"status":"stopped"' && return 0; sleep 0.05; done
    return 1
}
property() { systemctl show dory-scope.scope -p "$1" --value; }

rt --systemd-cgroup run --no-pivot -d --bundle /tests/scope --pid-file /run/pid scope </dev/null >/run/out 2>&1
out=$(cat /run/out)
check "run" [ -s /run/pid ]
out=$(systemctl show dory-scope.scope)
for line in MemoryMax=67108864 MemorySwapMax=0 TasksMax=33 CPUQuotaPerSecUSec=130ms CPUWeight=39 AllowedCPUs=0 AllowedMemoryNodes=0 \
    Delegate=yes CollectMode=inactive-or-failed Slice=dorytest-sub.slice ActiveState=active DevicePolicy=strict "DeviceAllow=/dev/char/10:229 rw"; do
    check "the scope has $line" has "$line"
done
cgroup=/sys/fs/cgroup/dorytest.slice/dorytest-sub.slice/dory-scope.scope
out=$(cat "/proc/$(cat /run/pid)/cgroup")
check "the container is in it" [ "$out" = "0::${cgroup#/sys/fs/cgroup}" ]
out=$(cd $cgroup && cat memory.max pids.max cpu.max cpuset.cpus)
check "its limits are written" [ "$out" = "67108864
33
12345 100000
0" ]
out=$(rt exec scope sh -c 'echo x >/dev/null && echo null; mknod /tmp/mem c 1 1; cat /tmp/mem' 2>&1)
check "exec may use null" has null
check "and not memory" has "Operation not permitted"

rt update --cpu-period 50000 scope
rt update --cpu-quota 20000 scope
out="$(property CPUQuotaPerSecUSec) $(property CPUQuotaPeriodUSec) $(cat $cgroup/cpu.max)"
check "an update of the CPU quota keeps the period" [ "$out" = "400ms 50ms 20000 50000" ]
rt update --cpu-period 100000 scope
out=$(echo '{"memory": {"limit": 33554432, "swap": 33554432}, "pids": {"limit": 9}, "cpu": {"quota": -1}}' | rt update -r - scope 2>&1)
check "update" [ $? = 0 ]
systemctl daemon-reload
out="$(property MemoryMax) $(property TasksMax) $(property CPUQuotaPerSecUSec) $(cd $cgroup && cat memory.max pids.max cpu.max | tr '\n' ' ')"
check "what update has set outlives a reload" [ "$out" = "33554432 9 infinity 33554432 9 max 100000 " ]
out=$(rt exec scope sh -c 'echo x >/dev/null && echo null; cat /tmp/mem' 2>&1)
check "as do the device rules" has "Operation not permitted"
check "with what they allow" has null
out=$(rt events --stats scope)
check "events has numbers" has '"limit":33554432'
rt kill scope KILL
check "kill ends it" stopped scope
out=$(rt delete scope 2>&1)
check "delete" [ $? = 0 ]
check "the scope is gone" [ "$(systemctl show dory-scope.scope -p LoadState --value)" = not-found ]
check "and its cgroup" [ ! -e $cgroup ]

for round in first second; do
    out=$(rt --systemd-cgroup run --no-pivot --bundle /tests/fails fails 2>&1 </dev/null)
    check "a container that runs out of memory, $round time" [ $? = 137 ]
done
rt --systemd-cgroup create --no-pivot --bundle /tests/fails fails </dev/null >/run/out 2>&1
rt start fails
check "one that was created ends likewise" stopped fails
out=$(rt delete fails 2>&1)
check "and is deleted" [ $? = 0 ]
out=$(systemctl list-units --all 'dory-*' --no-legend)
check "no failed unit is left" [ -z "$out" ]
. /guest_systemd_user.sh
[ $failed = 0 ] && echo "ALL PASSED"
systemctl poweroff -f -f
