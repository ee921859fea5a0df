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
    run dory update -m 64m --mount-add type=tmpfs,dst=/y live
    [ "$status" -eq 1 ]
    [[ $output == *"MountsAdd cannot be combined with other changes in one update"* ]]
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
