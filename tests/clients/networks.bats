#!/usr/bin/env bats
# Networks through docker's own CLIs and docker-py.

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

clis() {
    echo /usr/bin/docker
    [ ! -x /usr/local/bin/docker ] || echo /usr/local/bin/docker
}

@test "docker's CLIs make, use and remove networks" {
    for docker in $(clis); do
        "$docker" network create --subnet "$SUBNET.0/24" --gateway "$SUBNET.254" --ip-range "$SUBNET.64/26" \
            --aux-address spare="$SUBNET.70" --label l=1 one
        "$docker" network create --internal two
        [ "$("$docker" network ls -f label=l --format '{{.Name}} {{.Driver}} {{.Scope}}')" = "one bridge local" ]
        [ "$("$docker" network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{.IPRange}}{{end}}' one)" = "$SUBNET.0/24 $SUBNET.254 $SUBNET.64/26" ]
        "$docker" run -d --name srv --network one --ip "$SUBNET.9" --network-alias api busybox httpd -f -p 80 -h /etc
        "$docker" run --rm --network one busybox wget -q -O - http://api/passwd | grep -q ^root:
        "$docker" network connect --alias inner two srv
        [ "$("$docker" inspect -f '{{len .NetworkSettings.Networks}} {{.NetworkSettings.Networks.one.IPAddress}}' srv)" = "2 $SUBNET.9" ]
        "$docker" run --rm --network two busybox wget -q -O /dev/null http://inner/passwd
        run "$docker" network rm one
        [ "$status" -eq 1 ]
        [[ "$output" == *"has active endpoints"* ]]
        run "$docker" network connect two srv
        [ "$status" -eq 1 ]
        [[ "$output" == *"endpoint with name srv already exists in network two"* ]]
        "$docker" network disconnect two srv
        run "$docker" network create one
        [ "$status" -eq 1 ]
        [[ "$output" == *"network with name one already exists"* ]]
        "$docker" rm -f srv
        [ "$("$docker" network rm one)" = one ]
        run "$docker" network prune -f
        [[ "$output" == *two* ]]
    done
}

@test "docker-py makes, uses and removes networks" {
    /usr/bin/python3 - "$SUBNET" "$OTHER" <<'EOF'
import sys
import docker
from docker.types import IPAMConfig, IPAMPool

client = docker.from_env()
pool = IPAMPool(subnet=sys.argv[1] + ".0/24", gateway=sys.argv[1] + ".1", aux_addresses={"spare": sys.argv[1] + ".5"})
one = client.networks.create("one", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels={"a": "b"},
                             check_duplicate=True, attachable=True)
two = client.networks.create("two", internal=True)
assert [n.name for n in client.networks.list(names=["one"]) if n.name == "one"], "list by name"
assert [n.id for n in client.networks.list(filters={"label": "a=b"})] == [one.id]
assert one.attrs["IPAM"]["Config"][0]["AuxiliaryAddresses"] == {"spare": sys.argv[1] + ".5"}
config = client.api.create_networking_config(
    {"one": client.api.create_endpoint_config(ipv4_address=sys.argv[1] + ".77", aliases=["api"])})
id = client.api.create_container("busybox", "httpd -f -p 80 -h /etc", name="srv", networking_config=config,
                                 host_config=client.api.create_host_config(network_mode="one"))["Id"]
server = client.containers.get(id)
server.start()
assert b"root:" in client.containers.run("busybox", "wget -q -O - http://api/passwd", network="one", remove=True)
two.connect(server, aliases=["inner"])
two.reload()
assert [c.id for c in two.containers] == [id]
server.reload()
assert set(server.attrs["NetworkSettings"]["Networks"]) == {"one", "two"}
assert server.attrs["NetworkSettings"]["Networks"]["one"]["IPAddress"] == sys.argv[1] + ".77"
two.disconnect(server)
try:
    one.remove()
    raise SystemExit("a network in use was removed")
except docker.errors.APIError as error:
    assert error.status_code == 403, error
try:
    client.networks.get("none-such")
    raise SystemExit("found what is not there")
except docker.errors.NotFound:
    pass
server.remove(force=True)
one.remove()
assert client.networks.prune()["NetworksDeleted"] == ["two"]
EOF
}
