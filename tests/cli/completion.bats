#!/usr/bin/env bats
# Shell completion: what `dory __complete` answers, and that the shells' scripts put it to use.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory create --name one-completed busybox true >/dev/null
    dory run -d --name two-running busybox sleep 1000 >/dev/null
    dory volume create some-volume >/dev/null
}

teardown_file() {
    env_stop
}

candidates() { # words...: the values alone
    dory __complete "$@" | cut -f 1
}

@test "commands, groups and subcommands are completed with their descriptions" {
    [ "$ENV_ENGINE" = dory ] || skip "the candidates of docker's CLI need not be in this order"
    [ "$(dory __complete rena)" = $'rename\tRename a container\n:4' ]
    [ "$(candidates container l)" = $'ls\nlogs\n:4' ] || [ "$(candidates container l)" = $'logs\nls\n:4' ]
    candidates '' | grep -qx network
    candidates help contai | grep -qx container
    [ "$(candidates nonsense x)" = :4 ]
}

@test "flags are completed, and values of flags that are a choice" {
    candidates run --netw | grep -qx -- --network
    candidates ps - | grep -qx -- --no-trunc
    candidates --d | grep -qx -- --debug
    [ "$(candidates run --pull n)" = $'never\n:4' ]
    # Behind the image, flags are the command's own.
    [ "$(candidates run busybox --netw | tail -1)" = :0 ]
}

@test "names of objects come from the daemon" {
    [ "$(candidates rm one)" = $'one-completed\n:4' ]
    [ "$(candidates stop o)" = :4 ]
    [ "$(candidates stop t)" = $'two-running\n:4' ]
    [ "$(candidates container inspect one-completed two)" = $'two-running\n:4' ]
    [ "$(candidates run busy)" = $'busybox:latest\n:4' ]
    [ "$(candidates volume rm some)" = $'some-volume\n:4' ]
    [ "$(candidates run --network br)" = $'bridge\n:4' ]
    [ "$(candidates run --env-file x)" = :0 ]
    # A command that takes no more arguments gets none.
    [ "$(candidates rename one-completed x '')" = :4 ]
}

@test "without a daemon there are no names, and no error" {
    run --separate-stderr dory -H unix:///nonexistent/dory.sock __complete rm ''
    [ "$status" -eq 0 ]
    [ "$output" = :4 ]
    [ -z "$stderr" ]
}

@test "bash completes with the script" {
    dory completion bash >"$BATS_TEST_TMPDIR/bash"
    cat >"$BATS_TEST_TMPDIR/try" <<'EOT'
PATH=$(dirname "$ENV_CLI"):$PATH
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
read -r -a COMP_WORDS <<<"$2"
case $2 in *' ') COMP_WORDS+=('') ;; esac
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_dory
printf '%s\n' "${COMPREPLY[@]}"
EOT
    try() { bash "$BATS_TEST_TMPDIR/try" "$BATS_TEST_TMPDIR/bash" "$1"; }
    [ "$(try 'dory rm one')" = one-completed ]
    [ "$(try 'dory rena')" = rename ]
    # What follows a colon is completed alone: bash treats it as a word.
    [ "$(try 'dory run busybox:la')" = latest ]
    touch "$BATS_TEST_TMPDIR/some-file"
    [ "$(try "dory run --env-file $BATS_TEST_TMPDIR/some-f")" = "$BATS_TEST_TMPDIR/some-file" ]
}

@test "zsh and fish load their scripts" {
    dory completion zsh >"$BATS_TEST_TMPDIR/_dory"
    zsh -f -c "fpath=($BATS_TEST_TMPDIR \$fpath); autoload -Uz compinit && compinit -u -d $BATS_TEST_TMPDIR/dump && source $BATS_TEST_TMPDIR/_dory && [[ -n \$_comps[dory] ]]"
    dory completion fish >"$BATS_TEST_TMPDIR/dory.fish"
    HOME=$BATS_TEST_TMPDIR PATH=$(dirname "$ENV_CLI"):$PATH fish --no-config \
        -c "source $BATS_TEST_TMPDIR/dory.fish; complete -C 'dory rm one'" | grep -qx one-completed
}
