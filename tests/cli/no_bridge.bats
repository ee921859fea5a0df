#!/usr/bin/env bats
# A daemon without the default bridge (bridge: none).

bats_require_minimum_version 1.5.0
load ../lib/env

NO_BRIDGE=(--bridge none --bip '')

setup_file() {
    env_start "${NO_BRIDGE[@]}"
    env_images busybox
}

teardown_file() {
    local name
    name=$(env_rules_name <"$ENV_DIR/doryd.log")
    env_stop
    [ -z "$name" ] || env_remove_rules "$name"
}

interfaces() { # of a container's ip command
    grep -c '^[0-9]*: [a-z0-9]*[@:]' || true
}

# The container answers by name; what there is to know is told when it does not for half a minute.
late_reaches_peer() {
    local i
    for ((i = 0; i < 10; i++)); do
        run dory exec late ping -c 1 -w 3 peer
        [ "$status" -ne 0 ] || return 0
        echo "$i: status $status: $output"
        sleep 0.5
    done
    dory exec late sh -c 'ip addr; ip route; ip neigh; cat /etc/resolv.conf; nslookup peer' || true
    dory exec peer sh -c 'ip addr; ip neigh' || true
    tail -n 20 "$ENV_DIR/doryd.log"
    return 1
}

@test "there is no network bridge, and a container that names none has the loopback interface alone" {
    run dory network ls --format '{{.Name}}'
    [ "$status" -eq 0 ]
    [ "${lines[*]}" = "host none" ]
    [ ! -e "/sys/class/net/$ENV_BRIDGE" ]
    run -1 dory network inspect bridge
    [[ $output == *"bridge not found"* || $output == *"No such network: bridge"* ]]
    for mode in default bridge none; do
        run dory run --rm --network "$mode" busybox ip link
        [ "$status" -eq 0 ]
        [ "$(interfaces <<<"$output")" = 1 ]
        [[ $output == *"lo:"*UP* ]]
    done
    dory run -d --name plain busybox sleep 1000
    [ "$(dory inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}{{.NetworkSettings.IPAddress}}' plain)" = "" ]
    run -1 dory network create bridge
    [[ $output == *"operation is not permitted on predefined bridge network"* ]]
    dory rm -f plain
}

@test "networks of users work as ever, also for a container that began without one, and over a restart" {
    dory network create mine
    dory run -d --name peer --network mine busybox sleep 1000
    dory run -d --name late busybox sleep 1000
    dory network connect mine late
    late_reaches_peer
    env_daemon_kill
    ENV_OPTIONS=("${NO_BRIDGE[@]}")
    env_daemon_start
    late_reaches_peer
    dory restart -t 0 late
    late_reaches_peer
    dory network disconnect mine late
    [ "$(dory exec late ip link | interfaces)" = 1 ]
    dory rm -f late peer
    dory network rm mine
}

@test "what needs the bridge is refused: ports, links, a bip" {
    [ "$ENV_ENGINE" = dory ] || skip "docker accepts them, and nothing is published"
    run -125 dory run -d -p 127.0.0.1::80 --name ports busybox sleep 1000
    [[ $output == *"published ports need a network: the daemon has no default bridge (bridge: none)"* ]]
    dory run -d --name target busybox sleep 1000
    run -125 dory run -d --link target:x busybox sleep 1000
    [[ $output == *"links need a network: the daemon has no default bridge"* ]]
    run -1 dory update --publish-add 127.0.0.1::80 target
    [[ $output == *"published ports need a network"* ]]
    run -1 dory network connect bridge target
    [[ $output == *"network bridge not found"* ]]
    [ "$(dory ps -a --format '{{.Names}}' | grep -vx 'late\|peer')" = target ]
    dory rm -f target
    run -1 doryd --validate --bridge none --bip 10.1.2.1/24 --config-file "$ENV_DIR/daemon.json"
    [[ $output == *"bip 10.1.2.1/24: there is no default bridge that could have it"* ]]
}

@test "a container of the bridge gets it back when the daemon has one again" {
    [ "$ENV_ENGINE" = dory ] || skip "the private dockerd's bridge is not made by the daemon"
    dory create --name returns busybox ip -o -4 addr show eth0
    run dory start -a returns
    [ "$status" -ne 0 ]
    ENV_OPTIONS=()
    env_daemon_kill TERM
    env_daemon_start
    run dory start -a returns
    [ "$status" -eq 0 ]
    [[ $output == *"$ENV_SUBNET."* ]]
    dory rm returns
}
