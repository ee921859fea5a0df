# The model that `dory compose config` makes of the corpus (see corpus.bash): equal to what was kept, and to what Compose
# 2.40 makes of it here and now, hashes included. DORY_CORPUS_UPDATE=1 keeps what comes out as what is expected.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients
load corpus

setup_file() {
    clients_newer
}

check_case() {
    local expected=$BATS_TEST_DIRNAME/corpus/$1/expected reference=$NEWER/usr/libexec/docker/cli-plugins/docker-compose
    (corpus_outputs "$1" "$DORY_BIN/dory" compose) >"$BATS_TEST_TMPDIR/ours"
    [ -z "${DORY_CORPUS_UPDATE:-}" ] || cp "$BATS_TEST_TMPDIR/ours" "$expected"
    diff -u "$expected" "$BATS_TEST_TMPDIR/ours"
    (corpus_outputs "$1" "$reference") >"$BATS_TEST_TMPDIR/theirs"
    diff -u "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours"
    (corpus_hashes "$1" "$DORY_BIN/dory" compose) >"$BATS_TEST_TMPDIR/our_hashes"
    (corpus_hashes "$1" "$reference") >"$BATS_TEST_TMPDIR/their_hashes"
    [ -s "$BATS_TEST_TMPDIR/our_hashes" ]
    diff -u "$BATS_TEST_TMPDIR/their_hashes" "$BATS_TEST_TMPDIR/our_hashes"
}

@test "every key of a service in its long form" { check_case service; }
@test "short forms, and texts for numbers and booleans" { check_case short; }
@test "build in all keys" { check_case build; }
@test "variables in all forms, in the file and in .env" { check_case variables; }
@test "several files are merged, with !reset and !override" { check_case merge; }
@test "extends: of the same file, of others, in chains, with their directories" { check_case extends; }
@test "include: with directories and environments of their own, overridden" { check_case include; }
@test "YAML: anchors, merge keys, styles, numbers, several documents" { check_case yaml; }
@test "texts are quoted in YAML where they must be" { check_case quoting; }
@test "env_file and label_file" { check_case envfile; }
@test "profiles, and the objects that inactive services would use" { check_case profiles; }
@test "networks, volumes, secrets and configs: named, external, from files and variables" { check_case objects; }
@test "dependencies that links, volumes_from and shared namespaces imply" { check_case implied; }
@test "default file names with their override, and names from .env" { check_case default-files; }
@test "COMPOSE_FILE, its separator, --env-file and --project-directory" { check_case compose-file; }
@test "repeated entries, empty values and zeros" { check_case lenient; }
@test "the projects that created.bats makes" {
    local case
    for case in "$BATS_TEST_DIRNAME"/corpus/created-*; do
        check_case "${case##*/}"
    done
}

# Runs dory and Compose 2.40 in the same directory: standard output must be equal.
same_output() {
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose "$@"
    local ours=$output
    run -0 --separate-stderr corpus_env "$NEWER/usr/libexec/docker/cli-plugins/docker-compose" "$@"
    diff -u <(echo "$output") <(echo "$ours")
    [ -n "$ours" ]
}

# The same for lists that Compose prints in any order.
same_lines() {
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose "$@"
    local ours=$output
    run -0 --separate-stderr corpus_env "$NEWER/usr/libexec/docker/cli-plugins/docker-compose" "$@"
    diff -u <(sort <<<"$output") <(sort <<<"$ours")
}

@test "variables, names and paths can be left as they are" {
    local name
    for name in envfile profiles objects implied; do
        cd "$(corpus_copy $name)" || return 1
        local flags
        read -ra flags < <(head -1 flags 2>/dev/null || echo)
        same_output "${flags[@]}" config --no-interpolate
        same_output "${flags[@]}" config --no-path-resolution
        same_output "${flags[@]}" config --no-normalize --no-consistency
    done
    cd "$(corpus_copy extends)" || return 1
    same_output config --no-path-resolution
}

@test "lists: services, volumes, networks, images, profiles, of some services, variables, environment" {
    cd "$(corpus_copy merge)" || return 1
    local list
    for list in services volumes networks images profiles; do
        same_lines -f base.yaml -f over.yaml --profile one config --$list
    done
    same_output -f base.yaml -f over.yaml --profile one config db
    same_output -f base.yaml config web
    cd "$(corpus_copy implied)" || return 1
    same_output config a
    same_output config d c
    # Dependencies stand in front of what depends on them.
    run -0 corpus_env "$DORY_BIN/dory" compose config --services
    [ "${lines[-1]}" = a ]
    cd "$(corpus_copy variables)" || return 1
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose config --variables --format json
    [ "$(jq -r '.CPUS.DefaultValue' <<<"$output")" = 0.25 ]
    [ "$(jq -r '.ALSO_NOPE.DefaultValue' <<<"$output")" = '${TAG}' ]
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose config --environment
    [[ "$output" == *$'FROM_DOTENV=dot.example\n'* ]]
    [[ "$output" == *"COMPOSE_PROJECT_NAME=vars-x"* ]]
}

@test "config writes to a file, is quiet, and reads standard input and what it wrote" {
    cd "$(corpus_copy short)" || return 1
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose config -o out.yaml
    [ -z "$output" ]
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose config
    diff -u out.yaml <(echo "$output")
    corpus_env "$DORY_BIN/dory" compose -f - config <out.yaml >again.yaml
    diff -u out.yaml again.yaml
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose config -q
    [ -z "$output" ]
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose convert --format json
    jq -e .services.web >/dev/null <<<"$output"
    run -0 --separate-stderr corpus_env "$DORY_BIN/dory" compose config --no-env-resolution --format json
    [ "$(jq -c .services.web.env_file <<<"$output")" = "[\"$PWD/web.env\"]" ]
    [ "$(jq -c .services.web.environment.FROM_FILE <<<"$output")" = null ]
    run -1 corpus_env "$DORY_BIN/dory" compose config --format toml
    [[ "$output" == *'unsupported format "toml"'* ]]
}

@test "files that can be read only once, with the names in them" {
    mkdir "$BATS_TEST_TMPDIR/once"
    cd "$BATS_TEST_TMPDIR/once" || return 1
    local text=$'name: in-${FILE}\nservices: {web: {image: busybox}}' theirs
    printf 'FILE=pipe\n' >.env
    theirs=$(corpus_env "$NEWER/usr/libexec/docker/cli-plugins/docker-compose" -f - config <<<"$text")
    [[ "$theirs" == "name: in-pipe"* ]]
    diff -u <(echo "$theirs") <(corpus_env "$DORY_BIN/dory" compose -f - config <<<"$text")
    mkfifo pipe
    echo "$text" >pipe 3>&- &
    diff -u <(echo "$theirs") <(corpus_env timeout 60 "$DORY_BIN/dory" compose -f pipe config)
    echo FILE=piped >pipe 3>&- &
    run -0 corpus_env timeout 60 "$DORY_BIN/dory" compose -f - --env-file pipe config <<<"$text"
    [[ "$output" == "name: in-piped"* ]]
}

@test "--compatibility and COMPOSE_COMPATIBILITY: names, and what config leaves out" {
    mkdir "$BATS_TEST_TMPDIR/shop"
    cd "$BATS_TEST_TMPDIR/shop" || return 1
    echo 'services: {web: {build: .}}' >compose.yaml
    same_output --compatibility config
    same_output --compatibility config --images
    [ "$output" = shop_web ]
    local value
    for value in true y yes nonsense; do
        echo "COMPOSE_COMPATIBILITY=$value" | tee .env >environment
        same_output config
        same_output config --images
        rm environment
        same_output config --images
    done
}

@test "COMPOSE_ variables of .env are as good as the environment's, and those that come too late are not" {
    mkdir "$BATS_TEST_TMPDIR/p"
    cd "$BATS_TEST_TMPDIR/p" || return 1
    echo 'services: {web: {image: "x:${TAG:-none}"}}' >compose.yaml
    echo TAG=other >other.env
    printf 'TAG=dot\nCOMPOSE_ENV_FILES=other.env\nCOMPOSE_PROGRESS=nonsense\n' >.env
    same_output config
    [[ "$output" == *"image: x:dot"* ]]
    printf 'TAG=dot\nCOMPOSE_DISABLE_ENV_FILE=1\n' >.env
    same_output config
    [[ "$output" == *"image: x:none"* ]]
    echo COMPOSE_PARALLEL_LIMIT=many >.env
    run -1 corpus_env "$NEWER/usr/libexec/docker/cli-plugins/docker-compose" config
    [[ "$output" == *'COMPOSE_PARALLEL_LIMIT must be an integer (found: "many")'* ]]
    run -1 corpus_env "$DORY_BIN/dory" compose config
    [[ "$output" == *'COMPOSE_PARALLEL_LIMIT must be an integer (found: "many")'* ]]
    COMPOSE_PARALLEL_LIMIT=3 run -0 "$DORY_BIN/dory" compose config -q
}
