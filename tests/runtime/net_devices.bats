#!/usr/bin/env bats
# linux.netDevices. The runtime runs in a network namespace of the test's own, so that the host's interfaces are out of it.
load helper

# run_in_net 'commands that make interfaces': runs the container in a fresh network namespace
run_in_net() {
    status=0
    output=$(unshare --net sh -ec "$1
exec '$DORY_BIN/dory-runtime' --root '$T/state' run --bundle '$T/bundle' '$ID'" </dev/null 2>&1) || status=$?
    mapfile -t lines <<<"$output"
}

@test "interfaces are moved, renamed and up, with their permanent global addresses, MAC and MTU" {
    make_config sh -c 'ip -o addr; ip -o link'
    edit "l['netDevices'] = {'one0': {'name': 'eth9'}, 'two0': {}, 'three0': {'name': 'x%d'}, 'four0': {'name': 'x%d'}}"
    run_in_net "
for n in one0 two0 three0 four0 stays0; do ip link add \$n type veth peer name p-\$n; done
ip link set one0 mtu 1345 address 02:00:00:00:00:77
ip addr add 10.99.1.2/24 broadcast 10.99.1.255 dev one0
ip addr add 10.99.1.3/24 dev one0
ip addr add 2001:db8::7/64 dev one0 nodad
ip addr add 10.99.9.9/24 scope link dev one0
ip link set one0 up
ip addr add 192.0.2.1 peer 192.0.2.2 dev two0"
    [ "$status" = 0 ]
    [[ "$output" == *"eth9"*"inet 10.99.1.2/24 brd 10.99.1.255"* ]]
    [[ "$output" == *"inet 10.99.1.3/24"* ]]
    [[ "$output" == *"inet6 2001:db8::7/64"* ]]
    [[ "$output" != *10.99.9.9* ]] # of the link's scope only
    grep -E 'eth9.*mtu 1345' <<<"$output" | grep -q '[<,]UP[,>]'
    [[ "$output" == *02:00:00:00:00:77* ]]
    [[ "$output" == *"two0"*"inet 192.0.2.1 peer 192.0.2.2"* ]]
    [[ "$output" == *" x0"* && "$output" == *" x1"* ]]
    [[ "$output" != *one0:* && "$output" != *stays0* ]]
}

@test "a network namespace that is joined gets them too; a name that is taken there is an error, and nothing has moved" {
    # The runtime's namespace is a holder's as well, so that it can be looked at afterwards.
    holder --net
    target=$HOLDER
    nsenter --target "$target" --net ip link add taken0 type dummy 2>/dev/null ||
        nsenter --target "$target" --net ip link add taken0 type bridge
    make_config sh -c 'ip -o addr; ip -o link'
    edit "
for n in l['namespaces']:
    if n['type'] == 'network': n['path'] = '/proc/$target/ns/net'
l['netDevices'] = {'one0': {'name': 'moved0'}, 'two0': {'name': 'taken0'}}"
    make="
ip link add one0 type veth peer name p-one0
ip link add two0 type veth peer name p-two0
ip addr add 10.99.1.2/24 dev one0
trap 'ip -o link' EXIT"
    status=0
    output=$(unshare --net sh -c "$make
'$DORY_BIN/dory-runtime' --root '$T/state' run --bundle '$T/bundle' '$ID'" </dev/null 2>&1) || status=$?
    [[ "$output" == *'linux.netDevices.two0: the container has an interface "taken0" already'* ]]
    [[ "$output" == *one0* ]] # still outside, as the trap shows
    [[ "$output" == *two0* ]]
    edit "l['netDevices']['two0']['name'] = 'taken%d'"
    run_in_net "$make"
    [[ "$output" == *moved0*"10.99.1.2/24"* ]]
    [[ "$output" == *taken1* ]]
    [[ "$output" == *taken0* ]]
    release
}

@test "interfaces that are not there or cannot be are refused by name" {
    edit "l['netDevices'] = {'nosuch0': {}}"
    run_in_net :
    [ "$status" = 1 ]
    [[ "$output" == *"linux.netDevices.nosuch0: there is no such interface to move"* ]]
    edit "l['netDevices'] = {'lo': {'name': 'lo7'}}"
    run_in_net :
    [ "$status" = 1 ]
    [[ "$output" == *'linux.netDevices.lo: cannot move it into the container as "lo7"'* ]]
    for name in a/b 'a b' 1234567890123456 a:b .. x%s %d x%d%d; do
        edit "l['netDevices'] = {'eth0': {'name': '$name'}}"
        run_in_net :
        [[ "$output" == *"linux.netDevices.eth0.name: \"$name\" cannot be an interface's name"* ]]
    done
    edit "l['netDevices'] = {'a0': {'name': 'same'}, 'b0': {'name': 'same'}}"
    run_in_net :
    [[ "$output" == *'linux.netDevices.b0.name: "same" is the name of a0 already'* ]]
    edit "l['netDevices'] = {'a0': 7}"
    run_in_net :
    [[ "$output" == *linux.netDevices*a0* ]]
    edit "l['netDevices'] = {'a0': {}}; l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'network']"
    run_in_net :
    [[ "$output" == *"linux.netDevices: the container has no network namespace of its own"* ]]
}
