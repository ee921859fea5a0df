#!/usr/bin/env bats
# What an unmodified BuildKit client hands on from whoever feeds it: archives that mean harm stay in the directory that they
# are unpacked in, and what cannot be used is refused at once.

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

hostile() {
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/hostile.py" tar -o "$C/tar" "$@"
}
build_tar() {
    timeout 100 "$NEWER/usr/bin/docker" build --progress plain -t fed - <"$C/tar"
}
nothing_is_kept() {
    local i
    for ((i = 0; i < 300; i++)); do
        ls "$ENV_DIR"/data/build-contexts/tmp-* >"$C/ls" 2>&1 || return 0
        sleep 0.1
    done
    cat "$C/ls"
    return 1
}

@test "a context from standard input stays in its directory, whatever its names and links say" {
    canary=$ENV_DIR/canary
    echo untouched >"$canary"
    local dockerfile=$'file:Dockerfile:FROM busybox\nCOPY . /c/\n'
    for entries in "file:../canary:x file:../../canary:x file:../../../canary:x" "file:$canary:x" \
        "sym:out:$ENV_DIR file:out/canary:x" "sym:out:../../.. file:out/canary:x" "dir:a sym:a/b:../../../.. hard:h:a/b/canary" \
        "hard:h:$canary" "sym:canary:$canary file:canary:x"; do
        # shellcheck disable=SC2086
        hostile "$dockerfile" $entries
        run build_tar
        echo "$entries: $status"
        # Built without what is outside, or refused; but ended.
        [ "$status" -eq 0 ] || [ "$status" -eq 1 ]
        if [ "$status" -eq 0 ]; then
            run -1 dory run --rm fed grep -rq untouched /c
            dory rmi -f fed
        fi
        [ "$(cat "$canary")" = untouched ]
    done
    # A Dockerfile that is a link out of it is not read.
    printf 'FROM busybox\nRUN echo taken >/taken\n' >"$canary"
    hostile "sym:Dockerfile:$canary" file:f:x
    run -1 build_tar
    nothing_is_kept
}

@test "an archive that breaks off, lies or goes bad is refused, although more is to come" {
    hostile $'file:Dockerfile:FROM busybox\nCOPY . /c/\n' claim:large:1000000000
    run -1 build_tar
    [[ $output == *"context"* ]]
    # The rest never comes, and need not.
    hostile $'file:Dockerfile:FROM busybox\n'
    mkfifo "$C/pipe"
    exec 5<>"$C/pipe"
    { head -c 1024 "$C/tar"; head -c 4000000 /dev/zero | tr '\0' x; } >"$C/bad"
    cat "$C/bad" >"$C/pipe" 5>&- 3>&- &
    feeder=$!
    "$NEWER/usr/bin/docker" build --progress plain - <"$C/pipe" >"$C/log" 2>&1 3>&- 5>&- &
    client=$!
    end=$((SECONDS + 60))
    until grep -q 'build context: .*invalid tar header' "$C/log" || [ "$SECONDS" -ge "$end" ]; do
        sleep 0.1
    done
    cat "$C/log"
    grep -q 'build context: .*invalid tar header' "$C/log"
    exec 5>&- # the client itself waits for the end of what it reads
    wait "$feeder" || true
    run wait "$client"
    [ "$status" -ne 0 ]
    nothing_is_kept
}
