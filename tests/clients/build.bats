#!/usr/bin/env bats
# POST /build as unmodified clients use it: docker's classic builder of two releases, docker-compose 1.29, docker-py,
# dockerode and Testcontainers; and what the endpoint says of bad parameters.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_node
    env_start
    env_images busybox
    export DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
}

teardown_file() {
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
    mkdir "$C/sub" "$C/hidden"
    cat >"$C/Dockerfile" <<'EOF'
FROM busybox AS first
ARG WHO=nobody
RUN echo "$WHO" >/who && echo told
FROM busybox
COPY --from=first /who /who
COPY . /c/
CMD ["cat", "/who"]
EOF
    echo hidden >"$C/.dockerignore"
    echo text >"$C/sub/file"
    echo no >"$C/hidden/file"
}

clis() {
    echo /usr/bin/docker
    [ ! -x /usr/local/bin/docker ] || echo /usr/local/bin/docker
}

@test "docker build: names, arguments, cache, target, standard input, a Dockerfile from elsewhere, failures" {
    for docker in $(clis); do
        name=cli$(basename "$(dirname "$(dirname "$docker")")")
        run -0 "$docker" build --no-cache -t "$name:1" -t "$name:2" --build-arg WHO=me --label a=b --iidfile "$C.iid" "$C"
        echo "$output"
        [[ $output == *"Step 1/8 : FROM busybox AS first"* ]]
        [[ $output == *$'\ntold\n'* ]]
        [[ $output == *"Successfully built "*"Successfully tagged $name:1"*"Successfully tagged $name:2"* ]]
        [ "$(cat "$C.iid")" = "$("$docker" image inspect -f '{{.Id}}' "$name:2")" ]
        [ "$("$docker" run --rm "$name:1")" = me ]
        [ "$("$docker" run --rm "$name:1" find /c -type f | sort | xargs)" = "/c/.dockerignore /c/Dockerfile /c/sub/file" ]
        run -0 "$docker" build --build-arg WHO=me --label a=b "$C"
        [ "$(grep -c ' ---> Using cache' <<<"$output")" -ge 4 ]
        run -0 --separate-stderr "$docker" build -q --build-arg WHO=me --label a=b "$C"
        [ "$output" = "$(cat "$C.iid")" ]
        "$docker" build -q --target first -t "$name:first" - <"$C/Dockerfile"
        [ "$("$docker" run --rm "$name:first" cat /who)" = nobody ]
        printf 'FROM busybox\nCOPY sub/file /f\n' >"$C.other"
        "$docker" build -q -t "$name:other" -f "$C.other" "$C"
        [ "$("$docker" run --rm "$name:other" cat /f)" = text ]
        printf 'FROM busybox\nRUN exit 7\n' >"$C.other"
        run -7 "$docker" build -f "$C.other" "$C"
        [[ $output == *"The command '/bin/sh -c exit 7' returned a non-zero code: 7"* ]]
        printf 'FROM busybox\nRUNN x\n' >"$C.other"
        run -1 "$docker" build -f "$C.other" "$C"
        [[ $output == *"Error response from daemon: dockerfile parse error"*"unknown instruction: RUNN"* ]]
        "$docker" builder prune -af
    done
}

@test "docker-compose build, and up with an image that it builds" {
    cat >"$C/docker-compose.yml" <<EOF
version: "2.4"
services:
  app:
    image: composed:1
    network_mode: none
    build: {context: ., args: {WHO: composed}, labels: {x: "y"}}
EOF
    cd "$C"
    run -0 docker-compose -p cbld build </dev/null
    [[ $output == *"Successfully tagged composed:1"* ]]
    docker-compose -p cbld up -d </dev/null
    [ "$(/usr/bin/docker wait cbld_app_1)" = 0 ]
    [ "$(/usr/bin/docker logs cbld_app_1)" = composed ]
    docker-compose -p cbld down </dev/null
}

@test "docker-py: images.build with a path, a file object and a failure" {
    run -0 /usr/bin/python3 - "$C" <<'EOF'
import docker, io, sys
client = docker.from_env()
image, log = client.images.build(path=sys.argv[1], tag="pybuilt:1", buildargs={"WHO": "py"}, labels={"l": "v"}, rm=True)
assert "pybuilt:1" in image.tags, image.tags
assert image.labels["l"] == "v"
assert any("told" in line.get("stream", "") for line in log)
assert client.containers.run("pybuilt:1", remove=True) == b"py\n"
image, log = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo from-object >/f\n"))
assert client.containers.run(image.id, "cat /f", remove=True) == b"from-object\n"
try:
    client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 9\n"))
    raise SystemExit("no error")
except docker.errors.BuildError as e:
    assert "returned a non-zero code: 9" in e.msg, e.msg
try:
    client.images.build(fileobj=io.BytesIO(b"FROM busybox\nNONSENSE\n"))
    raise SystemExit("no error")
except docker.errors.APIError as e:
    assert e.response.status_code == 400, e
client.api.prune_builds()
EOF
    echo "$output"
}

@test "dockerode and Testcontainers build images" {
    cat >"$C.js" <<'EOF'
const Docker = require("dockerode");
const assert = require("assert");
(async () => {
    const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });
    const stream = await docker.buildImage({ context: process.argv[2], src: ["Dockerfile", "sub/file"] },
        { t: "noded:1", buildargs: { WHO: "node" } });
    const lines = await new Promise((resolve, reject) =>
        docker.modem.followProgress(stream, (error, output) => (error ? reject(error) : resolve(output))));
    assert(lines.some((line) => line.aux && line.aux.ID.startsWith("sha256:")), JSON.stringify(lines));
    const image = await docker.getImage("noded:1").inspect();
    assert.deepStrictEqual(image.Config.Cmd, ["cat", "/who"]);
    const { GenericContainer } = require("testcontainers");
    const container = await (await GenericContainer.fromDockerfile(process.argv[2]).withBuildArgs({ WHO: "tc" }).build("tcbuilt:1", { deleteOnExit: false }))
        .withCommand(["sh", "-c", "cat /who; sleep 1000"]).start();
    const result = await container.exec(["cat", "/who"]);
    assert.strictEqual(result.output, "tc\n");
    await container.stop({ timeout: 1 });
    process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
EOF
    TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 run -0 timeout 120 node "$C.js" "$C"
    echo "$output"
}

# A query and a body: the status and the message.
post() {
    curl -s -w '\n%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -X POST -H 'Content-Type: application/x-tar' \
        --data-binary @"${2:-$C.tar}" "http://d/build?$1"
}

@test "bad parameters are refused by name, with 400, before anything is built" {
    tar -C "$C" -cf "$C.tar" .
    while IFS='|' read -r query text; do
        run -0 post "$query"
        echo "$query: $output"
        [ "${lines[-1]}" = 400 ]
        [[ $output == *"$text"* ]]
    done <<'EOF'
memory=much|memory
cpuquota=x|cpuquota
shmsize=x|shmsize
buildargs=x|error reading build args
buildargs=%5B%5D|error reading build args
labels=%7B%22a%22:1%7D|error reading labels
ulimits=%5B%7B%22Name%22:%22nonsense%22%7D%5D|error reading ulimit settings
cachefrom=%7B%7D|cachefrom
outputs=x|outputs
t=UPPER|must be lowercase
t=a:b:c|invalid reference format
version=7|invalid version
remote=client-session|needs BuildKit (version=2)
outputs=%5B%7B%22Type%22:%22local%22%7D%5D|outputs need BuildKit (version=2)
target=nothing|nothing
platform=nonsense/nothing|platform
isolation=hyperv|isolation
dockerfile=../Dockerfile|forbidden path outside the build context: ../Dockerfile
dockerfile=nothing|Cannot locate specified Dockerfile: nothing
remote=ftp://host/x|neither a git repository nor an http or https URL
buildargs=%7B%22SOURCE_DATE_EPOCH%22:%22soon%22%7D|SOURCE_DATE_EPOCH
EOF
    : >"$C.empty"
    run -0 post "" "$C.empty"
    [ "${lines[-1]}" = 400 ]
    [[ $output == *"Cannot locate specified Dockerfile: Dockerfile"* ]]
    head -c 3000 "$C.tar" >"$C.cut"
    run -0 post "" "$C.cut"
    [ "${lines[-1]}" = 400 ]
    printf 'FROM busybox\nRUN true\n' >"$C.text"
    run -0 post q=1 "$C.text"
    [ "${lines[-1]}" = 200 ]
    [ -z "$(dory ps -aq)" ]
}

@test "cachefrom: only what these images have comes from the cache" {
    cached() { # cachefrom, and the Dockerfile
        printf '%b' "$2" >"$C.cached"
        post "t=again&cachefrom=$1" "$C.cached" | grep -c 'Using cache'
    }
    file='FROM busybox\nENV A=b\nRUN echo one >/one\nRUN echo two >/two\n'
    printf '%b' "$file" >"$C.cached"
    run -0 post t=source "$C.cached"
    [ "$(cached '' "$file")" = 3 ]
    [ "$(cached '%5B%5D' "$file")" = 3 ]
    [ "$(cached '%5B%22source%22%5D' "$file")" = 3 ]
    [ "$(cached '%5B%22source%22%5D' "${file}RUN true")" = 3 ]
    [ "$(cached '%5B%22source%22%5D' "${file}RUN true")" = 3 ] # what the build before has made is not in the image
    [ "$(cached '' "${file}RUN true")" = 4 ]
    run cached '%5B%22127.0.0.1:1/nothing%22%5D' "$file"
    [ "$output" = 0 ]
    run cached '%5B%22busybox%22%5D' "$file"
    [ "$output" = 0 ]
    [ "$(cached '%5B%22busybox%22,%22source%22%5D' "$file")" = 3 ]
}

@test "links in a context lead nowhere but within it" {
    mkdir "$C.evil"
    ln -s / "$C.evil/root"
    ln -s ../../../../../../etc/passwd "$C.evil/passwd"
    printf 'FROM busybox\nCOPY passwd /p\n' >"$C.evil/Dockerfile"
    tar -C "$C.evil" -cf "$C.tar" Dockerfile passwd root
    # A file "beneath" the link would be written through it.
    mkdir -p "$C.second/root$C.escaped"
    echo gotcha >"$C.second/root$C.escaped/file"
    tar -C "$C.second" -rf "$C.tar" "root$C.escaped/file"
    run -0 post t=evil
    [ ! -e "$C.escaped" ]
    [[ $output != *"Successfully built"* ]] || [ "$(dory run --rm evil cat /p)" != "$(cat /etc/passwd)" ]
    ln -sf passwd "$C.evil/Dockerfile"
    tar -C "$C.evil" -cf "$C.tar" Dockerfile passwd
    run -0 post ""
    [ "${lines[-1]}" = 400 ]
    [[ $output != *root:x:0* ]]
}

@test "a client that goes while it is built cancels the build" {
    local seconds=7$BASHPID # nobody else sleeps for so long
    printf 'FROM busybox\nRUN --network=none sleep %s\n' "$seconds" >"$C.text"
    post "" "$C.text" >/dev/null 3>&- &
    curl=$!
    for ((i = 0; i < 600; i++)); do
        pgrep -f "slee[p] $seconds" >/dev/null && break
        sleep 0.05
    done
    pgrep -f "slee[p] $seconds"
    pkill -P "$curl" || kill "$curl"
    for ((i = 0; i < 600; i++)); do
        pgrep -f "slee[p] $seconds" >/dev/null || [ -n "$(dory ps -aq)" ] || break
        sleep 0.05
    done
    [ -z "$(pgrep -f "slee[p] $seconds")" ]
}
