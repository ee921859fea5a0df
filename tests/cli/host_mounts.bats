#!/usr/bin/env bats
# Binds that have the host's root or the data root in them, and binds whose mounts go both ways.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    mkdir "$ENV_DIR/both"
    mount -t tmpfs both "$ENV_DIR/both"
    mount --make-shared "$ENV_DIR/both"
    mkdir "$ENV_DIR/both/sub"
}

teardown_file() {
    umount -R "$ENV_DIR/both"
    env_stop
}

propagation() {
    dory inspect -f '{{(index .Mounts 0).Propagation}}' "$1"
}

@test "the host's root in a container is the host's" {
    echo yes >"$ENV_DIR/here"
    [ "$(dory run --rm -v /:/host busybox cat "/host$ENV_DIR/here")" = yes ]
    [ "$(dory run --rm --mount type=bind,src=/,dst=/host,readonly busybox cat "/host$ENV_DIR/here")" = yes ]
    run dory run --rm -v /:/host:ro busybox touch "/host$ENV_DIR/there"
    [ "$status" -ne 0 ]
    [[ $output == *"Read-only file system"* ]]
}

@test "a source behind a link that goes up by way of the root" {
    ln -s "$(realpath --relative-to="$ENV_DIR" /)$ENV_DIR/both" "$ENV_DIR/upwards"
    touch "$ENV_DIR/both/file"
    [ "$(dory run --rm -v "$ENV_DIR/upwards:/m" busybox ls /m)" = $'file\nsub' ]
}

@test "binds with the data root in them follow the host's mounts, unless they are to do something else" {
    local data
    data=$(dory info -f '{{.DockerRootDir}}')
    for source in / "$ENV_DIR" "$data" "$data/tmp"; do
        dory create --name follows -v "$source:/m" busybox
        [ "$(propagation follows)" = rslave ]
        dory rm follows
        dory create --name follows --mount "type=bind,src=$source,dst=/m" busybox
        [ "$(propagation follows)" = rslave ]
        dory rm follows
    done
    for source in /usr "$data-not"; do
        dory create --name apart -v "$source:/m" busybox
        [ "$(propagation apart)" = rprivate ]
        dory rm apart
    done
    if [ "$ENV_ENGINE" = dory ]; then # docker refuses it
        dory create --name apart -v "$ENV_DIR:/m:rprivate" busybox
        [ "$(propagation apart)" = rprivate ]
        dory rm apart
    fi
}

@test "what a container mounts in a shared bind is on the host; what the host unmounts is gone from a slave" {
    dory run --rm --privileged --mount "type=bind,src=$ENV_DIR/both,dst=/m,bind-propagation=rshared" busybox \
        mount -t tmpfs inside /m/sub
    grep " $ENV_DIR/both/sub .* inside " /proc/self/mountinfo
    dory run -d --name slave -v "$ENV_DIR/both:/m:rslave" busybox sleep 1000
    dory exec slave grep -q " /m/sub " /proc/self/mountinfo
    umount "$ENV_DIR/both/sub"
    run -1 dory exec slave grep " /m/sub " /proc/self/mountinfo
    mount -t tmpfs late "$ENV_DIR/both/sub"
    dory exec slave grep " /m/sub " /proc/self/mountinfo
    umount "$ENV_DIR/both/sub"
    dory rm -f slave
}
