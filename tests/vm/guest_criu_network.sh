# Part of guest.sh, after guest_criu.sh: containers with a network of their own, and what a restore must be asked for.
said() { cat /tests/rootfs/tmp/said 2>/dev/null | wc -l; }
says_more() {
    before=$(said)
    for k in $(seq 400); do [ "$(said)" -gt "$before" ] && return 0; usleep 50000; done
    return 1
}

round_trip() { # NAME OPTIONS...: checkpoint and restore of the counter NAME with those options
    name=$1
    shift
    rm -rf /tests/rootfs/tmp/* /tests/images /tests/work
    piped rt run -d --bundle "/tests/$name" "$name"
    counts_beyond 3
    [ "$name" != tcp ] || check "a connection is made" says_more
    out=$(rt checkpoint --image-path /tests/images --work-path /tests/work "$@" "$name" 2>&1)
    status=$?
    check "$name: checkpoint $*" [ $status = 0 ]
    [ $status = 0 ] || tail -30 /tests/work/dump.log
    stopped=$(count)
    piped rt restore -d --bundle "/tests/$name" --image-path /tests/images --work-path /tests/work "$@" "$name"
    check "$name: restore $*" [ $status = 0 ]
    [ $status = 0 ] || tail -30 /tests/work/restore.log
    check "$name: it counts on" counts_beyond "$stopped"
}

round_trip network_counter
out=$(rt exec network_counter ip addr show dev lo 2>&1)
check "its addresses are there again" has 10.9.8.7/32
out=$(rt exec network_counter ip route show 2>&1)
check "and its routes" has "blackhole 10.1.0.0/16"
rt delete --force network_counter

round_trip network_counter --empty-ns network
out=$(rt exec network_counter ip addr show dev lo 2>&1)
check "with --empty-ns network there is nothing in it" lacks 10.9.8.7
rt delete --force network_counter

round_trip locks --file-locks
out=$(rt exec locks flock -n /tmp/lock echo "it is free" 2>&1)
check "the lock is held" lacks "it is free"
rt delete --force locks

round_trip tcp --tcp-established
check "and the connection carries what was sent meanwhile and after" says_more
check "more than once" says_more
rt delete --force tcp
out=$(ls /run/state)
check "no state is left of them" [ -z "$out" ]
