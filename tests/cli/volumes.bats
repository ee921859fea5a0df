#!/usr/bin/env bats
# Volumes: driver options, population, subpath, renaming, removal and pruning. ENV_ENGINE=docker runs what docker has.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory import -c 'CMD ["sh"]' -c 'ENV PATH=/bin' -c 'VOLUME /var/run' "$(busybox_tar)" withvolume:latest >/dev/null
}

teardown_file() {
    env_stop
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's own"
}

api() { # version path [curl option...]: status, then the body
    local version=$1 path=$2
    shift 2
    curl -s -w '\n%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' "$@" "http://d/v$version$path"
}

mounted() {
    grep -c " $ENV_DIR/data/volumes/$1/_data " /proc/self/mountinfo || true
}

@test "driver options are checked when the volume is made" {
    run dory volume create -o foo=bar x1
    [ "$status" -eq 1 ]
    [[ $output == *'create x1: invalid option: "foo"' ]]
    run dory volume create -o type=tmpfs x1
    [[ $output == *'create x1: missing required option: "device"' ]]
    run dory volume create -o device=tmpfs x1
    [[ $output == *'create x1: missing required option: "type"' ]]
    run dory volume create -o size=10m x1
    [[ $output == *'create x1: quota size requested but no quota support' ]]
    run dory volume create -d nosuch x1
    [[ $output == *'create x1: error looking up volume plugin nosuch: plugin "nosuch" not found' ]]
    [ -z "$(dory volume ls -q -f name=x1)" ]
}

@test "a tmpfs volume is mounted while containers use it" {
    dory volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=33,mode=700 tm
    [ "$(dory volume inspect -f '{{.Options.o}} {{.Options.type}} {{.Options.device}}' tm)" = "size=1m,uid=33,mode=700 tmpfs tmpfs" ]
    run dory run --rm -v tm:/d busybox sh -c 'stat -c "%u %a" /d; df -k /d | tail -1'
    [ "${lines[0]}" = "33 700" ]
    [[ ${lines[1]} == tmpfs*1024* ]]
    [ "$(mounted tm)" = 0 ]
    dory run -d --name tm1 -v tm:/d busybox sleep 1000
    dory run --rm -v tm:/d busybox sh -c 'echo shared >/d/file'
    [ "$(mounted tm)" = 1 ]
    [ "$(dory run --rm -v tm:/d busybox cat /d/file)" = shared ]
    [ "$(mounted tm)" = 1 ]
    if [ "$ENV_ENGINE" = dory ]; then # a daemon that died finds the mount again
        env_daemon_kill
        env_daemon_start
        [ "$(dory run --rm -v tm:/d busybox cat /d/file)" = shared ]
        [ "$(mounted tm)" = 1 ]
    fi
    dory rm -f tm1
    [ "$(mounted tm)" = 0 ]
    dory volume rm tm
}

@test "a bind volume shows its directory, and what cannot be mounted is told at the start" {
    mkdir "$BATS_TEST_TMPDIR/dir"
    echo bound >"$BATS_TEST_TMPDIR/dir/file"
    dory volume create -o type=none -o o=bind -o "device=$BATS_TEST_TMPDIR/dir" bi
    [ "$(dory run --rm -v bi:/d busybox cat /d/file)" = bound ]
    dory volume rm bi
    [ "$(cat "$BATS_TEST_TMPDIR/dir/file")" = bound ]
    dory volume create -o type=none -o o=bind,ro,noexec -o "device=$BATS_TEST_TMPDIR/dir" biro
    run dory run --rm -v biro:/d busybox sh -c 'touch /d/x 2>/dev/null || echo readonly; cut -d" " -f5,6 /proc/self/mountinfo | grep "^/d "'
    [ "${lines[0]}" = readonly ]
    [[ ${lines[1]} == "/d ro,"*noexec* ]]
    [ "$(mounted biro)" = 0 ]
    touch "$BATS_TEST_TMPDIR/dir/writable" # the directory's own mount has not changed
    dory volume rm biro
    dory volume create -o type=none -o o=bind -o device=/nosuch/dir bad
    run dory run --rm -v bad:/d busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"error while mounting volume '$ENV_DIR/data/volumes/bad/_data': failed to mount local volume: mount /nosuch/dir:$ENV_DIR/data/volumes/bad/_data, flags: 0x1000: "[Nn]"o such file or directory"* ]]
    dory volume rm bad
    run dory run --rm --mount type=volume,src=viamount,dst=/d,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=b busybox sh -c 'stat -f -c %T /d'
    [ "$output" = tmpfs ]
    [ "$(dory volume inspect -f '{{.Labels.a}}' viamount)" = b ]
    dory volume rm viamount
}

@test "a new volume starts with what the image has there, unless nocopy" {
    run dory run --rm -v pop:/etc busybox cat /etc/passwd
    [[ $output == *root:x:0* ]]
    [ -e "$ENV_DIR/data/volumes/pop/_data/passwd" ]
    dory run --rm -v nopop:/home/../etc:nocopy busybox true
    [ ! -e "$ENV_DIR/data/volumes/nopop/_data/passwd" ]
    dory run --rm --mount type=volume,src=nopop2,dst=/etc,volume-nocopy busybox true
    [ ! -e "$ENV_DIR/data/volumes/nopop2/_data/passwd" ]
    dory volume rm pop nopop nopop2
}

@test "a subpath of a volume is mounted, and never leads out of it" {
    ours
    dory volume create sub
    mkdir -p "$ENV_DIR/data/volumes/sub/_data/a/b"
    echo inside >"$ENV_DIR/data/volumes/sub/_data/a/b/file"
    ln -s /etc "$ENV_DIR/data/volumes/sub/_data/out"
    ln -s a "$ENV_DIR/data/volumes/sub/_data/link"
    [ "$(dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=a/b busybox cat /d/file)" = inside ]
    [ "$(dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=link/b/file busybox cat /d)" = inside ]
    run dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=out busybox ls /d
    [ "$status" -eq 125 ]
    [[ $output == *"path concatenation escapes the base directory, base: "*"/sub/_data, subpath: out"* ]]
    # Where a way of its own is inside, an absolute one is not taken for it either.
    mkdir "$ENV_DIR/data/volumes/sub/_data/etc"
    run -125 dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=out busybox ls /d
    [[ $output == *"escapes the base directory"* ]]
    dory create --name stopped --mount type=volume,src=sub,dst=/d,volume-subpath=out busybox true
    run ! dory cp stopped:/d/. "$BATS_TEST_TMPDIR/out"
    [[ $output == *"escapes the base directory"* ]]
    dory rm stopped
    mkdir "$ENV_DIR/data/volumes/sub/_data/a..b"
    dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=a..b busybox true
    dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=a/../link/b busybox test -e /d/file
    run dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=../x busybox true
    [[ $output == *"subpath must be a relative path within the volume"* ]]
    run dory run --rm --mount type=volume,src=sub,dst=/d,volume-subpath=nosuch busybox true
    [ "$status" -eq 125 ]
    # The place where the part was opened is gone again.
    [ -z "$(ls -A "$ENV_DIR/run/mounts")" ]
    [ "$(grep -c "$ENV_DIR/run/mounts" /proc/self/mountinfo || true)" = 0 ]
    dory volume rm sub
}

@test "an empty subpath is filled from the image, one with content or nocopy is not" {
    ours
    local data="$ENV_DIR/data/volumes/fill/_data"
    dory volume create fill
    mkdir -p "$data/empty" "$data/nocopy" "$data/full"
    touch "$data/full/own"
    ln -s /etc "$data/out"
    [[ $(dory run --rm --mount type=volume,src=fill,dst=/etc,volume-subpath=empty busybox cat /etc/passwd) == *root:x:0* ]]
    [ -e "$data/empty/passwd" ]
    [ ! -e "$data/passwd" ]
    dory run --rm --mount type=volume,src=fill,dst=/etc,volume-subpath=nocopy,volume-nocopy busybox true
    [ ! -e "$data/nocopy/passwd" ]
    dory run --rm --mount type=volume,src=fill,dst=/etc,volume-subpath=full busybox true
    [ ! -e "$data/full/passwd" ]
    # Missing: the container is made, and cannot start. Outside: it is not made, and nothing is written there.
    dory create --name later --mount type=volume,src=fill,dst=/etc,volume-subpath=later busybox cat /etc/mark
    run -1 dory start later
    [[ $output == *"cannot access path"* ]]
    mkdir "$data/later"
    echo mark >"$data/later/mark"
    [ "$(dory start -a later)" = mark ]
    run -1 dory create --name escapes --mount type=volume,src=fill,dst=/etc,volume-subpath=out busybox true
    [[ $output == *"escapes the base directory"* ]]
    run ! dory inspect escapes
    dory rm later
    dory volume rm fill
}

@test "renaming keeps the content, and is refused while a container uses the volume" {
    ours
    dory run --rm -v old:/d busybox sh -c 'echo kept >/d/file'
    dory volume rename old new
    [ "$(dory run --rm -v new:/d busybox cat /d/file)" = kept ]
    run dory volume inspect old
    [ "$status" -eq 1 ]
    dory create --name user -v new:/d busybox true
    run dory volume rename new newer
    [ "$status" -eq 1 ]
    [[ $output == *"rename new: volume is in use - ["* ]]
    dory rm user
    dory volume create taken
    run dory volume rename new taken
    [[ $output == *"a volume named taken exists already"* ]]
    run dory volume rename new 'bad name'
    [[ $output == *"includes invalid characters for a local volume name"* ]]
    run dory volume rename nosuch other
    [[ $output == *"o such volume"* ]]
    # A crash after the directory was renamed and before the row was: the next start completes it.
    env_daemon_kill
    /usr/bin/python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("INSERT INTO volume_rename VALUES(?, ?)", ("new", "newer"))
db.commit()' "$ENV_DIR/data/dory.db"
    mv "$ENV_DIR/data/volumes/new" "$ENV_DIR/data/volumes/newer"
    env_daemon_start
    [ "$(dory run --rm -v newer:/d busybox cat /d/file)" = kept ]
    [ -z "$(dory volume ls -q -f name=^new$)" ]
    dory volume rm newer taken
}

@test "a volume in use is not removed; force only forgives a missing one" {
    id=$(dory create -v inuse:/d busybox true)
    run dory volume rm inuse
    [ "$status" -eq 1 ]
    [[ $output == *"remove inuse: volume is in use - [$id]" ]]
    run dory volume rm -f inuse
    [ "$status" -eq 1 ]
    run api 1.41 /volumes/inuse -X DELETE
    [ "${lines[-1]}" = 409 ]
    dory rm "$id"
    dory volume rm inuse
    run dory volume rm inuse
    [ "$status" -eq 1 ]
    [[ $output == *"o such volume"* ]]
    dory volume rm -f inuse
}

@test "prune takes anonymous volumes, before API 1.42 and with all=1 named ones, too" {
    ours
    dory volume create named
    dory volume create --label keep=1 labelled
    dory create --name anon withvolume true
    anonymous=$(dory inspect -f '{{(index .Mounts 0).Name}}' anon)
    run api 1.47 /volumes/prune -X POST
    [ "${lines[0]}" = '{"VolumesDeleted":[],"SpaceReclaimed":0}' ]
    dory rm anon
    run api 1.47 /volumes/prune -X POST
    [ "${lines[0]}" = "{\"VolumesDeleted\":[\"$anonymous\"],\"SpaceReclaimed\":0}" ]
    run api 1.41 '/volumes/prune?filters=%7B%22label!%22%3A%5B%22keep%22%5D%7D' -X POST
    [ "${lines[0]}" = '{"VolumesDeleted":["named"],"SpaceReclaimed":0}' ]
    run api 1.47 '/volumes/prune?filters=%7B%22all%22%3A%5B%22perhaps%22%5D%7D' -X POST
    [ "${lines[-1]}" = 400 ]
    run api 1.47 '/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D' -X POST
    [ "${lines[0]}" = '{"VolumesDeleted":["labelled"],"SpaceReclaimed":0}' ]
    [ -z "$(dory volume ls -q)" ]
}

@test "list filters, and what an update is told" {
    dory volume create --label a=1 va
    dory volume create --label a=2 vb
    dory create --name holder -v va:/d busybox true
    [ "$(dory volume ls -q -f label=a=2)" = vb ]
    [ "$(dory volume ls -q -f dangling=true)" = vb ]
    [ "$(dory volume ls -q -f dangling=false)" = va ]
    [ "$(dory volume ls -q -f name=va -f name=vb | sort | tr '\n' ' ')" = "va vb " ]
    [ -z "$(dory volume ls -q -f driver=nosuch)" ]
    run dory volume ls -f nosuch=1
    [ "$status" -eq 1 ]
    dory rm holder
    if [ "$ENV_ENGINE" = dory ]; then
        run api 1.47 '/volumes/va?version=1' -X PUT -d '{}'
        [ "${lines[-1]}" = 503 ]
    fi
    dory volume rm va vb
}
