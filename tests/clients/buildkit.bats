#!/usr/bin/env bats
# BuildKit's protocol as unmodified clients speak it: `docker build` with buildx, `docker buildx bake` and Compose 2.x, all
# of Debian's testing suite.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_newer
    env_start
    env_images busybox
    newer_docker version >/dev/null # links its plugins
    export DOCKER_BUILDKIT=1 BUILDX_METADATA_PROVENANCE=disabled
}

teardown_file() {
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

build() {
    "$NEWER/usr/bin/docker" build --progress plain "$@" </dev/null
}
build_quietly() {
    "$NEWER/usr/bin/docker" build -q "$@" </dev/null
}

@test "names, arguments, labels, target, and the files that tell of the image" {
    printf 'FROM busybox AS first\nARG WHO=nobody\nRUN echo "$WHO" >/who && echo told\nFROM first AS second\nRUN exit 9\n' \
        >"$C/Dockerfile"
    run -0 build -t one:1 -t one:2 --build-arg WHO=me --label a=b --target first --iidfile "$C.iid" \
        --metadata-file "$C.metadata" "$C"
    [[ $output == *"[internal] load build definition from Dockerfile"* ]]
    # Only what makes files is counted, stage by stage.
    [[ $output == *"[first 1/2] FROM docker.io/library/busybox:latest"* ]]
    [[ $output == *"[first 2/2] RUN echo \"\$WHO\" >/who && echo told"* ]]
    [[ $output != *"ARG WHO"* ]]
    [[ $output =~ \#[0-9]+\ [0-9.]+\ told ]]
    [[ $output == *"naming to docker.io/library/one:2"* ]]
    id=$(dory image inspect -f '{{.Id}}' one:1)
    [ "$(cat "$C.iid")" = "$id" ]
    [ "$(jq -r '."containerimage.config.digest"' "$C.metadata")" = "$id" ]
    [ "$(dory image inspect -f '{{.Id}} {{.Config.Labels.a}}' one:2)" = "$id b" ]
    [ "$(dory run --rm one:1 cat /who)" = me ]
    # Once more, from the cache.
    run -0 build -t one:3 --build-arg WHO=me --label a=b --target first "$C"
    [[ $output == *CACHED* ]]
    [[ ! $output =~ \#[0-9]+\ [0-9.]+\ told ]]
    [ "$(dory image inspect -f '{{.Id}}' one:3)" = "$id" ]
    run -0 build_quietly --target first --build-arg WHO=me --label a=b "$C"
    [ "$output" = "$id" ]
}

@test "steps are called as BuildKit calls them: triggers, base images, stages, what travels and what is exported" {
    printf 'FROM busybox\nONBUILD RUN echo triggered\nONBUILD ENV a=b\nONBUILD WORKDIR /w\n' >"$C/Dockerfile"
    build_quietly -t triggering "$C"
    cat >"$C/Dockerfile" <<'EOF'
ARG NAME=triggering
FROM ${NAME} AS named
run echo lower
FROM named
COPY f .
FROM scratch
COPY --from=1 /w /
COPY --from=named /w /x
EOF
    touch "$C/f"
    run -0 build --no-cache -t called "$C"
    echo "$output"
    while read -r line; do
        [[ $output == *"$line"* ]]
    done <<'EOF'
transferring dockerfile:
transferring context:
[named 1/2] FROM docker.io/library/triggering:latest
[named 2/4] ONBUILD RUN echo triggered
[named 3/4] ONBUILD WORKDIR /w
[named 4/4] RUN echo lower
[stage-1 1/1] COPY f .
[stage-2 1/2] COPY --from=1 /w /
[stage-2 2/2] COPY --from=named /w /x
exporting layers done
naming to docker.io/library/called:latest done
EOF
    [[ $output =~ \#[0-9]+\ [0-9.]+\ triggered ]]
    [[ $output == *"writing image $(dory image inspect -f '{{.Id}}' called) done"* ]]
}

@test "only what has changed travels, and what is ignored never does" {
    printf 'FROM busybox\nCOPY . /c/\n' >"$C/Dockerfile"
    mkdir "$C/sub" "$C/hidden"
    echo 1 >"$C/sub/file"
    head -c 3000000 /dev/urandom >"$C/large"
    touch -d '1 hour ago' "$C/large" "$C/sub/file"
    ln -s ../large "$C/sub/link"
    echo no >"$C/hidden/file"
    printf '# a comment\n/hidden/\n*.tmp\n!keep.tmp\n' >"$C/.dockerignore"
    touch "$C/a.tmp" "$C/keep.tmp"
    chmod 750 "$C/sub"
    run -0 build -t files "$C"
    [[ $output == *"transferring context: 3.00MB"* ]]
    run -0 dory run --rm files sh -c 'cd /c; find . | sort | xargs; readlink sub/link; stat -c %a:%u sub; cmp large sub/link'
    [ "${lines[0]}" = ". ./.dockerignore ./Dockerfile ./keep.tmp ./large ./sub ./sub/file ./sub/link" ]
    [ "${lines[1]}" = ../large ]
    [ "${lines[2]}" = 750:0 ]
    echo 22 >"$C/sub/file"
    run -0 build -t files "$C"
    [[ $output != *"transferring context"*MB* ]]
    [ "$(dory run --rm files cat /c/sub/file)" = 22 ]
    rm "$C/large"
    run -0 build -t files "$C"
    run -1 dory run --rm files ls /c/large
    # A Dockerfile's own ignore file comes first.
    printf 'FROM busybox\nCOPY . /c/\n' >"$C/other"
    echo sub >"$C/other.dockerignore"
    build_quietly -t files -f "$C/other" "$C"
    [ "$(dory run --rm files ls /c/hidden)" = file ]
    run -1 dory run --rm files ls /c/sub
}

@test "what no step names does not travel, and what links lead to does" {
    kept() {
        find "$ENV_DIR/data/build-contexts" -name 'unnamed*' | wc -l
    }
    mkdir -p "$C/sub/deep" "$C/real" "$C/elsewhere" "$C.dir"
    head -c 3000000 /dev/urandom >"$C/unnamed"
    cp "$C/unnamed" "$C/sub/unnamed"
    cp "$C/unnamed" "$C.dir/unnamed"
    echo deep >"$C/sub/deep/file"
    echo a >"$C/a.txt"
    echo real >"$C/real/file"
    ln -s ../real "$C/elsewhere/link"
    ln -s b.real "$C/b.txt"
    echo b >"$C/b.real"
    echo mounted >"$C/mounted"
    echo named >"$C.dir/named"
    cat >"$C/Dockerfile" <<'EOF'
FROM busybox AS unneeded
COPY unnamed /
FROM busybox
ARG WHICH=deep
COPY sub/$WHICH /deep
COPY *.txt /texts/
COPY elsewhere/link/file /linked
COPY --from=dir named /named
RUN --mount=source=mounted,target=/m cat /m >/mounted
EOF
    run -0 build -t needed --build-context "dir=$C.dir" "$C"
    [[ $output == *"[internal] load build context"* ]]
    [[ $output != *"transferring context"*MB* ]]
    [ "$(dory run --rm needed cat /deep/file /texts/a.txt /texts/b.txt /linked /named /mounted | xargs)" = \
        "deep a b real named mounted" ]
    [ "$(kept)" -eq 0 ]
    run -0 build --target unneeded "$C"
    [[ $output == *"transferring context"*3.00MB* ]]
    [ "$(kept)" -eq 1 ]
    # Nothing is asked for where nothing is needed.
    printf 'FROM busybox\nRUN true\n' >"$C/Dockerfile"
    run -0 build "$C"
    [[ $output != *"load build context"* ]]
    # What a base brings with it is known before it is here.
    registry_start
    printf 'FROM busybox\nENV WHERE=sub\nONBUILD COPY a.txt /triggered\n' >"$C/Dockerfile"
    build -t "$REGISTRY/triggers" --push "$C"
    dory rmi "$REGISTRY/triggers"
    printf 'FROM %s\nCOPY $WHERE/deep/file /by-variable\n' "$REGISTRY/triggers" >"$C/Dockerfile"
    run -0 build -t triggered "$C"
    [[ $output == *"[internal] load metadata for $REGISTRY/triggers"* ]]
    [[ $output != *"transferring context"*MB* ]]
    [ "$(dory run --rm triggered cat /triggered /by-variable | xargs)" = "a deep" ]
    printf 'FROM %s/nosuch\nCOPY a.txt /\n' "$REGISTRY" >"$C/Dockerfile"
    run -1 build "$C"
    registry_stop
    [[ $output == *nosuch* && $output != *"load build context"* ]]
}

@test "secrets, agents, named contexts, networks, hosts and limits reach the steps" {
    cat >"$C/Dockerfile" <<'EOF'
FROM busybox
RUN --mount=type=secret,id=key cat /run/secrets/key >/dev/null && wc -c </run/secrets/key
RUN --mount=type=ssh [ -S "$SSH_AUTH_SOCK" ] && echo an agent
COPY --from=dir f /f
COPY --from=image /etc/passwd /p
RUN cat /f; grep -c . /p; ulimit -n; grep 10.9.8.7 /etc/hosts; ls /sys/class/net | xargs
EOF
    mkdir "$C.dir"
    echo named >"$C.dir/f"
    echo sekrit >"$C.key"
    eval "$(ssh-agent -a "$C.agent" 3>&-)" >/dev/null
    run build --no-cache -t parts --secret "id=key,src=$C.key" --ssh "default=$C.agent" --build-context "dir=$C.dir" \
        --build-context image=docker-image://busybox --network none --add-host other:10.9.8.7 --ulimit nofile=100:200 "$C"
    kill "$SSH_AGENT_PID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output =~ \#[0-9]+\ [0-9.]+\ 7 ]]
    [[ $output == *" an agent"* ]]
    [[ $output == *" named"* ]]
    [[ $output == *" 100"* ]]
    [[ $output == *"10.9.8.7"*other* ]]
    [[ $output == *" lo"* && $output != *eth0* ]]
    dory save -o "$C.saved" parts
    run ! grep -q sekrit "$C.saved" <(dory history --no-trunc parts)
    run -1 build --no-cache --build-context "dir=$C.dir" --build-context image=docker-image://busybox "$C"
    [[ $output == *"can't open '/run/secrets/key'"* ]]
}

@test "results that the client writes down: a directory, a tar, archives" {
    printf 'FROM scratch\nCOPY . /out/\n' >"$C/Dockerfile"
    mkdir "$C/sub"
    echo content >"$C/file"
    ln -s ../file "$C/sub/link"
    chmod 640 "$C/file"
    head -c 5000000 /dev/urandom >"$C/large"
    images=$(dory images -aq | wc -l)
    build_quietly -o "$C.out" "$C"
    [ "$(cat "$C.out/out/sub/link")" = content ]
    [ "$(stat -c %a "$C.out/out/file")" = 640 ]
    cmp "$C/large" "$C.out/out/large"
    build_quietly -o "type=tar,dest=$C.tar" "$C"
    [ "$(tar -xOf "$C.tar" out/file)" = content ]
    [ "$(dory images -aq | wc -l)" -eq "$images" ]
    build_quietly -t written:1 -o "type=docker,dest=$C.docker" "$C"
    run -1 dory image inspect written:1
    dory load -i "$C.docker" | grep -q written:1
    build_quietly -o "type=oci,dest=$C.oci" "$C"
    tar -tf "$C.oci" | grep -q '^index.json$'
}

@test "contexts from standard input and from a repository, and images that are pushed" {
    printf 'FROM busybox\nCOPY f /f\n' >"$C/Dockerfile"
    echo text >"$C/f"
    tar -C "$C" -c . | "$NEWER/usr/bin/docker" build -q -t from:tar -
    [ "$(dory run --rm from:tar cat /f)" = text ]
    printf 'FROM busybox\nRUN echo alone >/f\n' | "$NEWER/usr/bin/docker" build -q -t from:text -
    [ "$(dory run --rm from:text cat /f)" = alone ]
    printf 'FROM busybox\nCOPY f /g\n' | "$NEWER/usr/bin/docker" build -q -t from:both -f - "$C"
    [ "$(dory run --rm from:both cat /g)" = text ]
    registry_start
    build -t "$REGISTRY/pushed:1" --push "$C"
    dory rmi "$REGISTRY/pushed:1"
    dory pull -q "$REGISTRY/pushed:1"
    [ "$(dory run --rm "$REGISTRY/pushed:1" cat /f)" = text ]
    registry_stop
}

@test "failures say where and why, and are the client's status" {
    printf 'FROM busybox\nRUN echo before; exit 3\n' >"$C/Dockerfile"
    run -1 build "$C"
    [[ $output == *"[2/2] RUN echo before"* ]]
    [[ $output == *" before"* ]]
    [[ $output == *'process "/bin/sh -c echo before; exit 3" did not complete successfully: exit code: 3'* ]]
    printf 'FROM busybox\nCOPYY . /\n' >"$C/Dockerfile"
    run -1 build "$C"
    [[ $output == *"dockerfile parse error on line 2: unknown instruction: COPYY (did you mean COPY?)"* ]]
    run -1 build -f "$C/nosuch" "$C"
    printf 'FROM busybox\nCOPY nosuch /\n' >"$C/Dockerfile"
    run -1 build "$C"
    [[ $output == *nosuch*"not found"* ]]
    printf 'FROM busybox\n' >"$C/Dockerfile"
    run -1 build --attest type=sbom "$C"
    [[ $output == *"ttestation"* ]]
    build --cache-to type=inline "$C"
    run -1 build -o type=image,name=compressed,compression=zstd "$C"
    [[ $output == *"exporter "*"compression=zstd is not supported"* ]]
    run -1 build -o type=oci,tar=false,dest="$C.layout" "$C"
    [[ $output == *"tar=false is not supported"* ]]
    [ -z "$(dory ps -aq)" ]
}

@test "checks, targets and the outline of a Dockerfile, of which nothing is built" {
    cat >"$C/Dockerfile" <<'EOF'
# check=experimental=CopyIgnoredFile
ARG BASE=busy
# SUFFIX is what the name ends in
ARG SUFFIX=box
ARG WHOLE=${BASE}${SUFFIX}
ARG UNUSED=1
FROM $WHOLE AS first
ARG VERSION=1
RUN --mount=type=secret,id=key,required=true --mount=type=ssh exit 1
FROM scratch as other
COPY hidden /
ARG ELSEWHERE=1
# last has all
FROM busybox AS last
ARG WHO
COPY --from=first /f /f
EOF
    run -1 build --check "$C"
    [[ $output == *"Check complete, 1 warning has been found!"* ]]
    [[ $output == *"WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/"* ]]
    [[ $output == *"Dockerfile:10"*"  10 | >>> FROM scratch as other"* ]]
    # What the context leaves out is known, though nothing else of it travels.
    echo hidden >"$C/.dockerignore"
    run -1 build --check "$C"
    [[ $output == *"WARNING: CopyIgnoredFile"* ]]
    [ "$("$NEWER/usr/bin/docker" build --call=check,format=json "$C" 2>"$C.err" | jq -r '.warnings[].ruleName' | sort |
        xargs)" = "CopyIgnoredFile FromAsCasing" ]
    run -0 build --call=targets "$C"
    [[ $output == *"TARGET         DESCRIPTION"* ]]
    [[ $output == *"last (default) has all"* ]]
    [[ $output == *$'\nother'* ]]
    run -0 build --call=outline --build-arg WHO=me "$C"
    [[ $output == *"TARGET:      last"*"DESCRIPTION: has all"* ]]
    [[ $output == *"BUILD ARG   VALUE     DESCRIPTION"* ]]
    [[ $output == *"SUFFIX      box       is what the name ends in"* ]]
    [[ $output == *"WHOLE       busybox"*"VERSION     1"*"WHO         me"* ]]
    [[ $output != *UNUSED* && $output != *ELSEWHERE* ]]
    [[ $output == *"key      true"*"default"* ]]
    run -0 build --call=outline --target other "$C"
    [[ $output == *ELSEWHERE* && $output != *VERSION* ]]
    # However long a chain of arguments is.
    { echo ARG A0=end; for i in {1..5000}; do echo "ARG A$i=\$A$((i - 1))"; done; echo 'FROM $A5000'; } >"$C.chain"
    run -0 build --call=outline -f "$C.chain" "$C"
    [[ $output =~ A0\ +end ]]
    run -0 build --call=subrequests.describe "$C"
    [[ $output == *"lint "*"Lint a Dockerfile"* ]]
    run -1 build --call=convertllb "$C"
    [[ $output == *"the request frontend.convertllb about a Dockerfile is not supported"* ]]
    # What cannot be built is shown, too.
    printf 'FROM busybox\nCOPYY . /\n' >"$C/Dockerfile"
    run -1 build --check "$C"
    [[ $output == *"unknown instruction: COPYY"*"   2 | >>> COPYY . /"* ]]
    # A build tells what the checks find, and goes on.
    printf 'FROM busybox as one\nRUN echo told\n' >"$C/Dockerfile"
    run -0 build "$C"
    [[ $output == *"1 warning found"*"FromAsCasing: "*" (line 1)"* ]]
    printf 'FROM busybox\n' >"$C/Dockerfile"
    run -0 build --check "$C"
    [[ $output == *"Check complete, no warnings found."* ]]
}

# A build in the background, its log in $C.log: `client` is its process.
begin_build() {
    "$NEWER/usr/bin/docker" build --progress plain "$@" </dev/null >"$C.out" 2>"$C.log" 3>&- &
    client=$!
}
# docker's plugin is a process of its own.
kill_client() {
    pkill -KILL -P "$client" || true
    kill -KILL "$client" || true # it may have ended with its plugin
    wait "$client" || true
}
# Waits for a condition, a command.
until_true() {
    local end=$((SECONDS + 60))
    while [ "$SECONDS" -lt "$end" ]; do
        ! "$@" || return 0
        sleep 0.1
    done
    echo "in vain: $*"
    ls -l "/proc/$(env_daemon_pid)/fd"
    cat "$C.log"
    return 1
}
held() { # what the daemon holds: threads and descriptors
    local pid
    pid=$(env_daemon_pid)
    echo $(($(ls "/proc/$pid/task" | wc -l) + $(ls "/proc/$pid/fd" | wc -l)))
}
# But what was held before, and a few things that are made ready for the next step: less than one for each of 12 builds.
nothing_is_left() {
    [ -z "$(dory ps -aq)" ] && [ "$(held)" -le $(($1 + 8)) ] && ! ls "$ENV_DIR"/data/build-contexts/tmp-* >"$C.ls" 2>&1
}
is_running() {
    [ -n "$(dory ps -q)" ]
}
is_coming() {
    [ -n "$(find "$ENV_DIR/data/build-contexts" -name coming -size +0)" ]
}
is_exporting() {
    grep -q 'sending tarball\|exporting to client' "$C.log"
}

@test "a client that goes cancels its build, whatever is being done, and leaves nothing" {
    printf 'FROM busybox\nCOPY part /\nRUN true\n' >"$C/Dockerfile"
    head -c 20000000 /dev/zero >"$C/part"
    build -o "type=tar,dest=$C.tar" "$C"
    for _ in {1..3}; do # so that a thread or two more are no chance
        build_quietly --no-cache "$C"
    done
    until_true nothing_is_left 1000
    before=$(held)
    for _ in 1 2 3; do
        # It asks for nothing, or breaks off in the middle of a word.
        python3 - "$ENV_DIR/dory.sock" <<'EOF'
import socket, sys
for path, rest in (("/session", b""), ("/session", b"\0\0\0\4"), ("/grpc", b""), ("/grpc", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"),
                   ("/grpc", b"no HTTP/2 at all\r\n\r\n")):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
              b"X-Docker-Expose-Session-Uuid: nobody\r\n\r\n")
    while b"\r\n\r\n" not in s.recv(4096):
        pass
    s.sendall(rest)
    s.close()
EOF
        # Its files are on their way, or have just come.
        printf 'FROM busybox\nCOPY coming /\nRUN sleep 1000\n' >"$C/Dockerfile"
        head -c 100000000 /dev/zero >"$C/coming"
        begin_build "$C"
        until_true is_coming
        kill_client
        # A step runs.
        printf 'FROM busybox\nRUN sleep 1000\n' >"$C/Dockerfile"
        begin_build "$C"
        until_true is_running
        kill_client
        # The result is on its way to somebody who does not take it.
        printf 'FROM scratch\nCOPY part /\n' >"$C/Dockerfile"
        [ -p "$C.pipe" ] || mkfifo "$C.pipe"
        exec 5<>"$C.pipe"
        "$NEWER/usr/bin/docker" build --progress plain -o - "$C" </dev/null >"$C.pipe" 2>"$C.log" 3>&- 5>&- &
        client=$!
        until_true is_exporting
        kill_client
        exec 5>&-
    done
    until_true nothing_is_left "$before"
    build_quietly "$C"
}

@test "bake, the cache's list and its pruning, inspect and history" {
    docker=$NEWER/usr/bin/docker
    printf 'FROM busybox AS one\nRUN echo 1 >/n\nFROM busybox AS two\nRUN echo 2 >/n\n' >"$C/Dockerfile"
    cat >"$C/docker-bake.hcl" <<'EOF'
group "default" {
    targets = ["a", "b"]
}
target "a" {
    target = "one"
    tags = ["bake:a"]
}
target "b" {
    target = "two"
    tags = ["bake:b"]
}
EOF
    (cd "$C" && "$docker" buildx bake --progress plain 3>&-) >"$C.log" 2>&1
    cat "$C.log"
    # It opens a session within a call.
    run ! grep -q 'error reading preface\|unknown method' "$C.log"
    [ "$(dory run --rm bake:a cat /n)$(dory run --rm bake:b cat /n)" = 12 ]
    # The same plugin as a command of dory's.
    dory rmi bake:a bake:b
    (cd "$C" && dory bake --progress plain 3>&-) >"$C.log" 2>&1 || { cat "$C.log"; false; }
    [ "$(dory run --rm bake:a cat /n)$(dory run --rm bake:b cat /n)" = 12 ]
    run -0 dory buildx inspect
    [[ $output == *"Platforms:"*linux/* ]]
    run -0 "$docker" buildx inspect
    [[ $output == *"Platforms:"*linux/* ]]
    run -0 "$docker" buildx history ls
    [[ $output == *Completed* ]]
    dory rmi bake:a bake:b
    run -0 "$docker" buildx du --verbose
    [[ $output == *"RUN"* ]]
    # The directory that was read is kept for the next build, and is one of those that go.
    [ -n "$(ls "$ENV_DIR/data/build-contexts")" ]
    run -0 "$docker" buildx prune -f --filter type=exec.cachemount
    run -0 "$docker" buildx du --verbose
    [[ $output == *"RUN"* ]]
    run -0 "$docker" buildx prune -af
    [[ $output == *"Total:"* ]]
    run -0 "$docker" buildx du
    [[ $output == *"Total:"*0B* ]]
    for _ in {1..100}; do
        ls "$ENV_DIR/data/build-contexts" | grep -q ^keep- || break
        sleep 0.1
    done
    run ! ls "$ENV_DIR"/data/build-contexts/keep-*
}

@test "history: list, filters, logs, inspect and removal, and the cache's list with filters" {
    docker=$NEWER/usr/bin/docker
    refs() {
        "$docker" buildx history ls --format '{{.Ref}}' "$@" | xargs
    }
    # Of the builds before this one none is still ending.
    for _ in {1..600}; do
        [ -n "$(refs --filter status=running)" ] || break
        sleep 0.1
    done
    "$docker" buildx history rm --all
    printf 'FROM busybox\nARG WHO\nRUN echo kept in the history\n' >"$C/Dockerfile"
    build --no-cache --build-arg WHO=me --label some=thing "$C"
    printf 'FROM busybox\nRUN echo before it; exit 3\n' >"$C/Dockerfile"
    run -1 build "$C"
    read -r failed done <<<"$(refs)"
    [ -n "$done" ]
    [ "$(refs --filter status=error)" = "$failed" ]
    [ "$(refs --filter status=completed)" = "$done" ]
    [ "$(refs --filter "ref=$done")" = "$done" ]
    [ "$(refs --filter 'startedAt>1h')" = "$failed $done" ]
    [ -z "$(refs --filter 'startedAt<1h')" ]
    [ -z "$(refs --filter 'duration>1h')" ]
    run -1 "$docker" buildx history ls --filter 'duration>long'
    run -0 "$docker" buildx history logs "$done"
    [[ $output == *"[2/2] RUN echo kept in the history"* ]]
    [[ $output =~ \#[0-9]+\ [0-9.]+\ kept\ in\ the\ history ]]
    run -0 "$docker" buildx history logs
    [[ $output == *"before it"* && $output == *"exit code: 3"* ]]
    [ "$("$docker" buildx history inspect --format json "$done" | jq -r \
        '"\(.Status) \(.NumCompletedSteps)/\(.NumTotalSteps) \(.BuildArgs[0].Value) \(.Labels[0].Value)"')" = "completed 2/2 me thing" ]
    run -0 "$docker" buildx history inspect "$failed"
    [[ $output == *"Error:"*"did not complete successfully: exit code: 3"* ]]
    "$docker" buildx history rm "$failed"
    [ "$(refs)" = "$done" ]
    run -1 "$docker" buildx history logs "$failed"
    run -1 "$docker" buildx history rm "$failed"
    # One that was cancelled.
    printf 'FROM busybox\nRUN sleep 1000\n' >"$C/Dockerfile"
    "$docker" build --progress plain "$C" </dev/null >"$C.log" 2>&1 3>&- &
    client=$!
    for _ in {1..600}; do
        [ -z "$(dory ps -q)" ] || break
        sleep 0.1
    done
    [ "$(refs --filter status=running)" = "$(refs | cut -d' ' -f1)" ]
    pkill -KILL -P "$client" || true
    kill -KILL "$client"
    wait "$client" || true
    for _ in {1..600}; do
        [ -z "$(refs --filter status=canceled)" ] || break
        sleep 0.1
    done
    run -0 "$docker" buildx history inspect --format '{{.Status}}' "$(refs --filter status=canceled)"
    [ "${lines[0]}" = canceled ]
    run -0 "$docker" buildx du --verbose --filter type=regular --filter 'description~=in the history'
    [[ $output == *"kept in the history"* ]]
    [ "$(grep -c ^ID: <<<"$output")" -eq 1 ]
    run -0 "$docker" buildx du --verbose --filter type=exec.cachemount
    [[ $output != *"kept in the history"* ]]
    run -1 "$docker" buildx du --filter nosuch=1
    [[ $output == *nosuch* ]]
}

@test "Compose builds and starts" {
    printf 'FROM busybox AS wanted\nRUN echo built >/built\nFROM busybox\nRUN exit 1\n' >"$C/Dockerfile"
    cat >"$C/compose.yaml" <<'EOF'
services:
  app:
    build: {context: ., target: wanted}
    image: composed
    command: sh -c "cat /built; sleep 1000"
    network_mode: none
EOF
    compose() {
        "$NEWER/usr/bin/docker" compose --progress plain -p bk -f "$C/compose.yaml" "$@" 3>&-
    }
    compose build
    dory image inspect composed
    compose up -d --build
    [ "$(dory ps --filter label=com.docker.compose.project=bk --format '{{.Image}}')" = composed ]
    for _ in {1..100}; do
        [ -z "$(compose logs --no-log-prefix app)" ] || break
        sleep 0.1
    done
    [ "$(compose logs --no-log-prefix app)" = built ]
    compose down -t 0
}

@test "what is no BuildKit client is told so" {
    post() {
        curl -s --max-time 20 --unix-socket "$ENV_DIR/dory.sock" -X POST "$@"
    }
    [ "$(post -o /dev/null -w '%{http_code}' http://d/grpc)" = 400 ]
    [[ $(post -H 'Connection: Upgrade' -H 'Upgrade: h2c' http://d/session) == *"needs an id"* ]]
    [[ $(post -H 'Connection: Upgrade' -H 'Upgrade: tcp' http://d/grpc) == *"protocol tcp not supported"* ]]
    # One that is gets what it asked for.
    run python3 - "$ENV_DIR/dory.sock" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"POST /session HTTP/1.1\r\nHost: d\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: mine\r\n\r\n")
head = b""
while b"\r\n\r\n" not in head:
    head += s.recv(4096) or sys.exit("the connection has ended")
print(head.decode("latin-1"))
EOF
    echo "$output"
    [[ $output == *"HTTP/1.1 101 "* ]]
    [[ $output == *"Upgrade: h2c"* ]]
}

@test "the daemon ends although a build is under way, and leaves nothing of it" {
    printf 'FROM busybox\nRUN sleep 1000\n' >"$C/Dockerfile"
    "$NEWER/usr/bin/docker" build --progress plain "$C" </dev/null >"$C.log" 2>&1 3>&- &
    client=$!
    for _ in {1..300}; do
        [ -z "$(dory ps -q)" ] || break
        sleep 0.1
    done
    [ -n "$(dory ps -q)" ]
    env_daemon_kill TERM
    run wait "$client"
    [ "$status" -ne 0 ]
    env_daemon_start
    [ -z "$(dory ps -aq)" ]
}
