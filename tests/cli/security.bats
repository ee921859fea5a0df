#!/usr/bin/env bats
# What broke other engines, tried on this one through the daemon and the CLI. Each test's name is what it proves.

bats_require_minimum_version 1.5.0
load ../lib/env

hostile() {
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/hostile.py" "$@"
}

setup_file() {
    export CANARY_OF_THE_DAEMON=bird
    env_start
    unset CANARY_OF_THE_DAEMON
    env_images busybox
    # What must stay as it is on the host.
    export CANARY=$ENV_DIR/canary
    mkdir "$CANARY" "$ENV_DIR/bin"
    echo secret >"$CANARY/secret"
    echo 'hostuser:x:4242:4242::/:/bin/sh' >"$CANARY/passwd"
    chmod 755 "$ENV_DIR" "$CANARY"
    export UP=../../../../../../../../../..$CANARY
    # A busybox without its links, so that the many images below are made quickly: its shell knows the applets itself.
    mkdir "$ENV_DIR/mini"
    tar -C "$ENV_DIR/mini" -xf "$(busybox_tar)"
    find "$ENV_DIR/mini" -type l ! -name sh -delete
    tar -C "$ENV_DIR/mini" --numeric-owner -cf "$ENV_DIR/mini.tar" .
    hostile tar -o "$ENV_DIR/below.tar" "sym:below:$CANARY" "sym:up:$UP" "dir:d" "file:d/lower:x"
    # Swaps two names as fast as it can until there is a file named stop.
    cat >"$ENV_DIR/swap.c" <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    for (int i = 0; argc > 3 && (i % 64 || access(argv[3], F_OK) < 0); i++)
        renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE);
}
C
    gcc -O1 -static -o "$ENV_DIR/bin/swap" "$ENV_DIR/swap.c"
}

teardown_file() {
    env_stop
}

setup() {
    canary_before=$(canary_state)
}

# Owner, mode, size, content and names of everything that nobody may touch.
canary_state() {
    find "$CANARY" -printf '%p %U:%G %m %s %l\n' | sort
    cat "$CANARY/secret" "$CANARY/passwd"
    cat /proc/sys/kernel/core_pattern /proc/sys/kernel/domainname
    sha256sum /etc/passwd /etc/hosts
    stat -c '%n %u:%g %a' /dev/null /proc /etc / /tmp
    stat -c '%n %i %s %y %z' "$DORY_BIN"/dory "$DORY_BIN"/doryd "$DORY_BIN"/dory-shim "$DORY_BIN"/dory-runtime
}

canary_untouched() {
    diff <(echo "$canary_before") <(canary_state)
}

# image NAME [--drop PATH] ENTRY...: a busybox with these entries on top.
image() {
    local name=$1
    shift
    hostile tar -o "$BATS_TEST_TMPDIR/image.tar" --base "$ENV_DIR/mini.tar" "$@"
    dory import "$BATS_TEST_TMPDIR/image.tar" "$name" >/dev/null
}

api() { # METHOD PATH [JSON]
    curl -s --max-time 20 --unix-socket "$ENV_DIR/dory.sock" -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} \
        -w '\n%{http_code}' "http://d$2"
}

# Creates a container of the given JSON, starts it if that is possible, and removes it: prints all answers and its output.
api_run() {
    local answer id
    answer=$(api POST /v1.40/containers/create "$1")
    echo "$answer"
    id=$(sed -n 's/.*"Id":"\([0-9a-f]*\)".*/\1/p' <<<"$answer")
    [ -n "$id" ] || return 0
    api POST "/containers/$id/start"
    api POST "/containers/$id/wait" | tail -1
    dory logs "$id" 2>&1
    api DELETE "/containers/$id?force=1&v=1" >/dev/null
}

shims() {
    local p
    for p in $(pgrep -x dory-shim); do
        [ "$(awk '/^PPid:/ {print $2}' "/proc/$p/status")" != "$(env_daemon_pid)" ] || echo "$p"
    done
}

# ---- descriptors and programs ----

@test "a container whose command is the program that starts it cannot overwrite that on the host (CVE-2019-5736)" {
    image self 'exec:evil:#!/proc/self/exe' "exec:writer:#!/bin/busybox sh
i=0
while [ \$i -lt 300 ]; do
    i=\$((i + 1))
    for p in /proc/[0-9]*; do (echo overwritten >\$p/exe) 2>/dev/null; done
done"
    local hashes
    hashes=$(sha256sum "$DORY_BIN"/dory*)
    dory run -d --name writer --network none self /writer
    for command in /evil /proc/self/exe /proc/1/exe; do
        run timeout 10 "$ENV_CLI" run --rm --network none self "$command"
        [ "$status" -ne 0 ]
        run timeout 10 "$ENV_CLI" run --rm --network none --pid container:writer self "$command"
        [ "$status" -ne 0 ]
        run timeout 10 "$ENV_CLI" run --rm --network none --entrypoint "$command" -e LD_PRELOAD=/evil self
        [ "$status" -ne 0 ]
    done
    dory rm -f writer
    [ "$hashes" = "$(sha256sum "$DORY_BIN"/dory*)" ]
    canary_untouched
}

@test "the running shims and the daemon cannot be written to, not even by root (CVE-2019-5736)" {
    dory run -d --name sleeper busybox sleep 1000
    [ -n "$(shims)" ]
    for pid in $(env_daemon_pid) $(shims); do
        run sh -c "echo overwritten >/proc/$pid/exe"
        [ "$status" -ne 0 ]
    done
    dory rm -f sleeper
    canary_untouched
}

@test "no descriptor but 0, 1 and 2 reaches a container, however it is started (CVE-2024-21626)" {
    exec 7</etc/passwd 8</
    run dory run --rm busybox sh -c 'ls /proc/self/fd | tr "\n" " "'
    [ "$output" = "0 1 2 3 " ] # 3 is the directory that ls reads
    run bash -c '"$ENV_CLI" run --rm -i busybox ls /proc/self/fd </dev/null | tr "\n" " "'
    [ "$output" = "0 1 2 3 " ]
    run script -qec "$ENV_CLI run --rm -t busybox ls -C /proc/self/fd" /dev/null
    [[ $(tr -s '\r\n \t' ' ' <<<"$output") == *"0 1 2 3"* ]]
    [[ $output != *4* ]]
    run dory run --rm --privileged --init -p 127.0.0.1::80 -v /x --pid host busybox sh -c 'ls /proc/self/fd | tr "\n" " "'
    [ "$output" = "0 1 2 3 " ]
    exec 7<&- 8<&-
    dory create --name later busybox sh -c 'ls /proc/self/fd | tr "\n" " "'
    run dory start -a later
    [ "$output" = "0 1 2 3 " ]
    dory rm later
}

@test "a working directory over a descriptor of the starter is refused (CVE-2024-21626)" {
    image links sym:work:/proc/self/fd/7 sym:climb:"$UP" sym:up:../../../../../../..
    for n in $(seq 3 40); do
        run dory run --rm --network none -w "/proc/self/fd/$n" busybox sh -c 'cat secret ../../etc/shadow'
        [ "$status" -ne 0 ]
        [[ $output != *secret$'\n'* && $output != *root:* ]]
    done
    for w in /proc/self/fd/7/../../.. /proc/1/cwd/x /proc/self/root/../..; do
        run dory run --rm --network none -w "$w" busybox sh -c 'ls -d .; cat doryd.log etc/shadow'
        [ "$status" -ne 0 ]
        [[ $output != *root:* ]]
    done
    run dory run --rm -w /work links sh -c 'cat etc/shadow'
    [ "$status" -ne 0 ]
    hostile tar -o "$BATS_TEST_TMPDIR/l.tar" file:x:y
    hostile save -o "$BATS_TEST_TMPDIR/s.tar" --tag cwd --config '{"WorkingDir": "/proc/self/fd/8"}' "$(busybox_tar)" \
        "$BATS_TEST_TMPDIR/l.tar"
    dory load -q -i "$BATS_TEST_TMPDIR/s.tar"
    run dory run --rm cwd sh -c 'pwd; cat etc/shadow'
    [ "$status" -ne 0 ]
    [[ $output != *root:* ]]
    canary_untouched
}

@test "a symlink as the working directory stays inside the root" {
    image workdir sym:work:"$CANARY" sym:climb:"$UP"
    for w in /work /work/new /climb /climb/new; do
        run dory run --rm --network none -w "$w" workdir sh -c 'pwd; ls -A; echo hello >here'
        [[ $output != *passwd* ]]
        canary_untouched
    done
}

@test "a command through a descriptor of the starter is not found" {
    local code
    for n in $(seq 3 24); do
        code=0
        dory run --rm --network none busybox "/proc/self/fd/$n/bin/busybox" id 2>/dev/null || code=$?
        [ "$code" -eq 126 ] || [ "$code" -eq 127 ]
    done
}

@test "the daemon's environment reaches no container and no shim (CVE-2020-14370)" {
    tr '\0' '\n' <"/proc/$(env_daemon_pid)/environ" | grep -q '^CANARY_OF_THE_DAEMON=bird'
    run dory run --rm busybox sh -c 'env; cat /proc/1/environ'
    [[ $output != *CANARY* ]]
    dory run -d --name sleeper --init --env=MINE=1 busybox sleep 1000
    run sh -c 'tr "\0" "\n" <"/proc/$(dory inspect -f "{{.State.Pid}}" sleeper)/environ"' || true
    for pid in $(shims); do
        ! tr '\0' '\n' <"/proc/$pid/environ" | grep CANARY || false
    done
    dory rm -f sleeper
}

# ---- images that are not what they seem ----

@test "links in an image in place of /dev, /proc, /sys, /etc, their files and volumes lead nowhere on the host" {
    local path to volumes
    for path in dev dev/null dev/pts dev/shm dev/mqueue dev/console dev/ptmx proc sys etc etc/passwd etc/group etc/hosts \
        etc/resolv.conf etc/hostname v v/w tmp run; do
        for to in "$CANARY" "$UP/secret"; do
            image "links" --drop "$path" "sym:$path:$to"
            run timeout 20 "$ENV_CLI" run --rm --network none --tmpfs /tmp/t -v /v/w -v "links:/v/x" -v "$ENV_DIR/bin:/v/y" \
                -v "$ENV_DIR/swap.c:/v/z" links /bin/busybox sh -c 'echo overwritten | tee /etc/hosts /etc/passwd /v/w/secret
                    cat /dev/null; cat /v/secret /v/w/secret /etc/passwd; ls -lL /dev/null'
            [ "$status" -ne 124 ]
            [[ $output != *secret$'\n'* && $output != *hostuser* ]]
            canary_untouched
        done
    done
}

@test "a /dev/null of the image masks nothing: it is always the real one (CVE-2025-31133)" {
    for entry in file:dev/null:decoy sym:dev/null:/etc/passwd char:dev/null:1,5 fifo:dev/null dir:dev/null; do
        image null --drop dev/null "$entry"
        run timeout 10 "$ENV_CLI" run --rm null /bin/busybox sh -c 'stat -c %t:%T /dev/null; cat /proc/keys /proc/timer_list'
        [ "$output" = 1:3 ]
    done
}

@test "a /dev/console or /dev/pts of the image is not followed (CVE-2025-52565)" {
    for entry in sym:dev/console:/proc/sysrq-trigger sym:dev/pts:/proc sym:dev/ptmx:/proc/sys/kernel/core_pattern; do
        image console "$entry"
        run script -qec "timeout 10 $ENV_CLI run --rm -t console /bin/busybox sh -c 'stat -c %t /dev/console; tty; ls /dev/pts'" /dev/null
        [[ $output == *88* && $output == */dev/pts/0* ]]
    done
    canary_untouched
}

@test "a link in place of /proc or /sys is refused (CVE-2019-19921)" {
    for path in proc sys; do
        image links --drop "$path" dir:decoy "sym:$path:/decoy"
        run dory run --rm links /bin/busybox true
        [ "$status" -eq 125 ]
        [[ $output == *"must be mounted on ordinary directory"* ]]
    done
}

@test "nothing but a procfs is mounted over /proc, and nothing inside it (CVE-2019-16884, CVE-2025-52881)" {
    mkdir -p "$BATS_TEST_TMPDIR/decoy/sys/net/ipv4" "$BATS_TEST_TMPDIR/decoy/self/attr"
    echo untouched >"$BATS_TEST_TMPDIR/decoy/sys/net/ipv4/ip_unprivileged_port_start"
    image procs sym:foo:/proc sym:bar:/proc/sys
    local options
    for options in "-v $BATS_TEST_TMPDIR/decoy:/proc" "-v $BATS_TEST_TMPDIR/decoy:/proc/" "--tmpfs /proc" \
        "-v decoy:/proc" "-v $BATS_TEST_TMPDIR/decoy:/proc/sys" "-v $BATS_TEST_TMPDIR/decoy:/proc/self" \
        "--tmpfs /proc/sys" "-v decoy:/proc/1/attr" "-v $BATS_TEST_TMPDIR/decoy:/foo" "-v $BATS_TEST_TMPDIR/decoy:/bar/net" \
        "--tmpfs /foo/sys" "--privileged -v $BATS_TEST_TMPDIR/decoy:/proc"; do
        # shellcheck disable=SC2086
        run dory run --rm $options --security-opt apparmor=unconfined --sysctl net.ipv4.ip_unprivileged_port_start=7 procs \
            /bin/busybox true
        [ "$status" -eq 125 ]
        [[ $output == *"cannot be mounted because it is"* ]]
    done
    [ "$(cat "$BATS_TEST_TMPDIR/decoy/sys/net/ipv4/ip_unprivileged_port_start")" = untouched ]
    run dory run --rm -v "$ENV_DIR/swap.c:/proc/uptime" procs /bin/busybox cat /proc/uptime
    [[ $output == *renameat2* ]]
    run dory run --rm -v "$BATS_TEST_TMPDIR/decoy:/sys" procs /bin/busybox true
    canary_untouched
}

@test "passwd and group that are a FIFO, endless, huge or a link to the host's neither block nor leak (CVE-2026-30892)" {
    local entry
    for entry in fifo:etc/passwd sym:etc/passwd:/dev/zero char:etc/passwd:1,5 sym:etc/passwd:"$CANARY/passwd" \
        sym:etc/passwd:"$UP/passwd" sym:etc/passwd:/proc/self/fd/5 sym:etc/passwd:passwd dir:etc/passwd fifo:etc/group; do
        image passwd --drop etc/passwd --drop etc/group "$entry"
        for user in hostuser root www-data:hostuser; do
            run timeout 10 "$ENV_CLI" run --rm --network none -u "$user" passwd /bin/busybox id
            [ "$status" -eq 125 ]
            [[ $output == *"unable to find"* || $output == *passwd* || $output == *group* ]]
        done
        run timeout 10 "$ENV_CLI" run --rm --network none -u 5 passwd /bin/busybox stat -c %u /proc/self/fd
        [ "$status" -eq 125 ] || [ "${lines[0]}" = 5 ]
    done
    image passwd --drop etc/passwd size:etc/passwd:200000000
    local rss_before rss
    rss_before=$(awk '/VmHWM/ {print $2}' "/proc/$(env_daemon_pid)/status")
    run timeout 10 "$ENV_CLI" run --rm --network none -u x passwd /bin/busybox id -u
    [ "$status" -eq 125 ]
    rss=$(awk '/VmHWM/ {print $2}' "/proc/$(env_daemon_pid)/status")
    [ $((rss - rss_before)) -lt 65536 ]
    canary_untouched
}

@test "users out of range or in odd notations are refused and never become root (CVE-2024-9676, CVE-2024-40635)" {
    local user
    for user in 4294967296 -1 2147483648 99999999999999999999 18446744073709551616 0x0 ' 0' '0 ' 0.0 1e0 $'0\n' 1:4294967296 \
        1:-1 0:0x0 0:0:0 00:00x; do
        run dory run --rm --network none -u "$user" busybox id
        [ "$status" -eq 125 ]
        [[ $output == *"uids and gids must be in range 0-2147483647"* || $output == *"unable to find "* ]]
    done
    for user in '' 0 00 :1; do
        run dory run --rm --network none -u "$user" busybox id -u
        [ "$output" = 0 ]
    done
    run dory run --rm --network none -u 2147483647:2147483647 busybox id -u
    [ "$output" = 2147483647 ]
    image users --drop etc/passwd $'file:etc/passwd:wrap:x:4294967296:4294967296::/:/bin/sh\nminus:x:-1:-1::/:/bin/sh\nhex:x:0x0:0x0::/:/bin/sh\nempty:x:::/:/bin/sh\n'
    for user in wrap minus hex empty; do
        run dory run --rm --network none -u "$user" users /bin/busybox id -u
        [ "$status" -eq 125 ]
    done
}

# ---- layers ----

# Every trick is tried by import, and by load as a layer on top of one that has the names in it already.
try_layer() { # fail|any ENTRY...
    local expected=$1
    shift
    hostile tar -o "$BATS_TEST_TMPDIR/trick.tar" "$@"
    run timeout 20 "$ENV_CLI" import "$BATS_TEST_TMPDIR/trick.tar" trick
    echo "import of $*: $status $output"
    [ "$status" -ne 124 ]
    [ "$expected" = any ] || [ "$status" -eq 1 ]
    hostile save -o "$BATS_TEST_TMPDIR/save.tar" --tag trick "$ENV_DIR/mini.tar" "$ENV_DIR/below.tar" "$BATS_TEST_TMPDIR/trick.tar"
    run timeout 20 "$ENV_CLI" load -q -i "$BATS_TEST_TMPDIR/save.tar"
    echo "load of $*: $status $output"
    [ "$status" -ne 124 ]
    [ "$expected" = any ] || [ "$status" -eq 1 ]
    [ "$status" -ne 0 ] || timeout 20 "$ENV_CLI" run --rm --network none trick /bin/busybox true || true
    canary_untouched
}

@test "layer entries with .., absolute names and links to write through stay in the layer (CVE-2017-14992, CVE-2021-20291)" {
    try_layer fail "file:$UP/new:x"
    try_layer fail "file:d/../../../../../../../../$CANARY/new:x"
    try_layer fail "dir:..:777"
    try_layer any "file:$CANARY/new:x"
    try_layer any "file:/$CANARY/secret:x"
    try_layer any "sym:d:$CANARY" file:d/new:x
    try_layer any "sym:d:$UP" file:d/new:x
    try_layer any "sym:d:$UP/secret" file:d:x
    try_layer any "sym:d:$CANARY" dir:d:777
    try_layer any "sym:d:$CANARY" dir:d/:777
    try_layer any "sym:a:b" "sym:b:$CANARY" file:a/new:x
    try_layer any "sym:d:/proc/self/cwd/../../../../.." "file:d/$CANARY/new:x"
    try_layer any "sym:d:/proc/self/root" "file:d/$CANARY/new:x"
    try_layer any file:below/new:x file:up/new:x dir:below:777 dir:up/:777
    try_layer any dir:.:777 dir:/:777
    try_layer any sym:proc:/etc file:proc/x:y
}

@test "hard links of a layer reach nothing outside of it" {
    try_layer fail "hard:h:$CANARY/secret"
    try_layer fail "hard:h:$UP/secret" file:h:x
    try_layer fail hard:h:/etc/shadow
    try_layer fail "sym:d:$CANARY" hard:h:d/secret file:h:x
    try_layer any "sym:s:$CANARY/secret" hard:h:s file:h:x
    try_layer fail hard:h:h
    try_layer fail hard:h:.
}

@test "whiteouts of a layer delete nothing on the host and nothing odd" {
    try_layer any "sym:d:$CANARY" file:d/.wh.secret:
    try_layer any "sym:d:$CANARY" file:d/.wh..wh..opq:
    try_layer any file:below/.wh.secret: file:up/.wh.secret: file:up/.wh..wh..opq:
    try_layer fail "file:$UP/.wh.secret:"
    for name in .wh. .wh.. .wh... d/.wh.. d/.wh... d/.wh.; do
        try_layer fail "file:$name:"
    done
    try_layer any file:.wh.d/x:y
    try_layer any file:.wh..wh.aufs: dir:.wh..wh.orph
    try_layer any char:c:0,0 char:d/lower:0,0
}

@test "extended attributes of overlayfs do not come in through a layer" {
    for key in trusted.overlay.redirect=/etc trusted.overlay.opaque=y trusted.overlay.metacopy= trusted.overlay.origin=x \
        user.overlay.redirect=/etc user.overlay.opaque=y; do
        try_layer any "xattr:r:$key"
        ! getfattr -R -h -d -m overlay.redirect --absolute-names "$ENV_DIR/data/overlay" 2>/dev/null | grep -q '=.*/etc' || false
        ! getfattr -R -h -d -m overlay.metacopy --absolute-names "$ENV_DIR/data/overlay" 2>/dev/null | grep -q metacopy || false
    done
}

@test "layers that are too deep, too long, contradictory or that promise more than they hold are refused" {
    try_layer fail deep:a:3000
    try_layer fail "file:$(printf 'n%.0s' $(seq 256)):x"
    try_layer fail "claim:big:8589934591"
    try_layer fail file:a:x file:a/c:x
    try_layer fail sym:a:a file:a/c:x
    try_layer fail file::x
}

@test "device nodes of a layer open no device" {
    image devices char:mem:1,1 char:kmsg:1,11 block:disk:8,0 block:loop:7,0 block:virtio:254,0
    for node in mem kmsg disk loop virtio; do
        run dory run --rm --network none devices /bin/busybox head -c 1 "/$node"
        [ "$status" -ne 0 ]
        [[ $output == *"Operation not permitted"* ]]
    done
}

@test "an image whose config claims another layer's diffID is refused and that layer stays what it was" {
    hostile tar -o "$BATS_TEST_TMPDIR/evil.tar" --base "$(busybox_tar)" file:owned:x
    local good
    good=sha256:$(sha256sum <"$(busybox_tar)" | cut -d' ' -f1)
    hostile save -o "$BATS_TEST_TMPDIR/save.tar" --tag claims --diff-id "$good" "$BATS_TEST_TMPDIR/evil.tar"
    run dory load -i "$BATS_TEST_TMPDIR/save.tar"
    echo "$output"
    if [ "$status" -eq 0 ]; then # docker's way when the layer is known: the bytes are not used, the known layer is
        run dory run --rm claims ls /owned
        [ "$status" -ne 0 ]
    fi
    run dory run --rm busybox ls /owned
    [ "$status" -ne 0 ]
    # The same where the claimed layer is not known: nothing may appear under its digest.
    hostile tar -o "$BATS_TEST_TMPDIR/later.tar" --base "$(busybox_tar)" file:later:x
    local later
    later=sha256:$(sha256sum <"$BATS_TEST_TMPDIR/later.tar" | cut -d' ' -f1)
    hostile save -o "$BATS_TEST_TMPDIR/save.tar" --tag claims2 --diff-id "$later" "$BATS_TEST_TMPDIR/evil.tar"
    run dory load -i "$BATS_TEST_TMPDIR/save.tar"
    [ "$status" -eq 1 ]
    dory import "$BATS_TEST_TMPDIR/later.tar" later >/dev/null
    run dory run --rm later ls /later /owned
    [[ $output == */later* && $output == *"/owned: No such file"* ]]
}

@test "an archive for load names no file of the host, by path or by link" {
    for name in ../../../../../../etc/passwd /etc/passwd "$CANARY/secret" "$UP/passwd" .; do
        hostile save -o "$BATS_TEST_TMPDIR/save.tar" --config-name "$name" "$(busybox_tar)"
        run timeout 10 "$ENV_CLI" load -i "$BATS_TEST_TMPDIR/save.tar"
        [ "$status" -eq 1 ]
        [[ $output != *root:* && $output != *hostuser* ]]
        hostile save -o "$BATS_TEST_TMPDIR/save.tar" --layer-name "$name" "$(busybox_tar)"
        run timeout 10 "$ENV_CLI" load -i "$BATS_TEST_TMPDIR/save.tar"
        [ "$status" -eq 1 ]
    done
    cp "$(busybox_tar)" "$CANARY/layer.tar"
    canary_before=$(canary_state)
    for target in "$CANARY/layer.tar" "$UP/layer.tar" x; do
        hostile save -o "$BATS_TEST_TMPDIR/save.tar" --layer-name x --symlink "x:$target" "$(busybox_tar)"
        run timeout 10 "$ENV_CLI" load -i "$BATS_TEST_TMPDIR/save.tar"
        [ "$status" -eq 1 ]
    done
    canary_untouched
    rm "$CANARY/layer.tar"
}

@test "refused layers leave nothing in the data root" {
    local before
    before=$(ls "$ENV_DIR/data/overlay" | sort)
    for entry in "file:$UP/new:x" "hard:h:/etc/shadow" "file:.wh...:" "claim:big:8589934591"; do
        hostile tar -o "$BATS_TEST_TMPDIR/t.tar" size:fill:100000 "$entry"
        run dory import "$BATS_TEST_TMPDIR/t.tar" refused
        [ "$status" -eq 1 ]
        hostile save -o "$BATS_TEST_TMPDIR/s.tar" "$(busybox_tar)" "$BATS_TEST_TMPDIR/t.tar"
        run dory load -i "$BATS_TEST_TMPDIR/s.tar"
        [ "$status" -eq 1 ]
    done
    for _ in $(seq 100); do
        [ -n "$(ls -A "$ENV_DIR/data/tmp")" ] || break
        sleep 0.1
    done
    [ -z "$(ls -A "$ENV_DIR/data/tmp")" ]
    [ "$before" = "$(ls "$ENV_DIR/data/overlay" | sort)" ]
}

# ---- mounts and volumes ----

@test "two containers on one volume, one exchanging a directory with a link, never reach the host (CVE-2021-30465)" {
    mkdir -p "$BATS_TEST_TMPDIR/vol/a" "$BATS_TEST_TMPDIR/src"
    ln -s "$CANARY" "$BATS_TEST_TMPDIR/vol/b"
    touch "$BATS_TEST_TMPDIR/src/mounted"
    dory run -d --name swapper --network none -v "$BATS_TEST_TMPDIR/vol:/vol" -v "$ENV_DIR/bin:/swap:ro" busybox \
        /swap/swap /vol/a /vol/b /vol/stop
    local started=0
    for _ in $(seq 40); do
        run timeout 20 "$ENV_CLI" run --rm --network none -v "$BATS_TEST_TMPDIR/vol:/vol" -v "$BATS_TEST_TMPDIR/src:/vol/a/x" \
            --tmpfs /vol/a/t -v /vol/a/n -v "$ENV_DIR/swap.c:/vol/a/f" -w /vol/a/w busybox true
        [ "$status" -ne 124 ]
        [ "$status" -ne 0 ] || started=$((started + 1))
        canary_untouched
    done
    touch "$BATS_TEST_TMPDIR/vol/stop"
    dory rm -f swapper
    echo "$started of 40 started"
    [ "$started" -gt 0 ]
    ! grep -q "$CANARY" /proc/self/mountinfo "/proc/$(env_daemon_pid)/mountinfo" || false
}

@test "filling a volume from an image copies links as links and nothing from the host (CVE-2020-1726)" {
    image volume "sym:v:$CANARY" dir:w "sym:w/dir:$CANARY" "sym:w/file:$UP/secret" "hard:w/hard:etc/passwd" fifo:w/fifo \
        char:w/null:1,3 "sym:w/self:."
    run timeout 20 "$ENV_CLI" run --rm --network none -v one:/v -v two:/w volume /bin/busybox sh -c 'ls -lA /v/ /w/; cat /v/secret /w/file'
    [[ $output != *secret$'\n'*secret$'\n'* && $output != *hostuser* ]]
    local data
    data=$(curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/volumes/one | jq -r .Mountpoint)
    [ ! -e "$data/secret" ]
    data=$(curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/volumes/two | jq -r .Mountpoint)
    [ "$(readlink "$data/dir")" = "$CANARY" ]
    [ "$(readlink "$data/file")" = "$UP/secret" ]
    [ -p "$data/fifo" ]
    canary_untouched
}

@test "links in a volume are followed inside the container only, also by later mounts below them" {
    dory run --rm --network none -v trap:/v busybox sh -c "ln -s $CANARY /v/abs; ln -s $UP /v/rel; ln -s / /v/root"
    for target in /v/abs/new /v/rel/new "/v/root/$CANARY/new" /v/abs /v/rel; do
        run dory run --rm --network none -v trap:/v -v "$ENV_DIR/bin:$target" --tmpfs "$target/t" busybox sh -c "echo x >$target/t/x; ls $target"
        canary_untouched
    done
}

@test "names of containers and volumes are no paths" {
    for name in ../x ..%2f..%2fx a%2Fb -x .x a%0ab; do
        run api POST "/containers/create?name=$name" '{"Image":"busybox"}'
        [ "${lines[-1]}" = 400 ]
        [[ $output == *"Invalid container name"* ]]
    done
    for name in ../../x a/b .. /etc "$(printf 'n%.0s' $(seq 300))"; do
        run api POST /volumes/create "{\"Name\":\"$name\"}"
        [ "${lines[-1]}" = 400 ]
    done
    [ ! -e "$ENV_DIR/data/x" ]
}

# ---- the API as an attacker would use it ----

@test "hostile host configs are refused or harmless" {
    local h
    for h in '"Sysctls":{"kernel.core_pattern":"|/evil"}' '"Sysctls":{"net/../kernel/core_pattern":"|/evil"}' \
        '"Sysctls":{"net.ipv4.../../../kernel/core_pattern":"|/evil"}' '"Sysctls":{"fs.mqueue/../../kernel/core_pattern":"|/evil"}' \
        '"CgroupParent":"../../../../tmp"' '"CgroupParent":"/dory/../../x"' '"NetworkMode":"ns:/proc/1/ns/net"' \
        '"NetworkMode":"container:../../x"' '"PidMode":"container:../x"' '"IpcMode":"/proc/1/ns/ipc"' '"Runtime":"/tmp/evil"' \
        '"Runtime":"../../tmp/evil"' '"SecurityOpt":["seccomp=/etc/passwd"]' '"SecurityOpt":["seccomp={"]' \
        '"SecurityOpt":["bogus"]' '"Binds":["../x:/y"]' '"Binds":["/etc:../y"]' '"Binds":["/etc:/"]' '"Binds":["/etc:/y/../.."]' \
        '"LogConfig":{"Type":"json-file","Config":{"path":"/tmp/x"}}' '"LogConfig":{"Type":"../x"}' \
        '"Devices":[{"PathOnHost":"/dev/../etc/passwd","PathInContainer":"/dev/x"}]' \
        '"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"../../../x","CgroupPermissions":"rwm"}]' \
        '"Mounts":[{"Type":"volume","Source":"../../etc","Target":"/x"}]' '"Tmpfs":{"/x":"size=1m,bogus"}' \
        '"ExtraHosts":["x:1.1.1.1\n6.6.6.6 y"]' '"Dns":["1.1.1.1\noptions x"]' '"DnsSearch":["a\nnameserver 6.6.6.6"]' \
        '"PortBindings":{"80/tcp":[{"HostIp":"0.0.0.0; flush ruleset","HostPort":"1"}]}' \
        '"PortBindings":{"80/tcp\"; flush":[{"HostPort":"1"}]}' '"PortBindings":{"99999/tcp":[{"HostPort":"1"}]}' \
        '"Memory":-1' '"Memory":1e400' '"ShmSize":-1' '"NanoCpus":-5' '"CapAdd":["../ALL"]' '"Ulimits":[{"Name":"nofile/../x"}]'; do
        run api_run "{\"Image\":\"busybox\",\"Cmd\":[\"echo\",\"it ran\"],\"HostConfig\":{$h}}"
        echo "$h: $output"
        [[ $output == *'"message":"'* ]]
        [[ $output != *"it ran"* && $output != *root:x* ]]
        canary_untouched
    done
    for h in '"Hostname":"a\nb"' '"Hostname":"../../x"' '"Domainname":"a\nb"' '"WorkingDir":"../x"' '"Env":["A\u0000B=x"]' \
        '"User":"root\u0000x"' '"Volumes":{"../x":{}}' '"Volumes":{"/":{}}' '"StopSignal":"99999"' '"Cmd":["a\u0000b"]'; do
        run api_run "{\"Image\":\"busybox\",\"Entrypoint\":[\"echo\",\"it ran\"],$h}"
        echo "$h: $output"
        [[ $output == *'"message":"'* && $output == *400* ]]
    done
    run api_run '{"Image":"busybox","Cmd":["cat","/etc/passwd"],"HostConfig":{"MaskedPaths":["../../../../../../../etc"],"ReadonlyPaths":["/../../../.."]}}'
    [[ $output != *hostuser* ]]
    [ -n "$(ls /etc)" ]
    touch "$ENV_DIR/still-writable"
    canary_untouched
}

@test "the data root is 0710 and an unprivileged user reaches no layer, log or socket (CVE-2021-41091)" {
    [ "$(stat -c '%a %u' "$ENV_DIR/data")" = "710 0" ]
    image setuid exec:su:x
    hostile tar -o "$BATS_TEST_TMPDIR/open.tar" dir:.:777 dir:open:777 exec:open/program:x
    dory import "$BATS_TEST_TMPDIR/open.tar" open >/dev/null
    dory run -d --name sleeper -v keep:/v busybox sh -c 'echo logged; sleep 1000'
    local path
    while read -r path; do
        run runuser -u nobody -- stat "$path"
        [ "$status" -ne 0 ]
        [[ $output == *"Permission denied"* ]]
    done < <(find "$ENV_DIR/data" -mindepth 1 -maxdepth 3 | shuf -n 100; find "$ENV_DIR/data/overlay" -name program)
    while read -r path; do
        run runuser -u nobody -- sh -c "cat <'$path'"
        [ "$status" -ne 0 ]
    done < <(find "$ENV_DIR/run" -type f)
    while read -r path; do
        run runuser -u nobody -- curl -s --max-time 5 --unix-socket "$path" http://d/_ping
        [ "$status" -ne 0 ]
        [ $((0$(stat -c %a "$path") & 7)) -eq 0 ]
    done < <(find "$ENV_DIR" -type s)
    dory rm -f sleeper
}

@test "no abstract socket is ours, so a container with the host's network has nothing to talk to (CVE-2020-15257)" {
    dory run -d --name sleeper --network host busybox sleep 1000
    local inodes pid fd
    inodes=$(awk '$8 ~ /^@/ {print $7}' /proc/net/unix)
    for pid in $(env_daemon_pid) $(pgrep -x dory-shim); do
        for fd in "/proc/$pid/fd"/*; do
            fd=$(readlink "$fd") || continue
            [[ $fd == socket:* ]] || continue
            fd=${fd#socket:[}
            ! grep -qx "${fd%]}" <<<"$inodes" || false
        done
    done
    run dory run --rm --network host busybox cat /proc/net/unix
    [ "$status" -eq 0 ]
    ! grep '@.*dory' <<<"$output" || false
    dory rm -f sleeper
}

# ---- privileges and network ----

@test "inheritable capabilities are empty for root, for users and with privilege (CVE-2022-24769)" {
    for options in "-u 0" "-u 1000" "--privileged" "--privileged -u 1000" "--cap-add ALL -u 33"; do
        # shellcheck disable=SC2086
        run dory run --rm --network none $options busybox grep -E 'CapInh|CapAmb' /proc/self/status
        [ "$(awk '{print $2}' <<<"$output" | sort -u)" = 0000000000000000 ]
    done
}

@test "a neighbour's router advertisement gives a container no address and no route (CVE-2020-13401)" {
    dory run -d --name victim busybox sleep 1000
    dory run -d --name evil busybox sleep 1000
    run dory run --rm --network container:victim busybox sh -c 'cd /proc/sys/net/ipv6/conf/eth0; echo $(cat accept_ra disable_ipv6)'
    [[ $output == 0* || $output == *1 ]]
    # eth0 alone is without IPv6: loopback has it, and so have devices that are made later.
    run dory run --rm busybox sh -c 'cd /proc/sys/net/ipv6/conf; echo $(cat lo/disable_ipv6 default/disable_ipv6 eth0/disable_ipv6)'
    [ "$output" = "0 0 1" ]
    [ "$(cat "/proc/sys/net/ipv6/conf/$ENV_BRIDGE/accept_ra")" = 0 ]
    local pid
    pid=$(dory inspect -f '{{.State.Pid}}' evil)
    nsenter -t "$pid" -n sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0 || true
    nsenter -t "$pid" -n ip -6 addr add fe80::666/64 dev eth0 nodad 2>/dev/null || true
    nsenter -t "$pid" -n /usr/bin/python3 - <<'PY' || true
import socket, struct, time
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:666::")
advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
for _ in range(5):
    s.sendto(advertisement, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
    time.sleep(0.1)
PY
    run dory run --rm --network container:victim busybox sh -c 'ip -6 addr; ip -6 route'
    [[ $output != *2001:db8:666* && $output != *default* ]]
    ! ip -6 route show dev "$ENV_BRIDGE" | grep -E 'default|2001:db8:666' || false
    dory rm -f victim evil
}

@test "a port published on loopback is closed to other hosts" {
    local port ns=dory-sec-$$ family name
    port=$(free_port)
    dory run -d --name web -p "127.0.0.1:$port:80" busybox sh -c 'mkdir /w; echo hello >/w/index.html; httpd -f -p 80 -h /w'
    for _ in $(seq 50); do
        ! curl -sf --max-time 2 "http://127.0.0.1:$port/" || break || false
        sleep 0.1
    done
    curl -sf --max-time 2 "http://127.0.0.1:$port/"
    ip netns add "$ns"
    ip link add "drs$$" type veth peer name eth0 netns "$ns"
    ip addr add 10.214.77.1/24 dev "drs$$"
    ip link set "drs$$" up
    ip -n "$ns" addr add 10.214.77.2/24 dev eth0
    ip -n "$ns" link set eth0 up
    ip -n "$ns" route add default via 10.214.77.1
    ip -n "$ns" route add 127.0.0.1/32 via 10.214.77.1 2>/dev/null || true
    outside() {
        ip netns exec "$ns" curl -s --max-time 1 "$1"
    }
    ! outside "http://10.214.77.1:$port/" || false
    ! outside "http://$ENV_SUBNET.1:$port/" || false
    ! outside "http://$(dory inspect -f '{{.NetworkSettings.IPAddress}}' web)/" || false
    ip netns del "$ns"
    ip link del "drs$$" 2>/dev/null || true
    dory rm -f web
}
