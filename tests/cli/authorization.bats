#!/usr/bin/env bats
# Authorization plugins: programs of the host that are asked before a request is handled and before it is answered. With ENV_ENGINE=docker the same file
# runs against docker, except for what is marked as ours.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export PLUGIN QUESTIONS
    env_start
    env_images busybox
    PLUGIN=dorytest-${ENV_BRIDGE}
    QUESTIONS=$ENV_DIR/questions
    start_plugin "$ENV_DIR/plugin.sock"
    mkdir -p /etc/docker/plugins
    echo "unix://$ENV_DIR/plugin.sock" >"/etc/docker/plugins/$PLUGIN.spec"
    restart_with '{"authorization-plugins": ["'"$PLUGIN"'"]}'
}

teardown_file() {
    rm -f "/etc/docker/plugins/$PLUGIN.spec" "/run/docker/plugins/$PLUGIN-2.sock"
    local pid
    env_stop
    for pid in $(cat "$BATS_FILE_TMPDIR/plugins"); do
        kill "$pid" || true
    done
}

start_plugin() { # socket
    /usr/bin/python3 "$BATS_TEST_DIRNAME/../lib/authz_plugin.py" "$1" "$QUESTIONS" 3>&- 4>&- >"$ENV_DIR/plugin.log" 2>&1 &
    echo $! >>"$BATS_FILE_TMPDIR/plugins"
    disown $!
    local i
    for ((i = 0; i < 1500; i++)); do
        curl -sf --unix-socket "$1" -X POST http://p/Plugin.Activate >/dev/null && return 0
        sleep 0.02
    done
    cat "$ENV_DIR/plugin.log"
    return 1
}

restart_with() { # json
    echo "$1" >"$ENV_DIR/daemon.json"
    env_daemon_kill TERM
    env_daemon_start
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's own"
}

asked() { # call, part of the URI: the last such question
    jq -c --arg call "$1" --arg uri "$2" 'select(.call == $call and (.RequestUri | contains($uri)))' "$QUESTIONS" | tail -1
}

request() { # method, path, curl option...
    curl -s --unix-socket "$ENV_DIR/dory.sock" -o "$ENV_DIR/answer" -w '%{http_code}' -X "$1" "${@:3}" "http://d$2"
}

@test "a plugin sees requests and answers, with bodies that are JSON and without registries' credentials" {
    [ "$(request POST '/v1.41/containers/create?name=seen' -H 'Content-Type: application/json' -H 'X-Registry-Auth: hidden' -H 'X-Other: shown' \
        -d '{"Image": "busybox", "Cmd": ["true"]}')" = 201 ]
    question=$(asked AuthZReq containers/create)
    [ "$(jq -r '[.RequestMethod, .RequestUri, (.RequestBody | fromjson | .Image), .RequestHeaders["X-Other"]] | join(" ")' <<<"$question")" = \
        "POST /v1.41/containers/create?name=seen busybox shown" ]
    run ! grep -q hidden "$QUESTIONS"
    question=$(asked AuthZRes containers/create)
    [ "$(jq -r '[(.ResponseStatusCode | tostring), (.ResponseBody | fromjson | .Id)] | join(" ")' <<<"$question")" = "201 $(dory inspect -f '{{.Id}}' seen)" ]
    dory rm seen
}

@test "what it does not allow is not done: 403 in docker's words; nor what it has an error for" {
    [ "$(request POST '/v1.41/containers/create?name=forbidden' -H 'Content-Type: application/json' -d '{"Image": "busybox"}')" = 403 ]
    [ "$(jq -r .message "$ENV_DIR/answer")" = "authorization denied by plugin $PLUGIN: not this" ]
    run -1 dory inspect --type image "forbidden-one"
    [ -z "$(dory ps -aq)" ]
    [ "$(request GET '/v1.41/info?broken=1')" = 403 ]
    [[ $(jq -r .message "$ENV_DIR/answer") == "authorization denied by plugin $PLUGIN: "* ]]
    [[ $ENV_ENGINE != dory || $(jq -r .message "$ENV_DIR/answer") == *"it is broken" ]]
    run -1 dory volume create forbidden/x
    run -125 dory run --name forbidden busybox true
    [[ $output == *"authorization denied by plugin $PLUGIN: not this"* ]]
}

@test "a body is judged whole, however long it is and whatever type it claims" {
    ours # docker 20.10 lets a long one pass that its plugins did not see
    long() { # bytes of padding
        printf '{"Image": "busybox", "Labels": {"pad": "%s"}, "Cmd": ["forbidden"]}' "$(head -c "$1" /dev/zero | tr '\0' x)" >"$ENV_DIR/body"
    }
    for size in 10 1500000 4100000; do
        long $size
        [ "$(request POST '/v1.41/containers/create?name=long' -H 'Content-Type: application/json' --data-binary @"$ENV_DIR/body")" = 403 ]
    done
    long 10
    for type in text/plain application/x-tar 'application/jsonx' ''; do
        status=$(request POST '/v1.41/containers/create?name=long' -H "Content-Type: $type" --data-binary @"$ENV_DIR/body")
        [ "$status" = 403 ] || [ "$status" = 400 ] || [ "$status" = 415 ]
        status=$(request POST '/v1.41/containers/create?name=long' -H "Content-Type: $type" -H 'Transfer-Encoding: chunked' --data-binary @"$ENV_DIR/body")
        [ "$status" = 403 ] || [ "$status" = 400 ] || [ "$status" = 415 ]
    done
    [ -z "$(dory ps -aq)" ]
}

@test "an answer that it does not allow does not go out" {
    dory volume create -d local --label a=secret told >/dev/null || true
    [ "$(request GET '/v1.41/volumes')" = 403 ]
    [ "$(jq -r .message "$ENV_DIR/answer")" = "authorization denied by plugin $PLUGIN: not this" ]
    run ! grep -q told "$ENV_DIR/answer"
    dory volume rm told
    [ "$(request GET '/v1.41/volumes')" = 200 ]
}

@test "errors are answers, too, whether their request may stream, take the connection over, or neither" {
    ours # docker tells its errors whatever the plugin says of them
    for what in 'GET json' 'POST attach' 'PUT archive?path=/'; do
        [ "$(request ${what% *} "/v1.41/containers/secret/${what#* }")" = 403 ]
        [ "$(jq -r .message "$ENV_DIR/answer")" = "authorization denied by plugin $PLUGIN: not this" ]
    done
}

@test "streams and connections that are taken over are asked for, too" {
    [ "$(dory run --rm busybox echo hello)" = hello ]
    [ -n "$(asked AuthZReq /attach)" ]
    [ "$(echo typed | dory run -i --rm busybox cat)" = typed ]
    dory run -d --name long busybox sleep 1000 >/dev/null
    [ "$(dory exec long echo in)" = in ]
    [ -n "$(asked AuthZReq /exec)" ]
    echo FROM busybox >"$ENV_DIR/Dockerfile"
    [ "$(tar -c -C "$ENV_DIR" Dockerfile | request POST '/v1.41/build?t=allowed' -H 'Content-Type: application/x-tar' --data-binary @-)" = 200 ]
    dory rmi allowed >/dev/null
    [ "$(tar -c -C "$ENV_DIR" Dockerfile | request POST '/v1.41/build?forbidden=1' -H 'Content-Type: application/x-tar' --data-binary @-)" = 403 ]
    dory rm -f long
}

@test "SIGHUP takes a list that can be asked, and keeps the former one otherwise" {
    ours
    start_plugin "/run/docker/plugins/$PLUGIN-2.sock"
    said() { # text: within a minute in the daemon's log
        local end=$((SECONDS + 60))
        until grep -q "$1" "$ENV_DIR/doryd.log"; do
            [ $SECONDS -lt $end ] || return 1
            sleep 0.05
        done
    }
    echo '{"authorization-plugins": ["nosuch"]}' >"$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    said 'settings are kept as they are.*error validating authorization plugin: nosuch.*plugin .*nosuch.* not found'
    [ "$(request GET '/v1.41/info?forbidden=1')" = 403 ]
    echo '{"authorization-plugins": ["'"$PLUGIN-2"'"]}' >"$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    said 'reload configuration, reloaded'
    [ "$(request GET '/v1.41/info?forbidden=1')" = 403 ]
    [ "$(jq -r .message "$ENV_DIR/answer")" = "authorization denied by plugin $PLUGIN-2: not this" ]
    # Gone: nothing is allowed.
    kill "$(tail -1 "$BATS_FILE_TMPDIR/plugins")"
    env_wait_gone "$(tail -1 "$BATS_FILE_TMPDIR/plugins")"
    sed -i '$d' "$BATS_FILE_TMPDIR/plugins"
    [ "$(request GET '/v1.41/info')" = 500 ]
    [[ $(jq -r .message "$ENV_DIR/answer") == *"plugin $PLUGIN-2 failed with error: "* ]]
    echo '{}' >"$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    local end=$((SECONDS + 60))
    until [ "$(request GET '/v1.41/info')" = 200 ]; do
        [ $SECONDS -lt $end ]
        sleep 0.05
    done
}

@test "a plugin that is not there keeps the daemon from starting, by its name" {
    ours
    start() { # plugin
        run -1 "$DORY_BIN/doryd" --data-root "$BATS_TEST_TMPDIR/d" --exec-root "$BATS_TEST_TMPDIR/r" -H "unix://$BATS_TEST_TMPDIR/s" --pidfile "$BATS_TEST_TMPDIR/p" \
            --config-file <(echo '{}') --bridge none --authorization-plugin "$1"
    }
    start nosuch
    [[ $output == *'error validating authorization plugin: nosuch'*'plugin "nosuch" not found'* ]]
    start ../../etc/passwd
    [[ $output == *'plugin "../../etc/passwd" not found'* ]]
    run -1 "$DORY_BIN/doryd" --validate --config-file <(echo '{"authorization-plugins": ["x"], "tlsverify": true}')
    [[ $output == *"authorization-plugins: "*tls* ]]
}
