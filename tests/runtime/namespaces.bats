#!/usr/bin/env bats
# linux.namespaces, uidMappings, gidMappings, timeOffsets.
load helper

@test "a new time namespace has its offsets, also below a user namespace" {
    [ -e /proc/self/ns/time ] || skip "this kernel has no time namespaces"
    make_config sh -c 'readlink /proc/self/ns/time; cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets'
    edit "
l['namespaces'].append({'type': 'time'})
l['timeOffsets'] = {'monotonic': {'secs': 7200, 'nanosecs': 5}, 'boottime': {'secs': 864000}}"
    run_container
    [ "${lines[0]}" != "$(readlink /proc/self/ns/time)" ]
    [ "${lines[1]}" -ge 864000 ]
    [[ "$output" =~ monotonic\ +7200\ +5 ]]
    edit "
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65536}]"
    chmod 755 "$T" "$T/bundle"
    run_container
    [ "${lines[1]}" -ge 864000 ]
}

@test "offsets that cannot be are refused with their name" {
    [ -e /proc/self/ns/time ] || skip "this kernel has no time namespaces"
    edit "l['timeOffsets'] = {'monotonic': {'secs': 1}}"
    run_container
    [[ "$output" == *"linux.timeOffsets: time namespace isn't enabled"* ]]
    edit "l['namespaces'].append({'type': 'time'}); l['timeOffsets'] = {'realtime': {'secs': 1}}"
    run_container
    [[ "$output" == *linux.timeOffsets*realtime* ]]
    edit "l['timeOffsets'] = {'boottime': {'secs': 1, 'nanosecs': 1000000000}}"
    run_container
    [[ "$output" == *"nanosecs is not below 1000000000"* ]]
    edit "l['timeOffsets'] = {'boottime': {'secs': -9000000000}}" # before the machine was started
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"linux.timeOffsets.boottime: cannot set the offset"* ]]
}

@test "every kind of namespace is joined by path, and one of another kind is refused" {
    local kinds=(net ipc uts pid cgroup)
    [ -e /proc/self/ns/time ] && kinds+=(time)
    holder --net --ipc --uts --pid --cgroup $([ -e /proc/self/ns/time ] && echo --time --boottime 5000000) --mount-proc
    make_config sh -c 'for n in net ipc uts pid cgroup time; do readlink /proc/self/ns/$n; done; ls /proc | grep -c "^1$"'
    edit "
l['namespaces'] = [{'type': 'mount'}] + [{'type': {'net': 'network'}.get(k, k), 'path': '/proc/$HOLDER/ns/' + k} for k in '${kinds[*]}'.split()]
del c['hostname']"
    run_container
    for k in "${kinds[@]}"; do
        [[ "$output" == *"$(readlink "/proc/$HOLDER/ns/$k")"* ]]
    done
    edit "l['namespaces'][1]['path'] = '/proc/$HOLDER/ns/uts'"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"linux.namespaces[1].path: /proc/$HOLDER/ns/uts is a uts namespace, not a network namespace"* ]]
    edit "l['namespaces'][1]['path'] = '/etc/passwd'"
    run_container
    [[ "$output" == *"linux.namespaces[1].path: /etc/passwd is not a namespace"* ]]
    edit "l['namespaces'][1]['path'] = 'relative'"
    run_container
    [[ "$output" == *'linux.namespaces[1].path: "relative" is not absolute'* ]]
    release
}

@test "a user namespace is joined by path, new namespaces belong to it, others of it are joined" {
    holder --user --net
    echo "0 200000 65536" >"/proc/$HOLDER/uid_map"
    echo "0 200000 65536" >"/proc/$HOLDER/gid_map"
    chown -R 200000:200000 "$ROOT"
    chmod 755 "$T" "$T/bundle"
    make_config sh -c 'readlink /proc/self/ns/user; readlink /proc/self/ns/net; id -u; echo x >/tmp/made; echo $$; hostname'
    edit "
for n in l['namespaces']:
    if n['type'] == 'network': n['path'] = '/proc/$HOLDER/ns/net'
l['namespaces'].append({'type': 'user', 'path': '/proc/$HOLDER/ns/user'})"
    run_container
    [ "$status" = 0 ]
    [ "${lines[0]}" = "$(readlink "/proc/$HOLDER/ns/user")" ]
    [ "${lines[1]}" = "$(readlink "/proc/$HOLDER/ns/net")" ]
    [ "${lines[2]}" = 0 ]
    [ "${lines[3]}" = 1 ]
    [ "${lines[4]}" = box ]
    [ "$(stat -c %u:%g "$ROOT/tmp/made")" = 200000:200000 ]
    # Mappings beside the path have to be those of the namespace.
    edit "l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65536}]"
    run_container
    [ "$status" = 0 ]
    edit "l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65535}]"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"linux.gidMappings: the user namespace that is joined has other mappings"* ]]
    release
}

@test "several mappings, and what of them cannot be" {
    chown -R 200000:200000 "$ROOT"
    chmod 755 "$T" "$T/bundle"
    make_config sh -c 'cat /proc/self/uid_map /proc/self/gid_map | tr -s " "; cat /proc/self/setgroups; id -G'
    edit "
l['namespaces'].append({'type': 'user'})
proc['user']['additionalGids'] = [7, 1001]
l['uidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 1000}, {'containerID': 1000, 'hostID': 1000, 'size': 1}, {'containerID': 1001, 'hostID': 201001, 'size': 1000}]
l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 1000}, {'containerID': 1000, 'hostID': 300000, 'size': 2}]"
    run_container
    [ "${lines[0]}" = " 0 200000 1000" ]
    [ "${lines[1]}" = " 1000 1000 1" ]
    [ "${lines[2]}" = " 1001 201001 1000" ]
    [ "${lines[4]}" = " 1000 300000 2" ]
    [ "${lines[5]}" = allow ]
    [ "${lines[6]}" = "0 7 1001" ]
    edit "l['uidMappings'][1]['containerID'] = 5" # overlaps
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *linux.uidMappings* ]]
    edit "l['uidMappings'] = []"
    run_container
    [[ "$output" == *"linux.uidMappings: a new user namespace needs mappings"* ]]
    edit "l['namespaces'].pop()"
    run_container
    [[ "$output" == *"user namespace mappings specified, but user namespace isn't enabled"* ]]
}
