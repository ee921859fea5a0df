#!/usr/bin/env bats
# "mounts" of config.json: options, propagation, mapped ids.
load helper

# The options of the mount at $1 in the container's mountinfo, which is $output.
options_of() {
    awk -v at="$1" '$5 == at { print $6 }' <<<"$output"
}

@test "attributes of one mount, and of the whole tree" {
    mkdir -p "$T/src/sub"
    mount -t tmpfs none "$T/src/sub"
    make_config cat /proc/self/mountinfo
    edit "
mount('/a', 'bind', '$T/src', 'rbind', 'ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'nosymfollow')
mount('/b', 'bind', '$T/src', 'rbind', 'rro', 'rnosuid', 'rnodev', 'rnoexec', 'rnoatime', 'rnosymfollow')
mount('/c', 'bind', '$T/src', 'rbind', 'rnosuid', 'suid', 'strictatime')
mount('/d', 'tmpfs', 'tmpfs', 'rnoexec', 'ratime', 'noiversion', 'nolazytime', 'loud', 'silent', 'defaults', 'async', 'nomand', 'dev')"
    run_container
    umount "$T/src/sub"
    [ "$status" = 0 ]
    for o in ro nosuid nodev noexec noatime nodiratime nosymfollow; do
        [[ ",$(options_of /a)," == *,$o,* ]]
    done
    [[ ",$(options_of /a/sub)," != *,ro,* ]]
    for o in ro nosuid nodev noexec noatime nosymfollow; do
        [[ ",$(options_of /b)," == *,$o,* ]]
        [[ ",$(options_of /b/sub)," == *,$o,* ]]
    done
    [[ ",$(options_of /c)," != *,nosuid,* ]]
    [[ ",$(options_of /c)," != *atime,* ]]
    [[ ",$(options_of /c/sub)," == *,nosuid,* ]]
    [[ ",$(options_of /d)," == *,noexec,* ]]
}

@test "options of file systems: sync, dirsync, lazytime, iversion, and those that only the file system knows" {
    make_config cat /proc/self/mountinfo
    edit "
mount('/s', 'tmpfs', 'tmpfs', 'sync', 'dirsync', 'lazytime', 'size=123k', 'mode=1700', 'uid=5')
mount('/i', 'tmpfs', 'tmpfs', 'iversion', 'nosuid', 'sync')
mount('/q', 'mqueue', 'mqueue', 'nosuid')"
    run_container
    [ "$status" = 0 ]
    grep ' /s ' <<<"$output" | grep -q 'size=124k' # whole pages
    grep ' /s ' <<<"$output" | grep -q 'mode=1700'
    grep ' /s ' <<<"$output" | grep -q 'uid=5'
    grep ' /s ' <<<"$output" | grep ' - ' | sed 's/.* - //' | grep -q '\bsync\b'
    grep ' /s ' <<<"$output" | grep -q dirsync
    grep ' /s ' <<<"$output" | grep -q lazytime
    [[ ",$(options_of /i)," == *,nosuid,* ]]
    grep ' /q ' <<<"$output" | grep -q ' - mqueue '
}

@test "remount changes what is there: the mount, or its file system" {
    make_config sh -c 'cat /proc/self/mountinfo'
    mkdir "$T/src"
    edit "
mount('/s', 'tmpfs', 'tmpfs', 'size=1m')
mount('/s', '', '', 'remount', 'size=2m', 'noexec')
mount('/b', 'bind', '$T/src', 'bind', 'nosuid')
mount('/b', 'bind', '', 'remount', 'bind', 'ro', 'suid')"
    run_container
    [ "$status" = 0 ]
    grep ' /s ' <<<"$output" | grep -q 'size=2048k'
    [[ ",$(options_of /s)," == *,noexec,* ]]
    [[ ",$(options_of /b)," == *,ro,* ]]
    [[ ",$(options_of /b)," != *,nosuid,* ]]
    edit "mount('/etc', '', '', 'remount', 'ro')" # nothing is mounted there
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *'cannot remount "/etc"'* ]]
}

@test "propagation: of mounts, in order, and of the root" {
    mkdir -p "$T/src" && mount -t tmpfs none "$T/src" && mount --make-shared "$T/src"
    make_config cat /proc/self/mountinfo
    edit "
mount('/private', 'bind', '$T/src', 'bind', 'private')
mount('/shared', 'bind', '$T/src', 'bind', 'shared')
mount('/slave', 'bind', '$T/src', 'bind', 'rslave')
mount('/both', 'bind', '$T/src', 'bind', 'slave', 'shared')
mount('/unbindable', 'bind', '$T/src', 'bind', 'unbindable')"
    run_container
    private=$output
    edit "l['rootfsPropagation'] = 'rshared'"
    run_container
    shared=$output
    umount "$T/src"
    ! grep ' /private ' <<<"$private" | grep -qE 'shared:|master:' || false
    grep ' /shared ' <<<"$private" | grep -q shared:
    grep ' /slave ' <<<"$private" | grep -q master:
    grep ' /both ' <<<"$private" | grep master: | grep -q shared:
    grep ' /unbindable ' <<<"$private" | grep -q unbindable
    ! grep ' / / ' <<<"$private" | grep -q shared: || false
    grep ' / / \| / ' <<<"$shared" | awk '$5 == "/"' | grep -q shared:
}

@test "what the host mounts later appears in an rslave mount, and nothing of the container's outside" {
    mkdir -p "$T/src" && mount -t tmpfs none "$T/src" && mount --make-shared "$T/src" && mkdir "$T/src/sub"
    make_config sleep 1000
    edit "
mount('/slave', 'bind', '$T/src', 'rbind', 'rslave')
mount('/private', 'bind', '$T/src', 'rbind', 'rprivate')"
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    mount -t tmpfs late "$T/src/sub"
    slave=$(grep -c ' /slave/sub ' "/proc/$(cat "$T/pid")/mountinfo" || true)
    private=$(grep -c ' /private/sub ' "/proc/$(cat "$T/pid")/mountinfo" || true)
    rt delete --force "$ID"
    umount "$T/src/sub" "$T/src"
    [ "$slave" = 1 ]
    [ "$private" = 0 ]
}

@test "the host's root as a mount is the host's, with what is mounted in it, and not the container's" {
    mkdir -p "$T/src" && mount -t tmpfs none "$T/src" && touch "$T/src/there"
    ln -s / "$T/link"
    ln -s "$(realpath --relative-to="$T" /)/$T/src" "$T/upwards"
    for source in / /proc/../ "$T/link"; do
        make_config sh -c "ls '/host$T/src' '/plain$T/bundle' /upwards && grep -c ' /host ' /proc/self/mountinfo"
        edit "
mount('/host', 'bind', '$source', 'rbind', 'rslave')
mount('/plain', 'bind', '$source', 'bind', 'ro')
mount('/upwards', 'bind', '$T/upwards', 'bind')"
        run_container
        echo "$source: $output"
        [ "$status" = 0 ]
        [ "$(grep -cx there <<<"$output")" = 2 ]
        grep -x config.json <<<"$output"
        [ "${lines[-1]}" = 1 ]
    done
    umount "$T/src"
}

@test "what the container mounts in a shared mount is on the host, and the host keeps what it has" {
    mkdir -p "$T/src" "$T/other" && mount -t tmpfs none "$T/src" && mount --make-shared "$T/src" && mkdir "$T/src/sub"
    mount -t tmpfs none "$T/other" && mount --make-shared "$T/other" && mkdir "$T/other/sub"
    mount -t tmpfs kept "$T/other/sub"
    for kind in shared rshared; do
        make_config sh -c 'mount -t tmpfs inside /shared/sub && grep " /shared " /proc/self/mountinfo'
        edit "
mount('/shared', 'bind', '$T/src', 'rbind', '$kind')
l['rootfsPropagation'] = '$kind'
for kind in ('bounding', 'effective', 'permitted'):
    c['process']['capabilities'].setdefault(kind, []).append('CAP_SYS_ADMIN')"
        run_container
        echo "$kind: $status $output"
        [ "$status" = 0 ]
        [[ "$output" == *" shared:"* ]]
        grep "$T/src/sub " /proc/self/mountinfo
        grep "$T/other/sub " /proc/self/mountinfo
        umount "$T/src/sub"
    done
    umount "$T/other/sub" "$T/other" "$T/src"
}

@test "what is mounted inside of a shared mount does not reach the host, whoever has opened the source" {
    mkdir -p "$T/src/sub" "$ROOT/tree/inner"
    mount --bind "$T/src" "$T/src"
    mount --bind "$ROOT/tree" "$ROOT/tree"
    mount --make-shared "$T/src"
    mount --make-shared "$ROOT/tree"
    for kind in plain user mapped; do
        make_config sh -c 'grep -c " /bound/sub\| /tree/inner" /proc/self/mountinfo'
        edit "
mount('/bound', 'bind', '$T/src', 'rbind')
mount('/bound/sub', 'tmpfs', 'tmpfs')
mount('/tree/inner', 'tmpfs', 'tmpfs')
ids = [{'containerID': 0, 'hostID': 0, 'size': 65536}]
if '$kind' == 'user':
    l['namespaces'] += [{'type': 'user'}]; l['uidMappings'] = l['gidMappings'] = ids
if '$kind' == 'mapped':
    c['mounts'][-3].update(uidMappings=ids, gidMappings=ids)
# A hook of the runtime's own mount namespace, while the container is there.
c['hooks'] = {'poststart': [{'path': '/bin/cp', 'args': ['cp', '/proc/self/mountinfo', '$T/seen']}]}"
        run_container
        echo "$kind: $output"
        [ "$output" = 2 ]
        [ "$(grep -c -e "$T/src" -e "$ROOT/tree" "$T/seen")" = 2 ]
    done
    umount "$T/src"
    umount "$ROOT/tree"
}

@test "mapped ids: of a mount's own mappings, of a tree, and of the container's user namespace" {
    mkdir -p "$T/src/sub" && touch "$T/src/file" && chown 1000:1001 "$T/src/file"
    # Not every file system of a machine can map ids; tmpfs can since Linux 6.3.
    mount -t tmpfs none "$T/src/sub" && touch "$T/src/sub/file"
    make_config sh -c 'stat -c %u:%g /m/file /m/sub/file /n/sub/file; touch /m/new'
    edit "
maps = {'uidMappings': [{'containerID': 1000, 'hostID': 5, 'size': 1}, {'containerID': 0, 'hostID': 0, 'size': 1}],
        'gidMappings': [{'containerID': 1001, 'hostID': 6, 'size': 1}, {'containerID': 0, 'hostID': 0, 'size': 1}]}
tree = {'uidMappings': [{'containerID': 0, 'hostID': 77, 'size': 100}], 'gidMappings': [{'containerID': 0, 'hostID': 88, 'size': 100}]}
mount('/m', 'bind', '$T/src', 'rbind', 'idmap')
c['mounts'][-1].update(maps)
mount('/n', 'bind', '$T/src', 'rbind', 'ridmap')
c['mounts'][-1].update(tree)"
    run_container
    if [[ "$output" == *"cannot map the ids"*"Invalid argument"* ]]; then
        umount "$T/src/sub"
        skip "the file system of $T cannot map ids"
    fi
    umount "$T/src/sub"
    [ "${lines[0]}" = 5:6 ]
    [ "${lines[1]}" = 0:0 ]   # idmap is for one mount
    [ "${lines[2]}" = 77:88 ] # ridmap for those below it
    [ "$(stat -c %u "$T/src/new")" = 0 ]
    # The container's own mapping: root outside is root inside, although the ids are shifted.
    make_config sh -c 'stat -c %u:%g /m; touch /m/inside && stat -c %u:%g /m/inside'
    chown -R 200000:200000 "$ROOT"
    chmod 755 "$T" "$T/bundle"
    edit "
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65536}]
mount('/m', 'bind', '$T/src', 'bind', 'idmap')"
    run_container
    [ "${lines[0]}" = 0:0 ]
    [ "${lines[1]}" = 0:0 ]
    [ "$(stat -c %u:%g "$T/src/inside")" = 0:0 ]
}

@test "mappings that cannot be are refused with the mount's place" {
    mkdir "$T/src"
    n=$(python3 -c "import json; print(len(json.load(open('$T/bundle/config.json'))['mounts']))")
    edit "mount('/m', 'bind', '$T/src', 'bind', 'idmap')"
    run_container
    [[ "$output" == *"mounts[$n]: mount /m: ids cannot be mapped: there are no mappings"* ]]
    edit "c['mounts'][-1]['uidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 1}]"
    run_container
    [[ "$output" == *"mounts[$n]: mount /m: uidMappings and gidMappings need each other"* ]]
    edit "c['mounts'][-1]['gidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 1}, {'containerID': 0, 'hostID': 5, 'size': 1}]"
    run_container
    [[ "$output" == *"mounts[$n].gidMappings"* ]]
    edit "c['mounts'][-1].update({'type': 'tmpfs', 'options': ['idmap']})"
    run_container
    [[ "$output" == *"mounts[$n]: mount /m: ids can be mapped for bind mounts only"* ]]
}

@test "tmpcopyup keeps owners, modes, links, devices and times; a later mount goes on top" {
    mkdir -p "$ROOT/data/deep/er"
    echo kept >"$ROOT/data/deep/er/file"
    chown 5:6 "$ROOT/data/deep/er/file" && chmod 4751 "$ROOT/data/deep/er/file"
    touch -d @1000000000 "$ROOT/data/deep/er/file"
    mkfifo "$ROOT/data/fifo"
    mkdir "$T/src" && echo other >"$T/src/other"
    make_config sh -c 'stat -c "%a %u:%g %Y" /data/deep/er/file; test -p /data/fifo && echo fifo; cat /data/deep/other; echo x >/data/deep/er/file'
    edit "
mount('/data', 'tmpfs', 'tmpfs', 'tmpcopyup', 'size=1m')
mount('/data/deep', 'bind', '$T/src', 'bind')"
    run_container
    [[ "$output" == *"No such file or directory"* ]] # covered
    [[ "$output" == *fifo* && "$output" == *other* ]]
    edit "c['mounts'].pop()"
    run_container
    [ "${lines[0]}" = "4751 5:6 1000000000" ]
    [ "$(cat "$ROOT/data/deep/er/file")" = kept ]
}

@test "relative destinations start from the root, relative sources from the bundle" {
    mkdir "$T/bundle/beside" && echo data >"$T/bundle/beside/file"
    make_config cat /in/side/file
    edit "mount('in/side', 'bind', 'beside', 'bind')"
    run_container
    [ "$output" = data ]
}

@test "options that have no meaning are refused by name and place" {
    mkdir "$T/src"
    for option in size=1m sync lazytime iversion tmpcopyup; do
        edit "c['mounts'] = [m for m in c['mounts'] if m['destination'] != '/m']; mount('/m', 'bind', '$T/src', 'bind', '$option')"
        run_container
        [ "$status" = 1 ]
        [[ "$output" == *"mounts["*"]: mount /m: option \"$option\" has no meaning for a bind mount"* ]]
    done
    edit "c['mounts'][-1].update({'type': 'tmpfs', 'options': ['nodev', 'mand']})"
    run_container
    [[ "$output" == *'options[1]: "mand" is not supported'* ]]
    edit "c['mounts'][-1].update({'options': ['a' * 5000]})"
    run_container
    [[ "$output" == *"options: more than 4096 bytes"* ]]
    edit "c['mounts'][-1].update({'options': ['nosuch=1']})"
    run_container
    [[ "$output" == *nosuch* ]]
    edit "c['mounts'][-1].update({'type': 'nosuchfs', 'options': []})"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *'error mounting'*'No such device'* ]]
    edit "c['mounts'][-1] = {'destination': '/', 'type': 'tmpfs', 'source': 'tmpfs'}"
    run_container
    [[ "$output" == *'invalid mount destination "/": it is the root'* ]]
}
