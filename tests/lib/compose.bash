# `dory compose` beside Compose 2.x of Debian's next release: what both print about the same project is the same.
# PROJECT is the directory of the Compose file.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

# For setup_file: the reference, a daemon with busybox, and an empty project for the whole file.
compose_setup_file() {
    clients_newer
    env_start
    env_images busybox
    export PROJECT=$BATS_FILE_TMPDIR/shop
    mkdir "$PROJECT"
}

# dory's own; also under ENV_ENGINE=docker, where it speaks to dockerd.
compose() {
    (cd "$PROJECT" && "$DORY_BIN/dory" compose "$@" 3>&- 4>&-)
}

# The reference. Its classic builder is used: the other one needs an image from the network.
compose_reference() {
    (cd "$PROJECT" && DOCKER_BUILDKIT=0 newer_docker compose "$@" 3>&- 4>&-)
}

# How long ago something happened changes between two calls, and with it the width of a table's columns.
compose_without_times() {
    local text
    text=$(sed -E 's/(Less than a|About an?|[0-9]+) (seconds?|minutes?|hours?)/SOME TIME/g; s/ +$//')
    if [[ "$text" == *"SOME TIME"* ]]; then
        sed -E 's/ {2,}/  /g' <<<"$text"
    else
        printf '%s\n' "$text"
    fi
}

# compose_same ARGUMENT...: both print the same to standard output and end with the same status; and the failures say the
# same.
compose_same() {
    local ours theirs our_status=0 their_status=0
    theirs=$(compose_reference "$@" 2>"$BATS_TEST_TMPDIR/theirs.err" </dev/null) || their_status=$?
    ours=$(compose "$@" 2>"$BATS_TEST_TMPDIR/ours.err" </dev/null) || our_status=$?
    diff <(compose_without_times <<<"$theirs") <(compose_without_times <<<"$ours") || return 1
    [ "$our_status" = "$their_status" ] || {
        echo "status $our_status, the reference has $their_status"
        return 1
    }
    [ "$their_status" = 0 ] || diff "$BATS_TEST_TMPDIR/theirs.err" "$BATS_TEST_TMPDIR/ours.err"
}
