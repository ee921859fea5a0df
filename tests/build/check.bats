#!/usr/bin/env bats
# build --check, and checks that fail a build.

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
    CONTEXT=$BATS_TEST_TMPDIR/context
    mkdir -p "$CONTEXT"
}

@test "--check names rules, lines and files, builds nothing, and fails when it finds something" {
    printf 'FROM busybox AS Bad\nENV key value\nCOPY $none /x\nRUN false\nCMD sh\n' >"$CONTEXT/Dockerfile"
    run -1 dory build --check -t checked "$CONTEXT"
    [[ $output == *"StageNameCasing: Stage name 'Bad' should be lowercase (line 1)"* ]]
    [[ $output == *'LegacyKeyValueFormat: "ENV key=value" should be used'*"(line 2)"* ]]
    [[ $output == *"UndefinedVar: Usage of undefined variable '\$none' (line 3)"* ]]
    [[ $output == *"JSONArgsRecommended: JSON arguments recommended for CMD"*"(line 5)"* ]]
    [[ $output == *"Check complete, 5 warnings have been found!"* ]] # and the name "key" of a variable
    run -1 dory inspect checked
}

@test "--check of a Dockerfile without findings succeeds; one that cannot be read does not" {
    printf 'FROM busybox\nARG x\nCOPY $x/f $PATH/\nRUN false\nCMD ["sh"]\n' >"$CONTEXT/Dockerfile"
    run -0 dory build --check "$CONTEXT"
    [[ $output == *"Check complete, no warnings found."* ]]
    printf 'FROM busybox\nRUNN x\n' >"$CONTEXT/Dockerfile"
    run -1 dory build --check "$CONTEXT"
    [[ $output == *"dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)"* ]]
}

@test "another language than docker/dockerfile's is refused" {
    printf '# syntax=someone/frontend:1\nFROM busybox\n' >"$CONTEXT/Dockerfile"
    run -1 dory build "$CONTEXT"
    [[ $output == *"syntax=someone/frontend:1 is not supported"* ]]
    dory build -q --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1 "$CONTEXT"
    for own in docker/dockerfile docker/dockerfile:1.7-labs docker.io/docker/dockerfile-upstream:master mirror:5000/hub/docker/dockerfile:1; do
        printf '# syntax=%s\nFROM busybox\n' "$own" >"$CONTEXT/Dockerfile"
        dory build -q "$CONTEXT"
    done
    run -1 dory build --build-arg BUILDKIT_SYNTAX=other "$CONTEXT"
}

@test "findings fail a build when the directive says so, and only then" {
    printf '# check=error=true\nFROM busybox as x\nRUN true\n' >"$CONTEXT/Dockerfile"
    run -1 dory build -t refused "$CONTEXT"
    [[ $output == *"lint violation found for rules: FromAsCasing"* ]]
    run -1 dory inspect refused
    run -0 dory build -t let-in --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=all "$CONTEXT"
    dory inspect let-in >/dev/null
    printf '# check=skip=Nonsense\nFROM busybox\n' >"$CONTEXT/Dockerfile"
    run -1 dory build "$CONTEXT"
    [[ $output == *'there is no rule "Nonsense"'* ]]
}
