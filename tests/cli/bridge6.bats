#!/usr/bin/env bats
# IPv6 on the default bridge: the daemon's options ipv6, bip6, fixed-cidr-v6, default-gateway-v6 and ip6tables; and
# default-gateway beside them.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    [ -e /proc/sys/net/ipv6 ] || skip "the kernel has no IPv6"
    env_start --ipv6
    env_images busybox
}

teardown_file() {
    env_stop
}

setup() {
    [ "$ENV_ENGINE" = dory ] || skip "the private dockerd's bridge is not made by the daemon"
}

teardown() {
    # shellcheck disable=SC2046
    dory rm -f $(dory ps -aq) >/dev/null 2>&1 || true
}

# The daemon again, with other options; the containers go on.
restart() {
    env_daemon_kill
    ENV_OPTIONS=("$@")
    env_daemon_start
}

serve() { # name option...
    local name=$1
    shift
    dory run -d --name "$name" "$@" busybox sh -c 'mkdir w; echo hello >w/x; exec httpd -f -h w -p [::]:80' >/dev/null
    for _ in $(seq 600); do
        dory exec "$name" wget -qO /dev/null "http://[::1]/x" 2>/dev/null && return
        sleep 0.05
    done
    return 1
}

address6() {
    dory inspect -f '{{.NetworkSettings.GlobalIPv6Address}}' "$1"
}

gateway6() {
    dory network inspect -f '{{(index .IPAM.Config 1).Gateway}}' bridge
}

route6() { # container: where its default route leads
    dory exec "$1" ip -6 route | sed -n 's/^default via \([^ ]*\) .*/\1/p'
}

@test "with ipv6 the default bridge has a unique local subnet, and its containers two addresses and ports of both families" {
    [ "$(dory network inspect -f '{{.EnableIPv6}}' bridge)" = true ]
    [[ $(dory network inspect -f '{{(index .IPAM.Config 1).Subnet}}' bridge) == fd*::/64 ]]
    serve aa -p 80
    dory run -d --name bb busybox sleep 1000 >/dev/null
    [ "$(address6 aa)" != "$(address6 bb)" ]
    [ "$(dory exec bb ip -6 -o addr show eth0 scope global | awk '{ print $4 }')" = "$(address6 bb)/64" ]
    [ "$(dory inspect -f '{{.NetworkSettings.IPv6Gateway}}' bb)" = "$(gateway6)" ]
    [ "$(route6 bb)" = "$(gateway6)" ]
    dory exec bb grep -q "^$(address6 bb)" /etc/hosts
    [ "$(dory exec bb timeout 20 wget -qO- "http://[$(address6 aa)]/x")" = hello ]
    port=$(dory inspect -f '{{(index .NetworkSettings.Ports "80/tcp" 0).HostPort}}' aa)
    [ "$(dory port aa | xargs)" = "80/tcp -> 0.0.0.0:$port 80/tcp -> [::]:$port" ]
    [ "$(curl -gsf -m 20 "http://[$(gateway6)]:$port/x")" = hello ]
    [ "$(dory exec bb timeout 20 wget -qO- "http://[$(gateway6)]:$port/x")" = hello ]
    [ "$(dory exec bb cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" = 0 ]
    # Networks of users have others, and reach it by what is published.
    dory network create --ipv6 six >/dev/null
    dory run -d --name far --network six busybox sleep 1000 >/dev/null
    [ "$(dory exec far timeout 20 wget -qO- "http://[$(gateway6)]:$port/x")" = hello ]
    run ! dory exec far timeout 1 wget -qO- "http://[$(address6 aa)]/x"
    dory rm -f far >/dev/null
    dory network rm six >/dev/null
}

@test "addresses stay when the daemon comes again, and containers go on when IPv6 is taken away" {
    serve aa -p 80
    dory run -d --name bb busybox sleep 1000 >/dev/null
    before=$(address6 aa) router=$(gateway6)
    port=$(dory inspect -f '{{(index .NetworkSettings.Ports "80/tcp" 0).HostPort}}' aa)
    restart --ipv6
    [ "$(address6 aa)" = "$before" ]
    [ "$(gateway6)" = "$router" ]
    [ "$(curl -gsf -m 20 "http://[$router]:$port/x")" = hello ]
    dory run -d --name cc busybox sleep 1000 >/dev/null
    for other in aa bb; do
        [ "$(address6 cc)" != "$(address6 $other)" ]
    done
    restart
    [ "$(curl -sf -m 20 "http://127.0.0.1:$port/x")" = hello ]
    [ "$(dory network inspect -f '{{.EnableIPv6}}' bridge)" = false ]
    run ! nft list table ip6 "dory-$ENV_BRIDGE"
    dory run --rm busybox sh -c '! ip -6 addr show dev eth0 | grep inet6'
    restart --ipv6
    [ "$(gateway6)" = "$router" ]
}

@test "bip6 is the bridge's address, and fixed-cidr-v6 the part that addresses come from" {
    restart --ipv6 --bip6 fd13:77::9/64 --fixed-cidr-v6 fd13:77::a0/126
    [ "$(dory network inspect -f '{{with index .IPAM.Config 1}}{{.Subnet}} {{.IPRange}} {{.Gateway}}{{end}}' bridge)" = \
        "fd13:77::/64 fd13:77::a0/126 fd13:77::9" ]
    ip -6 -o addr show dev "$ENV_BRIDGE" scope global | grep -q 'fd13:77::9/64'
    for name in c1 c2 c3 c4; do
        dory run -d --name "$name" busybox sleep 1000 >/dev/null
    done
    [ "$(for name in c1 c2 c3 c4; do address6 "$name"; done | sort | xargs)" = \
        "fd13:77::a0 fd13:77::a1 fd13:77::a2 fd13:77::a3" ]
    run -125 dory run --rm busybox true
    [[ $output == *"no available IPv6 addresses"* ]]
    # Without bip6 it is the whole, as with docker.
    teardown
    restart --ipv6 --fixed-cidr-v6 fd13:78::/80
    [ "$(dory network inspect -f '{{with index .IPAM.Config 1}}{{.Subnet}} {{.Gateway}}{{end}}' bridge)" = \
        "fd13:78::/80 fd13:78::1" ]
    [ "$(ip -6 -o addr show dev "$ENV_BRIDGE" scope global | awk '{ print $4 }')" = fd13:78::1/80 ]
    [[ $(dory run --rm busybox ip -6 -o addr show eth0 scope global) == *" fd13:78::"*"/80 "* ]]
}

@test "default-gateway and default-gateway-v6 are where containers' default routes lead" {
    restart --ipv6 --fixed-cidr-v6 fd13:78::/80 --default-gateway "$ENV_SUBNET.200" --default-gateway-v6 fd13:78::99
    dory run -d --name aa busybox sleep 1000 >/dev/null
    [ "$(dory exec aa ip route | sed -n 's/^default via \([^ ]*\) .*/\1/p')" = "$ENV_SUBNET.200" ]
    [ "$(route6 aa)" = fd13:78::99 ]
    [ "$(dory inspect -f '{{.NetworkSettings.Gateway}} {{.NetworkSettings.IPv6Gateway}}' aa)" = "$ENV_SUBNET.200 fd13:78::99" ]
    [ "$(dory network inspect -f '{{range .IPAM.Config}}{{.Gateway}} {{.AuxiliaryAddresses}};{{end}}' bridge)" = \
        "$ENV_SUBNET.1 map[DefaultGatewayIPv4:$ENV_SUBNET.200];fd13:78::1 map[DefaultGatewayIPv6:fd13:78::99];" ]
    # The host is where it was.
    [ "$(dory run --rm --add-host box:host-gateway busybox sed -n 's/\tbox$//p' /etc/hosts)" = "$ENV_SUBNET.1" ]
    # The same when it takes the other way, past the pool.
    dory network create two >/dev/null
    dory create --name bb --network two busybox sleep 1000 >/dev/null
    dory network connect --gw-priority 5 bridge bb
    dory start bb >/dev/null
    [ "$(dory exec bb ip route | sed -n 's/^default via \([^ ]*\) .*/\1/p')" = "$ENV_SUBNET.200" ]
    [ "$(route6 bb)" = fd13:78::99 ]
    dory rm -f bb >/dev/null
    dory network rm two >/dev/null
}

@test "without ip6tables there are no rules for IPv6, and ports are published for IPv4 alone" {
    restart --ipv6 --ip6tables=false
    serve aa -p 80
    run ! nft list table ip6 "dory-$ENV_BRIDGE"
    [[ $(dory port aa) == "80/tcp -> 0.0.0.0:"* ]]
    [ "$(dory port aa | wc -l)" -eq 1 ]
    [ "$(dory run --rm busybox timeout 20 wget -qO- "http://[$(address6 aa)]/x")" = hello ]
    run -125 dory run --rm -p '[::]::80' busybox true
    [[ $output == *'IPv6 is kept out of the firewall ("ip6tables": false)'* ]]
    # Those that are published for it already go on for IPv4.
    restart --ipv6
    serve bb -p 80
    [ "$(dory port bb | wc -l)" -eq 2 ]
    restart --ipv6 --ip6tables=false
    [ "$(dory inspect -f '{{.State.Running}}' bb)" = true ]
    port=$(dory inspect -f '{{(index .NetworkSettings.Ports "80/tcp" 0).HostPort}}' bb)
    [ "$(curl -sf -m 20 "http://127.0.0.1:$port/x")" = hello ]
}

@test "what cannot be is refused by name before anything is made" {
    refuse() { # message option...
        local message=$1
        shift
        run -1 doryd --validate --config-file "$ENV_DIR/daemon.json" "$@"
        [[ $output == *"$message"* ]]
    }
    refuse "bip6 fd00::1/64: the default bridge has no IPv6 (ipv6: false)" --bip6 fd00::1/64
    refuse "fixed-cidr-v6 fd00::/64: the default bridge has no IPv6 (ipv6: false)" --fixed-cidr-v6 fd00::/64
    refuse "default-gateway-v6 fd00::1: the default bridge has no IPv6 (ipv6: false)" --default-gateway-v6 fd00::1
    refuse "ipv6 true: there is no default bridge that could have it (bridge: none)" --ipv6 --bridge none
    refuse "default-gateway 10.1.1.1: there is no default bridge" --bridge none --default-gateway 10.1.1.1
    refuse "invalid CIDR address: fd00::1" --ipv6 --bip6 fd00::1
    refuse "invalid CIDR address: 10.0.0.0/8" --ipv6 --fixed-cidr-v6 10.0.0.0/8
    refuse "fixed-cidr-v6 fd01::/80: it is not part of bip6's subnet fd00::1/64" --ipv6 --bip6 fd00::1/64 --fixed-cidr-v6 fd01::/80
    refuse "default-gateway-v6 10.0.0.1: it is no IPv6 address" --ipv6 --default-gateway-v6 10.0.0.1
    refuse "default-gateway fd00::1: it is no IPv4 address" --default-gateway fd00::1
    refuse "default-gateway 10.9.1.1: it is not part of the default bridge's subnet 10.8.1.0/24" --bip 10.8.1.1/24 --default-gateway 10.9.1.1
    refuse "default-gateway-v6 fd01::5: it is not part of the default bridge's subnet fd00::" --ipv6 --fixed-cidr-v6 fd00::/64 --default-gateway-v6 fd01::5
    echo '{"ipv6": true, "fixed-cidr-v6": "fd13:5::/64", "ip6tables": false, "bip6": "fd13:5::1/64", "default-gateway-v6": "fd13:5::2"}' >"$BATS_TEST_TMPDIR/daemon.json"
    run -0 doryd --validate --config-file "$BATS_TEST_TMPDIR/daemon.json"
}
