#!/usr/bin/env bats
# Networks of users: made, used by containers, changed while these run, and found again after a crash.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    export SUBNET=${ENV_SUBNET/10.213/10.215} OTHER=${ENV_SUBNET/10.213/10.216} RANGE=${ENV_SUBNET/10.213/10.217}
}

teardown_file() {
    env_stop
}

teardown() {
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
    dory network prune -f >/dev/null
}

api() { # method path [body]
    curl -s -w '\n%{http_code}' -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} \
        --unix-socket "$ENV_DIR/dory.sock" "http://d$2"
}

# The way out of a container, as "gateway interface".
route() {
    dory exec "$1" ip route | awk '$1 == "default" { print $3, $5 }'
}

pings() { # container address
    dory exec "$1" ping -c1 -W5 "$2" >/dev/null
}

no_ping() {
    run dory exec "$1" ping -c1 -W1 "$2"
    [ "$status" -ne 0 ]
}

@test "a network is made, listed, inspected and removed as docker does" {
    id=$(dory network create --subnet "$SUBNET.0/24" --label a=b --attachable \
        -o com.docker.network.driver.mtu=1400 -o "com.docker.network.bridge.name=$ENV_BRIDGE-u" alone)
    [ "${#id}" -eq 64 ]
    [ "$(dory network ls --format '{{.Name}} {{.Driver}} {{.Scope}}' -f name=alone)" = "alone bridge local" ]
    [ "$(dory network ls -q --no-trunc -f label=a=b)" = "$id" ]
    [ -z "$(dory network ls -q -f label=c)" ]
    [ "$(dory network ls -f type=custom --format '{{.Name}}')" = alone ]
    [ "$(dory network ls -f type=builtin --format '{{.Name}}' | sort | xargs)" = "bridge host none" ]
    [ "$(dory network ls -q -f dangling=true)" = "${id:0:12}" ]
    run dory network inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.Attachable}} {{.EnableIPv6}} {{json .IPAM.Config}} {{index .Labels "a"}}' "${id:0:10}"
    [ "$output" = "alone bridge local false true false [{\"Subnet\":\"$SUBNET.0/24\"}] b" ]
    ip -o addr show dev "$ENV_BRIDGE-u" | grep -q "$SUBNET.1/24"
    ip -o link show dev "$ENV_BRIDGE-u" | grep -q 'mtu 1400'
    [ "$(dory network rm alone)" = alone ]
    run ip link show dev "$ENV_BRIDGE-u"
    [ "$status" -ne 0 ]
    run dory network inspect alone
    [ "$status" -eq 1 ]
    [[ "$output" == *"network alone not found"* ]]
}

@test "what cannot be is refused with docker's status, and changes nothing" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    before=$(dory network ls --no-trunc)
    check() { # status text body
        run api POST /networks/create "$3"
        [ "${lines[-1]}" = "$1" ] && [[ "$output" == *"$2"* ]] || { echo "$3: $output"; false; }
    }
    check 409 'network with name one already exists' '{"Name":"one"}'
    check 400 'name is empty' '{"Name":""}'
    check 403 'operation is not permitted on predefined bridge network' '{"Name":"bridge"}'
    check 403 'Pool overlaps with other one' "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$SUBNET.128/25\"}]}}"
    check 403 'Pool overlaps with other one' "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$ENV_SUBNET.0/24\"}]}}"
    check 400 "invalid gateway 10.1.1.1: parent subnet $OTHER.0/24 doesn't contain this address" "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\",\"Gateway\":\"10.1.1.1\"}]}}"
    check 400 'invalid subnet 10.999.0.0/24: invalid CIDR block notation' '{"Name":"t","IPAM":{"Config":[{"Subnet":"10.999.0.0/24"}]}}'
    check 400 "invalid subnet $OTHER.5/24: it should be $OTHER.0/24" "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.5/24\"}]}}"
    check 400 'invalid subnet : invalid CIDR block notation' '{"Name":"t","IPAM":{"Config":[{}]}}'
    check 400 '\n* invalid subnet foo: invalid CIDR block notation\n* invalid gateway x: invalid address' \
        "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"foo\"},{\"Subnet\":\"$OTHER.0/24\",\"Gateway\":\"x\"}]}}"
    check 400 "invalid ip-range fd00::/80: parent subnet is an IPv4 block" "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\",\"IPRange\":\"fd00::/80\"}]}}"
    check 400 "invalid ip-range $OTHER.0/23: CIDR block is bigger than its parent subnet" "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\",\"IPRange\":\"$OTHER.0/23\"}]}}"
    check 400 'IPv4 or IPv6 must be enabled' '{"Name":"t","EnableIPv4":false}'
    check 400 'ip-range' "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\",\"IPRange\":\"10.1.1.0/28\"}]}}"
    check 400 'auxiliary' "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\",\"AuxiliaryAddresses\":{\"x\":\"10.1.1.1\"}}]}}"
    check 404 'plugin \"none-such\" not found' '{"Name":"t","Driver":"none-such"}'
    check 403 'only one instance of \"host\" network is allowed' '{"Name":"t","Driver":"host"}'
    check 400 'com.example.foo' '{"Name":"t","Options":{"com.example.foo":"1"}}'
    check 400 'enable_icc' '{"Name":"t","Options":{"com.docker.network.bridge.enable_icc":"maybe"}}'
    check 400 'container_iface_prefix: \"a/b\"' '{"Name":"t","Options":{"com.docker.network.container_iface_prefix":"a/b"}}'
    check 400 'container_iface_prefix' '{"Name":"t","Options":{"com.docker.network.container_iface_prefix":"thirteenchars"}}'
    check 400 'invalid bridge name' '{"Name":"t","Options":{"com.docker.network.bridge.name":"a/b"}}'
    check 400 'bridge.gateway_mode_ipv4 is not known to driver macvlan' \
        '{"Name":"t","Driver":"macvlan","Options":{"parent":"lo","com.docker.network.bridge.gateway_mode_ipv4":"routed"}}'
    check 403 'exists' '{"Name":"t","Options":{"com.docker.network.bridge.name":"lo"}}'
    check 404 'configuration network \"none-such\" does not exist' '{"Name":"t","ConfigFrom":{"Network":"none-such"}}'
    check 403 'cannot depend on another configuration network' '{"Name":"t","ConfigOnly":true,"ConfigFrom":{"Network":"one"}}'
    check 403 'configuration network can only contain network specific fields' '{"Name":"t","ConfigOnly":true,"Internal":true}'
    check 400 'parent' '{"Name":"t","Driver":"macvlan","Options":{"parent":"nosuch0"}}'
    [ "$(dory network ls --no-trunc)" = "$before" ]
    [ "$(nft list tables | grep -wF "dory-$ENV_BRIDGE" | sort | xargs)" = "table inet dory-$ENV_BRIDGE-user table ip dory-$ENV_BRIDGE" ]
    run api DELETE /networks/bridge
    [ "${lines[-1]}" = 403 ]
    [[ "$output" == *"bridge is a pre-defined network and cannot be removed"* ]]
    run api DELETE /networks/none-such
    [ "${lines[-1]}" = 404 ]
}

@test "interfaces in containers have the prefix that their network says" {
    dory network create -o com.docker.network.container_iface_prefix=lan one >/dev/null
    dory network create two >/dev/null
    dory run -d --name aa --network one busybox sleep 1000 >/dev/null
    dory network connect two aa
    [ "$(dory exec aa ls /sys/class/net | xargs)" = "eth0 lan0 lo" ]
    dory network disconnect one aa
    dory network connect one aa
    [ "$(dory exec aa ls /sys/class/net | xargs)" = "eth0 lan0 lo" ]
}

@test "a network of settings gives them to others, is no network itself, and stays while it is in use" {
    dory network create --config-only --subnet "$SUBNET.0/24" --gateway "$SUBNET.9" --label a=b \
        -o com.docker.network.driver.mtu=1400 settings >/dev/null
    [ "$(dory network inspect -f '{{.Driver}} {{.ConfigOnly}} {{(index .IPAM.Config 0).Gateway}}' settings)" = "null true $SUBNET.9" ]
    [ "$(ip -o link show type bridge | grep -c "br-$(dory network inspect -f '{{.Id}}' settings | cut -c1-12)")" -eq 0 ]
    run dory run --rm --network settings busybox true
    [ "$status" -eq 125 ]
    [[ "$output" == *"cannot create endpoint on configuration-only network settings"* ]]
    for option in '--subnet 10.99.0.0/24' '--label c=d' '-o com.docker.network.driver.mtu=1300'; do
        # shellcheck disable=SC2086
        run dory network create --config-from settings $option one
        [ "$status" -eq 1 ]
        [[ "$output" == *"not supported if the network depends on a configuration network"* ]]
    done
    dory network create --config-from settings one >/dev/null
    run dory network inspect -f '{{.Driver}} {{.ConfigFrom.Network}} {{.ConfigOnly}} {{(index .IPAM.Config 0).Subnet}} {{index .Labels "a"}}' one
    [ "$output" = "bridge settings false $SUBNET.0/24 b" ]
    dory run -d --name aa --network one busybox sleep 1000 >/dev/null
    [ "$(route aa)" = "$SUBNET.9 eth0" ]
    run dory network rm settings
    [ "$status" -eq 1 ]
    [[ "$output" == *'configuration network "settings" is in use'* ]]
    env_daemon_kill
    env_daemon_start
    [ "$(dory network inspect -f '{{.ConfigOnly}}' settings) $(dory network inspect -f '{{.ConfigFrom.Network}}' one)" = "true settings" ]
    dory rm -f aa >/dev/null
    dory network rm one settings
}

@test "containers of one network reach each other, those of two do not" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create --subnet "$OTHER.0/24" two >/dev/null
    dory run -d --name aa --network one --ip "$SUBNET.77" --mac-address 02:42:00:00:00:77 busybox sleep 1000 >/dev/null
    dory run -d --name bb --network one busybox sleep 1000 >/dev/null
    dory run -d --name cc --network two busybox sleep 1000 >/dev/null
    [ "$(dory inspect -f '{{.NetworkSettings.Networks.one.IPAddress}} {{.NetworkSettings.Networks.one.MacAddress}} {{.NetworkSettings.Networks.one.Gateway}} {{.NetworkSettings.Networks.one.IPAMConfig.IPv4Address}}' aa)" = "$SUBNET.77 02:42:00:00:00:77 $SUBNET.1 $SUBNET.77" ]
    [ "$(dory network inspect -f '{{len .Containers}}' one)" = 2 ]
    pings bb "$SUBNET.77"
    pings cc "$OTHER.1"
    no_ping cc "$SUBNET.77"
    [ "$(dory ps -q --no-trunc -f network=two)" = "$(dory inspect -f '{{.Id}}' cc)" ]
    run dory network rm one
    [ "$status" -eq 1 ]
    [[ "$output" == *"has active endpoints"*aa* ]]
    dory stop -t 0 aa bb >/dev/null
    dory network rm one
    run dory start aa
    [ "$status" -eq 1 ]
    [[ "$output" == *"network one not found"* ]]
}

@test "a container is connected and disconnected while it runs; its way out follows" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create --subnet "$OTHER.0/24" two >/dev/null
    dory network create --subnet "$RANGE.0/24" --internal zero >/dev/null
    dory run -d --name aa --network two busybox sleep 1000 >/dev/null
    dory run -d --name bb --network one busybox sleep 1000 >/dev/null
    [ "$(route aa)" = "$OTHER.1 eth0" ]
    dory network connect --ip "$SUBNET.50" one aa
    [ "$(route aa)" = "$SUBNET.1 eth1" ] # by name, as docker
    dory network connect zero aa
    [ "$(route aa)" = "$SUBNET.1 eth1" ] # an internal network leads nowhere
    pings bb "$SUBNET.50"
    run dory network connect one aa
    [ "$status" -eq 1 ]
    [[ "$output" == *"endpoint with name aa already exists in network one"* ]]
    dory network disconnect one aa
    [ "$(route aa)" = "$OTHER.1 eth0" ]
    no_ping bb "$SUBNET.50"
    run dory network disconnect one aa
    [ "$status" -eq 1 ]
    [[ "$output" == *"is not connected to network one"* ]]
    dory network disconnect two aa
    [ -z "$(route aa)" ]
    dory network connect bridge aa
    [ "$(route aa)" = "$ENV_SUBNET.1 eth0" ]
    [ "$(dory inspect -f '{{len .NetworkSettings.Networks}} {{.NetworkSettings.IPAddress}}' aa)" = "2 $(dory exec aa ip -o -4 addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')" ]
    dory restart -t 0 aa
    [ "$(route aa)" = "$ENV_SUBNET.1 eth1" ]
    run dory network connect host aa
    [ "$status" -eq 1 ]
    [[ "$output" == *"host network"* ]]
}

@test "a container that left its only network while it ran starts on another, by name" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create --subnet "$OTHER.0/24" two >/dev/null
    dory run -d --name aa --network one busybox sleep 1000 >/dev/null
    dory run -d --name bb --network two busybox sleep 1000 >/dev/null
    dory network disconnect one aa
    [ -z "$(route aa)" ]
    dory stop -t 0 aa >/dev/null
    dory network connect two aa
    dory start aa >/dev/null
    [ "$(route aa)" = "$OTHER.1 eth0" ]
    pings aa bb
    pings bb aa
}

@test "several networks from the start, and gateway priority" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create --subnet "$OTHER.0/24" two >/dev/null
    dory run -d --name aa --network name=one,ip="$SUBNET.9",alias=x --network name=two,gw-priority=5 busybox sleep 1000 >/dev/null
    [ "$(route aa)" = "$OTHER.1 eth1" ]
    [ "$(dory exec aa ip -o -4 addr show eth0 | awk '{ print $4 }')" = "$SUBNET.9/24" ]
    [ "$(dory inspect -f '{{index .NetworkSettings.Networks.one.Aliases 0}}' aa)" = x ]
    run dory run --rm --network one --network host busybox true
    [ "$status" -eq 125 ]
    run dory run --rm --network none --network one busybox true
    [ "$status" -eq 125 ]
}

@test "addresses that cannot be had are refused" {
    dory network create --subnet "$SUBNET.0/28" --ip-range "$SUBNET.8/30" --aux-address "printer=$SUBNET.8" one >/dev/null
    dory network create auto >/dev/null
    dory run -d --name aa --network one busybox sleep 1000 >/dev/null
    [ "$(dory inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' aa)" = "$SUBNET.9" ]
    run dory run --rm --network one --ip "$SUBNET.9" busybox true
    [ "$status" -eq 125 ]
    [[ "$output" == *"Address already in use"* ]]
    run dory run --rm --network one --ip "$SUBNET.200" busybox true
    [ "$status" -eq 125 ]
    [[ "$output" == *"no configured subnet or ip-range contain the IP address $SUBNET.200"* ]]
    run dory run --rm --network auto --ip "$SUBNET.200" busybox true
    [ "$status" -eq 125 ]
    [[ "$output" == *"user specified IP address is supported only when connecting to networks with user configured subnets"* ]]
    run dory run --rm --ip "$ENV_SUBNET.200" busybox true
    [ "$status" -eq 125 ]
    [[ "$output" == *"user specified IP address is supported on user defined networks only"* ]]
    dory run -d --network one busybox sleep 1000 >/dev/null
    dory run -d --network one busybox sleep 1000 >/dev/null
    run dory run --rm --network one busybox true
    [ "$status" -eq 125 ]
    [[ "$output" == *"no available IPv4 addresses"* ]]
    dory rm -f aa >/dev/null
    dory run --rm --network one busybox true # the address is free again
}

@test "internal networks, icc and masquerading are what their options say" {
    dory network create --internal --subnet "$SUBNET.0/24" inside >/dev/null
    dory network create --subnet "$OTHER.0/24" -o com.docker.network.bridge.enable_icc=false quiet >/dev/null
    dory run -d --name aa --network inside busybox sleep 1000 >/dev/null
    dory run -d --name bb --network inside busybox sleep 1000 >/dev/null
    [ -z "$(route aa)" ]
    pings aa "$(dory inspect -f '{{.NetworkSettings.Networks.inside.IPAddress}}' bb)"
    dory exec aa ip route add default via "$SUBNET.1" 2>/dev/null || true
    dory run -d --name cc --network quiet busybox sleep 1000 >/dev/null
    dory run -d --name dd --network quiet busybox sleep 1000 >/dev/null
    pings cc "$OTHER.1"
    no_ping cc "$(dory inspect -f '{{.NetworkSettings.Networks.quiet.IPAddress}}' dd)"
}

@test "a network and its containers are found again after kill -9; what was cut short is undone" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory run -d --name aa --network one -p 0:80 busybox httpd -f -p 80 -h /etc >/dev/null
    port=$(dory port aa 80 | head -1 | sed 's/.*://')
    curl -sf -o /dev/null "http://127.0.0.1:$port/passwd"
    env_daemon_kill
    curl -sf -o /dev/null "http://127.0.0.1:$port/passwd"
    # A row whose network was never finished: the daemon died in between.
    python3 - "$ENV_DIR/data/dory.db" "$SUBNET" "$OTHER" <<'EOF'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
(id, config), = db.execute("SELECT id, config FROM networks")
half = 'f' * 64
config = config.replace(sys.argv[2], sys.argv[3]).replace('"one"', '"half"').replace(id, half).replace(id[:12], half[:12])
db.execute("INSERT INTO networks(id, name, created, config, state) VALUES(?, 'half', 0, ?, 0)", (half, config))
db.commit()
EOF
    env_daemon_start
    curl -sf -o /dev/null "http://127.0.0.1:$port/passwd"
    [ "$(dory network ls -f type=custom --format '{{.Name}}')" = one ]
    run ip link show dev br-ffffffffffff
    [ "$status" -ne 0 ]
    [ "$(dory network inspect -f '{{len .Containers}}' one)" = 1 ]
    dory run -d --name bb --network one busybox sleep 1000 >/dev/null
    pings bb "$(dory inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' aa)"
    dory rm -f aa bb >/dev/null
    dory network rm one
}

@test "events tell of networks" {
    since=$(date +%s)
    id=$(dory network create one)
    dory run -d --name aa --network one busybox sleep 1000 >/dev/null
    dory network disconnect one aa
    dory rm -f aa >/dev/null
    dory network rm one
    run dory events --since "$((since - 1))" --until "$(date +%s).999999999" -f type=network -f "network=$id" --format '{{.Action}}'
    [ "$(echo "$output" | xargs)" = "create connect disconnect destroy" ]
}

@test "prune removes what no container is on" {
    dory network create one >/dev/null
    dory network create --label keep=1 two >/dev/null
    dory network create three >/dev/null
    dory run -d --name aa --network three busybox sleep 1000 >/dev/null
    run dory network prune -f --filter 'label!=keep'
    [ "$(echo "$output" | xargs)" = "Deleted Networks: one" ]
    [ "$(dory network ls -f type=custom --format '{{.Name}}' | sort | xargs)" = "three two" ]
}

@test "a parent interface is one network's" {
    dory network create -d macvlan --subnet "$SUBNET.0/24" -o "parent=$ENV_BRIDGE" lan >/dev/null
    for driver in macvlan ipvlan; do
        run api POST /networks/create "{\"Name\":\"t\",\"Driver\":\"$driver\",\"Options\":{\"parent\":\"$ENV_BRIDGE\"},\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\"}]}}"
        [ "${lines[-1]}" = 403 ]
        [[ "$output" == *"network lan is already using parent interface $ENV_BRIDGE"* ]]
    done
    [ "$(dory network ls -f type=custom --format '{{.Name}}')" = lan ]
    # Those that name no parent get one each.
    if ip link add "${ENV_BRIDGE}d" type dummy 2>/dev/null; then
        ip link del "${ENV_BRIDGE}d"
        dory network create -d macvlan --subnet "$OTHER.0/24" own >/dev/null
        dory network create -d macvlan --subnet "$RANGE.0/24" too >/dev/null
        dory network rm own too >/dev/null
    fi
    dory network rm lan >/dev/null
    ip link show dev "$ENV_BRIDGE" >/dev/null
    dory network create -d ipvlan --subnet "$OTHER.0/24" -o "parent=$ENV_BRIDGE" lan >/dev/null
}

# A MAC that another container has, or somebody else on the parent, at once; that of one that has just ended is free.
mac_is_refused() {
    run dory run --rm --network lan --mac-address 02:42:00:00:00:20 busybox true
    [ "$status" -eq 125 ] && [[ "$output" == *"02:42:00:00:00:20 is the MAC address of container aa on network lan"* ]] &&
        dory run --rm --network lan --mac-address 02:42:00:00:00:21 busybox true &&
        dory run --rm --network lan --mac-address 02:42:00:00:00:21 busybox true
}

@test "macvlan stands beside the host on its parent's network" {
    link=${ENV_BRIDGE}m
    ip link add "$link" type veth peer name "${link}p"
    if ! ip link add link "$link" name "${link}x" type macvlan 2>/dev/null; then
        ip link del "$link"
        skip "the kernel has no macvlan"
    fi
    ip link del "${link}x"
    ip netns add "$link"
    ip link set "${link}p" netns "$link"
    ip link set "$link" up
    ip -n "$link" addr add "$SUBNET.1/24" dev "${link}p"
    ip -n "$link" link set "${link}p" up
    result=0
    {
        dory network create -d macvlan --subnet "$SUBNET.0/24" --gateway "$SUBNET.1" -o "parent=$link" lan >/dev/null &&
            dory run -d --name aa --network lan --ip "$SUBNET.20" --mac-address 02:42:00:00:00:20 busybox sleep 1000 >/dev/null &&
            dory run -d --name bb --network lan busybox sleep 1000 >/dev/null &&
            pings bb "$SUBNET.1" && pings bb aa &&
            [ "$(route aa)" = "$SUBNET.1 eth0" ] &&
            dory exec aa ip link show eth0 | grep -q 02:42:00:00:00:20 &&
            mac_is_refused && was=$(dory inspect -f '{{.NetworkSettings.Networks.lan.IPAddress}}' bb) && pings aa "$was" &&
            dory network disconnect lan bb && no_ping aa "$was" &&
            dory rm -f aa bb >/dev/null && dory network rm lan && ip link show "$link" >/dev/null
    } || result=1
    ip netns del "$link"
    ip link del "$link" 2>/dev/null || true
    [ "$result" -eq 0 ]
}

@test "a macvlan network has several subnets, a bridge has one" {
    link=${ENV_BRIDGE}s
    ip link add "$link" type dummy 2>/dev/null || skip "the kernel has no dummy interfaces"
    if ! ip link add link "$link" name "${link}x" type macvlan 2>/dev/null; then
        ip link del "$link"
        skip "the kernel has no macvlan"
    fi
    ip link del "${link}x"
    ip link set "$link" up
    result=0
    several_subnets || result=1
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
    dory network prune -f >/dev/null
    ip link del "$link"
    [ "$result" -eq 0 ]
}

several_subnets() {
    run dory network create --subnet "$SUBNET.0/24" --subnet "$OTHER.0/24" lan
    [[ "$status" == 1 && "$output" == *"bridge driver doesn't support multiple subnets"* ]] || return 1
    run dory network create -d macvlan --subnet "$SUBNET.0/24" --subnet "$SUBNET.128/25" -o "parent=$link" lan
    [[ "$status" == 1 && "$output" == *"Pool overlaps with other one on this address space"* ]] || return 1
    dory network create -d macvlan --subnet "$SUBNET.0/30" --gateway "$SUBNET.1" --subnet "$OTHER.0/24" --gateway "$OTHER.254" \
        -o "parent=$link" lan >/dev/null || return 1
    [ "$(dory network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}};{{end}}' lan)" = \
        "$SUBNET.0/30 $SUBNET.1;$OTHER.0/24 $OTHER.254;" ] || return 1
    run dory network create --subnet "$OTHER.0/25" over
    [[ "$status" == 1 && "$output" == *"Pool overlaps"* ]] || return 1
    dory run -d --name aa --network lan busybox sleep 1000 >/dev/null &&
        dory run -d --name bb --network lan busybox sleep 1000 >/dev/null &&
        dory run -d --name cc --network lan --ip "$OTHER.77" busybox sleep 1000 >/dev/null || return 1
    [ "$(dory inspect -f '{{with .NetworkSettings.Networks.lan}}{{.IPAddress}}/{{.IPPrefixLen}} {{.Gateway}}{{end}}' aa bb cc | xargs)" = \
        "$SUBNET.2/30 $SUBNET.1 $OTHER.1/24 $OTHER.254 $OTHER.77/24 $OTHER.254" ] || return 1
    [ "$(route aa), $(route cc)" = "$SUBNET.1 eth0, $OTHER.254 eth0" ] || return 1
    pings bb cc || return 1
    run dory run --rm --network lan --ip "$RANGE.5" busybox true
    [[ "$status" == 125 && "$output" == *"no configured subnet or ip-range contain the IP address $RANGE.5"* ]] || return 1
    # A daemon that comes again knows them, too.
    env_daemon_kill && env_daemon_start || return 1
    run dory run --rm --network lan --ip "$OTHER.77" busybox true
    [[ "$status" == 125 && "$output" == *"Address already in use"* ]] || return 1
    dory rm -f bb >/dev/null &&
        [ "$(dory run --rm --network lan busybox ip -o -4 addr show eth0 | awk '{ print $4 }')" = "$OTHER.1/24" ]
}

@test "the short id is among the aliases up to API 1.44, and since then among the names alone" {
    dory network create versions
    dory create --name versed --network versions --network-alias hello busybox true
    id=$(dory inspect -f '{{slice .Id 0 12}}' versed)
    seen() { curl -s --unix-socket "$ENV_DIR/dory.sock" "http://d/v$1/containers/versed/json" | jq -c ".NetworkSettings.Networks.versions.$2"; }
    [ "$(seen 1.44 Aliases)" = "[\"hello\",\"$id\"]" ]
    [ "$(seen 1.45 Aliases)" = '["hello"]' ]
    [ "$(seen 1.45 DNSNames)" = "[\"versed\",\"hello\",\"$id\"]" ]
    dory rm versed
    dory create --name versed --network versions busybox true
    [ "$(seen 1.45 Aliases)" = null ]
    dory rm versed
    # Compose gives the container's name as an alias, too.
    dory create --name versed --network versions --network-alias versed --network-alias hello --hostname hello busybox true
    [ "$(seen 1.45 Aliases)" = '["versed","hello"]' ]
    [ "$(seen 1.45 DNSNames)" = "[\"versed\",\"hello\",\"$(dory inspect -f '{{slice .Id 0 12}}' versed)\"]" ]
    dory rm versed
    dory network rm versions
}
