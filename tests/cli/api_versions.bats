#!/usr/bin/env bats
# What the versions of the API differ in: which members are answered, which requests are refused.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory network create one >/dev/null
    dory run -d --name web --network name=one,mac-address=02:42:00:00:00:51 --annotation note=kept \
        --health-cmd true --health-interval 1h busybox sleep 10000 >/dev/null
    dory create --name plain busybox true >/dev/null
    # What its image says nothing of.
    tar -C "$BATS_FILE_TMPDIR" --files-from /dev/null -c | dory import - nothing >/dev/null
}

teardown_file() {
    env_stop
}

api() { # version (none: "-") path [curl option...]: the body; fails with what the daemon refuses
    local version=/v$1 path=$2
    [ "$1" != - ] || version=
    shift 2
    curl -s --fail-with-body --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' "$@" "http://d$version$path"
}

# Lines of: version;path;jq's filter;the value.
expect() {
    local version path filter value got
    while IFS=';' read -r version path filter value; do
        [ -n "$version" ] || continue
        got=$(api "$version" "$path" | jq -c "$filter")
        [ "$got" = "$value" ] || {
            echo "v$version $path $filter: $got, not $value"
            return 1
        }
    done
}

create() { # version body: the answer to a container that is made, which is gone afterwards
    local answer id
    answer=$(api "$1" /containers/create -X POST -d "$2") || {
        echo "$answer"
        return 1
    }
    id=$(jq -r .Id <<<"$answer")
    api "$1" "/containers/$id/json" | jq -c "{Warnings: $(jq -c .Warnings <<<"$answer")} + ."
    api "$1" "/containers/$id?force=1" -X DELETE
}

@test "a limit of processes is no member of an update before 1.40" {
    dory create --name limited --pids-limit 50 nothing true
    api 1.39 /containers/limited/update -X POST -d '{"PidsLimit":0,"CpuShares":512}'
    expect <<<'1.39;/containers/limited/json;[.HostConfig.PidsLimit, .HostConfig.CpuShares];[50,512]'
    api 1.40 /containers/limited/update -X POST -d '{"PidsLimit":60}'
    expect <<<'1.40;/containers/limited/json;.HostConfig.PidsLimit;60'
    dory rm limited
}

@test "the newest version is told, and what is newer is refused" {
    run -0 api - /version
    [ "$(jq -r .ApiVersion <<<"$output")" = "$(jq -r '.Components[0].Details.ApiVersion' <<<"$output")" ]
    newest=$(jq -r .ApiVersion <<<"$output")
    run -0 api - /_ping -i
    [[ $output == *"Api-Version: $newest"* ]]
    api "$newest" /info >/dev/null
    run ! api "1.$((${newest#1.} + 1))" /info
    [[ $output == *"client version 1.$((${newest#1.} + 1)) is too new. Maximum supported API version is $newest"* ]]
    run ! api 1.23 /info
    [[ $output == *"client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"* ]]
}

@test "members of answers come and go with the version" {
    expect <<'EOF'
1.48;/info;.RegistryConfig | has("AllowNondistributableArtifactsCIDRs") and has("AllowNondistributableArtifactsHostnames");true
1.49;/info;.RegistryConfig | has("AllowNondistributableArtifactsCIDRs") or has("AllowNondistributableArtifactsHostnames");false
1.48;/info;[.ContainerdCommit, .RuncCommit, .InitCommit | has("Expected")];[true,true,true]
1.49;/info;[.ContainerdCommit, .RuncCommit, .InitCommit | has("Expected")];[false,false,false]
1.48;/info;has("FirewallBackend");false
1.49;/info;.FirewallBackend.Driver;"nftables"
1.49;/info;has("BridgeNfIptables") and has("BridgeNfIp6tables");true
1.50;/info;has("BridgeNfIptables") or has("BridgeNfIp6tables");false
1.50;/images/json;[.[].Containers] | unique;[-1]
1.51;/images/json;[.[] | select(.RepoTags == ["busybox:latest"]).Containers];[2]
1.51;/images/json;[.[] | select(.RepoTags == ["nothing:latest"]).Containers];[0]
1.49;/images/busybox/json;.Config | has("Hostname") and has("AttachStdin") and has("Tty") and has("StdinOnce") and has("Image");true
1.50;/images/busybox/json;.Config | has("Hostname") or has("AttachStdin") or has("Tty") or has("StdinOnce") or has("Image");false
1.51;/images/nothing/json;.Config;{"User":"","Env":null,"Cmd":null,"Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{}}
1.51;/images/nothing/json;[.Parent, .DockerVersion, .Author];["","",""]
1.45;/containers/json;.[0].HostConfig;{"NetworkMode":"one"}
1.46;/containers/json;.[0].HostConfig;{"NetworkMode":"one","Annotations":{"note":"kept"}}
1.51;/containers/json;.[0] | has("Health");false
1.48;/containers/json;.[0].NetworkSettings.Networks.one.GwPriority;0
1.44;/containers/web/json;.NetworkSettings.Networks.one.Aliases | length;1
1.45;/containers/web/json;.NetworkSettings.Networks.one.Aliases;null
1.51;/containers/web/json;.Config | [.MacAddress, .OnBuild];["02:42:00:00:00:51",null]
1.52;/containers/json;.[0].Health.Status | . == "starting" or . == "healthy";true
1.52;/containers/json?all=1;[.[] | select(.Names == ["/plain"]).Health];[{"Status":"none","FailingStreak":0}]
1.52;/images/nothing/json;.Config;{}
1.52;/images/nothing/json;has("Parent") or has("DockerVersion") or has("Author");false
1.52;/images/nothing/json;.Comment | test("^Imported from");true
1.52;/images/busybox/json;.Config | has("Cmd") and (has("OnBuild") | not);true
1.52;/containers/web/json;.Config | has("MacAddress") or has("OnBuild");false
1.52;/containers/web/json;.NetworkSettings | keys;["Networks","Ports","SandboxID","SandboxKey"]
1.52;/containers/web/json;.NetworkSettings.Networks.one.MacAddress;"02:42:00:00:00:51"
1.51;/networks/one;has("Status");false
1.52;/networks/one;[.Status.IPAM.Subnets[].IPsInUse];[4]
1.52;/networks/host;.Status;{"IPAM":{"Subnets":{}}}
1.56;/containers/web/stats?stream=0&one-shot=1;.os_type;"linux"
1.51;/system/df;has("ImageUsage");false
1.52;/system/df;has("LayersSize") and has("Images") and has("Containers") and has("Volumes") and has("BuildCache");true
1.52;/system/df;.ContainerUsage;{"ActiveCount":1,"TotalCount":2,"TotalSize":0,"Reclaimable":0}
1.52;/system/df?verbose=1;has("LayersSize") or has("Images") or has("Containers") or has("Volumes") or has("BuildCache");false
1.52;/system/df?verbose=1;.ImageUsage | [.ActiveCount, .TotalCount, (.Items | length)];[1,2,2]
1.52;/system/df?verbose=1&type=volume;keys;["VolumeUsage"]
1.42;/system/df?type=container;keys;["Containers"]
1.41;/system/df?type=container;has("Images");true
1.53;/info;has("NRI");false
1.43;/info;.Runtimes.dory | has("status");false
1.44;/info;.Runtimes.dory.status["org.opencontainers.runtime-spec.features"] | fromjson | [.ociVersionMax, .linux.cgroup.v2];["1.3.0",true]
-;/containers/web/json;.NetworkSettings | has("IPAddress");true
1.51;/containers/web/json;.NetworkSettings | has("Bridge") and has("IPAddress") and has("MacAddress") and has("HairpinMode");true
EOF
}

@test "networks tell how full each of their subnets is" {
    n=${ENV_SUBNET##*.} # claimed, so nobody else's
    dory network create --subnet "10.214.$n.0/24" --ip-range "10.214.$n.128/25" --ipv6 --subnet "fd00:77:$n::/64" both >/dev/null
    dory network create --ipv4=false --ipv6 --subnet "fd00:78:$n::/96" six >/dev/null
    dory run -d --name member --network both busybox sleep 1000 >/dev/null
    expect <<EOF
1.52;/networks/both;.Status.IPAM.Subnets["10.214.$n.0/24"];{"IPsInUse":4,"DynamicIPsAvailable":126}
1.52;/networks/both;.Status.IPAM.Subnets["fd00:77:$n::/64"].IPsInUse;3
1.52;/networks/six;.Status.IPAM.Subnets;{"fd00:78:$n::/96":{"IPsInUse":2,"DynamicIPsAvailable":4294967294}}
EOF
    dory rm -f member
    dory network rm both six
}

@test "images as mounts, subpaths and forced options are refused to versions that did not have them" {
    mount() { # type of options and their value
        echo "{\"Image\":\"busybox\",\"HostConfig\":{\"Mounts\":[{$1,\"Target\":\"/m\"}]}}"
    }
    body=$(mount '"Type":"image","Source":"busybox","ImageOptions":{"Subpath":"bin"}')
    run ! create 1.47 "$body"
    [[ $output == *'Mount type \"Image\" needs API v1.48 or newer'* ]]
    create 1.48 "$body" | jq -e '.Mounts[0].Type == "image"'
    body=$(mount '"Type":"volume","Source":"some","VolumeOptions":{"Subpath":"bin"}')
    run ! create 1.44 "$body"
    [[ $output == *"VolumeOptions.Subpath needs API v1.45 or newer"* ]]
    create 1.45 "$body" | jq -e '.HostConfig.Mounts[0].VolumeOptions.Subpath == "bin"'
    dory volume rm some
    body=$(mount '"Type":"bind","Source":"/","ReadOnly":true,"BindOptions":{"ReadOnlyForceRecursive":true}')
    run ! create 1.43 "$body"
    [[ $output == *"BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer"* ]]
    create 1.44 "$body" >/dev/null
    # Options of another type did no harm once.
    body=$(mount '"Type":"tmpfs","VolumeOptions":{"NoCopy":true}')
    create 1.41 "$body" | jq -e '.HostConfig.Mounts == [{"Type":"tmpfs","Target":"/m"}]'
    run ! create 1.42 "$body"
    [[ $output == *VolumeOptions* ]]
}

@test "a sysctl of eth0 moves to the endpoint before 1.48, and is refused since" {
    options='com.docker.network.endpoint.sysctls'
    body='{"Image":"busybox","HostConfig":{"NetworkMode":"one","Sysctls":{"net.ipv4.conf.eth0.log_martians":"1","net.ipv4.ip_unprivileged_port_start":"7"}},
        "NetworkingConfig":{"EndpointsConfig":{"one":{"DriverOpts":{"'$options'":"net.ipv4.conf.IFNAME.rp_filter=0"}}}}}'
    answer=$(create 1.47 "$body")
    jq -e '.Warnings == ["Migrated sysctl \"net.ipv4.conf.eth0.log_martians\" to DriverOpts{\"'$options'\":\"net.ipv4.conf.IFNAME.log_martians=1\"}."]' <<<"$answer"
    jq -e '.HostConfig.Sysctls == {"net.ipv4.ip_unprivileged_port_start":"7"}' <<<"$answer"
    jq -e '.NetworkSettings.Networks.one.DriverOpts["'$options'"] == "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.rp_filter=0"' <<<"$answer"
    run ! create 1.48 "$body"
    [[ $output == *'interface specific sysctl setting \"net.ipv4.conf.eth0.log_martians\" must be supplied using driver option '*"$options"* ]]
    run ! create 1.47 '{"Image":"busybox","HostConfig":{"Sysctls":{"net.ipv4.conf.eth1.log_martians":"1"}}}'
    [[ $output == *"unable to determine network endpoint for sysctl net.ipv4.conf.eth1.log_martians, use driver option '$options' to set per-interface sysctls"* ]]
    # It is set when it runs.
    id=$(api 1.47 /containers/create -X POST -d '{"Image":"busybox","Cmd":["sleep","1000"],"HostConfig":{"Sysctls":{"net.ipv4.conf.eth0.log_martians":"1"}}}' | jq -r .Id)
    dory start "$id"
    [ "$(dory exec "$id" cat /proc/sys/net/ipv4/conf/eth0/log_martians)" = 1 ]
    dory rm -f "$id"
}

@test "warnings, priorities and modes follow the version" {
    warnings() { # version body
        create "$1" "$2" | jq -r '.Warnings[]'
    }
    body='{"Image":"busybox","HostConfig":{"VolumeDriver":"local","Mounts":[{"Type":"volume","Target":"/m"}]}}'
    [ -z "$(warnings 1.47 "$body")" ]
    [[ $(warnings 1.48 "$body") == "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'."* ]]
    body='{"Image":"busybox","MacAddress":"02:42:00:00:00:52"}'
    [ -z "$(warnings 1.43 "$body")" ]
    [ "$(warnings 1.44 "$body")" = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead." ]
    body='{"Image":"busybox","HostConfig":{"NetworkMode":"one"},"NetworkingConfig":{"EndpointsConfig":{"one":{"GwPriority":7}}}}'
    create 1.47 "$body" | jq -e '.NetworkSettings.Networks.one.GwPriority == 0'
    create 1.48 "$body" | jq -e '.NetworkSettings.Networks.one.GwPriority == 7'
    body='{"Image":"busybox","HostConfig":{"PortBindings":{"80/tcp":[],"81/udp":null,"82/tcp":[{"HostPort":"8082"}]}}}'
    [ -z "$(warnings 1.51 "$body")" ]
    [ "$(warnings 1.52 "$body")" = "Following container port(s) have an empty list of port-bindings: 80/tcp, 81/udp. Such bindings will be discarded in a future version." ]
    create 1.39 '{"Image":"busybox"}' | jq -e '.HostConfig.IpcMode == "shareable"'
    create 1.40 '{"Image":"busybox"}' | jq -e '.HostConfig.IpcMode == "private"'
}

@test "--mac-address is the first network's, and is not warned of" {
    run -0 --separate-stderr dory create --mac-address 02:42:00:00:00:53 --network one busybox
    [ -z "$stderr" ]
    [ "$(dory inspect -f '{{.NetworkSettings.Networks.one.MacAddress}}' "$output")" = 02:42:00:00:00:53 ]
    dory rm "$output"
    run -125 dory create --mac-address 02:42:00:00:00:53 --network name=one,mac-address=02:42:00:00:00:54 busybox
    [[ $output == *"conflicting options: cannot specify both --mac-address and per-network MAC address"* ]]
    run -1 dory create --mac-address 02:42:00:00:00:53 --network container:web busybox
    [[ $output == *"conflicting options: mac-address and the network mode"* ]]
}

@test "an empty list of bindings is a port of the daemon's choice" {
    for bindings in '[]' null; do
        id=$(api 1.51 /containers/create -X POST -d '{"Image":"busybox","Cmd":["sleep","1000"],"HostConfig":{"PortBindings":{"80/tcp":'"$bindings"'}}}' | jq -r .Id)
        dory start "$id"
        run -0 dory port "$id" 80
        [[ ${lines[0]} == 0.0.0.0:[1-9]* ]]
        dory rm -f "$id"
    done
}

@test "events: the form is negotiated, and images that are made are told since 1.46" {
    begin=$(date +%s.%N)
    dory commit plain made >/dev/null
    end=$(date +%s.%N)
    events() { # version [curl option...]
        api "$1" "/events?since=$begin&until=$end" "${@:2}"
    }
    run -0 events 1.45
    [[ $output != *'"Action":"create"'* ]]
    events 1.46 | jq -se '[.[] | select(.Type == "image") | .Action] == ["create", "tag"]'
    events 1.51 | jq -se 'all(.[]; .status == .Action and .id == .Actor.ID) and .[0].from == "busybox"'
    types() {
        events "$1" -o /dev/null -w '%{content_type}' "${@:2}"
    }
    [ "$(types 1.51)" = application/json ]
    [ "$(types 1.52)" = application/jsonl ]
    [ "$(types 1.52 -H 'Accept: application/json')" = application/jsonl ]
    [ "$(types 1.51 -H 'Accept: application/x-ndjson')" = application/x-ndjson ]
    events 1.52 | jq -se 'all(.[]; has("status") or has("id") or has("from") | not) and .[0].Action == "commit"'
    [ "$(types 1.51 -H 'Accept: text/plain, application/json-seq;q=0.5')" = application/json-seq ]
    # Each record begins with its separator.
    events 1.51 -H 'Accept: application/json-seq' >"$BATS_TEST_TMPDIR/records"
    [ "$(grep -c $'^\x1e{' "$BATS_TEST_TMPDIR/records")" = "$(wc -l <"$BATS_TEST_TMPDIR/records")" ]
    jq --seq -se 'length == 3' "$BATS_TEST_TMPDIR/records"
}

@test "what came with later versions is refused by earlier ones" {
    run ! api 1.54 /images/busybox/attestations
    [[ $output == *"GET /images/{name}/attestations requires minimum API version 1.55"* ]]
    run ! api 1.55 /images/nosuchimage/attestations
    [[ $output == *"No such image: nosuchimage"* ]]
    run ! api 1.55 /images/busybox/attestations
    [[ $output == *"attestations of images are not kept"* ]]
    api 1.53 '/images/json?identity=1' >/dev/null
    run ! api 1.54 '/images/json?identity=1'
    [[ $output == *"conflicting options: identity requires manifests=1"* ]]
    run ! api 1.52 '/system/df?type=nothing'
    [[ $output == *"unknown object type: nothing"* ]]
}

@test "docker-compose 1.x, which speaks the newest version, finds what it knows" {
    newest=$(api - /version | jq -r .ApiVersion)
    old() { # path
        api "$newest" "$1" -A 'docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1'
    }
    old /images/busybox/json | jq -e 'has("ContainerConfig")'
    old /containers/web/json | jq -e '.NetworkSettings.Networks.one.Aliases == [.Id[:12]]'
    old "/events?since=1&until=$(date +%s)" | jq -se '[.[] | select(.Type == "container")] | length > 0 and all(.[]; .id and .status and .from)'
    api "$newest" /images/busybox/json -A 'docker-compose/2.0' | jq -e 'has("ContainerConfig") | not'
}

@test "dory version and docker's clients agree on a version" {
    newest=$(api - /version | jq -r .ApiVersion)
    [ "$(dory version -f '{{.Server.APIVersion}}')" = "$newest" ]
    [ "$(dory version -f '{{.Client.APIVersion}}')" = 1.51 ]
    [ "$(dory version -f json | jq -r '.Server.ApiVersion + " " + .Client.ApiVersion')" = "$newest 1.51" ]
}
