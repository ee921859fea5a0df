#!/usr/bin/env bats
load helper

@test "every namespace is a new one, pid 1 is the process, lo is up" {
    make_config sh -c 'for n in mnt uts ipc pid net cgroup; do readlink /proc/self/ns/$n; done; echo pid $$; hostname; cat /sys/class/net/lo/flags'
    run_container
    for n in mnt uts ipc pid net cgroup; do
        [[ "$output" != *"$(readlink /proc/self/ns/$n)"* ]]
    done
    [[ "$output" == *"pid 1"* ]]
    [[ "$output" == *box* ]]
    [[ "$output" == *0x9* ]]
}

@test "namespaces are joined by path" {
    make_config sleep 1000
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    pid=$(cat "$T/pid")
    net=$(readlink "/proc/$pid/ns/net") pidns=$(readlink "/proc/$pid/ns/pid")
    make_config sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/pid; ps'
    edit "
for n in l['namespaces']:
    if n['type'] == 'network': n['path'] = '/proc/$pid/ns/net'
    if n['type'] == 'pid': n['path'] = '/proc/$pid/ns/pid'"
    run rt run --bundle "$T/bundle" "$ID-b"
    [[ "$output" == *"$net"* ]]
    [[ "$output" == *"$pidns"* ]]
    [[ "$output" == *"sleep 1000"* ]]
}

@test "a user namespace maps root to an unprivileged id" {
    make_config sh -c 'id -u; cat /proc/self/uid_map; echo x >/tmp/made; echo ok >/dev/null && echo null'
    chown -R 200000:200000 "$ROOT"
    edit "
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65536}]"
    chmod 755 "$T" "$T/bundle"
    run_container
    [ "$status" = 0 ]
    [[ "${lines[0]}" == 0 ]]
    [[ "$output" == *200000* ]]
    [[ "$output" == *null* ]]
    [ "$(stat -c %u "$ROOT/tmp/made")" = 200000 ]
}

@test "bind mounts: read-only, recursive, files, propagation" {
    mkdir -p "$T/src/sub"
    echo data >"$T/src/file"
    make_config sh -c 'cat /ro/file; echo x >/ro/file; cat /one; echo y >/rw/new; grep " /rw " /proc/self/mountinfo'
    edit "
mount('/ro', 'bind', '$T/src', 'rbind', 'ro', 'rprivate')
mount('/rw', 'bind', '$T/src', 'rbind', 'rw', 'nosuid')
mount('/one', 'bind', '$T/src/file', 'bind', 'ro')"
    run_container
    [[ "${lines[0]}" == data ]]
    [[ "$output" == *"Read-only file system"* ]]
    [[ "$output" == *nosuid* ]]
    [ "$(cat "$T/src/new")" = y ]
    [ "$(cat "$T/src/file")" = data ]
}

@test "rro makes the whole tree read-only" {
    mkdir -p "$T/src/sub"
    mount -t tmpfs none "$T/src/sub"
    make_config sh -c 'echo x >/ro/sub/file'
    edit "mount('/ro', 'bind', '$T/src', 'rbind', 'rro')"
    run_container
    umount "$T/src/sub"
    [ "$status" != 0 ]
    [[ "$output" == *"Read-only file system"* ]]
}

@test "mounting a directory onto a file is refused in docker's words" {
    mkdir "$T/src"
    echo >"$ROOT/target"
    edit "mount('/target', 'bind', '$T/src', 'rbind')"
    run_container
    [[ "$output" == *"Are you trying to mount a directory onto a file"* ]]
}

@test "tmpfs takes the mode of the directory, tmpcopyup its contents" {
    chmod 1733 "$ROOT/tmp"
    mkdir "$ROOT/data" && echo kept >"$ROOT/data/file" && ln -s file "$ROOT/data/link"
    make_config sh -c 'stat -c %a /tmp; cat /data/link; echo new >/data/other'
    edit "
mount('/tmp', 'tmpfs', 'tmpfs', 'nosuid')
mount('/data', 'tmpfs', 'tmpfs', 'tmpcopyup')"
    run_container
    [ "$status" = 0 ]
    [ "${lines[0]}" = 1733 ]
    [ "${lines[1]}" = kept ]
    [ ! -e "$ROOT/data/other" ]
}

@test "a bad mount option is reported with the kernel's words" {
    edit "mount('/data', 'tmpfs', 'tmpfs', 'nosuchoption=1')"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *nosuchoption* ]]
}

@test "a read-only root is read-only, and mount points are made in it before" {
    make_config sh -c 'touch /x; touch /dev/shm/ok && echo shm'
    edit "c['root']['readonly'] = True; mount('/brand/new', 'tmpfs', 'tmpfs')"
    run_container
    [[ "$output" == *"Read-only file system"* ]]
    [[ "$output" == *shm* ]]
}

@test "masked paths are empty, read-only paths refuse writes" {
    make_config sh -c 'cat /proc/keys /proc/timer_list /proc/interrupts | wc -c; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/domainname; echo b >/proc/sysrq-trigger; touch /sys/firmware/x'
    run_container
    [ "${lines[0]}" = 0 ]
    [ "${lines[1]}" = 0 ]
    [ "$(grep -c 'Read-only file system' <<<"$output")" -ge 2 ]
}

@test "sysctls of the container's own namespaces are set" {
    make_config sh -c 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni'
    edit "l['sysctl'] = {'net.ipv4.ip_unprivileged_port_start': '7', 'kernel.shmmni': '123'}"
    run_container
    [ "${lines[0]}" = 7 ]
    [ "${lines[1]}" = 123 ]
}

@test "the devices of a container, and no others" {
    make_config sh -c 'ls -l /dev | sort; head -c 4 /dev/zero | wc -c; echo x >/dev/full; mknod /tmp/mem c 1 1 && cat /tmp/mem'
    run_container
    for d in null zero full random urandom tty; do
        [[ "$output" == *"crw-rw-rw-"*" $d"* ]]
    done
    [[ "$output" == *"ptmx -> pts/ptmx"* ]]
    [[ "$output" == *"fd -> /proc/self/fd"* ]]
    [[ "$output" == *"No space left"* ]]
    [[ "$output" == *"Operation not permitted"* ]]
}

@test "devices of the spec are made with their owner and mode" {
    make_config sh -c 'stat -c "%a %u %g %t:%T" /dev/extra; ls -l /dev/pipe; head -c 1 /dev/extra | wc -c'
    edit "
l['devices'] = [{'path': '/dev/extra', 'type': 'c', 'major': 1, 'minor': 5, 'fileMode': 0o640, 'uid': 5, 'gid': 6},
                {'path': '/dev/pipe', 'type': 'p'}]"
    run_container
    [ "${lines[0]}" = "640 5 6 1:5" ]
    [[ "${lines[1]}" == p* ]]
    [ "${lines[2]}" = 1 ]
}

@test "capabilities are those of the spec, inheritable stays empty" {
    make_config grep Cap /proc/self/status
    run_container
    [[ "$output" == *"CapInh:	0000000000000000"* ]]
    [[ "$output" == *"CapPrm:	00000000a80425fb"* ]]
    [[ "$output" == *"CapEff:	00000000a80425fb"* ]]
    [[ "$output" == *"CapBnd:	00000000a80425fb"* ]]
    [[ "$output" == *"CapAmb:	0000000000000000"* ]]
}

@test "a user without privileges: groups, umask, no effective capabilities, its own standard output" {
    make_config sh -c 'id; umask; grep -E "CapEff|CapPrm" /proc/self/status; pwd; echo via >/proc/self/fd/1'
    edit "proc['user'] = {'uid': 1000, 'gid': 1001, 'additionalGids': [5, 77], 'umask': 0o27}; proc['cwd'] = '/made/here'"
    run_container
    [ "$status" = 0 ]
    [[ "${lines[0]}" == *"uid=1000 gid=1001 groups=5"*77* ]]
    [ "${lines[1]}" = 0027 ]
    [[ "$output" == *"CapPrm:	0000000000000000"* ]]
    [[ "$output" == */made/here* ]]
    [[ "$output" == *via* ]]
}

@test "ambient capabilities reach a process without root" {
    make_config grep -E 'CapEff|CapAmb' /proc/self/status
    edit "
proc['user'] = {'uid': 1000, 'gid': 1000}
proc['capabilities'] = {k: ['CAP_NET_RAW'] for k in ('bounding', 'effective', 'permitted', 'inheritable', 'ambient')}"
    run_container
    [ "$(grep -c 0000000000002000 <<<"$output")" = 2 ]
}

@test "HOME comes from the container's passwd, other users get /" {
    make_config sh -c 'echo $HOME'
    run_container
    [ "$output" = /root ]
    edit "proc['user']['uid'] = 4242"
    run_container
    [ "$output" = / ]
}

@test "rlimits, oom_score_adj and no_new_privs are set" {
    make_config sh -c 'ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status'
    edit "
proc['rlimits'] = [{'type': 'RLIMIT_NOFILE', 'soft': 100, 'hard': 200}, {'type': 'RLIMIT_CORE', 'soft': 0, 'hard': 18446744073709551615}]
proc['oomScoreAdj'] = 321
proc['noNewPrivileges'] = True"
    run_container
    [ "${lines[0]}" = 100 ]
    [ "${lines[1]}" = 200 ]
    [ "${lines[2]}" = 321 ]
    [[ "${lines[3]}" == *1 ]]
}

@test "seccomp refuses what the profile refuses, with its errno, for root and for users, with and without new privileges" {
    make_config sh -c 'mkdir /tmp/d; grep Seccomp: /proc/self/status'
    edit "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_X86_64'], 'syscalls': [{'names': ['mkdir', 'mkdirat', 'no_such_call'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 28}]}"
    for uid in 0 1000; do
        for nnp in True False; do
            edit "proc['user'] = {'uid': $uid, 'gid': $uid}; proc['noNewPrivileges'] = $nnp"
            run_container
            [[ "$output" == *"No space left on device"* ]]
            [[ "$output" == *"Seccomp:	2"* ]]
        done
    done
}

@test "a malformed seccomp profile is refused" {
    edit "l['seccomp'] = {'defaultAction': 'SCMP_ACT_NONSENSE'}"
    run_container
    [[ "$output" == *'invalid action "SCMP_ACT_NONSENSE"'* ]]
}
