#!/usr/bin/env bats
# --help, errors about the command line and their exit status: docker's layout and words, under the name of the program.
# Needs no daemon. ENV_ENGINE=docker ENV_DOCKER=/path/of/a/docker-28 states the same of docker's CLI.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export DOCKER_CONFIG=$BATS_FILE_TMPDIR/config DORY_HOST=unix:///nonexistent/dory.sock
    export DOCKER_HOST=$DORY_HOST
    mkdir -p "$DOCKER_CONFIG"
    P=$(basename "$ENV_CLI")
    export P
}

lines() { # each line of standard input is in the output
    local line
    while IFS= read -r line; do
        grep -qFx -- "$line" <<<"$output" || {
            echo "missing: $line"
            echo "$output"
            return 1
        }
    done
}

@test "help of the program lists common, management and other commands" {
    run --separate-stderr dory --help
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "Usage:  $P [OPTIONS] COMMAND" ]
    lines <<EOT
Common Commands:
  run         Create and run a new container from an image
  ps          List containers
Management Commands:
  container   Manage containers
  volume      Manage volumes
Commands:
  wait        Block until one or more containers stop, then print their exit codes
Global Options:
  -D, --debug              Enable debug mode
  -H, --host list          Daemon socket to connect to
Run '$P COMMAND --help' for more information on a command.
EOT
    all=$output
    run --separate-stderr dory help
    [ "$status" -eq 0 ]
    [ "$output" = "$all" ]
    run --separate-stderr dory
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ "$stderr" = "$all" ]
}

@test "help of a group lists its commands by name" {
    run --separate-stderr dory container --help
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "Usage:  $P container COMMAND" ]
    [ "${lines[1]}" = "Manage containers" ]
    lines <<EOT
  ls          List containers
  rm          Remove one or more containers
Run '$P container COMMAND --help' for more information on a command.
EOT
    names=$(sed -n 's/^  \([a-z]*\) .*/\1/p' <<<"$output")
    [ "$names" = "$(sort <<<"$names")" ]
    run --separate-stderr dory volume
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ "${stderr_lines[0]}" = "Usage:  $P volume COMMAND" ]
}

@test "--help may be told not to" {
    run --separate-stderr dory context show --help=false
    [ "$status" -eq 0 ]
    [ "$output" = default ]
    run --separate-stderr dory ps --help=x
    [ "$status" -eq 125 ]
    [ "${stderr_lines[0]}" = 'invalid argument "x" for "--help" flag: strconv.ParseBool: parsing "x": invalid syntax' ]
}

@test "help of a command shows usage, aliases and its flags by name, wrapped" {
    run --separate-stderr dory ps --help
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "Usage:  $P ps [OPTIONS]" ]
    lines <<EOT
List containers
Aliases:
  $P container ls, $P container list, $P container ps, $P ps
  -a, --all             Show all containers (default shows just running)
  -f, --filter filter   Filter output based on conditions provided
  -n, --last int        Show n last created containers (includes all
                        states) (default -1)
      --no-trunc        Don't truncate output
EOT
    names=$(sed -n 's/^ .*--\([a-z-]*\) .*/\1/p' <<<"$output")
    [ "$names" = "$(LC_ALL=C sort <<<"$names")" ]
    run dory rmi --help
    lines <<<"  $P image rm, $P image remove, $P rmi"
    run dory run --help
    lines <<<"Usage:  $P run [OPTIONS] IMAGE [COMMAND] [ARG...]"
    lines <<<"  $P container run, $P run"
    [ "$(dory help container ls)" = "$(dory container ls --help)" ]
    [ "$(dory container list --help | head -1)" = "Usage:  $P container ls [OPTIONS]" ]
}

refused() { # STATUS "first line" argument...
    local want=$1 text=$2
    shift 2
    run --separate-stderr dory "$@"
    echo "$stderr"
    [ "$status" -eq "$want" ]
    [ -z "$output" ]
    [ "${stderr_lines[0]}" = "$text" ]
}

@test "unknown commands and flags are docker's errors with docker's status" {
    refused 1 "$P: unknown command: $P foo" foo
    [ "${stderr_lines[1]}" = "Run '$P --help' for more information" ]
    refused 1 "$P: unknown command: $P container foo" container foo
    [ "${stderr_lines[1]}" = "Usage:  $P container" ]
    [ "${stderr_lines[2]}" = "Run '$P container --help' for more information" ]
    refused 1 "unknown help topic: foo" help foo
    refused 125 "unknown flag: --foo" ps --foo
    [ "${stderr_lines[1]}" = "Usage:  $P ps [OPTIONS]" ]
    [ "${stderr_lines[2]}" = "Run '$P ps --help' for more information" ]
    refused 125 "unknown flag: --foo" run --foo
    refused 125 "unknown flag: --foo" container --foo
    refused 125 "unknown flag: --foo" --foo ps
    [ "${stderr_lines[1]}" = "Usage:  $P [OPTIONS] COMMAND [ARG...]" ]
    refused 125 "unknown shorthand flag: 'x' in -x" -x
    refused 125 "unknown shorthand flag: 'x' in -x" ps -qx
}

@test "values that a flag does not take are refused with its name" {
    refused 125 "flag needs an argument: --filter" ps --filter
    refused 125 "flag needs an argument: 'e' in -e" run -e
    refused 125 "invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax" ps -n x
    refused 125 "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax" \
        ps --all=maybe
    refused 125 "invalid argument \"foo\" for \"-m, --memory\" flag: invalid size: 'foo'" run -m foo x
    refused 125 "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected name=value)" \
        ps --filter foo
    refused 1 "Unable to parse logging level: foo" -l foo ps
}

@test "the number of arguments is checked" {
    refused 1 "$P: '$P ps' accepts no arguments" ps x
    [ "${stderr_lines[1]}" = "Usage:  $P ps [OPTIONS]" ]
    refused 1 "$P: '$P container ls' accepts no arguments" container ls list
    refused 1 "$P: '$P rm' requires at least 1 argument" rm
    refused 1 "$P: '$P rename' requires 2 arguments" rename a
    refused 1 "$P: '$P logs' requires 1 argument" logs
    refused 1 "$P: '$P images' requires at most 1 argument" images a b
    refused 1 "$P: '$P port' requires at least 1 and at most 2 arguments" port
    refused 1 "$P: '$P run' requires at least 1 argument" run
}

@test "under the name docker it speaks of docker" {
    [ "$ENV_ENGINE" = dory ] || skip "the CLI under test is docker's own"
    ln -s "$DORY_BIN/dory" "$BATS_TEST_TMPDIR/docker"
    run "$BATS_TEST_TMPDIR/docker" ps --help
    [ "${lines[0]}" = "Usage:  docker ps [OPTIONS]" ]
    run "$BATS_TEST_TMPDIR/docker" foo
    [ "${lines[0]}" = "docker: unknown command: docker foo" ]
    run "$BATS_TEST_TMPDIR/docker" --version
    [[ $output == "Docker version "*", build "* ]]
}
