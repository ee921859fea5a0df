#!/usr/bin/env bats
# Events: what is published, with which attributes, the history and the filters. ENV_ENGINE=docker agrees.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

# Everything until now that matches the filters, one line each.
history() { # format filter...
    local format=$1 filter arguments=()
    shift
    for filter in "$@"; do arguments+=(--filter "$filter"); done
    dory events --since 30m --until "$(date +%s.%N)" --format "$format" "${arguments[@]}"
}

@test "the life of a container, in order" {
    dory create --name life --label role=test busybox sleep 1000
    dory start life
    dory top life >/dev/null
    dory pause life
    dory unpause life
    dory rename life lived
    dory update -m 64m --memory-swap 128m lived
    curl -s --unix-socket "$ENV_DIR/dory.sock" -X POST "http://d/containers/lived/resize?h=10&w=20"
    dory restart -t 0 lived
    dory kill lived
    dory rm lived
    [ "$(history '{{.Action}}' type=container label=role=test | uniq | tr '\n' ' ')" = \
        "create start top pause unpause rename update resize kill die stop start restart kill die destroy " ]
    [ "$(history '{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}' event=rename label=role=test)" = "/life lived" ]
    [ "$(history '{{.Actor.Attributes.height}} {{.Actor.Attributes.width}}' event=resize label=role=test)" = "10 20" ]
    [ "$(history '{{.Actor.Attributes.exitCode}}' event=die label=role=test | head -1)" = 137 ]
    [ "$(history '{{.Actor.Attributes.execDuration}}' event=die label=role=test | grep -c '^[0-9][0-9]*$')" -eq 2 ]
    [ "$(history '{{.Actor.Attributes.signal}} {{.Actor.Attributes.image}}' event=kill label=role=test | tail -1)" = "9 busybox" ]
}

@test "volumes and networks of a container, and pruning" {
    dory volume create evol
    dory run --rm --name mounts -v evol:/d:ro busybox true
    dory volume rm evol
    [ "$(history '{{.Action}}' type=volume volume=evol | sort -u | tr '\n' ' ')" = "create destroy mount unmount " ]
    [ "$(history '{{.Actor.Attributes.destination}} {{index .Actor.Attributes "read/write"}} {{.Actor.Attributes.driver}}' volume=evol event=mount | tail -1)" = "/d false local" ]
    id=$(history '{{.ID}}' event=create container=mounts)
    [ "$(history '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}' type=network event=connect event=disconnect | tail -2 | tr '\n' ' ')" = "connect bridge bridge disconnect bridge bridge " ]
    [ "$(history '{{.Actor.Attributes.container}}' type=network event=connect | tail -1)" = "$id" ]
    dory container prune -f >/dev/null
    dory volume prune -f >/dev/null
    dory image prune -f >/dev/null
    [ "$(history '{{.Type}} {{.Actor.Attributes.reclaimed}}' event=prune | tail -3 | tr '\n' ' ')" = "container 0 volume 0 image 0 " ]
}

@test "filters select, since and until bound" {
    dory run --rm --name fone busybox true
    start=$(date +%s.%N)
    dory run --rm --name ftwo busybox true
    [ -n "$(history '{{.Action}}' container=fone event=die)" ]
    [ -z "$(history '{{.Action}}' container=fone event=pause)" ]
    [ "$(history '{{.Actor.Attributes.name}}' event=start container=fone container=ftwo | tr '\n' ' ')" = "fone ftwo " ]
    [ "$(dory events --since "$start" --until "$(date +%s.%N)" --filter event=create --filter type=container --format '{{.Actor.Attributes.name}}')" = ftwo ]
    [ -n "$(history '{{.Action}}' image=busybox event=create)" ]
    [ -z "$(history '{{.Action}}' image=nosuch)" ]
    run curl -s --unix-socket "$ENV_DIR/dory.sock" 'http://d/events?since=10&until=5'
    [[ $output == *'time (10) cannot be after `until` time (5)"}'* ]]
    [ "$ENV_ENGINE" = dory ] || return 0 # docker passes over filters that it does not know
    run curl -s --unix-socket "$ENV_DIR/dory.sock" 'http://d/events?since=1&until=2&filters=%7B%22nosuch%22%3A%5B%221%22%5D%7D'
    [[ $output == *"nvalid filter 'nosuch'"* ]]
}

@test "a subscriber hears of what happens after it came, and ends at until" {
    since=$(date +%s.%N) # before the background has begun
    dory events --since "$since" --filter container=heard --format '{{.Action}}' >"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
    pid=$!
    dory run --rm --name heard busybox true
    for ((i = 0; i < 600; i++)); do
        grep -q destroy "$BATS_TEST_TMPDIR/out" && break
        sleep 0.05
    done
    kill "$pid"
    wait "$pid" || true
    [ "$(grep -v '^attach$' "$BATS_TEST_TMPDIR/out" | tr '\n' ' ')" = "create start die destroy " ]
}
