#!/usr/bin/env bats
# The daemon's option fixed-cidr: the part of the default bridge's subnet that containers get their addresses from.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    env_daemon_kill TERM
    ENV_OPTIONS=(--fixed-cidr "$ENV_SUBNET.64/29")
    env_daemon_start
}

teardown_file() {
    env_stop
}

addresses() {
    # shellcheck disable=SC2046
    dory inspect -f '{{.NetworkSettings.IPAddress}}' $(dory ps -q) | sort -t. -k4n
}

@test "addresses of the default bridge come from the part that was given, all of them and no other" {
    [ "$ENV_ENGINE" = dory ] || skip "the private dockerd's bridge is not made by the daemon"
    [ "$(dory network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.IPRange}} {{.Gateway}}{{end}}' bridge)" = \
        "$ENV_SUBNET.0/24 $ENV_SUBNET.64/29 $ENV_SUBNET.1" ]
    for i in 1 2 3 4 5 6 7 8; do
        dory run -d --name "c$i" busybox sleep 1000 >/dev/null
    done
    [ "$(addresses)" = "$(printf "$ENV_SUBNET.%d\n" 64 65 66 67 68 69 70 71)" ]
    dory exec c8 ping -c1 -W5 "$ENV_SUBNET.1" >/dev/null
    run -125 dory run --rm busybox true
    [[ $output == *"no available IPv4 addresses"* ]]
    # One that is given back is given out again, after a kill of the daemon too.
    dory rm -f c3 >/dev/null
    env_daemon_kill
    ENV_OPTIONS=(--fixed-cidr "$ENV_SUBNET.64/29")
    env_daemon_start
    dory run -d --name c9 busybox sleep 1000 >/dev/null
    [ "$(addresses)" = "$(printf "$ENV_SUBNET.%d\n" 64 65 66 67 68 69 70 71)" ]
}

@test "a part of no subnet, or of another one, is refused by name" {
    [ "$ENV_ENGINE" = dory ] || skip "other words"
    run -1 doryd --validate --fixed-cidr 10.9.1.0/24 --config-file "$ENV_DIR/daemon.json"
    [[ $output == *"fixed-cidr 10.9.1.0/24: it needs bip, whose subnet it is a part of"* ]]
    run -1 doryd --validate --bip 10.8.1.1/24 --fixed-cidr 10.9.1.0/24 --config-file "$ENV_DIR/daemon.json"
    [[ $output == *"fixed-cidr 10.9.1.0/24: it is not part of bip's subnet 10.8.1.1/24"* ]]
    run -1 doryd --validate --bip 10.8.1.1/24 --fixed-cidr 10.8.0.0/16 --config-file "$ENV_DIR/daemon.json"
    [[ $output == *"fixed-cidr 10.8.0.0/16: it is not part of"* ]]
    run -1 doryd --validate --bridge none --fixed-cidr 10.9.1.0/24 --config-file "$ENV_DIR/daemon.json"
    [[ $output == *"fixed-cidr 10.9.1.0/24: there is no default bridge that could have it"* ]]
    run -0 doryd --validate --bip 10.8.1.1/24 --fixed-cidr 10.8.1.128/25 --config-file "$ENV_DIR/daemon.json"
}
