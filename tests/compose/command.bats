# The frame of `dory compose`: its flags in front of the subcommand, help, completion, versions.
bats_require_minimum_version 1.5.0
load ../lib/env

setup() {
    dory() { "$DORY_BIN/dory" "$@"; }
    mkdir -p "$BATS_TEST_TMPDIR/shop"
    printf 'services:\n  web:\n    image: busybox\n' >"$BATS_TEST_TMPDIR/shop/compose.yaml"
    cd "$BATS_TEST_TMPDIR/shop" || return 1
}

@test "flags of compose stand between its word and the subcommand's" {
    run -0 dory compose -p other config --format json
    [ "$(jq -r .name <<<"$output")" = other ]
    run -0 dory compose config --format json
    [ "$(jq -r .name <<<"$output")" = shop ]
    run -1 dory compose --nope config
    [[ "$output" == *"unknown flag: --nope"* ]]
    run -0 dory compose config --dry-run --format json
    [ "$(jq -r .name <<<"$output")" = shop ]
    run -1 dory compose config --project-name other
    [[ "$output" == *"unknown flag: --project-name"* ]]
    run -1 dory compose --progress loud config
    [[ "$output" == *'unsupported --progress value "loud"'* ]]
    run -1 dory compose nonsense
    [[ "$output" == *"unknown command: dory compose nonsense"* ]]
}

@test "help lists the subcommands and the flags of compose" {
    run -0 dory compose --help
    [[ "$output" == *"Usage:  dory compose [OPTIONS] COMMAND"* ]]
    [[ "$output" == *"--project-directory string"* ]]
    [[ "$output" == *"  version     Show the Docker Compose version information"* ]]
    run -0 dory compose version --help
    [[ "$output" == *"Usage:  dory compose version [OPTIONS]"* ]]
    [[ "$output" == *"--dry-run "*"Execute command in dry run mode"* ]]
}

@test "completion knows subcommands, flags and their values behind flags of compose" {
    run -0 dory __complete compose -f x.yaml ver
    [[ "$output" == *"version"* ]]
    run -0 dory __complete compose --pro
    [[ "$output" == *"--project-name"* ]]
    run -0 dory __complete compose up --dry
    [[ "$output" == "--dry-run"$'\t'* ]]
    run -0 dory __complete compose --progress p
    [ "$output" = $'plain\n:4' ]
    printf 'services: {www: {image: x}, debug: {image: x, profiles: [p]}}\n' >other.yaml
    run -0 dory __complete compose config w
    [ "$output" = $'web\n:4' ]
    run -0 dory __complete compose -f other.yaml logs ""
    [ "$output" = $'www\ndebug\n:4' ]
}

@test "version says which compose it follows" {
    run -0 dory compose version --short
    [ "$output" = 2.40.3 ]
    run -0 dory compose version --format json
    [ "$(jq -r .version <<<"$output")" = 2.40.3 ]
}

@test "a project without a file is told so" {
    cd "$BATS_TEST_TMPDIR" || return 1
    run -1 dory compose config
    [ "$output" = "no configuration file provided: not found" ]
}

@test "broken YAML is an error with its place" {
    printf 'services:\n  web: a: b\n' >compose.yaml
    run -1 dory compose config
    [[ "$output" == *"/shop/compose.yaml:2:"* ]]
    [ "${#lines[@]}" = 1 ]
}
