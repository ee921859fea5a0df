#!/usr/bin/env bats
# --link on the default bridge, and --volumes-from.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory run -d --name target -e FOO=bar -e LONG_ONE='a b=c' -h thost --expose 90/udp --expose 80 --expose 100-102 busybox sleep 1000
}

teardown_file() {
    env_stop
}

address() {
    dory inspect -f '{{.NetworkSettings.IPAddress}}' "$1"
}

@test "a link gives variables for ports, ranges, name and environment" {
    ip=$(address target)
    run dory run --rm --name linker --link target:al-ias busybox env
    [ "$status" -eq 0 ]
    for line in "AL_IAS_PORT=tcp://$ip:80" "AL_IAS_PORT_80_TCP=tcp://$ip:80" "AL_IAS_PORT_80_TCP_ADDR=$ip" \
        "AL_IAS_PORT_80_TCP_PORT=80" "AL_IAS_PORT_80_TCP_PROTO=tcp" "AL_IAS_PORT_90_UDP=udp://$ip:90" \
        "AL_IAS_PORT_100_TCP_START=tcp://$ip:100" "AL_IAS_PORT_100_TCP_END=tcp://$ip:102" \
        "AL_IAS_PORT_100_TCP_PORT_START=100" "AL_IAS_PORT_100_TCP_PORT_END=102" "AL_IAS_PORT_102_TCP=tcp://$ip:102" \
        "AL_IAS_NAME=/linker/al-ias" "AL_IAS_ENV_FOO=bar" "AL_IAS_ENV_LONG_ONE=a b=c"; do
        grep -qxF "$line" <<<"$output" || { echo "missing: $line in $output"; false; }
    done
    [[ $output != *AL_IAS_ENV_PATH* ]]
}

@test "a link gives names in the hosts file, which follow the linked container to a new address" {
    [ "$(dory run --rm --link target:db busybox grep thost /etc/hosts)" = "$(address target)	db thost target" ]
    [ "$(dory run --rm --link target busybox grep thost /etc/hosts)" = "$(address target)	target thost" ]
    dory run -d --name mover busybox sleep 1000
    dory run -d --name follower --link mover:m busybox sleep 1000
    dory stop -t 0 mover
    dory run -d --name taker busybox sleep 1000
    dory start mover
    run cat "$(dory inspect -f '{{.HostsPath}}' follower)"
    [[ $output == *"$(address mover)	m "* ]]
    [ "$(grep -c '	m ' <<<"$output")" = 1 ]
    [ "$(dory inspect -f '{{json .HostConfig.Links}}' follower)" = '["/mover:/follower/m"]' ]
    dory rename mover moved
    [ "$(dory inspect -f '{{json .HostConfig.Links}}' follower)" = '["/moved:/follower/m"]' ]
    dory rm -f moved follower taker
}

@test "an alias may have slashes: the last part is the name inside, all of it the link's" {
    ip=$(address target)
    dory create --name slashed --link target:app/db busybox sh -c 'env; grep thost /etc/hosts'
    [ "$(dory inspect -f '{{json .HostConfig.Links}}' slashed)" = '["/target:/slashed/app/db"]' ]
    [ "$(dory ps -a --no-trunc --filter name=target --format '{{.Names}}')" = target,slashed/app/db ]
    run -0 dory start -a slashed
    for line in "DB_NAME=/slashed/app/db" "DB_PORT=tcp://$ip:80" "DB_ENV_FOO=bar" "$ip	db thost target"; do
        grep -qxF "$line" <<<"$output" || { echo "missing: $line in $output"; false; }
    done
    # As inspect shows it, it may be given to another.
    dory create --name again --link /target:/slashed/app/db busybox true
    [ "$(dory inspect -f '{{json .HostConfig.Links}}' again)" = '["/target:/again/db"]' ]
    run -1 dory create --link target:app/ busybox true
    [[ $output == *"bad format for links: target:app/"* ]]
    dory rm slashed again
}

@test "what cannot be linked is refused" {
    run dory create --link nosuch busybox true
    [ "$status" -eq 1 ] || [ "$status" -eq 125 ]
    [[ $output == *"could not get container for nosuch: No such container: nosuch"* ]]
    dory create --name still busybox true
    dory create --name waiting --link still:s busybox true
    run dory start waiting
    [ "$status" -eq 1 ]
    [[ $output == *"Cannot link to a non running container: /still AS /waiting/s"* ]]
    run dory create --link target --network host busybox true
    [[ $output == *"links"* ]]
    [ "$status" -ne 0 ]
    dory rm waiting still
}

@test "--volumes-from mounts the same volumes and binds, read-only where asked" {
    mkdir "$BATS_TEST_TMPDIR/dir"
    echo bound >"$BATS_TEST_TMPDIR/dir/file"
    dory create --name owner -v /anonymous -v named:/named -v "$BATS_TEST_TMPDIR/dir:/bound:ro" busybox true
    dory run --rm --volumes-from owner busybox sh -c 'echo a >/anonymous/x; echo n >/named/x; cat /bound/file'
    run dory run --rm --volumes-from owner:ro busybox sh -c 'cat /anonymous/x /named/x; touch /named/y 2>/dev/null || echo readonly'
    [ "$output" = $'a\nn\nreadonly' ]
    run dory run --rm --volumes-from owner:rw busybox sh -c 'touch /bound/y 2>/dev/null || echo readonly'
    [[ $output == *readonly ]]
    # What the borrower mounts itself comes first; a borrower can be borrowed from.
    [ "$(dory run --rm --volumes-from owner -v own:/named busybox ls /named)" = "" ]
    dory create --name borrower --volumes-from owner busybox true
    [ "$(dory run --rm --volumes-from borrower busybox cat /named/x)" = n ]
    [ "$(dory inspect -f '{{.HostConfig.VolumesFrom}} {{len .Mounts}}' borrower)" = "[owner] 3" ]
    # Removing the owner with its volumes leaves what the borrower still has.
    dory rm -v owner
    [ "$(dory run --rm --volumes-from borrower busybox cat /anonymous/x)" = a ]
    run dory create --volumes-from nosuch busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"No such container: nosuch"* ]]
    run dory create --volumes-from borrower:xx busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"invalid mode: xx"* ]]
    dory rm -v borrower
    dory volume rm named own
}

@test "rm --link takes a link away and nothing else, also from the hosts file of a container that runs" {
    dory run -d --name unlinks --link target:one --link target:two busybox sleep 1000
    dory ps --no-trunc --filter name=target --format '{{.Names}}' | grep -q unlinks/one
    dory rm --link unlinks/one
    [ "$(dory inspect -f '{{.HostConfig.Links}}' unlinks)" = "[/target:/unlinks/two]" ]
    run -1 dory exec unlinks grep -w one /etc/hosts
    dory exec unlinks grep -qw two /etc/hosts
    run -0 dory ps --no-trunc --filter name=target --format '{{.Names}}'
    [[ $output != *unlinks/one* && $output == *unlinks/two* ]]
    run -1 dory rm --link unlinks/one
    [[ $output == *"No such container: "*unlinks/one* || $output == *"No such container: "*/one* ]]
    run -1 dory rm --link unlinks
    [[ $output == *"cannot remove the default link name of the container"* ]]
    dory restart -t 0 unlinks
    [ "$(dory exec unlinks sh -c 'env | grep -c ^ONE_' || true)" = 0 ]
    # As docker-py asks, and over a restart of the daemon.
    curl -sf -X DELETE --unix-socket "$ENV_DIR/dory.sock" "http://d/containers/unlinks/two?link=True&v=False"
    if [ "$ENV_ENGINE" = dory ]; then
        env_daemon_kill
        env_daemon_start
    fi
    [ "$(dory inspect -f '{{.HostConfig.Links}}' unlinks)" = "[]" ]
    dory start target
    dory rm -f unlinks
}
