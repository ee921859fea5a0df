# buildah with dory-runtime for its RUN steps.
bats_require_minimum_version 1.5.0
load ../lib/env
load engine

setup_file() {
    engine_directory
    export BUILDAH_CONTAINER
    buildah_cmd from --name work scratch >/dev/null
    buildah_cmd add work "$(busybox_tar)" / >/dev/null
    buildah_cmd config --env PATH=/bin --cmd sh work
}

teardown_file() {
    buildah_cmd rm -a >/dev/null 2>&1 || true
    engine_directory_remove
}

buildah_cmd() {
    TMPDIR=$ENGINE_DIR/tmp buildah --root "$ENGINE_DIR/storage" --runroot "$ENGINE_DIR/run" --storage-driver vfs \
        "$@" 3>&- 4>&-
}

# buildah takes the global flag only in front of nothing: it belongs to run and build.
oci=(--isolation oci --runtime "$DORY_BIN/dory-runtime")

@test "buildah runs commands in a working container on dory-runtime" {
    run -0 buildah_cmd run "${oci[@]}" --network none work -- sh -c 'echo made >/made; echo from inside'
    [[ "$output" == *"from inside"* ]]
    run -0 buildah_cmd run "${oci[@]}" --network none work -- cat /made
    grep -qx made <<<"$output" || { echo "$output"; false; }
    run -0 buildah_cmd run "${oci[@]}" --network none --user 33 --workingdir /tmp work -- sh -c 'id -u; pwd'
    [[ "$output" == *$'33\n/tmp'* ]]
}

@test "a command that fails fails the step, with its status" {
    run -4 buildah_cmd run "${oci[@]}" --network none work -- sh -c 'exit 4'
}

@test "buildah builds a Dockerfile with dory-runtime and the image holds what RUN made" {
    buildah_cmd commit work base >/dev/null 2>&1
    printf 'FROM base\nRUN echo built >/built && mkdir /d\nCMD ["cat", "/built"]\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    run -0 buildah_cmd build "${oci[@]}" --network none --layers=false -t built "$BATS_TEST_TMPDIR"
    buildah_cmd from --name check built >/dev/null
    run -0 buildah_cmd run "${oci[@]}" --network none check -- cat /built
    grep -qx built <<<"$output" || { echo "$output"; false; }
    printf 'FROM base\nRUN exit 3\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    run buildah_cmd build "${oci[@]}" --network none "$BATS_TEST_TMPDIR"
    [ "$status" -ne 0 ]
}
