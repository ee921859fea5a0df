# What `dory compose create` and `dory compose up` make of a project is what Compose 2.40 makes of it on the same daemon:
# containers, networks and volumes are compared as the API tells them, less what differs from one to the next (ids,
# times, addresses) and what Compose itself puts in any order.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_newer
    env_start
    env_images busybox
    export HOME=$ENV_DIR/home FROM_SHELL="of the shell" SUBNET=${ENV_SUBNET/10.213/10.218}
    unset "${!COMPOSE_@}" DOCKER_DEFAULT_PLATFORM
    mkdir "$HOME"
}

teardown_file() {
    env_stop
}

api() {
    curl -sfg --unix-socket "$ENV_DIR/dory.sock" "http://dory$1"
}

# The containers of a project in one JSON array.
containers() {
    local id
    api "/containers/json?all=1&filters={\"label\":[\"com.docker.compose.project=$1\"]}" | jq -r '.[].Id' |
        while read -r id; do api "/containers/$id/json"; done | jq -s .
}

# Compose sends "80" of expose as it stands; "80/tcp" means the same. The hash of what shares a container's namespaces or
# volumes is of that container's id.
made() {
    containers "$1" | jq -S 'map(
        .Id as $id | . as $whole |
        del(.Id, .Created, .ResolvConfPath, .HostnamePath, .HostsPath, .LogPath, .GraphDriver, .State.Pid, .State.StartedAt,
            .State.FinishedAt, .State.Health.Log, .NetworkSettings.SandboxID, .NetworkSettings.SandboxKey)
        | (.NetworkSettings.Networks[]?) |= (del(.NetworkID, .EndpointID, .MacAddress, .IPAddress, .Gateway)
            | .Aliases |= (. // [] | sort) | .DNSNames |= (. // [] | map(select(. != $id[:12])) | sort))
        | .HostConfig.Binds |= (. // [] | sort) | .HostConfig.Mounts |= (. // [] | sort)
        | .HostConfig.Links |= (. // [] | sort) | .HostConfig.Ulimits |= (. // [] | sort)
        | .HostConfig.ExtraHosts |= (. // [] | sort) | .Config.Env |= (. // [] | sort) | .Mounts |= sort_by(.Destination)
        | .Mounts |= map(if (.Name // "" | test("^[0-9a-f]{64}$")) then .Name = "anonymous" | .Source = "" else . end)
        | .Config.ExposedPorts |= (. // {} | with_entries(.key |= if test("/") then . else . + "/tcp" end))
        | .NetworkSettings.Ports |= (. // {} | map_values(. // [] | length))
        | .Config.Labels["com.docker.compose.depends_on"] |= (split(",") | sort)
        | if .Config.Hostname == $id[:12] or (.HostConfig.NetworkMode | startswith("container:"))
            then .Config.Hostname = "" else . end
        | if ([.HostConfig.NetworkMode, .HostConfig.IpcMode, .HostConfig.PidMode] | any(startswith("container:")))
            or .HostConfig.VolumesFrom then .Config.Labels["com.docker.compose.config-hash"] = "" else . end
        | .HostConfig.VolumesFrom |= (. // [] | length)
        | .HostConfig |= with_entries(if (.value | type) == "string" and (.value | startswith("container:"))
            then .value = "container" else . end)
        ) | sort_by(.Name)'
    api /networks | jq -S "map(select(.Labels[\"com.docker.compose.project\"] == \"$1\")
        | del(.Id, .Created, .Containers) | .IPAM.Config |= (. // [] | map(select(.Subnet | startswith(\"$SUBNET\")))))
        | sort_by(.Name)"
    api /volumes | jq -S ".Volumes // [] | map(select((.Labels // {})[\"com.docker.compose.project\"] == \"$1\")
        | del(.CreatedAt)) | sort_by(.Name)"
}

# Makes the project in $PWD with each program and the rest of the arguments, and compares. $1: how many containers there
# must be.
same_made() {
    local project=${PWD##*/} reference=$NEWER/usr/libexec/docker/cli-plugins/docker-compose
    timeout 240 "$reference" "${@:2}" 3>&- 4>&-
    made "$project" >"$BATS_TEST_TMPDIR/theirs"
    timeout 240 "$reference" down -v -t 0 3>&- 4>&-
    timeout 240 "$DORY_BIN/dory" compose "${@:2}" 3>&- 4>&-
    made "$project" >"$BATS_TEST_TMPDIR/ours"
    timeout 240 "$DORY_BIN/dory" compose down -v -t 0 3>&- 4>&-
    diff -u "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours"
    [ "$(jq -s '.[0] | length' "$BATS_TEST_TMPDIR/ours")" = "$1" ]
}

same_case() {
    cp -r "$BATS_TEST_DIRNAME/corpus/$1" "$BATS_TEST_TMPDIR/"
    cd "$BATS_TEST_TMPDIR/$1" || return 1
    same_made "${@:2}"
}

@test "commands, environments, labels, health checks and hooks" { same_case created-process 8 create; }
@test "limits of memory, processors, processes and restarts, of the service and of deploy" { same_case created-limits 17 create; }
@test "capabilities, devices, namespaces, sysctls and log drivers" { same_case created-rights 15 create; }
@test "ports and what is exposed" { same_case created-ports 4 create; }
@test "networks with addresses, aliases and links" { same_case created-net 11 create; }
@test "mounts in all forms, secrets and configs" { same_case created-vols 7 create; }
@test "zeros, empty values and seldom forms" { same_case created-odd 23 create; }
@test "scales, profiles and dependencies" { same_case created-scale 6 create; }
@test "what has been started: healthy, ended, sharing namespaces and volumes" { same_case created-up 5 up -d --quiet-pull; }

@test "a part of the services, and without what they depend on" {
    cp -r "$BATS_TEST_DIRNAME/corpus/created-scale" "$BATS_TEST_TMPDIR/"
    cd "$BATS_TEST_TMPDIR/created-scale" || return 1
    same_made 2 up --no-start b
    same_made 2 up --no-start --no-deps a
    same_made 2 up --no-start --no-deps b off
}
