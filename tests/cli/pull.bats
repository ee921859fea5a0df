#!/usr/bin/env bats
# pull against a registry that misbehaves (tests/clients/registry_faults.py) and against every kind of authentication.
# Whatever happens, nothing may be left behind by a pull that failed. Ordinary pulls are in images.bats.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    faults_start
    export FAULTS OTHER
}

teardown_file() {
    kill "$(cat "$ENV_DIR/faults.pid")"
    env_stop
}

faults_start() {
    /usr/bin/python3 "$ENV_SOURCE/tests/clients/registry_faults.py" "$ENV_DIR/faults.port" "$ENV_DIR/faults.log" "$@" \
        3>&- 4>&- >/dev/null 2>&1 &
    echo $! >"$ENV_DIR/faults.pid"
    disown $!
    local i
    for ((i = 0; i < 250; i++)); do
        [ ! -s "$ENV_DIR/faults.port" ] || break
        sleep 0.02
    done
    read -r port other <"$ENV_DIR/faults.port"
    FAULTS=127.0.0.1:$port OTHER=127.0.0.1:$other
}

# A TLS registry on an address that is not loopback, which would be trusted without certificates: sets TLS to host:port.
tls_start() {
    TLS_ADDRESS=10.214.$((RANDOM % 250 + 1)).1
    ip addr add "$TLS_ADDRESS/32" dev lo
    cd "$BATS_TEST_TMPDIR" || return 1
    local name
    for name in server client; do
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" -addext "subjectAltName=IP:$TLS_ADDRESS" \
            -keyout "$name.key" -out "$name.cert" 2>/dev/null
    done
    BIND=$TLS_ADDRESS /usr/bin/python3 "$ENV_SOURCE/tests/clients/registry_faults.py" tls.port tls.log \
        server.cert server.key "$@" 3>&- 4>&- >/dev/null 2>&1 &
    TLS_PID=$!
    local i
    for ((i = 0; i < 250; i++)); do
        [ ! -s tls.port ] || break
        sleep 0.02
    done
    TLS=$TLS_ADDRESS:$(cut -d' ' -f1 tls.port)
    TLS_DIR=/etc/dory/certs.d/$TLS DOCKER_TLS_DIR=/etc/docker/certs.d/$TLS
}

teardown() {
    [ -n "${TLS_PID:-}" ] || return 0
    kill "$TLS_PID"
    ip addr del "$TLS_ADDRESS/32" dev lo
    rm -rf "$TLS_DIR" "$DOCKER_TLS_DIR"
    rmdir -p --ignore-fail-on-non-empty /etc/dory/certs.d /etc/docker/certs.d 2>/dev/null || true
}

# credentials JSON: the client's config.json with this entry for the registry.
credentials() {
    echo "{\"auths\":{\"$FAULTS\":$1}}" >"$DOCKER_CONFIG/config.json"
}

setup() {
    rm -f "$DOCKER_CONFIG/config.json"
}

# refused REPOSITORY TEXT [kept]: the pull fails with TEXT, and neither an image nor a layer nor a temporary file stays
# (kept: but what the next attempt can go on with).
refused() {
    local before after
    before=$(ls "$ENV_DIR/data/overlay" "$ENV_DIR/data/image/blobs/sha256")
    run dory pull "$FAULTS/$1"
    [ "$status" -eq 1 ]
    if ! grep -qF -- "$2" <<<"$output"; then
        echo "expected: $2" >&2
        echo "got: $output" >&2
        return 1
    fi
    after=$(ls "$ENV_DIR/data/overlay" "$ENV_DIR/data/image/blobs/sha256")
    [ "$before" = "$after" ]
    [ -z "$(dory images -q "$FAULTS/$1")" ]
    [ "${3:-}" != kept ] || dory image prune -f >/dev/null
    local i
    for ((i = 0; i < 100; i++)); do
        [ -n "$(ls "$ENV_DIR/data/tmp")" ] || return 0
        sleep 0.05
    done
    ls "$ENV_DIR/data/tmp" >&2
    return 1
}

@test "progress in docker's words and order" {
    run -0 dory pull "$FAULTS/plain"
    [ "${lines[0]}" = "Using default tag: latest" ]
    [ "${lines[1]}" = "latest: Pulling from plain" ]
    [ "$(grep -c ': Pulling fs layer$' <<<"$output")" -eq 3 ]
    [ "$(grep -c ': Verifying Checksum$' <<<"$output")" -eq 3 ]
    [ "$(grep -c ': Download complete$' <<<"$output")" -eq 3 ]
    [ "$(grep -c ': Pull complete$' <<<"$output")" -eq 3 ]
    grep -Eq '^Digest: sha256:[0-9a-f]{64}$' <<<"$output"
    grep -qx "Status: Downloaded newer image for $FAULTS/plain:latest" <<<"$output"
    [ "${lines[-1]}" = "$FAULTS/plain:latest" ]
    run -0 dory pull "$FAULTS/plain"
    grep -qx "Status: Image is up to date for $FAULTS/plain:latest" <<<"$output"
    run -0 dory inspect -f '{{index .RepoDigests 0}}' "$FAULTS/plain"
    [[ $output == "$FAULTS/plain@sha256:"* ]]
}

@test "a pull of what is there: two requests on one connection" {
    dory pull -q "$FAULTS/plain"
    before=$(wc -l <"$ENV_DIR/faults.log")
    run -0 dory pull "$FAULTS/plain"
    grep -qx "Status: Image is up to date for $FAULTS/plain:latest" <<<"$output"
    tail -n "+$((before + 1))" "$ENV_DIR/faults.log" >"$BATS_TEST_TMPDIR/log"
    run -0 jq -r '.method + " " + .path' "$BATS_TEST_TMPDIR/log"
    [ "$output" = "GET /v2/"$'\n'"GET /v2/plain/manifests/latest" ]
    [ "$(jq .peer "$BATS_TEST_TMPDIR/log" | sort -u | wc -l)" -eq 1 ]
}

@test "a layer whose bytes are not its digest's" {
    refused layer-lie "filesystem layer verification failed for digest sha256:"
}

@test "a truncated layer" {
    refused layer-truncated "filesystem layer verification failed for digest sha256:"
}

@test "a layer that is longer or shorter than the manifest says" {
    refused size-lie "filesystem layer verification failed for digest sha256:"
    refused size-lie-more "filesystem layer verification failed for digest sha256:"
}

@test "a layer that is no gzip stream" {
    refused not-gzip "failed to register layer: flate: corrupt input"
}

@test "a layer that climbs out of its directory" {
    refused escape "failed to register layer: "
    [ ! -e /tmp/dory-escaped ]
}

@test "a config that is not its digest's, or is missing" {
    refused config-lie "error pulling image configuration: image config verification failed for digest sha256:"
    refused config-gone "error pulling image configuration: blob unknown: blob unknown to registry"
}

@test "a config that claims other layers' diffIDs" {
    refused diffid-lie "layers from manifest don't match image configuration"
}

@test "an image of another operating system or architecture" {
    refused windows 'image operating system "windows" cannot be used on this platform'
    refused index-other "no matching manifest for linux/"
}

@test "a manifest that could be two things, or is not what the registry says (CVE-2021-41190)" {
    refused both "expected a manifest but found 'manifests'"
    refused media-type-lie "mediaType in manifest should be"
    refused index-lie "mediaType in manifest should be"
    refused manifest-lie "manifest verification failed for digest sha256:"
}

@test "what is no image: artifacts, unknown layers, schema 1, documents without end" {
    refused artifact "unsupported media type application/vnd.cncf.helm.config.v1+json"
    refused layer-type "unsupported media type application/vnd.example.layer"
    refused schema1 "schema 1 is not supported"
    refused huge-manifest "the answer is larger than 4194304 bytes"
}

@test "registry errors in docker's words" {
    refused denied "pull access denied for $FAULTS/denied, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
    refused limit "toomanyrequests: You have reached your pull rate limit."
    refused "plain:nosuch" "manifest for $FAULTS/plain:nosuch not found: manifest unknown: manifest unknown"
}

@test "a repository that is not there at a registry that gives tokens to everybody, as Docker Hub" {
    refused bearer-nowhere "pull access denied for $FAULTS/bearer-nowhere, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
    run -0 curl -s -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -X POST "http://d/images/create?fromImage=$FAULTS/bearer-nowhere&tag=latest"
    [ "$output" = 404 ]
    run -0 curl -s -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" "http://d/distribution/$FAULTS/bearer-nowhere/json"
    [[ $output == *"denied: requested access to the resource is denied"*403 ]]
    run -0 curl -s -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" "http://d/distribution/$FAULTS/plain:nosuch/json"
    [[ $output == *'"message":"manifest unknown: manifest unknown"'*404 ]]
}

@test "redirects without end and to other protocols" {
    refused loop "stopped after 10 redirects"
    refused to-file 'unsupported protocol scheme "file"'
}

@test "a server that fails once is asked again" {
    run -0 dory pull "$FAULTS/error-once"
    run -0 dory pull "$FAULTS/blob-error-once"
    run -0 dory pull "$FAULTS/later"
}

@test "a connection that breaks is taken up where it broke" {
    run -0 dory pull "$FAULTS/cut"
    grep -F '/v2/cut/' "$ENV_DIR/faults.log" | grep -qF '"range": "bytes=1000000-"'
    grep -F '/v2/cut/' "$ENV_DIR/faults.log" | grep -qF '"range": "bytes=2000000-"'
    run -0 dory pull "$FAULTS/cut-norange"
    run -0 dory pull "$FAULTS/range-lie"
}

@test "a connection that breaks again and again is given up" {
    refused cut-always "download failed after attempts=6: " kept
}

@test "an index, a layer that is there twice, a foreign layer" {
    run -0 dory pull "$FAULTS/index"
    run -0 dory pull "$FAULTS/twice"
    [ "$(dory inspect -f '{{len .RootFS.Layers}}' "$FAULTS/twice")" = 3 ]
    run -0 dory pull "$FAULTS/foreign"
    grep -F '"server": "other"' "$ENV_DIR/faults.log" | grep -qF '/nothing-here'
}

@test "basic authentication" {
    refused basic-x "no basic auth credentials"
    credentials "{\"auth\":\"$(printf 'someone:wrong' | base64)\"}"
    refused basic-x "unauthorized: authentication required"
    credentials "{\"auth\":\"$(printf 'someone:secret word' | base64)\"}"
    run -0 dory pull "$FAULTS/basic-x"
}

@test "bearer tokens: anonymous, by password, by identity token, renewed when they expire" {
    run -0 dory pull "$FAULTS/bearer-anonymous"
    refused bearer-x "unauthorized: incorrect username or password"
    credentials "{\"auth\":\"$(printf 'someone:secret word' | base64)\"}"
    run -0 dory pull "$FAULTS/bearer-x"
    grep -qF 'scope=repository%3Abearer-x%3Apull&service=faults' "$ENV_DIR/faults.log"
    run -0 dory pull "$FAULTS/bearer-expires"
    credentials "{\"auth\":\"$(printf 'someone:' | base64)\",\"identitytoken\":\"identity-token-1\"}"
    run -0 dory pull "$FAULTS/bearer-id"
    grep -F '"method": "POST"' "$ENV_DIR/faults.log" | grep -qF '/token'
}

@test "credentials do not follow a redirect to another origin (CVE-2024-3727)" {
    credentials "{\"auth\":\"$(printf 'someone:secret word' | base64)\"}"
    run -0 dory pull "$FAULTS/basic-redirect"
    run -0 dory pull "$FAULTS/bearer-redirect"
    refused redirect-asks "unauthorized: authentication required"
    [ "$(grep -cF '"server": "other"' "$ENV_DIR/faults.log")" -ge 3 ]
    run grep -F '"server": "other"' "$ENV_DIR/faults.log"
    ! grep -vF '"authorization": null' <<<"$output" || false
}

# requests METHOD PATTERN: how many of them the registry saw.
requests() {
    grep "\"method\": \"$1\"" "$ENV_DIR/faults.log" | grep -cE "$2" || true
}

# until_true COMMAND...: within half a minute.
until_true() {
    local i
    for ((i = 0; i < 600; i++)); do
        ! "$@" || return 0
        sleep 0.05
    done
    echo "never: $*" >&2
    return 1
}

# joined FILE: this pull knows its layers and gets bytes of the first, or waits for them.
joined() {
    [ "$(grep -c ': Pulling fs layer$' "$1")" -eq 3 ]
}

tmp_is_empty() {
    [ -z "$(ls "$ENV_DIR/data/tmp")" ]
}

@test "the same image pulled four times at once: each layer is fetched once" {
    local i pids=()
    rm -f "$ENV_DIR/faults.port.gate"
    for i in 1 2 3 4; do
        dory pull "$FAULTS/gate-together" >"$ENV_DIR/together.$i" 3>&- &
        pids[i]=$!
    done
    for i in 1 2 3 4; do
        until_true joined "$ENV_DIR/together.$i"
    done
    touch "$ENV_DIR/faults.port.gate"
    for i in 1 2 3 4; do
        wait "${pids[i]}"
        [ "$(grep -c ': Pull complete$' "$ENV_DIR/together.$i")" -eq 3 ]
    done
    [ "$(dory images -q "$FAULTS/gate-together" | wc -l)" -eq 1 ]
    # Three layers once, and the config for each pull.
    [ "$(requests GET '/v2/gate-together/blobs/')" -eq 7 ]
    until_true tmp_is_empty
}

# A pull whose progress can be seen byte by byte: into FILE.
api_pull() { # repository file
    exec curl -sN -X POST --unix-socket "$ENV_DIR/dory.sock" "http://d/images/create?fromImage=$FAULTS/$1&tag=latest" >"$2" 3>&-
}

# begun FILE: bytes of the first layer have come, and the two others are complete.
begun() {
    grep -q '"Downloading".*"total":300' "$1" && [ "$(grep -c '"Pull complete"' "$1")" -eq 2 ]
}

unconnected() {
    [ -z "$(ss -Htn state established "dport = :${FAULTS#*:}")" ]
}

@test "a client that goes away while another one waits: the other goes on where it stopped" {
    local first second
    rm -f "$ENV_DIR/faults.port.gate"
    api_pull gate-handover "$ENV_DIR/first" &
    first=$!
    until_true begun "$ENV_DIR/first"
    dory pull "$FAULTS/gate-handover" >"$ENV_DIR/second" 3>&- &
    second=$!
    until_true joined "$ENV_DIR/second"
    kill "$first"
    wait "$first" || true
    # The registry does not send the rest of the first request, but answers the second one's.
    wait "$second"
    [ "$(requests GET '/v2/gate-handover/blobs/.*"range": "bytes=[0-9]+-"')" -eq 1 ]
    # Three layers, and the config twice.
    [ "$(requests GET '/v2/gate-handover/blobs/.*"range": null')" -eq 5 ]
    dory inspect "$FAULTS/gate-handover" >/dev/null
    touch "$ENV_DIR/faults.port.gate"
    until_true tmp_is_empty
}

@test "a pull that was broken off is taken up by the next one; image prune forgets what is kept" {
    local name pid
    for name in gate-resumed gate-forgotten; do
        rm -f "$ENV_DIR/faults.port.gate"
        api_pull $name "$ENV_DIR/broken" &
        pid=$!
        until_true begun "$ENV_DIR/broken"
        kill "$pid"
        wait "$pid" || true
        until_true unconnected
        [ -z "$(dory images -q "$FAULTS/$name")" ]
        [ $name = gate-resumed ] || dory image prune -f >/dev/null
        touch "$ENV_DIR/faults.port.gate"
        dory pull -q "$FAULTS/$name"
    done
    # The two other layers are not fetched again, the config is.
    [ "$(requests GET '/v2/gate-resumed/blobs/.*"range": "bytes=[0-9]+-"')" -eq 1 ]
    [ "$(requests GET '/v2/gate-resumed/blobs/.*"range": null')" -eq 5 ]
    [ "$(requests GET '/v2/gate-forgotten/blobs/.*"range": "bytes')" -eq 0 ]
    [ "$(requests GET '/v2/gate-forgotten/blobs/.*"range": null')" -eq 8 ]
    until_true tmp_is_empty
}

@test "a daemon that ends or is killed leaves what has come to the next one" {
    local how pid
    for how in term kill; do
        rm -f "$ENV_DIR/faults.port.gate"
        api_pull gate-$how "$ENV_DIR/broken" &
        pid=$!
        until_true begun "$ENV_DIR/broken"
        until_true sh -c "[ \"\$(stat -c %s '$ENV_DIR'/data/downloads/* 2>/dev/null | head -1)\" = 1000000 ]"
        env_daemon_kill ${how^^}
        wait "$pid" || true
        [ -n "$(ls "$ENV_DIR/data/downloads")" ]
        env_daemon_start
        touch "$ENV_DIR/faults.port.gate"
        dory pull -q "$FAULTS/gate-$how"
        [ "$(requests GET "/v2/gate-$how/blobs/.*\"range\": \"bytes=1000000-\"")" -eq 1 ]
        [ -z "$(ls "$ENV_DIR/data/downloads")" ]
        until_true tmp_is_empty
    done
    # What was there is wrong on the disk by then: the whole is fetched again.
    rm -f "$ENV_DIR/faults.port.gate"
    api_pull gate-damaged "$ENV_DIR/broken" &
    pid=$!
    until_true begun "$ENV_DIR/broken"
    until_true sh -c "[ \"\$(stat -c %s '$ENV_DIR'/data/downloads/* 2>/dev/null | head -1)\" = 1000000 ]"
    env_daemon_kill KILL
    wait "$pid" || true
    printf x | dd of="$(ls -d "$ENV_DIR"/data/downloads/*)" bs=1 seek=700000 conv=notrunc status=none
    env_daemon_start
    touch "$ENV_DIR/faults.port.gate"
    dory pull -q "$FAULTS/gate-damaged"
    # Forgotten with image prune, and when its time is over.
    rm -f "$ENV_DIR/faults.port.gate"
    api_pull gate-pruned "$ENV_DIR/broken" &
    pid=$!
    until_true begun "$ENV_DIR/broken"
    until_true sh -c "[ \"\$(stat -c %s '$ENV_DIR'/data/downloads/* 2>/dev/null | head -1)\" = 1000000 ]"
    env_daemon_kill KILL
    wait "$pid" || true
    env_daemon_start
    dory image prune -f >/dev/null
    [ -z "$(ls "$ENV_DIR/data/downloads")" ]
    touch "$ENV_DIR/faults.port.gate"
}

@test "what another pull has left is fetched again when it is wrong" {
    rm -f "$ENV_DIR/faults.port.gate"
    api_pull gate-poisoned "$ENV_DIR/broken" &
    local pid=$!
    until_true begun "$ENV_DIR/broken"
    kill "$pid"
    wait "$pid" || true
    until_true unconnected
    touch "$ENV_DIR/faults.port.gate"
    dory pull -q "$FAULTS/gate-poisoned"
    # The rest, then the whole.
    [ "$(requests GET '/v2/gate-poisoned/blobs/.*"range": "bytes=[0-9]+-"')" -eq 1 ]
    [ "$(requests GET '/v2/gate-poisoned/blobs/.*"range": null')" -eq 6 ]
    until_true tmp_is_empty
}

@test "what is kept of a pull goes when its time is over; with keep-downloads 0 nothing is kept" {
    local options=("${ENV_OPTIONS[@]}") keep pid
    for keep in 1 0; do
        env_daemon_kill TERM
        ENV_OPTIONS=("${options[@]}" --keep-downloads $keep)
        env_daemon_start
        rm -f "$ENV_DIR/faults.port.gate"
        api_pull gate-kept-$keep "$ENV_DIR/broken" &
        pid=$!
        until_true begun "$ENV_DIR/broken"
        kill "$pid"
        wait "$pid" || true
        until_true tmp_is_empty
        touch "$ENV_DIR/faults.port.gate"
        dory pull -q "$FAULTS/gate-kept-$keep"
        [ "$(requests GET "/v2/gate-kept-$keep/blobs/.*\"range\": \"bytes")" -eq 0 ]
    done
    env_daemon_kill TERM
    ENV_OPTIONS=("${options[@]}")
    env_daemon_start
}

@test "the daemon is killed in the middle of a pull: nothing stays, and the next pull works" {
    dory pull "$FAULTS/stuck" >/dev/null 2>&1 3>&- &
    local client=$! i
    for ((i = 0; i < 200; i++)); do
        [ -z "$(ls "$ENV_DIR/data/tmp")" ] || break
        sleep 0.02
    done
    [ -n "$(ls "$ENV_DIR/data/tmp")" ]
    env_daemon_kill KILL
    wait "$client" || true
    env_daemon_start
    for ((i = 0; i < 100; i++)); do
        [ -n "$(ls "$ENV_DIR/data/tmp")" ] || break
        sleep 0.05
    done
    [ -z "$(ls "$ENV_DIR/data/tmp")" ]
    run -0 dory pull "$FAULTS/after-stuck"
}

@test "a mirror of Docker Hub is asked first, without the credentials" {
    env_daemon_kill TERM
    local options=("${ENV_OPTIONS[@]}")
    ENV_OPTIONS=(--registry-mirror "http://$FAULTS")
    env_daemon_start
    run dory pull library/denied
    [ "$status" -eq 1 ]
    grep -qF '/v2/library/' "$ENV_DIR/faults.log"
    env_daemon_kill TERM
    ENV_OPTIONS=("${options[@]}")
    env_daemon_start
}

@test "mirrors of any registry: the first that answers, without the credentials; others are not asked" {
    run -1 "$DORY_BIN/doryd" --data-root "$BATS_TEST_TMPDIR/d" --mirror "x.example=ftp://y"
    [[ $output == *'invalid mirror of x.example: "ftp://y" is no http or https URL'* ]]
    env_daemon_kill TERM
    local options=("${ENV_OPTIONS[@]}")
    ENV_OPTIONS=(--mirror "registry.invalid:5000=http://127.0.0.1:1,http://$FAULTS")
    env_daemon_start
    echo '{"auths":{"registry.invalid:5000":{"auth":"'"$(printf 'me:secret' | base64)"'"}}}' >"$DOCKER_CONFIG/config.json"
    run dory pull registry.invalid:5000/mirrored
    pulled=$status
    run dory pull registry.invalid:5001/mirrored
    other=$status
    env_daemon_kill TERM
    ENV_OPTIONS=("${options[@]}")
    env_daemon_start
    [ "$pulled" -eq 0 ]
    [ "$other" -eq 1 ]
    dory inspect registry.invalid:5000/mirrored >/dev/null
    run grep -F '/v2/mirrored/' "$ENV_DIR/faults.log"
    [ "${#lines[@]}" -ge 4 ]
    ! grep -vF '"authorization": null' <<<"$output" || false
}

@test "a registry's certificate is verified, with the authorities in certs.d" {
    tls_start
    run dory pull "$TLS/plain"
    [ "$status" -eq 1 ]
    grep -qF "tls: failed to verify certificate: x509: certificate signed by unknown authority" <<<"$output"
    mkdir -p "$TLS_DIR"
    cp server.cert "$TLS_DIR/ca.crt"
    run -0 dory pull "$TLS/plain"
    # docker's folder counts as well
    dory rmi "$TLS/plain" >/dev/null
    mkdir -p "$DOCKER_TLS_DIR"
    mv "$TLS_DIR/ca.crt" "$DOCKER_TLS_DIR/authority.crt"
    run -0 dory pull "$TLS/plain"
    # Content is verified by its digest, but TLS does not lead to plain HTTP.
    run dory pull "$TLS/redirect"
    [ "$status" -eq 1 ]
    grep -qF 'redirect from https to "http://' <<<"$output"
}

@test "a registry that wants a client's certificate" {
    tls_start client.cert
    mkdir -p "$TLS_DIR"
    cp server.cert "$TLS_DIR/ca.crt"
    run dory pull "$TLS/plain"
    [ "$status" -eq 1 ]
    cp client.cert "$TLS_DIR/client.cert"
    run dory pull "$TLS/plain"
    [ "$status" -eq 1 ]
    grep -qF "missing key client.key for client certificate client.cert" <<<"$output"
    cp client.key "$TLS_DIR/client.key"
    run -0 dory pull "$TLS/index"
}
