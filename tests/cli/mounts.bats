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
