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
1.51;/containers/web/json;.NetworkSettings | has("Bridge") and has("IPAddress") and has("MacAddress") and has("HairpinMode");true
EOF
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
    [ "$(types 1.51 -H 'Accept: application/x-ndjson')" = application/x-ndjson ]
    [ "$(types 1.51 -H 'Accept: text/plain, application/json-seq;q=0.5')" = application/json-seq ]
    # Each record begins with its separator.
    events 1.51 -H 'Accept: application/json-seq' >"$BATS_TEST_TMPDIR/records"
    [ "$(grep -c $'^\x1e{' "$BATS_TEST_TMPDIR/records")" = "$(wc -l <"$BATS_TEST_TMPDIR/records")" ]
    jq --seq -se 'length == 3' "$BATS_TEST_TMPDIR/records"
}

@test "dory version and docker's clients agree on a version" {
    newest=$(api - /version | jq -r .ApiVersion)
    [ "$(dory version -f '{{.Server.APIVersion}}')" = "$newest" ]
    [ "$(dory version -f '{{.Client.APIVersion}}')" = 1.51 ]
    [ "$(dory version -f json | jq -r '.Server.ApiVersion + " " + .Client.ApiVersion')" = "$newest 1.51" ]
}
