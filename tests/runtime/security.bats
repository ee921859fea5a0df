#!/usr/bin/env bats
# Each is a trick that broke an engine once; see the CVE in its name.
load helper

@test "no descriptor but 0, 1 and 2 reaches the container" {
    make_config sh -c 'ls /proc/self/fd | tr "\n" " "'
    exec 7</etc/passwd 8</
    run_container
    exec 7<&- 8<&-
    [ "$output" = "0 1 2 3 " ] # 3 is the directory that ls reads
}

@test "a working directory through a leaked descriptor is refused (CVE-2024-21626)" {
    for fd in $(seq 3 40); do
        edit "proc['cwd'] = '/proc/self/fd/$fd'"
        run_container
        [ "$status" = 1 ]
    done
    make_config sh -c 'cat etc/passwd'
    mkdir "$ROOT/work"
    ln -s /proc/self/fd/7 "$ROOT/work/link"
    edit "proc['cwd'] = '/work/link'"
    run_container
    [ "$status" = 1 ]
}

@test "a command through a leaked descriptor is not found" {
    for fd in 3 4 5 6 7 8 9 10 11 12 15 18; do
        make_config "/proc/self/fd/$fd/bin/busybox" id
        run_container
        [ "$status" = 127 ] || [ "$status" = 126 ]
    done
}

@test "an entrypoint that is the runtime itself cannot write to the program on disk (CVE-2019-5736)" {
    before=$(sha256sum "$DORY_BIN/dory-runtime")
    printf '#!/proc/self/exe\n' >"$ROOT/evil"
    chmod +x "$ROOT/evil"
    make_config /evil
    run_container
    make_config sleep 1000
    rt create --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    run sh -c "echo overwritten >/proc/$(cat "$T/pid")/exe"
    [ "$status" != 0 ]
    [ "$before" = "$(sha256sum "$DORY_BIN/dory-runtime")" ]
}

@test "symlinks for /dev, /dev/pts and /dev/shm in an image do not lead out" {
    mkdir -p "$T/host" && chmod 755 "$T/host"
    for link in dev dev/pts dev/shm; do
        rm -rf "$ROOT/dev" && mkdir "$ROOT/dev"
        [ "$link" = dev ] && rmdir "$ROOT/dev"
        ln -s "$T/host" "$ROOT/$link"
        run_container
        [ -z "$(ls -A "$T/host")" ]
        rm -f "$ROOT/$link"
    done
}

@test "a symlink for /proc or /sys is refused (CVE-2019-19921)" {
    for target in proc sys; do
        rmdir "$ROOT/$target"
        mkdir -p "$ROOT/decoy"
        ln -s /decoy "$ROOT/$target"
        run_container
        [ "$status" = 1 ]
        [[ "$output" == *"must be mounted on ordinary directory"* ]]
        rm "$ROOT/$target" && mkdir "$ROOT/$target"
    done
}

@test "a /dev/null that an image brings along does not mask anything (CVE-2025-31133)" {
    edit "c['mounts'] = [m for m in c['mounts'] if not m['destination'].startswith('/dev')]"
    echo decoy >"$ROOT/dev/null"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"something else is there"* ]]
    rm "$ROOT/dev/null"
    ln -s /etc/passwd "$ROOT/dev/null"
    run_container
    [ "$status" = 1 ]
}

@test "a /dev/console that is a symlink is not followed (CVE-2025-52565)" {
    edit "
c['mounts'] = [m for m in c['mounts'] if m['destination'] != '/dev']
proc['terminal'] = True"
    mkdir -p "$ROOT/dev/pts"
    ln -s /proc/sysrq-trigger "$ROOT/dev/console"
    run rt run --bundle "$T/bundle" "$ID" </dev/null
    [ "$status" = 1 ]
    [[ "$output" == *"/dev/console"* ]]
}

@test "volumes over parts of /proc do not receive sysctls or labels (CVE-2025-52881)" {
    mkdir -p "$T/decoy/net/ipv4" && echo untouched >"$T/decoy/net/ipv4/ip_unprivileged_port_start"
    edit "
l['sysctl'] = {'net.ipv4.ip_unprivileged_port_start': '7'}
mount('/proc/sys', 'bind', '$T/decoy', 'rbind')"
    run_container
    [ "$status" = 1 ]
    [ "$(cat "$T/decoy/net/ipv4/ip_unprivileged_port_start")" = untouched ]
}

@test "mount targets are resolved inside the root (CVE-2021-30465)" {
    mkdir -p "$T/src" "$T/host"
    ln -s "$T/host" "$ROOT/escape"
    ln -s ../../../../../../../../"$T/host" "$ROOT/climb"
    make_config sh -c 'cat /escape/file /climb/file'
    echo inside >"$T/src/file"
    edit "
mount('/escape/a', 'bind', '$T/src', 'rbind')
mount('/climb/b', 'tmpfs', 'tmpfs')"
    run_container
    [ -z "$(ls -A "$T/host")" ]
}

@test "two containers on one volume, one swapping a directory with a symlink, never mount on the host" {
    mkdir -p "$T/vol/a" "$T/host" "$T/src"
    ln -s "$T/host" "$T/vol/b"
    touch "$T/src/canary"
    python3 - "$T/vol" "$T/stop" <<'PY' &
import ctypes, os, sys
libc = ctypes.CDLL(None)
a, b = (os.path.join(sys.argv[1], n).encode() for n in "ab")
while not os.path.exists(sys.argv[2]):
    libc.renameat2(-100, a, -100, b, 2)
PY
    swapper=$!
    edit "
mount('/vol', 'bind', '$T/vol', 'rbind')
mount('/vol/a/x', 'bind', '$T/src', 'rbind')"
    for _ in $(seq 40); do
        rt run --bundle "$T/bundle" "$ID" >/dev/null 2>&1 || true
        [ -z "$(ls -A "$T/host")" ] || break
    done
    touch "$T/stop"
    wait $swapper
    [ -z "$(ls -A "$T/host")" ]
}

@test "a passwd that is a FIFO or endless does not block the start" {
    make_config sh -c 'echo $HOME'
    rm "$ROOT/etc/passwd" && mkfifo "$ROOT/etc/passwd"
    run timeout 10 "$DORY_BIN/dory-runtime" --root "$T/state" run --bundle "$T/bundle" "$ID"
    [ "$output" = / ]
    rm "$ROOT/etc/passwd" && ln -s /dev/zero "$ROOT/etc/passwd"
    run timeout 10 "$DORY_BIN/dory-runtime" --root "$T/state" run --bundle "$T/bundle" "$ID"
    [ "$output" = / ]
}

@test "a working directory below a masked or read-only path shows the covered view" {
    make_config sh -c 'echo 1 >kernel/domainname; pwd'
    edit "proc['cwd'] = '/proc/sys'; proc['capabilities'] = {k: ['CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE'] for k in ('bounding', 'effective', 'permitted')}"
    run_container
    [[ "$output" == *"Read-only file system"* ]]
}

@test "the environment of the runtime does not leak" {
    make_config env
    CANARY=bird run_container
    [[ "$output" != *bird* ]]
}

@test "the host's root is out of reach: no old root, no host mounts" {
    make_config sh -c 'cat /proc/self/mountinfo; ls /..'
    run_container
    [[ "$output" != *"/sys/fs/cgroup/systemd"* ]]
    [[ "$output" != *"$T/bundle "*"- ext4"*"/ / "* ]]
    [ "$(grep -c ' / / ' <<<"$output")" -le 1 ]
}

@test "without pivot_root, too, a user namespace inside gets no procfs without masks" {
    make_config unshare -mrpf sh -c 'echo inside; mount -t proc none /proc && echo revealed; mount -t sysfs none /sys && echo revealed'
    edit "
for s in ('bounding', 'permitted', 'effective'): proc['capabilities'][s].append('CAP_SETFCAP')
l['maskedPaths'] += ['/sys/kernel']"
    cp "$T/bundle/config.json" "$T/good.json"
    before=$(grep -c ' - proc \| - sysfs ' /proc/self/mountinfo)
    chmod 755 "$T" "$T/bundle"
    for change in "pass" "l['rootfsPropagation'] = 'shared'" "
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 200000, 'size': 65536}]"; do
        cp "$T/good.json" "$T/bundle/config.json"
        edit "$change"
        run rt run --no-pivot --bundle "$T/bundle" "$ID" </dev/null
        [[ "$output" == *inside*"mount: permission denied"* ]] || { echo "$change: $output"; false; }
        [[ "$output" != *revealed* ]]
        [ "$(grep -c ' - proc \| - sysfs ' /proc/self/mountinfo)" = "$before" ] # the host's stay
    done
}

@test "a path that is masked twice is covered once" {
    make_config sh -c 'grep -c " /etc " /proc/mounts; grep -c " /root/file " /proc/mounts; cat /root/file; ls /etc'
    echo secret >"$ROOT/root/file"
    edit "l['maskedPaths'] += ['/etc', '/root/file', '/root/../etc', '/root/file']"
    run_container
    [ "$status" = 0 ]
    [ "$output" = 1$'\n'1 ]
}

@test "nothing but a procfs is mounted on /proc, under whatever name, and nothing inside of it (CVE-2019-16884)" {
    mkdir -p "$T/decoy/self/attr"
    ln -s /proc "$ROOT/alias"
    for target in /proc /proc/ //proc /proc/. /proc/self/attr /proc/sys /alias/sys /alias/self/attr; do
        make_config true
        edit "mount('$target', 'bind', '$T/decoy', 'bind')"
        run_container
        [ "$status" = 1 ]
        [[ "$output" == *"cannot be mounted because it is"*"proc"* ]]
        edit "c['mounts'][-1].update({'type': 'tmpfs', 'source': 'tmpfs', 'options': []})"
        run_container
        [ "$status" = 1 ]
    done
    [ -z "$(find "$T/decoy" -type f)" ]
}

@test "mount targets through magic links of procfs are refused (CVE-2021-30465, CVE-2024-45310)" {
    mkdir -p "$T/src" "$T/host"
    make_config true
    cp "$T/bundle/config.json" "$T/good.json"
    # Descriptors of the runtime, its working directory and its root, as /proc shows them.
    for target in /proc/self/cwd/x /proc/self/root/x /proc/self/fd/3/x /proc/1/root/x /proc/thread-self/cwd/x; do
        cp "$T/good.json" "$T/bundle/config.json"
        edit "mount('$target', 'bind', '$T/src', 'bind')"
        (cd "$T/host" && "$DORY_BIN/dory-runtime" --root "$T/state" run --bundle "$T/bundle" "$ID" </dev/null >"$T/out" 2>&1) && false
        grep -q 'error mounting' "$T/out"
    done
    [ -z "$(ls -A "$T/host")" ]
}
