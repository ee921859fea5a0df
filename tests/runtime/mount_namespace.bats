#!/usr/bin/env bats
# A mount namespace that is joined by path: others are in it already, and stay as they are.
load helper

# What is mounted on "/" and what has to do with this test; other mounts of the machine come and go.
our_mounts() {
    grep -e " / / " -e "$T" "$@" || true
}

@test "a joined mount namespace: the root and the mounts of the spec are in it, its processes see no change" {
    mkdir -p "$T/src" && echo data >"$T/src/file"
    holder --mount --propagation private
    before=$(our_mounts /proc/self/mountinfo)
    make_config sh -c 'readlink /proc/self/ns/mnt; cat /bound/file; ls /; echo x >/proc/sys/kernel/domainname; cat /proc/keys | wc -c; sleep 1000'
    edit "
for n in l['namespaces']:
    if n['type'] == 'mount': n['path'] = '/proc/$HOLDER/ns/mnt'
mount('/bound', 'bind', '$T/src', 'rbind', 'ro')"
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>&1
    wait_for '[ "$(tail -n1 "$T/out")" = 0 ]'
    [ "$(sed -n 1p "$T/out")" = "$(readlink "/proc/$HOLDER/ns/mnt")" ]
    [ "$(sed -n 2p "$T/out")" = data ]
    grep -qx bound "$T/out"
    grep -q "Read-only file system" "$T/out"
    # The holder's own root is what it was, and nothing came to the host.
    [ -e "/proc/$HOLDER/root$T/bundle/config.json" ]
    diff <(echo "$before") <(our_mounts /proc/self/mountinfo)
    run rt exec "$ID" cat /bound/file
    [ "$output" = data ]
    rt delete --force "$ID"
    release
}

@test "a mount namespace whose root is shared is refused, nothing is mounted" {
    holder --mount --propagation private
    nsenter --target "$HOLDER" --mount mount --make-shared /
    before=$(our_mounts "/proc/$HOLDER/mountinfo")
    edit "
for n in l['namespaces']:
    if n['type'] == 'mount': n['path'] = '/proc/$HOLDER/ns/mnt'"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"linux.namespaces: mount: the root of the mount namespace is shared"* ]]
    diff <(echo "$before") <(our_mounts "/proc/$HOLDER/mountinfo")
    release
}

@test "without a mount namespace, and with one that a new user namespace has no rights in, nothing is started" {
    edit "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'mount']"
    run_container
    [[ "$output" == *"linux.namespaces: a container without a mount namespace is not supported"* ]]
    edit "
l['namespaces'] += [{'type': 'mount', 'path': '/proc/self/ns/mnt'}, {'type': 'user'}]
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65536}]"
    run_container
    [[ "$output" == *"linux.namespaces: a new user namespace has no rights in the mount namespace"* ]]
}
