#!/usr/bin/env bats
# What docker does not have: volumes with mapped ids (idmap), volumes given to the container's user (U), and mounts added
# to a container that exists or runs.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

owner() {
    stat -c '%u:%g' "$ENV_DIR/data/volumes/$1"
}

@test "idmap exchanges the container's user with an id of the disk" {
    dory volume create mapped
    mkdir -p "$ENV_DIR/data/volumes/mapped/_data"
    touch "$ENV_DIR/data/volumes/mapped/_data/"{mine,roots,others}
    chown 1234:2345 "$ENV_DIR/data/volumes/mapped/_data/mine"
    chown 7:8 "$ENV_DIR/data/volumes/mapped/_data/others"
    run dory run --rm -v mapped:/d:idmap=1234:2345 busybox sh -c 'touch /d/new; stat -c "%n %u:%g" /d/mine /d/roots /d/others /d/new'
    [ "$output" = $'/d/mine 0:0\n/d/roots 1234:2345\n/d/others 7:8\n/d/new 0:0' ]
    [ "$(owner mapped/_data/new) $(owner mapped/_data/mine) $(owner mapped/_data/others)" = "1234:2345 1234:2345 7:8" ]
    # For another user of the container, and read-only.
    run dory run --rm -u 33:33 -v mapped:/d:ro,idmap=1234:2345 busybox sh -c 'stat -c "%u:%g" /d/mine; touch /d/x 2>/dev/null || echo readonly'
    [ "$output" = $'33:33\nreadonly' ]
    mkdir "$BATS_TEST_TMPDIR/dir"
    dory run --rm -v "$BATS_TEST_TMPDIR/dir:/d:idmap=500:600" busybox touch /d/file
    [ "$(stat -c '%u:%g' "$BATS_TEST_TMPDIR/dir/file")" = 500:600 ]
    [ "$(grep -c "$ENV_DIR/run/mounts" /proc/self/mountinfo || true)" = 0 ]
    for wrong in idmap= idmap=1 idmap=a:b idmap=-1:0 idmap=4294967295:0 idmap=1:2,idmap=1:2; do
        run dory create -v "mapped:/d:$wrong" busybox true
        [ "$status" -ne 0 ]
        [[ $output == *"invalid"* ]]
    done
    dory volume rm mapped
}

@test "U gives the volume to the container's user" {
    dory volume create given
    mkdir -p "$ENV_DIR/data/volumes/given/_data/deep"
    touch "$ENV_DIR/data/volumes/given/_data/deep/file"
    ln -s /etc/passwd "$ENV_DIR/data/volumes/given/_data/link"
    before=$(stat -c '%u:%g' /etc/passwd)
    dory run --rm -u 33:33 -v given:/d:U busybox sh -c 'echo more >>/d/deep/file'
    [ "$(owner given/_data) $(owner given/_data/deep/file) $(owner given/_data/link)" = "33:33 33:33 33:33" ]
    [ "$(stat -c '%u:%g' /etc/passwd)" = "$before" ]
    dory volume rm given
}

@test "a mount is added to a running container, and is there again after a restart" {
    mkdir "$BATS_TEST_TMPDIR/dir"
    echo bound >"$BATS_TEST_TMPDIR/dir/file"
    dory run -d --name live busybox sleep 1000
    dory update --mount-add "type=bind,src=$BATS_TEST_TMPDIR/dir,dst=/added/here,readonly" \
        --mount-add type=volume,src=livevol,dst=/vol --mount-add type=tmpfs,dst=/tmpfs,tmpfs-size=1m live
    check() {
        run dory exec live sh -c 'cat /added/here/file; touch /added/here/x 2>/dev/null || echo readonly; touch /vol/x /tmpfs/x && echo written; df -k /tmpfs | tail -1'
        [ "${lines[0]} ${lines[1]} ${lines[2]}" = "bound readonly written" ]
        [[ ${lines[3]} == *1024* ]]
        [ "$(dory inspect -f '{{len .Mounts}} {{len .HostConfig.Mounts}}' live)" = "3 3" ]
    }
    check
    # The volume is in use, the host has nothing more mounted, and the source's own mount is not touched.
    run dory volume rm livevol
    [[ $output == *"volume is in use"* ]]
    [ "$(grep -c "$BATS_TEST_TMPDIR" /proc/self/mountinfo || true)" = 0 ]
    dory restart -t 0 live
    check
    env_daemon_kill
    env_daemon_start
    dory restart -t 0 live
    check
    run dory update --mount-add type=volume,src=other,dst=/vol live
    [ "$status" -eq 1 ]
    [[ $output == *"Duplicate mount point: /vol"* ]]
    run dory update --mount-add type=bind,src=/nosuch,dst=/x live
    [ "$status" -eq 1 ]
    [[ $output == *"bind source path does not exist: /nosuch"* ]]
    [ "$(dory inspect -f '{{len .Mounts}} {{.HostConfig.Memory}}' live)" = "3 0" ]
    dory rm -f live
    dory volume rm livevol
}

@test "a mount's target is found inside the container's root, whatever links are there" {
    mkdir "$BATS_TEST_TMPDIR/source"
    touch "$BATS_TEST_TMPDIR/source/marker"
    dory run -d --name linked busybox sh -c 'ln -s /../../../../tmp /up; ln -s /proc/1/root/tmp /magic; sleep 1000'
    for i in $(seq 400); do dory exec linked test -L /magic && break || sleep 0.05; done
    dory update --mount-add "type=bind,src=$BATS_TEST_TMPDIR/source,dst=/up/target" linked
    [ "$(dory exec linked ls /tmp/target)" = marker ]
    [ ! -e /tmp/target ]
    run dory update --mount-add "type=bind,src=$BATS_TEST_TMPDIR/source,dst=/magic/target" linked
    [ ! -e /tmp/target ]
    dory rm -f linked
}

@test "a stopped container gets its new mount at the next start" {
    dory create --name later busybox sh -c 'echo there >/late/file; cat /late/file'
    dory update --mount-add type=volume,src=latevol,dst=/late later
    [ "$(dory start -a later)" = there ]
    [ "$(cat "$ENV_DIR/data/volumes/latevol/_data/file")" = there ]
    dory rm later
    dory volume rm latevol
}

@test "a refused mount on a stopped container leaves a volume alone that another one uses" {
    dory volume create -o type=tmpfs -o device=tmpfs shared
    dory run -d --name user -v shared:/d busybox sleep 1000
    dory create --name idle busybox true
    run dory update --mount-add type=volume,src=shared,dst=/a --mount-add type=volume,src=wrong,dst=/b,volume-opt=foo=bar idle
    [ "$status" -eq 1 ]
    [[ $output == *'invalid option: "foo"'* ]]
    [ "$(grep -c " $ENV_DIR/data/volumes/shared/_data " /proc/self/mountinfo)" = 1 ]
    [ "$(dory inspect -f '{{len .Mounts}}' idle)" = 0 ]
    dory rm -f user idle
    dory volume rm shared
}

@test "of mounts that a running container cannot have all of it gets none" {
    mkdir "$BATS_TEST_TMPDIR/dir"
    touch "$BATS_TEST_TMPDIR/file"
    dory run -d --name whole busybox sleep 1000
    first="type=bind,src=$BATS_TEST_TMPDIR/dir,dst=/refused/dir"
    run dory update --mount-add "$first" --mount-add "type=bind,src=$BATS_TEST_TMPDIR/file,dst=/refused/file" \
        --mount-add type=volume,src=refusedvol,dst=/refused/vol --mount-add type=tmpfs,dst=/etc/passwd/below whole
    [ "$status" -eq 1 ]
    [[ $output == *"/etc/passwd/below"* ]]
    [ "$(dory exec whole cat /proc/self/mountinfo | grep -c /refused || true)" = 0 ]
    [ -z "$(dory volume ls -q -f name=refusedvol)" ]
    [ "$(dory inspect -f '{{len .Mounts}}' whole)" = 0 ]
    [ "$(grep -c "$BATS_TEST_TMPDIR\|refusedvol" /proc/self/mountinfo || true)" = 0 ]
    dory update --mount-add "$first" whole
    [ "$(dory exec whole cat /proc/self/mountinfo | grep -c /refused)" = 1 ]
    dory rm -f whole
}

@test "the source of a bind is made for a running container, if that is asked for" {
    dory run -d --name maker busybox sleep 1000
    dory update --mount-add "type=bind,src=$BATS_TEST_TMPDIR/made/here,dst=/d,bind-create-src=true" maker
    dory exec maker touch /d/file
    [ -e "$BATS_TEST_TMPDIR/made/here/file" ]
    dory rm -f maker
}

@test "an image as a mount: all of it or a part, read-only, kept while the container is there" {
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 has none"
    mkdir -p "$BATS_TEST_TMPDIR/tree/part/deep"
    echo one >"$BATS_TEST_TMPDIR/tree/top"
    echo two >"$BATS_TEST_TMPDIR/tree/part/file"
    ln -s part/deep "$BATS_TEST_TMPDIR/tree/link"
    ln -s /etc "$BATS_TEST_TMPDIR/tree/outside"
    tar -C "$BATS_TEST_TMPDIR/tree" -c . | dory import - data:1
    dory create --name img --mount type=image,source=data:1,target=/all --mount type=image,src=data:1,dst=/some,image-subpath=part busybox \
        sh -c 'cat /all/top /some/file; ls -A /all; touch /all/new /some/new; sleep 1000'
    [ "$(dory inspect -f '{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}};{{end}}' img)" = "image data:1 /all false;image data:1 /some false;" ]
    [ "$(dory cp img:/all/top - | tar -xO)" = one ]
    dory rmi -f data:1
    dory start img
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(dory logs img 2>&1 | grep -c 'Read-only file system')" = 2 ] && break
        sleep 0.05
    done
    run -0 dory logs img
    [ "$(grep -v touch <<<"$output" | xargs)" = "one two link outside part top" ]
    [ "$(grep -c 'Read-only file system' <<<"$output")" = 2 ]
    env_daemon_kill
    env_daemon_start
    [ "$(dory exec img cat /some/file)" = two ]
    dory restart -t 0 img
    [ "$(dory exec img cat /some/file)" = two ]
    run -125 dory run --rm --mount type=image,src=data:1,dst=/x busybox true
    [[ $output == *"No such image: data:1"* ]]
    # The container's own --volumes-from view, and the last one takes the layers along.
    dory rm -f img
    for ((i = 0; i < 600; i++)); do
        [ "$(grep -rl '^two$' "$ENV_DIR/data/overlay" --include=file | wc -l)" = 0 ] && break
        sleep 0.05
    done
    [ "$(grep -rl '^two$' "$ENV_DIR/data/overlay" --include=file | wc -l)" = 0 ]
}

@test "image mounts that cannot be are refused" {
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 has none"
    for bad in outside missing; do
        mkdir -p "$BATS_TEST_TMPDIR/t"
        ln -sfn /nowhere "$BATS_TEST_TMPDIR/t/outside"
        tar -C "$BATS_TEST_TMPDIR/t" -c . | dory import - data:2
        run dory run --rm --mount "type=image,src=data:2,dst=/x,image-subpath=${bad}" busybox true
        [ "$status" -ne 0 ]
        case $bad in
            outside) [[ $output == *"escapes the base directory, base: data:2, subpath: outside"* ]] ;;
            missing) [[ $output == *"cannot access path missing of image data:2"* ]] ;;
        esac
    done
    run -125 dory run --rm --mount type=image,src=data:2,dst=/x,image-subpath=../etc busybox true
    [[ $output == *"subpath must be a relative path within the image"* ]]
    run -125 dory run --rm --mount type=volume,dst=/x,image-subpath=a busybox true
    [[ $output == *"cannot mix 'image-*' options with mount type 'volume'"* ]]
    run -125 dory run --rm --mount type=image,dst=/x busybox true
    [[ $output == *"field Source must not be empty"* ]]
    dory run -d --name grows busybox sleep 1000
    run -1 dory update --mount-add type=image,src=data:2,dst=/x grows
    [[ $output == *'a mount of type "image" cannot be added'* ]]
    dory rm -f grows
    dory rmi data:2
}
