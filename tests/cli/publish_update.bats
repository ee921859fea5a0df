#!/usr/bin/env bats
# update --publish-add and --publish-rm: published ports of a container that exists, or runs.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

answer() { # port
    curl -s --max-time 20 "http://127.0.0.1:$1/"
}

wait_for() { # seconds, command...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

@test "a running container's port is published, taken back, and kept over restarts" {
    dory run -d --name web busybox sh -c 'mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www'
    port=$(free_port)
    dory update --publish-add "127.0.0.1:$port:80" web
    serves() { [ "$(answer "$1")" = hello ]; }
    wait_for 30 serves "$port"
    [ "$(dory port web 80)" = "127.0.0.1:$port" ]
    [ "$(dory inspect -f '{{(index (index .HostConfig.PortBindings "80/tcp") 0).HostPort}}' web)" = "$port" ]
    second=$(free_port)
    dory update --publish-add "127.0.0.1:$second:80" web
    serves "$second"
    serves "$port"
    dory restart -t 0 web
    wait_for 30 serves "$second"
    serves "$port"
    env_daemon_kill
    env_daemon_start
    serves "$port"
    dory update --publish-rm 80 web
    run curl -s --max-time 20 "http://127.0.0.1:$port/"
    [ "$status" -ne 0 ]
    [ -z "$(dory port web)" ]
    [ "$(dory inspect -f '{{len .HostConfig.PortBindings}}' web)" = 0 ]
    # The port is free for others.
    dory run -d --name other -p "127.0.0.1:$port:80" busybox sleep 1000
    run dory update --publish-add "127.0.0.1:$port:80" web
    [ "$status" -eq 1 ]
    [[ $output == *"Cannot update container"*"port is already allocated"* ]]
    [ "$(dory inspect -f '{{len .HostConfig.PortBindings}}' web)" = 0 ]
    run dory update --publish-rm 99 web
    [ "$status" -eq 1 ]
    [[ $output == *"port 99/tcp is not published"* ]]
    dory rm -f web other
}

@test "a stopped container publishes at its next start; without a network there is nothing to publish" {
    port=$(free_port)
    dory create --name still busybox sh -c 'exec httpd -f -p 80 -h /etc'
    dory update --publish-add "127.0.0.1:$port:80" still
    dory start still
    served() { [[ $(answer "$port/passwd") == *root* || $(curl -s --max-time 20 "http://127.0.0.1:$port/passwd") == *root* ]]; }
    wait_for 30 served
    dory rm -f still
    dory create --name alone --network none busybox true
    run dory update --publish-add "127.0.0.1:$port:80" alone
    [ "$status" -eq 1 ]
    [[ $output == *"publishes no ports"* ]]
    dory rm alone
}
