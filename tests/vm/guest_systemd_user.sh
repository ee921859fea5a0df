# Part of guest_systemd.sh: --systemd-cgroup of an ordinary user, whose own systemd makes the cgroups: some controllers are
# delegated to it, and no devices.
own() { # BUS COMMANDS: what a shell of the user says of them, as a unit of the user's own systemd
    local bus=$1
    shift
    out=$(setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR=/run/user/1000 \
        systemd-run --user --quiet --pipe --wait --collect -E XDG_RUNTIME_DIR=/run/user/1000 -E "DBUS_SESSION_BUS_ADDRESS=$bus" \
        /bin/sh -c "$*" 2>&1 </dev/null)
    status=$?
}
own_property() { setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show user-scope.scope -p "$1" --value; }

systemctl start user@1000.service
for _ in $(seq 600); do [ -S /run/user/1000/systemd/private ] && [ -S /run/user/1000/bus ] && break; sleep 0.05; done
manager=$(systemctl show user@1000.service -p ControlGroup --value)
cgroup=/sys/fs/cgroup$manager/user.slice/user-scope.scope
for bus in "" unix:path=/run/user/1000/bus; do
    by=${bus:+ by its bus}
    own "$bus" "dory-runtime --systemd-cgroup run --no-pivot -d --bundle /tests/user_scope --pid-file /run/user/1000/pid own </dev/null >/run/user/1000/out 2>&1; cat /run/user/1000/out"
    check "a user's run$by" [ -s /run/user/1000/pid ]
    out="$(cat "/proc/$(cat /run/user/1000/pid)/cgroup")"
    check "the container is in a scope of the user's systemd" [ "$out" = "0::${cgroup#/sys/fs/cgroup}" ]
    out=$(own_property MemoryMax; own_property TasksMax; cd "$cgroup" && cat memory.max pids.max)
    check "with its limits" [ "$out" = "67108864
33
67108864
33" ]
    own "$bus" "dory-runtime exec own id -u"
    check "exec" [ "$out" = 0 ]
    own "$bus" "dory-runtime update --pids-limit 22 --memory 33554432 own"
    check "update" [ "$status" = 0 ]
    out=$(own_property MemoryMax; own_property TasksMax; cd "$cgroup" && cat memory.max pids.max)
    check "systemd knows of it" [ "$out" = "33554432
22
33554432
22" ]
    own "$bus" "dory-runtime pause own && dory-runtime state own | tr -d ' \n'; dory-runtime resume own; dory-runtime ps --format json own"
    check "pause" has '"status":"paused"'
    check "ps" has "[$(cat /run/user/1000/pid)]"
    own "$bus" "dory-runtime delete --force own"
    check "delete" [ "$status" = 0 ]
    check "the scope is gone" [ "$(own_property LoadState)" = not-found ]
    check "and its cgroup" [ ! -e "$cgroup" ]
    rm -f /run/user/1000/pid
done
# As podman starts it: as root of a user namespace.
own "" "unshare -Ur dory-runtime --root /run/user/1000/state --systemd-cgroup run --no-pivot --bundle /tests/user_inner inner"
check "from inside of a user namespace" [ "$out" = 33 ]
own "" "XDG_RUNTIME_DIR=/nowhere dory-runtime --root /run/user/1000/state --systemd-cgroup run --no-pivot --bundle /tests/user_scope own"
check "without systemd of the user that is said" has "systemd not running for this user"
own "" "ls -A /run/user/1000/state /run/user/1000/dory-runtime"
check "no state is left" [ "$out" = "/run/user/1000/dory-runtime:

/run/user/1000/state:" ]
systemctl stop user@1000.service
