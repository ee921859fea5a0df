#!/usr/bin/env bats
# What daemon.json says of the default bridge: icc and userland-proxy.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    [ "$ENV_ENGINE" = dory ] || skip "the private dockerd's bridge is not made by the daemon"
    ENV_CONFIG='{"icc": false, "userland-proxy": false}' env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

address() {
    dory inspect -f '{{.NetworkSettings.IPAddress}}' "$1"
}

# A container's port of the bridge is cut off from the others or not.
cut_off() { # container
    local index
    index=$(dory exec "$1" cat /sys/class/net/eth0/iflink)
    for port in "/sys/class/net/$ENV_BRIDGE/brif"/*; do
        if [ "$(cat "$port/../ifindex" 2>/dev/null || cat "/sys/class/net/${port##*/}/ifindex")" = "$index" ]; then
            cat "$port/isolated"
            return
        fi
    done
    return 1
}

# A packet that waited for an answer to its ARP request while nobody could answer may still be lost.
reaches() { # container address
    local i
    for ((i = 0; i < 20; i++)); do
        if dory exec "$1" ping -c1 -W3 "$2" >/dev/null; then return; fi
    done
    return 1
}

@test "without icc containers of the default bridge reach the host, but not each other" {
    dory run -d --name web -p 80 busybox sh -c 'mkdir w; echo hello >w/x; exec httpd -f -h w -p 80' >/dev/null
    dory run -d --name app busybox sleep 1000 >/dev/null
    port=$(dory port web 80 | head -1 | sed 's/.*://')
    for ((i = 0; i < 1500; i++)); do
        if curl -sf "http://127.0.0.1:$port/x" >/dev/null; then break; fi
        sleep 0.02
    done
    dory exec app ping -c1 -W20 "$ENV_SUBNET.1" >/dev/null
    run ! dory exec app ping -c1 -W1 "$(address web)"
    [ "$(cut_off web)" = 1 ]
    # Networks of users have their own option for that.
    dory network create mine >/dev/null
    dory network connect mine web
    dory network connect mine app
    dory exec app ping -c1 -W20 web >/dev/null
    dory run -d --name far --network mine busybox sleep 1000 >/dev/null
    [ "$(dory exec far timeout 20 wget -q -O - "http://$ENV_SUBNET.1:$port/x")" = hello ]
    # A daemon with icc lets those that ran on reach each other, and the other way round.
    env_daemon_kill
    echo '{}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    [ "$(cut_off web)" = 0 ]
    reaches app "$(address web)"
    env_daemon_kill
    echo '{"icc": false}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    run ! dory exec app ping -c1 -W1 "$(address web)"
    dory rm -f web app far >/dev/null
    dory network rm mine >/dev/null
}

@test "a proxy for published ports may be asked for: there is none, and the log says so" {
    run -0 doryd --validate --config-file <(echo '{"userland-proxy": true}')
    run -0 doryd --validate --userland-proxy=false --config-file <(echo '{}')
    run ! grep -q 'there is no proxy' "$ENV_DIR/doryd.log"
    env_daemon_kill
    echo '{"userland-proxy": true}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    grep -q 'userland-proxy: there is no proxy: published ports are rules' "$ENV_DIR/doryd.log"
}
