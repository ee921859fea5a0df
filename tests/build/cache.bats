#!/usr/bin/env bats
# The build cache: what makes a new result and what does not; that it is shared, survives, is pruned, and is not fooled.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

build() { # DOCKERFILE [option...]
    printf '%s\n' "$1" >"$C/Dockerfile"
    shift
    dory build --progress plain -t t "$@" "$C"
}

cached() { # how many steps of $output were there already
    grep -c CACHED <<<"$output" || true
}

id_of() {
    dory inspect -f '{{.Id}}' t
}

@test "the same again is the same image, also with other times, after a restart and after a kill" {
    echo a >"$C/a"
    mkdir "$C/d"; echo f >"$C/d/f"
    file='FROM busybox
LABEL l=1
COPY a d /x/
RUN cat /proc/sys/kernel/random/uuid >/time
WORKDIR /w
CMD ["true"]'
    run build "$file"
    [ "$status" -eq 0 ] && [ "$(cached)" -eq 0 ]
    first=$(id_of)
    touch -d 2001-01-01 "$C/a" "$C/d/f" "$C/d"
    run build "$file"
    [ "$(cached)" -eq 5 ]
    [ "$(id_of)" = "$first" ]
    env_daemon_kill
    env_daemon_start
    run build "$file"
    [ "$(cached)" -eq 5 ]
    [ "$(id_of)" = "$first" ]
}

@test "contents, modes, names, arguments and the environment make new results" {
    echo a >"$C/a"
    file='FROM busybox
ARG WHO=me
ENV E=1
COPY a /a
RUN echo $WHO $E >/who'
    run build "$file"
    run build "$file"
    [ "$(cached)" -eq 4 ]
    # A label changes no file: what comes behind it is found.
    run build "${file/ENV E=1/LABEL x=y
ENV E=1}"
    [ "$(grep -A1 '\[.*RUN' <<<"$output" | grep -c CACHED)" -eq 1 ]
    run build "$file" --build-arg WHO=you
    [[ $(dory run --rm t cat /who) == "you 1" ]]
    run build "${file/E=1/E=2}"
    [[ $(dory run --rm t cat /who) == "me 2" ]]
    chmod 600 "$C/a"
    run build "$file"
    [ "$(dory run --rm t stat -c %a /a)" = 600 ]
    [ "$(grep -A1 '\[.*RUN' <<<"$output" | grep -c CACHED)" -eq 0 ]
    echo b >"$C/a"
    run build "$file"
    [ "$(dory run --rm t cat /a)" = b ]
    mv "$C/a" "$C/b"
    run build "${file/COPY a/COPY b}"
    [ "$(dory run --rm t cat /a)" = b ]
}

@test "a stage that is made anew with the same files changes nothing behind it" {
    file='FROM busybox AS one
RUN echo same >/same; cat /proc/sys/kernel/random/uuid >/other; true NUMBER
FROM busybox
COPY --from=one /same /same
RUN cat /proc/sys/kernel/random/uuid >/late'
    run build "${file/NUMBER/1}"
    first=$(id_of)
    run build "${file/NUMBER/2}"
    [ "$(cached)" -eq 2 ]
    [ "$(id_of)" = "$first" ]
}

@test "--no-cache, and for one stage" {
    file='FROM busybox AS one
RUN cat /proc/sys/kernel/random/uuid >/one
FROM busybox
COPY --from=one /one /one
RUN cat /proc/sys/kernel/random/uuid >/two'
    run build "$file"
    first=$(dory run --rm t cat /one /two)
    run build "$file" --no-cache
    [ "$(cached)" -eq 0 ]
    second=$(dory run --rm t cat /one /two)
    [ "$(head -1 <<<"$first")" != "$(head -1 <<<"$second")" ]
    run build "$file" --no-cache-filter one
    third=$(dory run --rm t cat /one /two)
    [ "$(head -1 <<<"$third")" != "$(head -1 <<<"$second")" ]
    run build "$file"
    [ "$(dory run --rm t cat /one /two)" = "$third" ]
}

@test "the same step of two builds runs once" {
    printf 'FROM busybox\nRUN --mount=type=cache,id=once,target=/c echo x >>/c/runs; sleep 1\nRUN --mount=type=cache,id=once,target=/c cp /c/runs /runs\n' >"$C/Dockerfile"
    for i in 1 2 3; do
        dory build -q -t "once:$i" "$C" >/dev/null 3>&- &
        pids[i]=$!
    done
    for i in 1 2 3; do wait "${pids[i]}"; done
    for i in 1 2 3; do [ "$(dory run --rm "once:$i" cat /runs)" = x ]; done
    [ "$(dory inspect -f '{{.Id}}' once:1)" = "$(dory inspect -f '{{.Id}}' once:3)" ]
}

@test "what does not depend on each other runs at the same time, what is not needed does not run" {
    # Each waits for the other: one after the other would never end.
    run build 'FROM busybox AS a
RUN --mount=type=cache,id=meet,target=/m touch /m/a; i=0; while [ ! -e /m/b ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; test -e /m/b && touch /a
FROM busybox AS b
RUN --mount=type=cache,id=meet,target=/m touch /m/b; i=0; while [ ! -e /m/a ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; test -e /m/a && touch /b
FROM busybox AS never
RUN exit 1
FROM busybox
COPY --from=a /a /
COPY --from=b /b /'
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    run build 'FROM busybox AS wanted
RUN touch /wanted
FROM busybox
RUN exit 1' --target wanted
    [ "$status" -eq 0 ]
    [ -z "$(dory run --rm t cat /wanted)" ]
}

@test "a forged history does not make a result (CVE-2024-24557)" {
    run build 'FROM busybox
RUN echo real >/real'
    # An image that says of itself that it is what the step makes, and is something else.
    dory run --name forger busybox sh -c 'echo forged >/real'
    dory commit -c 'CMD ["sh"]' forger forged >/dev/null
    dory rm forger >/dev/null
    dory save forged >"$C/forged.tar"
    mkdir "$C/f"
    tar -C "$C/f" -xf "$C/forged.tar"
    python3 - "$C/f" <<'PY'
import json, hashlib, os, sys
root = sys.argv[1]
manifest = json.load(open(root + '/manifest.json'))
path = root + '/' + manifest[0]['Config']
config = json.load(open(path))
config['history'][-1]['created_by'] = '/bin/sh -c echo evil >/real'
config['container_config'] = {'Cmd': ['/bin/sh', '-c', 'echo evil >/real']}
text = json.dumps(config).encode()
name = 'blobs/sha256/' + hashlib.sha256(text).hexdigest()
open(root + '/' + name, 'wb').write(text)
manifest[0]['Config'] = name
manifest[0]['RepoTags'] = ['forged:evil']
json.dump(manifest, open(root + '/manifest.json', 'w'))
for extra in ('index.json', 'oci-layout'):
    if os.path.exists(root + '/' + extra):
        os.unlink(root + '/' + extra)
PY
    tar -C "$C/f" -cf - . | dory load >/dev/null
    run build 'FROM busybox
RUN echo evil >/real'
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 0 ]
    [ "$(dory run --rm t cat /real)" = evil ]
    # The base is what it holds, not what it is called.
    dory tag busybox base:x
    run build 'FROM base:x
RUN cat /real 2>/dev/null || echo none'
    [[ $output == *" none"* ]]
    dory tag forged:evil base:x
    run build 'FROM base:x
RUN cat /real 2>/dev/null || echo none'
    [[ $output == *" forged"* ]]
}

@test "prune: what images share stays without -a, filters, and nothing is left of all of it" {
    run build 'FROM busybox
RUN echo in-image >/x'
    printf 'FROM busybox\nRUN head -c 100000 /dev/zero >/big\n' >"$C/Dockerfile"
    dory build -q -t gone "$C" >/dev/null
    dory rmi gone >/dev/null
    [[ $(dory builder prune -f --filter description=nothing-of-this-kind) == *"0B" ]]
    run dory builder prune -f
    [[ $output =~ "reclaimed space: "[0-9.]+[kM]B ]]
    run dory build --progress plain -t gone "$C"
    [ "$(cached)" -eq 0 ]
    dory rmi gone >/dev/null
    run build 'FROM busybox
RUN echo in-image >/x'
    [ "$(cached)" -eq 1 ]
    dory builder prune -f -a >/dev/null
    run build 'FROM busybox
RUN echo in-image >/x'
    [ "$(cached)" -eq 0 ]
    run -1 dory builder prune -f --filter nonsense=1
    [[ $output == *nonsense* ]]
    dory rmi -f t >/dev/null
    dory builder prune -f -a >/dev/null
    # Nothing but the layers of the images that are left and what waits for a container.
    run dory image prune -af
    for _ in $(seq 300); do
        [ "$(ls "$ENV_DIR/data/overlay" | wc -l)" -le 3 ] && break
        sleep 0.1
    done
    [ "$(ls "$ENV_DIR/data/overlay" | wc -l)" -le 3 ]
    env_images busybox
}

rows() { # of steps that have no record of their own
    /usr/bin/python3 -c "import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute('SELECT description FROM build_cache WHERE second = 1 ORDER BY description'):
    print(row[0])" "$(ls "$ENV_DIR"/data/*.db)"
}

@test "prune: steps without files go with what they stand on, and only then" {
    dory builder prune -af >/dev/null
    printf 'FROM busybox\nLABEL on=base\nRUN echo %s >/x\nLABEL on=gone\n' "$RANDOM$RANDOM" >"$C/Dockerfile"
    dory build -q -t gone "$C" >/dev/null
    run build 'FROM busybox
RUN echo stays >/stays
ENV on=stays'
    [ "$(rows)" = $'ENV on=stays\nLABEL on=base\nLABEL on=gone' ]
    dory rmi gone >/dev/null
    dory builder prune -f >/dev/null
    [ "$(rows)" = $'ENV on=stays\nLABEL on=base' ]
    run build 'FROM busybox
RUN echo stays >/stays
ENV on=stays'
    [ "$(cached)" -eq 2 ]
    # Those of a base image go when it has gone.
    dory tag "$(dory create busybox true | xargs dory commit -c 'ENV other=base')" other-base
    printf 'FROM other-base\nLABEL on=other\n' >"$C/Dockerfile"
    dory build -q -t gone "$C" >/dev/null
    [[ $(rows) == *"LABEL on=other"* ]]
    dory rmi gone other-base >/dev/null
    dory builder prune -f >/dev/null
    [ "$(rows)" = $'ENV on=stays\nLABEL on=base' ]
}

@test "SOURCE_DATE_EPOCH: the same bits from other machines and at other times" {
    echo a >"$C/a"
    file='FROM busybox
COPY a /d/a
WORKDIR /w/x
RUN mkdir /made && echo x >/made/x
LABEL x=y'
    build "$file" >/dev/null
    run build "$file" --no-cache --build-arg SOURCE_DATE_EPOCH=1000000000
    [ "$status" -eq 0 ]
    first=$(id_of)
    [ "$(dory inspect -f '{{.Created}}' t)" = 2001-09-09T01:46:40Z ]
    [ "$(dory run --rm t stat -c %Y /made/x)" = 1000000000 ]
    touch "$C/a"
    run build "$file" --no-cache --build-arg SOURCE_DATE_EPOCH=1000000000
    [ "$(cached)" -eq 0 ]
    [ "$(id_of)" = "$first" ]
}

@test "--cache-from: another machine's image serves for this build, and for no other" {
    echo a >"$C/a"
    file='FROM busybox
ENV A=1
COPY a /a
RUN cat /proc/sys/kernel/random/uuid >/u
RUN true
CMD ["cat","/u"]'
    build "$file" >/dev/null
    first=$(id_of)
    uuid=$(dory run --rm t)
    dory save t >"$C.tar"
    dory rmi -f t >/dev/null
    dory builder prune -af >/dev/null
    dory load -q <"$C.tar" >/dev/null
    dory tag t elsewhere
    run build "$file" --cache-from elsewhere
    [ "$(cached)" -eq 5 ] || { echo "$output"; false; }
    [ "$(dory run --rm t)" = "$uuid" ]
    [ "$(id_of)" = "$first" ]
    run build "$file"
    [ "$(cached)" -eq 0 ]
    run build "$file" --no-cache --cache-from elsewhere
    [ "$(cached)" -eq 0 ]
    # From the first step on that differs nothing is taken.
    dory builder prune -af >/dev/null
    run build "${file/RUN true/RUN echo other}" --cache-from elsewhere
    [ "$(cached)" -eq 3 ]
    run build "$file" --cache-from not-there-at-all:1
    [ "$status" -eq 0 ]
    [[ $output == *"cache from not-there-at-all:1: "* ]]
}

@test "--cache-from: what a line of history does not say is not believed" {
    echo same >"$C/a"
    cp "$C/a" "$C/b"
    echo one >"$C/f"
    copied='FROM busybox
COPY --chmod=644 a /d/'
    mounted='FROM busybox
RUN --mount=type=bind,source=f,target=/f cat /f >/out'
    build "$copied" -t copied >/dev/null
    build "$mounted" -t mounted >/dev/null
    dory builder prune -af >/dev/null
    echo two >"$C/f"
    run build "${copied/--chmod=644 a/--chmod=755 b}" --cache-from copied
    [ "$(cached)" -eq 0 ] || { echo "$output"; false; }
    run dory run --rm t stat -c '%a %n' /d/b
    [ "$output" = "755 /d/b" ]
    run build "$mounted" --cache-from mounted
    [ "$(cached)" -eq 0 ] || { echo "$output"; false; }
    run dory run --rm t cat /out
    [ "$output" = two ]
    dory rmi -f copied mounted >/dev/null
}
