#!/usr/bin/env bats
# The prune commands: their questions, filters and answers, in docker 28's words.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

asks() { # "text" command...: nothing is done without a yes
    local text=$1
    shift
    run bash -c 'echo n | "$@"' sh "$ENV_CLI" "$@"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$output" = "$text" ]
}

@test "each one says what it will remove, and does nothing without a yes" {
    dory create --name kept busybox true >/dev/null
    yes_no=$'\nAre you sure you want to continue? [y/N] '
    asks "WARNING! This will remove all stopped containers.$yes_no" container prune
    asks "WARNING! This will remove all dangling images.$yes_no" image prune
    asks "WARNING! This will remove all images without at least one container associated to them.$yes_no" image prune -a
    asks "WARNING! This will remove anonymous local volumes not used by at least one container.$yes_no" volume prune
    asks "WARNING! This will remove all local volumes not used by at least one container.$yes_no" volume prune -a
    asks "WARNING! This will remove all custom networks not used by at least one container.$yes_no" network prune
    asks $'WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n  - all dangling images\n  - unused build cache\n'"$yes_no" system prune
    asks $'WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n  - all anonymous volumes not used by at least one container\n  - all images without at least one container associated to them\n  - all build cache\n'"$yes_no" system prune -a --volumes
    dory inspect kept >/dev/null
    dory rm kept >/dev/null
}

@test "container prune lists what it removed" {
    id=$(dory create --name gone busybox true)
    run bash -c 'echo y | "$@"' sh "$ENV_CLI" container prune
    [ "$status" -eq 0 ]
    [[ $output == *$'Deleted Containers:\n'"$id"$'\n\nTotal reclaimed space: 0B' ]]
    [ "$(dory container prune -f)" = "Total reclaimed space: 0B" ]
}

@test "filters choose, and filters that are none are refused" {
    dory create --name labelled -l keep=yes busybox true >/dev/null
    id=$(dory create --name plain busybox true)
    [ "$(dory container prune -f --filter 'label!=keep')" = $'Deleted Containers:\n'"$id"$'\n\nTotal reclaimed space: 0B' ]
    dory inspect labelled >/dev/null
    run --separate-stderr dory container prune -f --filter foo=bar
    [ "$status" -eq 1 ]
    [[ $stderr == *"invalid filter 'foo'"* ]]
    [ "$(dory container prune -f --filter until=1h)" = "Total reclaimed space: 0B" ]
    dory rm labelled >/dev/null
    dory create --name bystander busybox true >/dev/null
    run --separate-stderr dory system prune -f --filter foo=bar
    [ "$status" -eq 1 ]
    [[ $stderr == *"invalid filter 'foo'"* ]]
    dory rm bystander >/dev/null
    run --separate-stderr dory system prune -f --volumes --filter until=1h
    [ "$status" -eq 1 ]
    [ "$stderr" = 'ERROR: The "until" filter is not supported with "--volumes"' ]
    run --separate-stderr dory volume prune -f -a --filter all=1
    [ "$status" -eq 1 ]
    [ "$stderr" = 'conflicting options: cannot specify both --all and --filter all=1' ]
}

@test "config.json's pruneFilters are used too" {
    mkdir "$BATS_TEST_TMPDIR/config"
    echo '{"pruneFilters":["label!=keep"]}' >"$BATS_TEST_TMPDIR/config/config.json"
    dory create --name labelled -l keep=yes busybox true >/dev/null
    [ "$(DOCKER_CONFIG=$BATS_TEST_TMPDIR/config dory container prune -f)" = "Total reclaimed space: 0B" ]
    dory rm labelled >/dev/null
}

@test "system prune removes containers, volumes and images as asked" {
    dory tag busybox other:1
    id=$(dory create --name gone -v /data busybox true)
    dory volume create named >/dev/null
    volume=$(dory inspect -f '{{(index .Mounts 0).Name}}' gone)
    run --separate-stderr dory system prune -f --volumes
    [ "$status" -eq 0 ]
    [[ $output == *$'Deleted Containers:\n'"$id"* ]]
    [[ $output == *$'Deleted Volumes:\n'"$volume"* ]]
    [ "$(tail -1 <<<"$output" | cut -d: -f1)" = "Total reclaimed space" ]
    dory volume inspect named >/dev/null
    dory inspect other:1 >/dev/null
    run dory system prune -f -a
    [[ $output == *$'Deleted Images:\n'*'untagged: other:1'* ]]
    [ -z "$(dory images -q)" ]
    run dory volume prune -f -a
    [[ $output == *named* ]]
}
