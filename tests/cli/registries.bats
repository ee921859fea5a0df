#!/usr/bin/env bats
# What is asked of registries besides pulls: login, push with credentials, all tags, the distribution endpoint, search.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    registry_start
    env_images busybox
    # A second registry that wants a password.
    LOCKED=127.0.0.1:$(free_port)
    export LOCKED
    /usr/bin/python3 -W ignore -c 'import crypt; print("someone:" + crypt.crypt("secret word", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))' >"$ENV_DIR/htpasswd"
    cat >"$ENV_DIR/locked.yml" <<YML
version: 0.1
log: {level: error}
storage:
  filesystem: {rootdirectory: $ENV_DIR/locked}
http: {addr: "$LOCKED"}
auth:
  htpasswd: {realm: locked, path: $ENV_DIR/htpasswd}
YML
    docker-registry serve "$ENV_DIR/locked.yml" 3>&- 4>&- >"$ENV_DIR/locked.log" 2>&1 &
    echo $! >"$ENV_DIR/locked.pid"
    for _ in $(seq 600); do
        [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$LOCKED/v2/")" = 401 ] && break
        sleep 0.05
    done
    for tag in 1 2 3; do
        dory tag busybox "$REGISTRY/some/box:$tag"
        dory push -q "$REGISTRY/some/box:$tag" >/dev/null
    done
}

teardown_file() {
    [ ! -s "$ENV_DIR/locked.pid" ] || kill "$(cat "$ENV_DIR/locked.pid")" 2>/dev/null || true
    registry_stop
    env_stop
}

api() { # path, curl option...
    local path=$1
    shift
    curl -s --unix-socket "$ENV_DIR/dory.sock" "$@" "http://d$path"
}

credentials() { # user:password
    echo "{\"auths\":{\"$LOCKED\":{\"auth\":\"$(printf %s "$1" | base64)\"}}}" >"$DOCKER_CONFIG/config.json"
}

@test "POST /auth: good, wrong and no credentials" {
    run api /auth -H 'Content-Type: application/json' -d "{\"username\":\"someone\",\"password\":\"secret word\",\"serveraddress\":\"$LOCKED\"}" -w '%{http_code}'
    [[ $output == *'"Status":"Login Succeeded"'*200 ]]
    run api /auth -H 'Content-Type: application/json' -d "{\"username\":\"someone\",\"password\":\"wrong\",\"serveraddress\":\"http://$LOCKED/v1/\"}" -w '%{http_code}'
    [[ $output == *message*unauthorized*401 ]]
    run api /auth -H 'Content-Type: application/json' -d "{\"username\":\"x\",\"password\":\"y\",\"serveraddress\":\"127.0.0.1:1\"}" -w '%{http_code}'
    [[ $output == *"connection refused"*503 || $output == *"connection refused"*500 ]]
    run api /auth -H 'Content-Type: application/json' -d '[]' -w '%{http_code}'
    [[ $output == *400 ]]
}

@test "docker's own client logs in through dory, and its credentials push and pull" {
    run -1 /usr/bin/docker login -u someone -p wrong "$LOCKED"
    [[ $output == *nauthorized* ]]
    /usr/bin/docker login -u someone -p 'secret word' "$LOCKED" 2>/dev/null | grep -q "Login Succeeded"
    dory tag busybox "$LOCKED/box:1"
    dory push "$LOCKED/box:1" | grep -q '^1: digest: sha256:'
    dory rmi "$LOCKED/box:1" >/dev/null
    dory pull -q "$LOCKED/box:1"
    dory rmi "$LOCKED/box:1" >/dev/null
}

@test "push without or with wrong credentials is refused" {
    dory tag busybox "$LOCKED/box:2"
    rm -f "$DOCKER_CONFIG/config.json"
    run -1 dory push "$LOCKED/box:2"
    [[ $output == *"no basic auth credentials"* ]]
    credentials someone:wrong
    run -1 dory push "$LOCKED/box:2"
    [[ $output == *unauthorized* ]]
    credentials "someone:secret word"
    dory push -q "$LOCKED/box:2"
    dory rmi "$LOCKED/box:2" >/dev/null
}

@test "pull -a brings every tag" {
    dory rmi "$REGISTRY/some/box:1" "$REGISTRY/some/box:2" "$REGISTRY/some/box:3" >/dev/null
    run dory pull -a "$REGISTRY/some/box"
    [ "$status" -eq 0 ]
    [ "$(dory images --format '{{.Tag}}' "$REGISTRY/some/box" | sort | tr '\n' ' ')" = "1 2 3 " ]
    run -1 dory pull -a "$REGISTRY/some/box:1"
    [[ $output == *"tag can't be used with --all-tags/-a"* ]]
    run -1 dory pull -a "$REGISTRY/nosuch"
    [[ $output == *"not found"* ]]
}

@test "the distribution endpoint tells descriptor and platforms" {
    run api "/distribution/$REGISTRY/some/box:1/json"
    digest=$(dory inspect -f '{{index .RepoDigests 0}}' "$REGISTRY/some/box:1")
    [[ $output == *"\"digest\":\"${digest#*@}\""* ]]
    [[ $output == *'"mediaType":"application/vnd.docker.distribution.manifest.v2+json"'* ]]
    [[ $output == *'"Platforms":[{"architecture":"'*'","os":"linux"'* ]]
    [ "$(api "/distribution/$REGISTRY/nosuch:1/json" -o /dev/null -w '%{http_code}')" = 404 ]
    # of a list: the platforms of its members
    manifest=$(curl -s -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$REGISTRY/v2/some/box/manifests/1")
    size=${#manifest}
    curl -sf -X PUT -H 'Content-Type: application/vnd.docker.distribution.manifest.list.v2+json' "http://$REGISTRY/v2/some/box/manifests/list" -d \
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\",\"manifests\":[{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\",\"digest\":\"${digest#*@}\",\"size\":$size,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}}]}"
    run api "/distribution/$REGISTRY/some/box:list/json"
    [[ $output == *'"Platforms":[{"architecture":"arm","os":"linux","variant":"v7"}]'* ]]
}

@test "search: the catalog of a registry that has no search" {
    run api "/images/search?term=$REGISTRY/bo"
    [[ $output == '[{"name":"some/box"'* ]]
    [ "$(api "/images/search?term=$REGISTRY/nosuch" | head -c 2)" = "[]" ]
    [[ $(api "/images/search?term=$REGISTRY/bo&limit=1000") == *"outside the range"* ]]
    [[ $(api "/images/search") == *"term is missing"* ]]
    [ "$(api "/images/search?term=$REGISTRY/bo" -G --data-urlencode 'filters={"stars":["3"]}' | head -c 2)" = "[]" ]
    [[ $(api "/images/search?term=$REGISTRY/bo" -G --data-urlencode 'filters={"stars":["x"]}') == *"invalid filter 'stars=[x]'"* ]]
}

@test "search: the v1 endpoint where there is one" {
    cat >"$ENV_DIR/v1.py" <<'PY'
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"results": [{"name": "library/nginx", "description": "d", "star_count": 9, "is_official": True, "is_automated": False, "asked": self.path},
                            {"name": "x/nginx", "description": "", "star_count": 1, "is_official": False, "is_automated": False}]} if self.path.startswith("/v1/search") else {}
        data = json.dumps(body).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(data))); self.end_headers(); self.wfile.write(data)
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[1], "w").write(str(s.server_address[1]) + "\n")
s.serve_forever()
PY
    /usr/bin/python3 "$ENV_DIR/v1.py" "$ENV_DIR/v1.port" 3>&- 4>&- &
    server=$!
    for _ in $(seq 600); do [ -s "$ENV_DIR/v1.port" ] && break; sleep 0.05; done
    host=127.0.0.1:$(cat "$ENV_DIR/v1.port")
    all=$(api "/images/search?term=$host/ngi%20nx&limit=7")
    official=$(api "/images/search?term=$host/nginx" -G --data-urlencode 'filters={"is-official":["true"]}')
    kill "$server"
    [[ $all == *'"asked":"/v1/search?q=ngi%20nx&n=7"'*'"x/nginx"'* ]]
    [[ $official == *library/nginx* ]]
    [[ $official != *x/nginx* ]]
}

@test "login: an identity token from the registry is kept in the password's place, and brings the tokens of later pulls" {
    LOGIN=1 /usr/bin/python3 "$ENV_SOURCE/tests/clients/registry_faults.py" "$BATS_TEST_TMPDIR/port" "$BATS_TEST_TMPDIR/log" 3>&- 4>&- >/dev/null 2>&1 &
    local server=$! host i
    for ((i = 0; i < 600; i++)); do [ -s "$BATS_TEST_TMPDIR/port" ] && break; sleep 0.05; done
    host=127.0.0.1:$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/port")
    rm -f "$DOCKER_CONFIG/config.json"
    run dory login -u someone --password-stdin "$host" <<<"wrong"
    wrong=$status
    run dory login -u someone --password-stdin "$host" <<<"secret word"
    local login=$status kept text=$output
    kept=$(jq -c ".auths[\"$host\"]" "$DOCKER_CONFIG/config.json")
    dory pull -q "$host/bearer-kept" >/dev/null && pulled=yes
    posted=$(grep '"method": "POST"' "$BATS_TEST_TMPDIR/log" | grep -c '"path": "/token"' || true)
    # Docker's own client gets it through the daemon, too.
    rm -f "$DOCKER_CONFIG/config.json"
    run /usr/bin/docker login -u someone --password-stdin "$host" <<<"secret word"
    docker=$status
    kept_by_docker=$(jq -r ".auths[\"$host\"].identitytoken" "$DOCKER_CONFIG/config.json")
    rm -f "$DOCKER_CONFIG/config.json"
    dory rmi "$host/bearer-kept" >/dev/null
    kill "$server"
    [ "$wrong" -eq 1 ]
    [ "$login" -eq 0 ] || { echo "$text"; false; }
    [ "$kept" = '{"auth":"c29tZW9uZTo=","identitytoken":"identity-token-1"}' ]
    [ "$pulled" = yes ]
    [ "$posted" -ge 1 ]
    [ "$docker" -eq 0 ]
    [ "$kept_by_docker" = identity-token-1 ]
}

@test "push of one platform: the image's own, in the text form and as JSON; another one is refused" {
    dory tag busybox "$REGISTRY/platform:1"
    arch=$(dory inspect -f '{{.Architecture}}' busybox)
    dory push --platform "linux/$arch" "$REGISTRY/platform:1" | grep -q '^1: digest: sha256:'
    run -1 dory push --platform linux/s390x "$REGISTRY/platform:1"
    [[ $output == *"image with reference $REGISTRY/platform:1 was found but does not provide the specified platform (linux/s390x)"* ]]
    run -1 dory push --platform nonsense/ "$REGISTRY/platform:1"
    [[ $output == *platform* ]]
    run api "/images/$REGISTRY/platform/push?tag=1" -G --data-urlencode "platform={\"os\":\"linux\",\"architecture\":\"$arch\"}" -X POST -H 'X-Registry-Auth: e30='
    [[ $output == *'1: digest: sha256:'* ]]
    run api "/images/$REGISTRY/platform/push?tag=1" -G --data-urlencode 'platform={"os":"linux"}' -X POST -H 'X-Registry-Auth: e30=' -w '%{http_code}'
    [[ $output == *"both OS and Architecture must be provided"*400 ]]
    dory rmi "$REGISTRY/platform:1" >/dev/null
}
