# The corpus: each directory of tests/compose/corpus is a project. `flags` has a line of flags of compose for each way in
# which it is read (none: once without), `environment` has variables. What comes out is kept in `expected`, made equal
# to what Compose 2.40 prints.

# Runs a program (dory compose, or docker-compose) in $PWD with nothing but the case's environment.
corpus_env() {
    local variables=()
    [ ! -e environment ] || mapfile -t variables <environment
    env -i PATH="$PATH" HOME=/home/u DOCKER_CONFIG="$BATS_TEST_TMPDIR/config" "${variables[@]}" "$@"
}

# A copy of the case to work in, so that paths are the same everywhere: prints its directory.
corpus_copy() {
    mkdir -p "$BATS_TEST_TMPDIR/corpus"
    cp -r "$BATS_TEST_DIRNAME/corpus/$1" "$BATS_TEST_TMPDIR/corpus/"
    echo "$BATS_TEST_TMPDIR/corpus/$1"
}

# All outputs of a case: YAML and JSON, with the directory as /PROJECT. $1: the case, others: the program.
corpus_outputs() {
    local directory flags line
    directory=$(corpus_copy "$1")
    shift
    cd "$directory" || return 1
    [ -e flags ] || echo >flags
    while IFS= read -r line; do
        read -ra flags <<<"$line"
        echo "## config $line"
        corpus_env "$@" "${flags[@]}" config 2>/dev/null || echo "status $?"
        echo "## json $line"
        corpus_env "$@" "${flags[@]}" config --format json 2>/dev/null | jq -S .
    done <flags | sed "s|$directory|/PROJECT|g; s|${directory%/*}|/PARENT|g"
}

# The hashes of all services.
corpus_hashes() {
    local directory flags line
    directory=$(corpus_copy "$1")
    shift
    cd "$directory" || return 1
    [ -e flags ] || echo >flags
    while IFS= read -r line; do
        read -ra flags <<<"$line"
        corpus_env "$@" "${flags[@]}" config --hash '*' 2>/dev/null || echo "status $?"
    done <flags
}
