#!/usr/bin/env bats
# dory-runtime as an ordinary user: no capability on the host, a user namespace for everything else.
load helper

USER_ID=424242

# The bundle belongs to the user and its config is what `spec --rootless` writes for it.
setup_user() {
    mkdir -p "$T/xdg" "$T/bin"
    cp "$DORY_BIN/dory-runtime" "$T/bin/" # the build may lie where others may not go
    chmod 755 "$T"
    rm "$T/bundle/config.json"
    chown -R $USER_ID:$USER_ID "$T/bundle" "$T/xdg"
    as_user spec --rootless --bundle "$T/bundle"
    edit "proc['terminal'] = False; proc['env'] = ['PATH=/bin']"
}

as_user() {
    env XDG_RUNTIME_DIR="$T/xdg" setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all \
        "$T/bin/dory-runtime" "$@"
}

# try ARG...: as_user with $status, $output and $error
try() {
    status=0
    output=$(as_user "$@" </dev/null 2>"$T/err") || status=$?
    error=$(cat "$T/err") # apart: what we say and what the container says come in any order
}

eval "original_$(declare -f teardown)"
teardown() {
    [ ! -d "$T/xdg" ] || as_user delete --force "$ID" 2>/dev/null || true
    local try
    for try in 1 2 3; do
        for dir in $(find /sys/fs/cgroup -maxdepth 3 -depth -type d -path "*/dory-rl-$ID*" 2>/dev/null); do rmdir "$dir" 2>/dev/null || true; done
    done
    original_teardown
}

@test "an ordinary user runs a container, as root of its own user namespace" {
    setup_user
    edit "proc['args'] = ['sh', '-c', 'id -u; cat /proc/self/uid_map; touch /dev/null /tmp/x 2>&1; hostname; cat /proc/sys/kernel/hostname; echo \$\$']; c['root']['readonly'] = False"
    try run --bundle "$T/bundle" "$ID"
    [ "$status" = 0 ]
    [[ "$error" == *"warning: container $ID has no cgroup"* ]]
    [[ "$output" == $'0\n'*"$USER_ID          1"*$'\ndory\ndory\n1' ]]
    [ "$(stat -c %u "$ROOT/tmp/x")" = $USER_ID ]
    [ "$(ls -A "$T/xdg/dory-runtime")" = "" ]
}

@test "create, start, exec, list, kill and delete work without privilege" {
    setup_user
    edit "proc['args'] = ['sleep', '1000']"
    as_user create --bundle "$T/bundle" --pid-file "$T/xdg/pid" "$ID" </dev/null >/dev/null 2>&1
    [ -d "$T/xdg/dory-runtime/$ID" ]
    as_user start "$ID"
    [[ "$(as_user state "$ID")" == *'"status":"running"'* ]]
    try exec "$ID" sh -c 'id -u; cat /proc/1/cmdline | tr "\0" " "; exit 7'
    [ "$status" = 7 ]
    [ "$output" = "0
sleep 1000 " ]
    try list
    [[ "$output" == *"$ID"*running*"#$USER_ID"* ]]
    for command in ps pause; do
        try $command "$ID"
        [ "$status" = 1 ]
        [[ "$error" == *"has no cgroup"* ]]
    done
    try update --pids-limit 5 "$ID"
    [ "$status" = 1 ]
    as_user kill --all "$ID" KILL
    wait_for 'as_user state "$ID" | grep -q stopped'
    as_user delete "$ID"
    [ "$(ls -A "$T/xdg/dory-runtime")" = "" ]
}

@test "limits that cannot be had are an error that names what is missing" {
    setup_user
    edit "l['resources'] = {'pids': {'limit': 9}}"
    try run --bundle "$T/bundle" "$ID"
    [ "$status" = 1 ]
    [[ "$error" == *"linux.resources of a rootless container need a cgroup that is delegated"*"ermission denied"* ]]
    [ "$(ls -A "$T/xdg/dory-runtime")" = "" ]
    as_user run --help >/dev/null
    status=0
    output=$(env -u XDG_RUNTIME_DIR setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$T/bin/dory-runtime" list 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ "$output" == *"XDG_RUNTIME_DIR is not set"* ]]
    edit "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'user']; l['resources'] = {}; l['uidMappings'] = l['gidMappings'] = []"
    try run --bundle "$T/bundle" "$ID"
    [ "$status" = 1 ]
    [[ "$error" == *"user namespace"* ]]
    [ "$(ls -A "$T/xdg/dory-runtime")" = "" ]
}

@test "more ids come from /etc/subuid through newuidmap, and no others" {
    setup_user
    # In a mount namespace of its own, so that the machine's files stay as they are.
    cat >"$T/enter" <<SH
mount --bind "$T/subids" /etc/subuid && mount --bind "$T/subids" /etc/subgid && mount --bind "$T/passwd" /etc/passwd
exec env XDG_RUNTIME_DIR="$T/xdg" setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$T/bin/dory-runtime" "\$@"
SH
    for file in /etc/subuid /etc/subgid; do [ -e $file ] || skip "this machine has no $file"; done
    echo "dorytest:700000:65536" >"$T/subids"
    { cat /etc/passwd; echo "dorytest:x:$USER_ID:$USER_ID::/:/bin/sh"; } >"$T/passwd"
    edit "l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': $USER_ID, 'size': 1}, {'containerID': 1, 'hostID': 700000, 'size': 65536}]
proc['user'] = {'uid': 1000, 'gid': 1000, 'additionalGids': [2000]}; proc['args'] = ['sh', '-c', 'id -u; id -G; touch /tmp/of1000']
c['root']['readonly'] = False"
    chmod 1777 "$ROOT/tmp"
    status=0
    output=$(unshare -m sh "$T/enter" run --bundle "$T/bundle" "$ID" </dev/null 2>"$T/err") || status=$?
    [ "$status" = 0 ]
    [ "$output" = $'1000\n1000 2000' ]
    [ "$(stat -c %u "$ROOT/tmp/of1000")" = 700999 ]
    edit "l['uidMappings'][1]['hostID'] = 0"
    status=0
    output=$(unshare -m sh "$T/enter" run --bundle "$T/bundle" "$ID" </dev/null 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ "$output" == *"linux.uidMappings: cannot map ids as an ordinary user"*newuidmap* ]]
    [ "$(ls -A "$T/xdg/dory-runtime")" = "" ]
}

@test "a delegated cgroup is used and its limits bind" {
    setup_user
    group=dory-rl-$ID
    [ -d /sys/fs/cgroup/pids ] || skip "this host has no cgroup v1 controllers; v2 is tested in the virtual machine"
    for root in /sys/fs/cgroup/*/; do
        [ -e "$root/cgroup.procs" ] || continue
        mkdir -p "$root/$group/own"
        chown -R $USER_ID:$USER_ID "$root/$group"
    done
    edit "l['cgroupsPath'] = '/$group/$ID'; l['resources'] = {'pids': {'limit': 4}, 'memory': {'limit': 33554432}}
proc['args'] = ['sh', '-c', 'for i in 1 2 3 4 5 6; do sleep 5 & done; echo all']"
    # The user's session is in its own part of the delegated tree.
    status=0
    output=$(
        for root in /sys/fs/cgroup/*/; do
            [ ! -e "$root/$group/own/cgroup.procs" ] || { cat "$root/cpuset.cpus" >"$root/$group/own/cpuset.cpus" 2>/dev/null; echo "$BASHPID" >"$root/$group/own/cgroup.procs" 2>/dev/null || true; }
        done
        as_user run --bundle "$T/bundle" "$ID" </dev/null 2>&1
    ) || status=$?
    [[ "$output" == *"can't fork"* ]]
    [[ "$output" != *"has no cgroup"* ]]
    [ ! -e "/sys/fs/cgroup/pids/$group/$ID" ]
    [ "$(ls -A "$T/xdg/dory-runtime")" = "" ]
}
