#!/usr/bin/env bats
# What the API says of networks and of containers' places on them, where docker 28's answers are known.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    export SUBNET=${ENV_SUBNET/10.213/10.215} OTHER=${ENV_SUBNET/10.213/10.216}
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
    dory network rm settings >/dev/null 2>&1 || true
}

api() { # method path [body]
    curl -s -w '\n%{http_code}' -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} \
        --unix-socket "$ENV_DIR/dory.sock" "http://d$2"
}

check() { # status text method path [body]
    run api "${@:3}"
    [ "${lines[-1]}" = "$1" ] && [[ "$output" == *"$2"* ]] || { echo "${*:3}: $output"; false; }
}

connect() { # status text network container [settings]
    check "$1" "$2" POST "/networks/$3/connect" "{\"Container\":\"$4\"${5:+,\"EndpointConfig\":$5}}"
}

disconnect() { # status text network container
    check "$1" "$2" POST "/networks/$3/disconnect" "{\"Container\":\"$4\"}"
}

names() { # filters
    curl -sG --data-urlencode "filters=$1" --unix-socket "$ENV_DIR/dory.sock" http://d/networks | jq -r '[.[].Name] | sort | join(" ")'
}

@test "settings of an endpoint that cannot be are refused all at once, whether the container runs or not" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create two >/dev/null
    dory run -d --name runs --network two busybox sleep 1000 >/dev/null
    dory create --name rests --network two busybox sleep 1000 >/dev/null
    for name in runs rests; do
        connect 400 '"invalid endpoint settings:\n* invalid IPv4 address: x\n* no configured subnet or ip-range contain the IP address x"' one $name '{"IPAMConfig":{"IPv4Address":"x"}}'
        connect 400 '"invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.1.1.1"' one $name '{"IPAMConfig":{"IPv4Address":"10.1.1.1"}}'
        connect 400 '"invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets"' one $name '{"IPAMConfig":{"IPv6Address":"fd00::5"}}'
        connect 400 '"invalid MAC address zz"' one $name '{"MacAddress":"zz"}'
        connect 400 '"bad format for links: a:b:c"' one $name '{"Links":["a:b:c"]}'
        connect 400 'cannot connect container to host network - container must be created in host network mode' host $name
    done
    for address in 0 1 255; do
        connect 403 'Address already in use' one runs "{\"IPAMConfig\":{\"IPv4Address\":\"$SUBNET.$address\"}}"
    done
    connect 400 'invalid name or ID supplied: \"\"' one ''
    check 400 '"invalid config for network two: invalid endpoint settings:\nuser specified IP address is supported only when' POST /containers/create \
        '{"Image":"busybox","HostConfig":{"NetworkMode":"two"},"NetworkingConfig":{"EndpointsConfig":{"two":{"IPAMConfig":{"IPv4Address":"10.1.1.1"}}}}}'
    [ "$(dory inspect -f '{{len .NetworkSettings.Networks}}' runs rests | xargs)" = "1 1" ]
}

@test "a stopped container that is connected again has the new settings, in the same place" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory network create two >/dev/null
    dory create --name rests --network one busybox ip -o -4 addr >/dev/null
    connect 200 '' two rests
    connect 200 '' one rests "{\"IPAMConfig\":{\"IPv4Address\":\"$SUBNET.77\"},\"Aliases\":[\"other\"]}"
    dory start -a rests | grep -q "eth0 .*$SUBNET.77/24"
    [ "$(dory inspect -f '{{.NetworkSettings.Networks.one.Aliases}}' rests)" = "[other]" ]
    dory run -d --name runs --network one busybox sleep 1000 >/dev/null
    connect 403 'endpoint with name runs already exists in network one' one runs
}

@test "a container leaves the network none for another one; that of the host stays" {
    dory network create --subnet "$SUBNET.0/24" one >/dev/null
    dory run -d --name runs --network none busybox sleep 1000 >/dev/null
    dory create --name rests --network none busybox ip -o -4 addr >/dev/null
    dory run -d --name hosts --network host busybox sleep 1000 >/dev/null
    for name in runs rests; do
        connect 400 'one of the networks in private (none) mode' one $name
        disconnect 200 '' none $name
        disconnect 500 'is not connected to network none' none $name
        connect 200 '' one $name
    done
    dory exec runs ip -o -4 addr | grep -q "eth0 .*$SUBNET.2/24"
    dory start -a rests | grep -q "eth0 .*$SUBNET.3/24"
    dory restart -t 0 runs >/dev/null
    dory exec runs ip -o -4 addr | grep -q "eth0 .*$SUBNET"
    connect 400 'container sharing network namespace with another container or host' one hosts
    disconnect 400 'cannot disconnect container from host network - container was created in host network mode' host hosts
    disconnect 500 'is not connected to network host' host runs
}

@test "the host's network shows its containers, as they show it" {
    dory run -d --name hosts --network host busybox sleep 1000 >/dev/null
    id=$(dory inspect -f '{{.NetworkSettings.Networks.host.EndpointID}}' hosts)
    [ "${#id}" -eq 64 ]
    [ "$(dory network inspect -f '{{range .Containers}}{{.Name}} {{.EndpointID}} {{.IPv4Address}}{{end}}' host)" = "hosts $id " ]
    env_daemon_kill
    env_daemon_start
    [ "$(dory network inspect -f '{{range .Containers}}{{.Name}} {{.EndpointID}} {{.IPv4Address}}{{end}}' host)" = "hosts $id " ]
    dory kill hosts >/dev/null
    [ "$(dory network inspect -f '{{len .Containers}}' host)" = 0 ]
}

@test "names and ids are asked for by regular expressions, too; an empty list asks nothing" {
    for name in alpha beta gamma; do
        dory network create "$name" >/dev/null
    done
    [ "$(names '{"name":["^a"]}')" = alpha ]
    [ "$(names '{"name":["m.a$"]}')" = gamma ]
    [ "$(names '{"name":["et"]}')" = beta ]
    [ "$(names '{"name":["("]}')" = "" ]
    [ "$(names "{\"id\":[\"^$(dory network inspect -f '{{.Id}}' beta)\$\"]}")" = beta ]
    [ "$(names '{"dangling":[]}')" = "alpha beta bridge gamma host none" ]
    [ "$(names '{"dangling":["true"]}')" = "alpha beta gamma" ]
    [ "$(names '{"name":["^NONE$"]}')" = "" ]
}

@test "options of the addresses' driver are kept, and an auxiliary address may be the default route" {
    check 201 Id POST /networks/create "{\"Name\":\"one\",\"IPAM\":{\"Options\":{\"a\":\"b\"},\"Config\":[{\"Subnet\":\"$SUBNET.0/24\",\"AuxiliaryAddresses\":{\"DefaultGatewayIPv4\":\"$SUBNET.9\"}}]}}"
    [ "$(dory network inspect -f '{{json .IPAM.Options}}' one)" = '{"a":"b"}' ]
    [ "$(dory run --rm --network one busybox ip route | sed -n 's/^default via \([^ ]*\) .*/\1/p')" = "$SUBNET.9" ]
    env_daemon_kill
    env_daemon_start
    [ "$(dory network inspect -f '{{json .IPAM.Options}}' one)" = '{"a":"b"}' ]
    [ "$(dory run --rm --network one busybox ip route | sed -n 's/^default via \([^ ]*\) .*/\1/p')" = "$SUBNET.9" ]
    check 500 "failed to allocate gateway ($OTHER.255): Address already in use" POST /networks/create "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\",\"Gateway\":\"$OTHER.255\"}]}}"
    for address in 1 7; do
        check 500 "failed to allocate secondary ip address (b:$OTHER.$address): Address already in use" POST /networks/create \
            "{\"Name\":\"t\",\"IPAM\":{\"Config\":[{\"Subnet\":\"$OTHER.0/24\",\"AuxiliaryAddresses\":{\"a\":\"$OTHER.7\",\"b\":\"$OTHER.$address\"}}]}}"
    done
    check 403 'This node is not a swarm manager.' POST /networks/create '{"Name":"t","Driver":"overlay"}'
    check 403 'cannot create a swarm scoped network when swarm is not active' POST /networks/create '{"Name":"t","Scope":"swarm"}'
    check 403 'Ingress' POST /networks/create '{"Name":"t","Ingress":true}'
    [ -z "$(dory network ls -qf 'name=^t$')" ]
}
