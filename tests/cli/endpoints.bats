#!/usr/bin/env bats
# What one endpoint asks for: the name of its interface, settings of the interface alone, link-local addresses.

bats_require_minimum_version 1.5.0
load ../lib/env

IFNAME=com.docker.network.endpoint.ifname SYSCTLS=com.docker.network.endpoint.sysctls

setup_file() {
    env_start
    env_images busybox
    export SUBNET=${ENV_SUBNET/10.213/10.215} OTHER=${ENV_SUBNET/10.213/10.216}
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create --subnet "$OTHER.0/24" two >/dev/null
}

teardown_file() {
    env_stop
}

teardown() {
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
}

setting() { # container path below /proc/sys/net
    dory exec "$1" cat "/proc/sys/net/$2"
}

@test "an interface has the name and the settings that were asked for, from the start and when connected" {
    dory run -d --name aa --network "name=one,\"driver-opt=$SYSCTLS=net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.ifname.forwarding=0\",driver-opt=$IFNAME=lan7,ip=$SUBNET.42" \
        busybox sleep 1000 >/dev/null
    [ "$(setting aa ipv4/conf/lan7/log_martians) $(setting aa ipv4/conf/lan7/forwarding)" = "1 0" ]
    [ "$(dory exec aa ip -o -4 addr show lan7 | awk '{ print $4 }')" = "$SUBNET.42/24" ]
    [ "$(dory exec aa ip route | awk '$1 == "default" { print $3, $5 }')" = "$SUBNET.1 lan7" ]
    [ "$(dory inspect -f "{{index .NetworkSettings.Networks.one.DriverOpts \"$IFNAME\"}}" aa)" = lan7 ]
    dory network connect --driver-opt "$SYSCTLS=net.ipv4.conf.IFNAME.log_martians=1" --driver-opt "$IFNAME=wan0" two aa
    [ "$(setting aa ipv4/conf/wan0/log_martians)" = 1 ]
    run dory network connect --driver-opt "$IFNAME=wan0" bridge aa
    [ "$status" -eq 1 ]
    [[ "$output" == *"interface name wan0 is that of network two already"* ]]
    dory network connect bridge aa
    [ "$(dory exec aa ls /sys/class/net | xargs)" = "eth0 lan7 lo wan0" ]
    # They are found again.
    dory restart -t 0 aa
    [ "$(setting aa ipv4/conf/wan0/log_martians) $(setting aa ipv4/conf/lan7/log_martians)" = "1 1" ]
    dory run --rm --network "name=bridge,driver-opt=$IFNAME=up0" busybox ip link show up0
}

@test "link-local addresses come on top of an endpoint's own" {
    dory run -d --name aa --network one --link-local-ip 169.254.77.9 --link-local-ip 169.254.77.10 busybox sleep 1000 >/dev/null
    dory exec aa ip -o -4 addr show eth0 | grep -qF '169.254.77.9/16'
    dory exec aa ip -o -4 addr show eth0 | grep -qF '169.254.77.10/16'
    dory exec aa ip -o -4 addr show eth0 | grep -qF "$SUBNET."
    [ "$(dory inspect -f '{{json .NetworkSettings.Networks.one.IPAMConfig.LinkLocalIPs}}' aa)" = '["169.254.77.9","169.254.77.10"]' ]
    dory run -d --name bb --network name=one,link-local-ip=169.254.77.11 busybox sleep 1000 >/dev/null
    dory exec bb ping -c1 -W10 169.254.77.9 >/dev/null
    dory network connect --link-local-ip 169.254.3.3 two bb
    dory exec bb ip -o -4 addr show eth1 | grep -qF '169.254.3.3/16'
}

@test "what cannot be is refused by name, and leaves nothing" {
    refuse() { # text option...
        local text=$1
        shift
        run dory create "$@" busybox true
        [ "$status" -ne 0 ] && [[ "$output" == *"$text"* ]] || { echo "$*: $output"; false; }
    }
    refuse "unrecognised network interface sysctl 'net.ipv4.conf.eth0.log_martians=1'" --network "name=one,driver-opt=$SYSCTLS=net.ipv4.conf.eth0.log_martians=1"
    refuse "unrecognised network interface sysctl" --network "name=one,driver-opt=$SYSCTLS=net.core.conf.IFNAME.x=1"
    refuse "unrecognised network interface sysctl" --network "name=one,driver-opt=$SYSCTLS=net.ipv4.../IFNAME.x=1"
    refuse "invalid interface name: \"a/b\"" --network "name=one,driver-opt=$IFNAME=a/b"
    for name in lo all default; do
        refuse "invalid interface name: \"$name\"" --network "name=one,driver-opt=$IFNAME=$name"
    done
    refuse 'option "com.docker.network.endpoint.other" is not supported' --network name=one,driver-opt=com.docker.network.endpoint.other=1
    refuse "invalid link-local IP address: 10.1.2.3" --network name=one,link-local-ip=10.1.2.3
    refuse "invalid link-local IP address: fd00::1" --network name=one,link-local-ip=fd00::1
    [ -z "$(dory ps -aq)" ]
    dory create --name aa --network "name=one,driver-opt=$SYSCTLS=net.ipv4.conf.IFNAME.no_such_thing=1" busybox true >/dev/null
    run dory start aa
    [ "$status" -eq 1 ]
    [[ "$output" == *"set sysctl net.ipv4.conf.eth0.no_such_thing"* ]]
    [ "$(dory network inspect -f '{{len .Containers}}' one)" = 0 ]
}
