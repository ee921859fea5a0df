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
