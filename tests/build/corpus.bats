#!/usr/bin/env bats
# A corpus of Dockerfiles, each a directory of tests/build/corpus: Dockerfile and context; `flags` for the build; `setup` run in
# the copied context; `expected`, the tree as it differs from the base's, the config and the history. The expectations are
# docker's: `ENV_ENGINE=docker bats FILE` compares them with the real thing (the classic builder, BuildKit where the file
# `buildkit` says so; the syntax of those with `only-dory` is newer than the docker that Debian has), and CORPUS_RECORD=1
# writes them.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory create --name base busybox true >/dev/null
    dory export base | python3 "$BATS_TEST_DIRNAME/tree_list.py" >"$ENV_DIR/base.list"
    dory rm base >/dev/null
}

teardown_file() {
    env_stop
}

build() { # name
    local context=$ENV_DIR/context-$1 kit=0
    rm -rf "$context"
    cp -a "$BATS_TEST_DIRNAME/corpus/$1" "$context"
    rm -f "$context"/{expected,flags,setup,buildkit,only-dory}
    (cd "$context" && umask 022 && chmod -R u=rwX,go=rX . && find . -name exec -exec chmod 755 {} + &&
        if [ -e "$BATS_TEST_DIRNAME/corpus/$1/setup" ]; then sh "$BATS_TEST_DIRNAME/corpus/$1/setup"; fi)
    [ ! -e "$BATS_TEST_DIRNAME/corpus/$1/buildkit" ] || kit=1
    # shellcheck disable=SC2046
    DOCKER_BUILDKIT=$kit dory build -t "corpus-$1" $(cat "$BATS_TEST_DIRNAME/corpus/$1/flags" 2>/dev/null) "$context" \
        >"$ENV_DIR/log-$1" 2>&1 || { cat "$ENV_DIR/log-$1"; return 1; }
}

found() { # name: what `expected` has
    dory create --name "c-$1" "corpus-$1" true >/dev/null
    dory export "c-$1" | python3 "$BATS_TEST_DIRNAME/tree_list.py" >"$ENV_DIR/$1.list"
    dory rm "c-$1" >/dev/null
    if grep -q '^FROM scratch' <(grep '^FROM' "$BATS_TEST_DIRNAME/corpus/$1/Dockerfile" | tail -1); then
        sed 's/^/+/' "$ENV_DIR/$1.list" | grep -vE '^\+\S+ \S+ \S+ (\S+ )?(dev|etc|proc|sys|\.dockerenv)(/|$)' || true
    else
        diff "$ENV_DIR/base.list" "$ENV_DIR/$1.list" | sed -n 's/^< /-/p; s/^> /+/p' | LC_ALL=C sort -k1.2
    fi
    dory inspect -f '{{json .Config}}' "corpus-$1" | jq -S '{Cmd, Entrypoint, Env, ExposedPorts, Healthcheck, Labels, OnBuild, Shell,
        StopSignal, User, Volumes, WorkingDir} | with_entries(select(.value != null and .value != "" and .value != {} and .value != []))'
    [ -e "$BATS_TEST_DIRNAME/corpus/$1/buildkit" ] || [ -e "$BATS_TEST_DIRNAME/corpus/$1/only-dory" ] ||
        dory history --no-trunc --format '{{.CreatedBy}}' "corpus-$1" | sed -E 's/(file|dir|multi):[0-9a-f]{64}/\1:HASH/'
}

check() { # name...
    local name bad=0
    for name in "$@"; do
        local expected=$BATS_TEST_DIRNAME/corpus/$name/expected
        if [ "$ENV_ENGINE" = docker ] && [ -e "$BATS_TEST_DIRNAME/corpus/$name/only-dory" ]; then
            continue
        fi
        build "$name" || { echo "corpus/$name does not build"; bad=1; continue; }
        found "$name" >"$ENV_DIR/$name.found"
        [ -z "${CORPUS_RECORD:-}" ] || cp "$ENV_DIR/$name.found" "$expected"
        diff -u "$expected" "$ENV_DIR/$name.found" || { echo "corpus/$name differs"; bad=1; }
    done
    [ "$bad" = 0 ]
}

@test "config instructions and variables give docker's configs and histories" {
    check config commands entrypoint-clears-cmd variables args workdir syntax
}

@test "COPY, ADD and .dockerignore give docker's trees" {
    check copy add ignore
}

@test "stages, RUN and triggers give docker's images" {
    check stages run onbuild
}

@test "mounts of RUN, and COPY --chmod" {
    check mounts
}

@test "heredocs, --parents, --exclude, --link and the newer expansions" {
    check heredocs modern
}

@test "every directory of the corpus is checked" {
    local name
    for name in "$BATS_TEST_DIRNAME"/corpus/*/; do
        grep -qE "^    check .*\b$(basename "$name")\b" "$BATS_TEST_FILENAME"
    done
}
