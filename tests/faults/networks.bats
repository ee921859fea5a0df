#!/usr/bin/env bats
# Networks while the daemon is killed with -9, and while everything happens at once: nothing is left over.

bats_require_minimum_version 1.5.0
load ../lib/env
load leaks

setup_file() {
    env_start
    env_images busybox
    export RANGE=${ENV_SUBNET/10.213/10.221}
}

teardown_file() {
    env_stop
}

# Interfaces of the host with an address in our range.
bridges() {
    ip -o -4 addr show | grep -cF " $RANGE." || true
}

# One round of what users do with network number $1.
use_network() {
    dory network create --subnet "$RANGE.$(($1 * 16))/28" "net$1"
    dory run -d --name "one$1" --network "net$1" busybox sleep 1000
    dory run -d --name "two$1" busybox sleep 1000
    dory network connect "net$1" "two$1"
    dory exec "two$1" nslookup "one$1"
    dory network disconnect bridge "two$1"
    dory network disconnect "net$1" "two$1"
    dory rm -f "one$1" "two$1"
    dory network rm "net$1"
}

clean_up() {
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
    dory network prune -f >/dev/null
}

@test "killed at random while networks come and go, it leaves nothing of them" {
    # A first use starts what is started once.
    use_network 1 >/dev/null
    before=$(leak_snapshot)
    rm -f "$BATS_TEST_TMPDIR/stop"
    workers=()
    for w in 1 2 3; do
        while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do use_network $w; done >/dev/null 2>&1 3>&- &
        workers+=($!)
    done
    for ((i = 0; i < 8; i++)); do
        sleep "0.$((RANDOM % 40 + 20))" # moments to be killed at; nothing is expected of them
        env_daemon_kill KILL
        env_daemon_start
    done
    touch "$BATS_TEST_TMPDIR/stop"
    for w in "${workers[@]}"; do wait "$w" || true; done
    # Every container that runs has the interfaces that it is said to have, with those addresses.
    wrong=0
    for id in $(dory ps -q); do
        said=$(dory inspect -f '{{range .NetworkSettings.Networks}}{{if .IPAddress}}{{.IPAddress}}/{{.IPPrefixLen}} {{end}}{{end}}' "$id" | xargs -n1 | sort)
        has=$(dory exec "$id" ip -o -4 addr show | awk '$2 != "lo" { print $4 }' | sort)
        [ "$said" = "$has" ] || { wrong=1; echo "container $id: said $said, has $has"; }
    done
    [ $wrong -eq 0 ]
    clean_up
    [ "$(dory network ls -q -f type=custom | wc -l)" -eq 0 ]
    [ "$(bridges)" -eq 0 ]
    [ "$(nft list set ip "dory-$ENV_BRIDGE" bridges | grep -c br-)" -eq 0 ]
    run leak_compare "$before"
    echo "$output"
    [ "$status" -eq 0 ]
    use_network 1
}

@test "connecting, disconnecting, stopping and removing at once" {
    before=$(leak_snapshot)
    for n in 1 2 3; do dory network create --subnet "$RANGE.$((n * 16))/28" "net$n" >/dev/null; done
    for c in 1 2 3 4; do dory run -d --name "box$c" --network net1 busybox sleep 1000 >/dev/null; done
    workers=()
    for c in 1 2 3 4; do
        for n in 2 3; do
            for ((i = 0; i < 8; i++)); do
                dory network connect "net$n" "box$c"
                dory network disconnect "net$n" "box$c"
            done >/dev/null 2>&1 3>&- &
            workers+=($!)
        done
        { dory restart -t 0 "box$c"; dory network rm net3; dory network create --subnet "$RANGE.48/28" net3; } >/dev/null 2>&1 3>&- &
        workers+=($!)
    done
    for w in "${workers[@]}"; do wait "$w" || true; done
    for c in 1 2 3 4; do
        said=$(dory inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "box$c" | xargs -n1 | sort | xargs)
        has=$(dory exec "box$c" ip -o -4 addr show | awk '$2 != "lo" { sub("/.*", "", $4); print $4 }' | sort | xargs)
        [ "$said" = "$has" ] || { echo "box$c: said $said, has $has"; false; }
        dory exec "box$c" ping -c1 -W10 "$(dory inspect -f '{{.NetworkSettings.Networks.net1.IPAddress}}' box1)" >/dev/null
    done
    clean_up
    [ "$(bridges)" -eq 0 ]
    run leak_compare "$before"
    echo "$output"
    [ "$status" -eq 0 ]
}
