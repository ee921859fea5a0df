# Part of guest.sh: checkpoint and restore of a container that counts in its memory.
rt() { dory-runtime --root /run/state "$@"; }
count() { # what the file says; it is empty for a moment whenever it is written
    number=
    for i in $(seq 1000); do
        number=$(cat /tests/rootfs/tmp/count 2>/dev/null)
        [ -n "$number" ] && break
        usleep 5000
    done
    echo "${number:-0}"
}
counts_beyond() { # NUMBER: waits until the container has counted further
    for j in $(seq 400); do [ "$(count)" -gt "$1" ] && return 0; usleep 50000; done
    return 1
}
is_counting() { counts_beyond "$(count)"; }

ip link set lo up # criu tries a connection
mkdir -p /dev/pts /tmp && mount -t devpts devpts /dev/pts
# criu can put pipes back in the places of others: stdio is pipes, $out is what came through, and $status the command's.
piped() {
    rm -f /tests/status
    sleep 100000 | { "$@" 2>&1; echo $? >/tests/status; } | cat >/tests/out &
    for k in $(seq 1200); do [ -s /tests/status ] && break; usleep 50000; done
    status=$(cat /tests/status)
    out=$(cat /tests/out)
}

dump() { # WHAT OPTIONS...
    what=$1
    shift
    before=$(count)
    out=$(rt checkpoint --image-path /tests/images --work-path /tests/work "$@" counter 2>&1)
    status=$?
    check "$what: checkpoint" [ $status = 0 ]
    [ $status = 0 ] || tail -30 /tests/work/dump.log
}

piped rt run -d --bundle /tests/counter counter
counts_beyond 3
out=$(rt checkpoint --image-path /tests/pre --pre-dump counter 2>&1)
check "pre-dump" [ $? = 0 ]
check "a pre-dump leaves the container running" is_counting
out=$(rt checkpoint --image-path /tests/running --leave-running counter 2>&1)
check "checkpoint --leave-running" [ $? = 0 ]
check "a checkpoint with --leave-running leaves it running" is_counting
dump "on top of the pre-dump" --parent-path ../pre
check "the pre-dump is its parent" [ "$(readlink /tests/images/parent)" = ../pre ]
stopped=$(count)
out=$(rt state counter 2>&1)
check "the container is gone after its checkpoint" has "does not exist"
check "and its cgroup too" gone counter
usleep 300000
check "nothing counts any more" [ "$(count)" = "$stopped" ]

piped rt restore -d --bundle /tests/counter --image-path /tests/images --work-path /tests/work --pid-file /tests/pid counter
check "restore" [ $status = 0 ]
[ $status = 0 ] || tail -30 /tests/work/restore.log
check "it counts on from where it was" counts_beyond "$stopped"
out=$(rt state counter 2>&1)
check "its state is running" has '"status":"running"'
out=$(cat /sys/fs/cgroup/dory/counter/pids.max)
check "its limits are set" has 55
out=$(cat "/proc/$(cat /tests/pid)/cgroup")
check "it is in its cgroup" has /dory/counter
out=$(rt exec counter cat /tmp/count 2>&1)
check "exec works in it" [ "$?" = 0 ]
rt delete --force counter
check "delete removes it" gone counter
out=$(rt restore -d --bundle /tests/counter --image-path /tests/nosuch counter 2>&1)
check "a restore without images is an error" has "/tests/nosuch"
check "and leaves no cgroup" gone counter
out=$(ls /run/state)
check "and no state" [ -z "$out" ]
check "and no mount" [ "$(grep -c -e criu-root -e /tests /proc/self/mountinfo)" = 0 ]
