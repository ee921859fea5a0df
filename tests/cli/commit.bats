#!/usr/bin/env bats
# commit: the container's layer becomes an image's; --change; what overlayfs and tar make of links, holes, whiteouts.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    [ ! -s "$ENV_DIR/www.pid" ] || kill "$(cat "$ENV_DIR/www.pid")" 2>/dev/null || true
    env_stop
}

field() { # image template
    dory inspect -f "$2" "$1"
}

@test "files added, changed and deleted are so in the image, and the container goes on" {
    dory run -d --name run1 busybox sh -c 'echo a >/added; echo b >>/etc/group; rm /etc/passwd; rm -r /tmp; mkdir /tmp; ln /added /second; touch /ready; sleep 3600' >/dev/null
    for _ in $(seq 600); do dory cp run1:/ready - >/dev/null 2>&1 && break; sleep 0.05; done
    id=$(dory commit -a "A <a@b>" -m "a message" run1 made:1)
    [[ $id =~ ^sha256:[0-9a-f]{64}$ ]]
    [ "$(field run1 '{{.State.Status}}')" = running ]
    [ "$(field made:1 '{{.Id}} {{.Author}} {{.Comment}}')" = "$id A <a@b> a message" ]
    [ "$(dory run --rm made:1 sh -c 'cat /added /second; tail -1 /etc/group; ls -A /tmp; ls /etc/passwd 2>&1')" = $'a\na\nb\nls: /etc/passwd: No such file or directory' ]
    [ "$(dory run --rm made:1 stat -c %h /added)" = 2 ]
    run curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/images/made:1/history
    [ "$(grep -o '"Id"' <<<"$output" | wc -l)" -eq 2 ]
    [[ $output == *'"Comment":"a message"'* ]]
    [ "$(field made:1 '{{len .RootFS.Layers}}')" = 2 ]
    dory rm -f run1 >/dev/null
    dory rmi made:1
}

@test "--change: every instruction" {
    STOPSIGNAL=(-c 'STOPSIGNAL SIGINT')
    expected=SIGINT
    [ "$ENV_ENGINE" = dory ] || STOPSIGNAL=() expected= # docker takes it since 23
    dory create --name ch -e KEPT=1 --label kept=yes -w /old busybox echo hi >/dev/null
    dory commit \
        -c 'CMD ["x", "y z"]' -c 'ENTRYPOINT ["/e"]' -c 'ENV A=b C="d e"' -c 'EXPOSE 80 81/udp' \
        -c 'HEALTHCHECK --interval=5s --retries=2 CMD true' -c 'LABEL l=1 m="two words"' -c 'ONBUILD RUN make' \
        ${STOPSIGNAL[@]+"${STOPSIGNAL[@]}"} -c 'USER 12:34' -c 'VOLUME /v1 /v2' -c 'WORKDIR /new' ch changed:1 >/dev/null
    [ "$(field changed:1 '{{json .Config.Cmd}} {{json .Config.Entrypoint}}')" = '["x","y z"] ["/e"]' ]
    [[ $(field changed:1 '{{json .Config.Env}}') == *'"KEPT=1"'*'"A=b","C=d e"'* ]]
    [[ $(field changed:1 '{{json .Config.ExposedPorts}}') == *'"80/tcp":{}'*'"81/udp":{}'* ]]
    [[ $(field changed:1 '{{json .Config.Healthcheck}}') == *'["CMD-SHELL","true"]'*5000000000* ]]
    [ "$(field changed:1 '{{json .Config.Labels}}')" = '{"kept":"yes","l":"1","m":"two words"}' ]
    [ "$(field changed:1 '{{json .Config.OnBuild}} {{.Config.StopSignal}} {{.Config.User}} {{.Config.WorkingDir}}')" = "[\"RUN make\"] $expected 12:34 /new" ]
    [[ $(field changed:1 '{{json .Config.Volumes}}') == *'"/v1":{}'*'"/v2":{}'* ]]
    dory commit -c 'ENV A=other' ch changed:2 >/dev/null
    [[ $(field changed:2 '{{json .Config.Env}}') == *'"A=other"'* ]]
    [ "$(field changed:2 '{{json .Config.Cmd}} {{.Config.WorkingDir}}')" = '["echo","hi"] /old' ]
    dory rmi changed:1 changed:2
    dory rm ch
}

@test "a container that wrote nothing adds no layer" {
    dory create --name empty busybox true >/dev/null
    dory commit -m nothing empty empty:1 >/dev/null
    [ "$(field empty:1 '{{json .RootFS.Layers}}')" = "$(field busybox '{{json .RootFS.Layers}}')" ]
    dory rm empty
    dory rmi empty:1
}

@test "refusals in docker's words; nothing is made" {
    dory create --name re busybox >/dev/null
    before=$(dory images -aq --no-trunc | sort)
    run -1 dory commit nosuch
    [[ $output == *"No such container: nosuch"* ]]
    run -0 curl -s -w ' %{http_code}' --unix-socket "$ENV_DIR/dory.sock" -X POST http://d/commit
    [[ $output == *'invalid name or ID supplied: \"\"'*" 400" ]]
    run -1 dory commit -c 'FOO x' re
    [[ $output == *"is not a valid change command"* ]]
    run -1 dory commit re UPPER:1
    [[ $output == *"repository name"*"must be lowercase"* ]]
    run -1 dory commit -c 'EXPOSE abc' re
    [[ $output == *"abc"* ]]
    [ "$(dory images -aq --no-trunc | sort)" = "$before" ]
    dory rm re
}

@test "without a name; the same container twice; an image upon an image upon an image" {
    dory run --name base busybox sh -c 'mkdir /d; echo 1 >/d/one; echo 2 >/d/two'
    id=$(dory commit base)
    [ "$(field "$id" '{{json .RepoTags}}')" = "[]" ]
    dory run --name second "$id" sh -c 'rm -r /d; mkdir /d; echo 3 >/d/three'
    dory commit second stack:2 >/dev/null
    dory run --name third stack:2 sh -c 'rm /d/three; echo 4 >/d/four'
    dory commit third stack:3 >/dev/null
    [ "$(dory run --rm stack:3 ls /d)" = four ]
    [ "$(dory run --rm stack:2 ls /d)" = three ]
    [ "$(field stack:3 '{{len .RootFS.Layers}}')" = 4 ]
    [ "$(field stack:3 '{{.Parent}}')" = "$(field stack:2 '{{.Id}}')" ]
    run -1 dory rmi "$id"
    [[ $output == *"image has dependent child images"* || $output == *"is using"* || $output == *"being used"* ]]
    dory rm base second third
    dory rmi stack:3 stack:2
    dory rmi "$id" 2>/dev/null || true
}

@test "paused while it is read, unless that is not wanted" {
    dory run -d --name pa busybox sleep 3600 >/dev/null
    since=$(date +%s)
    dory commit pa pa:1 >/dev/null
    dory commit --pause=false pa pa:2 >/dev/null
    dory commit --no-pause pa pa:2 >/dev/null
    run dory events --since "$since" --until "$(($(date +%s) + 1))" -f container=pa --format '{{.Action}}'
    [ "$(grep -c '^pause$' <<<"$output")" -eq 1 ]
    [ "$(grep -c '^unpause$' <<<"$output")" -eq 1 ]
    [ "$(grep -c '^commit$' <<<"$output")" -eq 3 ]
    [ "$(field pa '{{.State.Status}}')" = running ]
    dory pause pa
    dory commit pa pa:3 >/dev/null
    [ "$(field pa '{{.State.Status}}')" = paused ]
    dory unpause pa
    dory rm -f pa >/dev/null
    dory rmi pa:1 pa:2 pa:3
}

@test "capabilities of files, modes, times to the nanosecond, odd names" {
    [ "$ENV_ENGINE" = dory ] || skip "docker cuts times to seconds"
    mkdir -p "$ENV_DIR/in"
    cp /bin/busybox "$ENV_DIR/in/ping"
    /usr/bin/python3 - "$ENV_DIR/in/ping" <<'PY'
import os, sys
os.setxattr(sys.argv[1], "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
os.setxattr(sys.argv[1], "user.note", b"kept")
PY
    chmod 2755 "$ENV_DIR/in/ping"
    touch -d '2001-02-03 04:05:06.123456789Z' "$ENV_DIR/in/ping"
    odd=$'a\nb \xc3\xa4 \xff'
    echo odd >"$ENV_DIR/in/$odd"
    dory create --name caps busybox >/dev/null
    dory cp "$ENV_DIR/in" caps:/in
    dory commit caps caps:1 >/dev/null
    dory create --name caps2 caps:1 >/dev/null
    mkdir "$ENV_DIR/out"
    dory export caps2 | tar -C "$ENV_DIR/out" --xattrs --xattrs-include='*' -xf - in
    [ "$(cat "$ENV_DIR/out/in/$odd")" = odd ]
    [ "$(TZ=UTC stat -c '%a %y' "$ENV_DIR/out/in/ping")" = "2755 2001-02-03 04:05:06.123456789 +0000" ]
    [ "$(/usr/bin/python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "security.capability").hex(), os.getxattr(sys.argv[1], "user.note").decode())' "$ENV_DIR/out/in/ping")" = "0100000200200000000000000000000000000000 kept" ]
    dory rm caps caps2
    dory rmi caps:1
}

@test "import from a URL, with changes and a message" {
    mkdir -p "$ENV_DIR/www"
    cp "$(busybox_tar)" "$ENV_DIR/www/root.tar"
    gzip -1 -c "$(busybox_tar)" >"$ENV_DIR/www/root.tgz"
    (cd "$ENV_DIR/www" && exec /usr/bin/python3 -u -m http.server --bind 127.0.0.1 0 3>&- 4>&- >"$ENV_DIR/www.log" 2>&1) &
    echo $! >"$ENV_DIR/www.pid"
    for _ in $(seq 600); do grep -q 'port [0-9]' "$ENV_DIR/www.log" && break; sleep 0.05; done
    url=http://127.0.0.1:$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$ENV_DIR/www.log")
    run dory import -m fetched -c 'CMD ["echo", "from a url"]' -c 'ENV PATH=/bin' "$url/root.tgz" fetched:1
    [ "$status" -eq 0 ]
    [ "$(dory run --rm fetched:1)" = "from a url" ]
    [ "$(field fetched:1 '{{.Comment}}')" = fetched ]
    dory import "$url/root.tar" fetched:2 >/dev/null
    [ "$(field fetched:2 '{{.Comment}}')" = "Imported from $url/root.tar" ]
    [ "$(field fetched:2 '{{json .RootFS.Layers}}')" = "$(field fetched:1 '{{json .RootFS.Layers}}')" ]
    run -1 dory import "$url/nosuch" fetched:3
    [[ $output == *404* ]]
    kill "$(cat "$ENV_DIR/www.pid")"
    env_wait_gone "$(cat "$ENV_DIR/www.pid")"
    run -1 dory import "$url/root.tar" fetched:3
    [[ $output == *"connection refused"* ]]
    run -1 dory inspect fetched:3
    dory rmi fetched:1 fetched:2
}

@test "a container that ends while it is committed is committed" {
    local i id
    for i in {1..30}; do
        id=$(dory run -d busybox usleep $((i * 300)))
        dory commit "$id" "ending:$i"
        dory rm -f "$id"
        dory rmi "ending:$i"
    done
}

@test "clients before 1.45 are told what an image was committed from, or its own configuration where it was not" {
    dory run --name from1 -e FROM_ENV=1 busybox true
    dory commit -c 'VOLUME /v' from1 from:1
    local url=http://d/v1.44/images
    run -0 curl -sf --unix-socket "$ENV_DIR/dory.sock" "$url/from:1/json"
    [ "$(jq -r .Container <<<"$output")" = "$(dory inspect -f '{{.Id}}' from1)" ]
    [ "$(jq -c '[.ContainerConfig.Volumes, .Config.Volumes]' <<<"$output")" = '[null,{"/v":{}}]' ]
    [ "$(jq '.ContainerConfig.Env | index("FROM_ENV=1")' <<<"$output")" != null ]
    run -0 curl -sf --unix-socket "$ENV_DIR/dory.sock" "$url/busybox/json"
    [ "$(jq .Container <<<"$output")" = '""' ]
    [ "$(jq '.ContainerConfig == .Config and .Config.Cmd == ["sh"]' <<<"$output")" = true ]
    run -0 curl -sf --unix-socket "$ENV_DIR/dory.sock" "http://d/v1.45/images/busybox/json"
    [ "$(jq 'has("Container") or has("ContainerConfig")' <<<"$output")" = false ]
    run -0 curl -sf -A docker-compose/1.29.2 --unix-socket "$ENV_DIR/dory.sock" "http://d/v1.45/images/busybox/json"
    [ "$(jq '.ContainerConfig == .Config' <<<"$output")" = true ]
    dory rm from1
}
