#!/usr/bin/env bats
# POST /build?version=2: the BuildKit inside docker's CLI before 23, here Debian's 20.10, whose front door is a session
# beside the classic endpoint. And which builder clients take unasked.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_newer
    env_start
    env_images busybox
    unset DOCKER_BUILDKIT COMPOSE_DOCKER_CLI_BUILD
}

teardown_file() {
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

# Whoever waits for ever fails.
docker() {
    timeout 120 /usr/bin/docker "$@"
}
build() {
    docker build --progress plain "$@" </dev/null
}

# Until the command succeeds.
await() {
    for _ in {1..600}; do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    return 1
}
is_running() {
    [ -n "$(dory ps -q)" ]
}
is_empty() {
    [ -z "$(dory ps -aq)" ]
}

@test "names, arguments, labels, target, the file with the id, the cache, and quiet builds" {
    printf 'FROM busybox AS first\nARG WHO=nobody\nRUN echo "$WHO" >/who && echo told\nFROM first\nRUN exit 9\n' \
        >"$C/Dockerfile"
    run -0 build -t one:1 -t one:2 --build-arg WHO=me --label a=b --target first --iidfile "$C.iid" "$C"
    [[ $output == *"[internal] load build definition from Dockerfile"* ]]
    [[ $output == *'[first 2/2] RUN echo "$WHO" >/who && echo told'* ]]
    [[ $output =~ \#[0-9]+\ [0-9.]+\ told ]]
    [[ $output == *"naming to docker.io/library/one:2"* ]]
    id=$(dory image inspect -f '{{.Id}}' one:1)
    [ "$(cat "$C.iid")" = "$id" ]
    [ "$(dory image inspect -f '{{.Id}} {{.Config.Labels.a}}' one:2)" = "$id b" ]
    [ "$(dory run --rm one:1 cat /who)" = me ]
    run -0 build --build-arg WHO=me --label a=b --target first "$C"
    [[ $output == *CACHED* ]]
    [[ ! $output =~ \#[0-9]+\ [0-9.]+\ told ]]
    run -0 build --no-cache --build-arg WHO=me --target first "$C"
    [[ $output =~ \#[0-9]+\ [0-9.]+\ told ]]
    run -0 --separate-stderr build -q --iidfile "$C.quiet" --build-arg WHO=me --label a=b --target first "$C"
    [ "$output" = "$(dory image inspect -f '{{.Id}}' "$(cat "$C.quiet")")" ]
    [ -z "$stderr" ]
    # Of a quiet build that fails everything is told.
    run -1 build -q "$C"
    [[ $output =~ \#[0-9]+\ .*RUN\ exit\ 9 ]]
    [[ $output == *'process "/bin/sh -c exit 9" did not complete successfully: exit code: 9'* ]]
}

@test "contexts: what has changed, ignore files, standard input, a Dockerfile from elsewhere, a repository" {
    printf 'FROM busybox\nCOPY . /c/\n' >"$C/Dockerfile"
    head -c 3000000 /dev/urandom >"$C/large"
    touch -d '1 hour ago' "$C/large"
    echo hidden >"$C/.dockerignore"
    touch "$C/hidden"
    echo 1 >"$C/f"
    run -0 build -t files "$C"
    [[ $output == *"transferring context: 3.00MB"* ]]
    echo 22 >"$C/f"
    run -0 build -t files "$C"
    [[ $output != *"transferring context"*MB* ]]
    [ "$(dory run --rm files sh -c 'ls -a /c | xargs; cat /c/f' | xargs)" = ". .. .dockerignore Dockerfile f large 22" ]
    tar -C "$C" -c . >"$C.tar"
    docker build -t from:tar - <"$C.tar"
    [ "$(dory run --rm from:tar cat /c/f)" = 22 ]
    mkdir "$C.other"
    printf 'FROM busybox\nRUN echo alone >/f\n' >"$C.other/Named"
    docker build -t from:text - <"$C.other/Named"
    [ "$(dory run --rm from:text cat /f)" = alone ]
    printf 'FROM busybox\nCOPY f /g\n' | docker build -t from:both -f - "$C"
    [ "$(dory run --rm from:both cat /g)" = 22 ]
    build -t from:elsewhere -f "$C.other/Named" "$C"
    [ "$(dory run --rm from:elsewhere cat /f)" = alone ]
    # A repository, served as plain files.
    printf 'FROM busybox\nCOPY f /h\n' >"$C.other/Dockerfile"
    echo of-git >"$C.other/f"
    git init -q -b main "$C.git"
    mv "$C.other"/* "$C.git/"
    git -C "$C.git" add .
    git -C "$C.git" -c user.name=n -c user.email=e commit -qm m
    git -C "$C.git" update-server-info
    local port
    port=$(free_port)
    /usr/bin/python3 -m http.server -b 127.0.0.1 -d "$C.git" "$port" >"$C.http" 2>&1 3>&- &
    server=$!
    await curl -sf "http://127.0.0.1:$port/f"
    run build -t from:git "http://127.0.0.1:$port/.git#main"
    kill "$server"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(dory run --rm from:git cat /h)" = of-git ]
}

@test "secrets, agents, networks, hosts, limits, platforms and images that serve as cache" {
    cat >"$C/Dockerfile" <<'EOT'
FROM busybox
RUN --mount=type=secret,id=key wc -c </run/secrets/key
RUN --mount=type=ssh [ -S "$SSH_AUTH_SOCK" ] && echo an agent
RUN ulimit -n; grep 10.9.8.7 /etc/hosts; ls /sys/class/net | xargs
EOT
    echo sekrit >"$C.key"
    eval "$(ssh-agent -a "$C.agent" 3>&-)" >/dev/null
    run build --no-cache -t parts --secret "id=key,src=$C.key" --ssh "default=$C.agent" --network none \
        --add-host other:10.9.8.7 --ulimit nofile=100:200 --platform "linux/$(dpkg --print-architecture)" "$C"
    kill "$SSH_AGENT_PID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output =~ \#[0-9]+\ [0-9.]+\ 7 ]]
    [[ $output == *" an agent"* ]]
    [[ $output == *" 100"* ]]
    [[ $output == *"10.9.8.7"*other* ]]
    [[ $output == *" lo"* && $output != *eth0* ]]
    run -1 build --no-cache "$C"
    [[ $output == *"can't open"*"/run/secrets/key"* ]]
    printf 'FROM busybox\nRUN echo kept >/kept\n' >"$C/Dockerfile"
    build -t kept "$C"
    dory builder prune -af
    run -0 build --cache-from kept "$C"
    [[ $output == *CACHED* ]]
}

@test "results that the client writes down" {
    printf 'FROM scratch\nCOPY . /out/\n' >"$C/Dockerfile"
    echo content >"$C/file"
    chmod 640 "$C/file"
    images=$(dory images -aq | wc -l)
    build -o "$C.out" "$C"
    [ "$(cat "$C.out/out/file")" = content ]
    [ "$(stat -c %a "$C.out/out/file")" = 640 ]
    build -o "type=tar,dest=$C.tar" "$C"
    [ "$(tar -xOf "$C.tar" out/file)" = content ]
    build -o - "$C" >"$C.piped"
    [ "$(tar -xOf "$C.piped" out/file)" = content ]
    [ "$(dory images -aq | wc -l)" -eq "$images" ]
    run -1 build -o type=strange "$C"
    [[ $output == *'exporter "strange" is not supported'* ]]
}

@test "failures say where and why, and the client never stays" {
    printf 'FROM busybox\nRUN echo before; exit 3\n' >"$C/Dockerfile"
    run -1 build "$C"
    [[ $output == *" before"* ]]
    [[ $output == *'process "/bin/sh -c echo before; exit 3" did not complete successfully: exit code: 3'* ]]
    printf 'FROM busybox\nCOPYY . /\n' >"$C/Dockerfile"
    run -1 build "$C"
    [[ $output == *"unknown instruction: COPYY (did you mean COPY?)"* ]]
    # What is refused before it begins, when the client is still opening its session.
    for _ in {1..5}; do
        run -1 build --network strange "$C"
        [[ $output == *"unsupported network mode strange"* ]]
        run -1 build --security-opt no-new-privileges "$C"
        [[ $output == *"securityopt is not supported by BuildKit"* ]]
        run -1 build "git://127.0.0.1:1/x.git"
        [[ $output == *"Connection refused"* ]]
    done
    is_empty
}

@test "a build is cancelled by its client's end, by an interrupt and by its id" {
    printf 'FROM busybox\nRUN sleep 1000\n' >"$C/Dockerfile"
    for signal in KILL INT; do
        # Jobs of a script ignore SIGINT unless they are told otherwise.
        env --default-signal=INT /usr/bin/docker build --progress plain "$C" </dev/null >"$C.log" 2>&1 3>&- &
        client=$!
        await is_running
        kill "-$signal" "$client"
        run wait "$client"
        [ "$status" -ne 0 ]
        await is_empty
    done
    curl -sN --unix-socket "$ENV_DIR/dory.sock" -X POST -H 'Content-Type: application/x-tar' --data-binary "@$C/Dockerfile" \
        'http://d/build?version=2&buildid=mine' >"$C.log" 3>&- &
    client=$!
    await is_running
    cancel() {
        curl -s --unix-socket "$ENV_DIR/dory.sock" -o /dev/null -w '%{http_code}' -X POST "http://d/build/cancel$1"
    }
    # Another id is nobody's.
    [ "$(cancel '?id=other')" = 200 ]
    is_running
    [ "$(cancel '?id=mine')" = 200 ]
    wait "$client"
    grep -q '"errorDetail"' "$C.log"
    await is_empty
    [ "$(cancel '')" = 400 ]
}

@test "without a session the body is the context; the answer has BuildKit's messages and the id" {
    post() {
        curl -s --max-time 60 --unix-socket "$ENV_DIR/dory.sock" -X POST -H 'Content-Type: application/x-tar' \
            --data-binary "@$1" -w '\n%{http_code}\n' "http://d/build?version=2&$2"
    }
    printf 'FROM busybox\nCOPY Dockerfile /f\n' >"$C/Dockerfile"
    tar -C "$C" -cf "$C.tar" Dockerfile
    run -0 post "$C.tar" t=sessionless
    [ "${lines[-1]}" = 200 ]
    id=$(dory image inspect -f '{{.Id}}' sessionless)
    head -n -1 <<<"$output" >"$C.json"
    [ "$(jq -r 'select(.id == "moby.image.id").aux.ID' "$C.json")" = "$id" ]
    jq -r 'select(.id == "moby.buildkit.trace").aux' "$C.json" | while read -r line; do base64 -d <<<"$line"; done >"$C.trace"
    grep -aq '\[2/2\] COPY Dockerfile /f' "$C.trace"
    run -0 post "$C.tar" remote=client-session
    [[ $output == *"the build names no session that has it"* ]]
    run -0 post "$C.tar" 'outputs=%5B%7B%22Type%22%3A%22local%22%7D%2C%7B%22Type%22%3A%22tar%22%7D%5D'
    [[ $output == *"multiple outputs are not supported"* ]]
    [ "${lines[-1]}" = 501 ]
    for query in outputs=x 'outputs=%7B%22Type%22%3A%22local%22%7D' 'outputs=%5B%7B%7D%5D' \
        'outputs=%5B%7B%22Type%22%3A%22tar%22%2C%22Attrs%22%3A%7B%22a%22%3A1%7D%7D%5D' extrahosts=nothing; do
        run -0 post "$C.tar" "$query"
        echo "$query: $output"
        [ "${lines[-1]}" = 400 ]
    done
    run -0 post "$C.tar" remote=upload-request
    [[ $output == *"needs an id (buildid)"* ]]
    # A body and the build that it is for, whichever comes first.
    post "$C.tar" buildid=upload-request:pair >"$C.upload" 3>&- &
    upload=$!
    run -0 post /dev/null 'remote=upload-request&buildid=pair&t=paired'
    wait "$upload"
    [ "$(tail -1 "$C.upload")" = 200 ]
    [ "$(dory image inspect -f '{{.Id}}' paired)" = "$id" ]
}

@test "clients take BuildKit unasked where they have it, and the classic builder where they are told to" {
    printf 'FROM busybox\nRUN echo told >/f\n' >"$C/Dockerfile"
    cat >"$C/docker-compose.yml" <<'EOT'
version: "2.4"
services:
  app:
    image: composed:2
    build: .
EOT
    kit="[internal] load build definition" classic="Step 1/2 : FROM busybox"
    [ "$(curl -sI --unix-socket "$ENV_DIR/dory.sock" http://d/_ping | tr -d '\r' | sed -n 's/^Builder-Version: //p')" = 2 ]
    run -0 docker build "$C" </dev/null
    [[ $output == *"$kit"* ]]
    DOCKER_BUILDKIT=0 run -0 docker build "$C" </dev/null
    [[ $output == *"$classic"* ]]
    # A newer docker with buildx, and without.
    run -0 newer_docker build --progress plain "$C" </dev/null
    [[ $output == *"$kit"* ]]
    DOCKER_BUILDKIT=0 run -0 newer_docker build "$C" </dev/null
    [[ $output == *"$classic"* ]]
    rm "$DOCKER_CONFIG/cli-plugins/docker-buildx"
    run -0 "$NEWER/usr/bin/docker" build "$C" </dev/null
    [[ $output == *"$classic"* ]]
    # Compose 1.29 by itself, and with the docker CLI.
    cd "$C"
    export PATH=/usr/bin:$PATH
    COMPOSE_DOCKER_CLI_BUILD=0 run -0 docker-compose -p v2 build </dev/null
    [[ $output == *"$classic"* ]]
    COMPOSE_DOCKER_CLI_BUILD=1 run -0 docker-compose -p v2 build --progress plain </dev/null
    [[ $output == *"$kit"* ]]
    COMPOSE_DOCKER_CLI_BUILD=1 DOCKER_BUILDKIT=0 run -0 docker-compose -p v2 build </dev/null
    [[ $output == *"$classic"* ]]
    [ "$(dory run --rm composed:2 cat /f)" = told ]
    run -0 /usr/bin/python3 -c 'import docker, sys
print([line["stream"] for line in docker.from_env().images.build(path=sys.argv[1])[1] if "stream" in line])' "$C"
    [[ $output == *"$classic"* ]]
}

@test "the daemon ends although a build is under way, and leaves nothing of it" {
    printf 'FROM busybox\nRUN sleep 1000\n' >"$C/Dockerfile"
    build "$C" >"$C.log" 2>&1 3>&- &
    client=$!
    await is_running
    env_daemon_kill TERM
    run wait "$client"
    [ "$status" -ne 0 ]
    env_daemon_start
    is_empty
}
