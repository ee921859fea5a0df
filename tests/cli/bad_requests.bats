#!/usr/bin/env bats
# Requests of creation and others that make no sense are refused in docker's words, and what may be said in several ways is kept
# in one.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

# api METHOD PATH [BODY]: the answer, and its status on the last line
api() {
    curl -s -w '\n%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -X "$1" -H 'Content-Type: application/json' \
        ${3:+-d "$3"} "http://d$2"
}

# refused STATUS TEXT METHOD PATH [BODY]
refused() {
    local expected=$1 text=$2
    shift 2
    run api "$@"
    [ "${lines[-1]}" = "$expected" ] && [[ $output == *"$text"* ]] || {
        echo "$*: expected $expected $text, got $output"
        false
    }
}

made() { # name, configuration
    [[ $(api POST "/containers/create?name=$1" "$2") == *$'\n201' ]]
}

@test "a container is made on one network by clients from before API 1.44" {
    dory network create one
    dory network create two
    body='{"Image":"busybox","HostConfig":{"NetworkMode":"one"},"NetworkingConfig":{"EndpointsConfig":{"one":{},"two":{}}}}'
    refused 400 "Container cannot be created with multiple network endpoints: " POST /v1.43/containers/create "$body"
    run api POST "/v1.44/containers/create?name=both" "$body"
    [ "${lines[-1]}" = 201 ]
    dory rm both
    dory network rm one two
}

@test "an annotation has a name" {
    refused 400 "invalid Annotations: the empty string is not permitted as an annotation key" \
        POST /containers/create '{"Image":"busybox","HostConfig":{"Annotations":{"":"value"}}}'
}

@test "sizes of terminals: what is no number, and what is too large" {
    dory create --name sized -it busybox
    refused 400 'invalid resize height \"\": invalid syntax' POST /containers/sized/resize?w=1
    refused 400 'invalid resize width \"x\": invalid syntax' POST "/containers/sized/resize?h=1&w=x"
    refused 400 'invalid resize width \"-1\": value out of range' POST "/containers/sized/resize?h=1&w=-1"
    refused 400 'invalid resize height \"99999999999999999999\": value out of range' \
        POST "/containers/sized/resize?h=99999999999999999999&w=1"
    dory rm sized
}

@test "a tmpfs has a place inside of the root" {
    for place in / //; do
        refused 400 "destination can't be '/'" POST /containers/create \
            "{\"Image\":\"busybox\",\"HostConfig\":{\"Tmpfs\":{\"$place\":\"\"}}}"
    done
    refused 400 "mount path must be absolute" POST /containers/create \
        '{"Image":"busybox","HostConfig":{"Tmpfs":{".":""}}}'
}

@test "a working directory is kept without slashes and dots that mean nothing" {
    made work '{"Image":"busybox","WorkingDir":"/tmp/./a/../"}'
    [ "$(dory inspect -f '{{.Config.WorkingDir}}' work)" = /tmp ]
    dory rm work
}

@test "cgroups are writable when that is asked for" {
    # One of the hierarchies, or the only one.
    try='d=/sys/fs/cgroup; [ ! -d $d/pids ] || d=$d/pids; mkdir $d/made'
    made plain "{\"Image\":\"busybox\",\"Cmd\":[\"sh\",\"-c\",\"$try\"],\"HostConfig\":{\"SecurityOpt\":[\"writable-cgroups\"]}}"
    dory start -a plain
    dory rm plain
    dory run --rm --security-opt writable-cgroups=true busybox sh -c "$try"
    for options in "" "--security-opt writable-cgroups=false" "--privileged --security-opt writable-cgroups=false"; do
        # shellcheck disable=SC2086
        run dory run --rm $options busybox sh -c "$try"
        [ "$status" -ne 0 ]
        [[ $output == *"Read-only file system"* ]]
    done
    run -125 dory run --rm --security-opt writable-cgroups=1 busybox true
    [[ $output == *'invalid --security-opt 2: "writable-cgroups=1"'* ]]
}

@test "no limit of processes is none, however it is said" {
    made free '{"Image":"busybox","Cmd":["sleep","1000"],"HostConfig":{"PidsLimit":-1}}'
    dory start free
    [ "$(dory inspect -f '{{json .HostConfig.PidsLimit}}' free)" = null ]
    dory update --pids-limit 20 free
    [ "$(dory inspect -f '{{.HostConfig.PidsLimit}}' free)" = 20 ]
    dory update --pids-limit -1 free
    [ "$(dory inspect -f '{{.HostConfig.PidsLimit}}' free)" = 0 ]
    dory exec free sh -c 'for i in $(seq 40); do sleep 1000 & done; jobs | wc -l' >"$BATS_TEST_TMPDIR/count"
    [ "$(cat "$BATS_TEST_TMPDIR/count")" = 40 ]
    dory rm -f free
}

@test "namespaces of a container that does not run cannot be joined" {
    dory create --name still busybox
    id=$(dory inspect -f '{{.Id}}' still)
    run -125 dory run --rm --pid container:still busybox true
    [[ $output == *"failed to join PID namespace: container $id is not running"* ]]
    dory rm still
}

@test "the list of networks is there with a slash, too" {
    run api GET /networks/
    [ "${lines[-1]}" = 200 ]
    [[ $output == *'"Name":"bridge"'* ]]
}

@test "mirrors are told with a slash at the end" {
    echo '{"registry-mirrors": ["http://mirror.example:5000", "https://other.example/"]}' >"$ENV_DIR/daemon.json"
    env_daemon_kill
    env_daemon_start
    [ "$(dory info -f '{{json .RegistryConfig.Mirrors}}')" = '["http://mirror.example:5000/","https://other.example/"]' ]
    echo '{}' >"$ENV_DIR/daemon.json"
    env_daemon_kill
    env_daemon_start
}

@test "a body that says nothing is not a container" {
    for body in '{}' null; do
        refused 400 "config cannot be empty in order to create a container" POST /containers/create "$body"
    done
    refused 400 "no image specified" POST /containers/create '{"Cmd":["true"]}'
}

@test "OPTIONS of every path is answered, and an upgrade is one without Connection, too" {
    run api OPTIONS /
    [ "${lines[-1]}" = 200 ]
    run api OPTIONS /no/such/path
    [ "${lines[-1]}" = 200 ]
    dory run -di --name echo busybox cat
    # The stream that follows has no end: curl is done when it has the status.
    run curl -s -o /dev/null -w '%{http_code}' -m 60 --unix-socket "$ENV_DIR/dory.sock" -X POST -H 'Upgrade: tcp' \
        "http://d/containers/echo/attach?logs=1&stdout=1"
    [ "$output" = 101 ]
    dory rm -f echo
}

@test "volumes have docker's mode for labels, whichever way they are mounted" {
    dory create --name modes -v named:/a --mount type=volume,dst=/b --mount type=volume,src=other,dst=/c -v /d busybox
    [ "$(dory inspect -f '{{range .Mounts}}{{.Destination}}{{.Mode}} {{end}}' modes)" = "/az /bz /cz /d " ]
    dory rm -v modes
    dory volume rm named other
}

@test "an exposed port has no place in the network of another container, unless it is the image's" {
    printf 'FROM busybox\nEXPOSE 80\n' | dory build -q -t exposes - >/dev/null
    dory run -d --name peer busybox sleep 1000
    run -125 dory run --rm --network container:peer --expose 81 busybox true
    [[ $output == *"conflicting options: port exposing and the container type network mode"* ]]
    dory run --rm --network container:peer exposes true
    dory rm -f peer
}

@test "a tag is not to be taken for a digest" {
    run -1 dory tag busybox sha256:some
    [[ $output == *"refusing to create an ambiguous tag using digest algorithm as name"* ]]
}

@test "of several times the images from before the earliest are listed" {
    first=$(dory inspect -f '{{.Created}}' busybox)
    dory create --name source busybox
    dory commit source made:1
    second=$(dory inspect -f '{{.Created}}' made:1)
    [ "$(dory images -q --filter "until=$second" made:1 | wc -l)" = 0 ]
    [ "$(dory images --format '{{.Repository}}:{{.Tag}}' --filter "until=$(date -d '+1 minute' -Is)" --filter "until=$second" busybox)" = busybox:latest ]
    [ "$(dory images -q --filter "until=$second" --filter "until=$first" busybox | wc -l)" = 0 ]
    dory rm source
    dory rmi made:1
}

@test "of an image that a container uses a prune leaves one name" {
    printf 'FROM busybox\nLABEL one=name\n' | dory build -q -t used:b - >/dev/null
    dory tag used:b used:a
    dory tag used:b used:c
    dory create --name user used:a
    run dory image prune -a -f --filter label=one=name
    [[ $output == *"untagged: used:a"*"untagged: used:b"* && $output != *deleted* ]]
    [ "$(dory images --format '{{.Tag}}' used)" = c ]
    dory rm user
    dory rmi used:c
}
