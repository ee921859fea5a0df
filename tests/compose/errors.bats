# What is wrong with a Compose file is told with its place, and nothing is made of it.
bats_require_minimum_version 1.5.0
load ../lib/env

setup() {
    mkdir -p "$BATS_TEST_TMPDIR/p"
    cd "$BATS_TEST_TMPDIR/p" || return 1
}

# Reads standard input as compose.yaml: it must fail with the message behind the file's name.
refused() {
    cat >compose.yaml
    run -1 --separate-stderr "$DORY_BIN/dory" compose "${@:2}" config
    [ -z "$output" ]
    if [[ "$stderr" != *"$BATS_TEST_TMPDIR/p/compose.yaml:$1"* ]]; then
        echo "$stderr"
        return 1
    fi
}

@test "unknown keys are refused with the one that may be meant" {
    refused "3:5: services.web additional properties 'imagee' not allowed (did you mean 'image'?)" <<'YAML'
services:
  web:
    imagee: busybox
YAML
    refused "4:7: services.web.healthcheck additional properties 'intervall' not allowed (did you mean 'interval'?)" <<'YAML'
services:
  web:
    healthcheck:
      intervall: 1s
YAML
    refused "1:1: the file additional properties 'serivces' not allowed (did you mean 'services'?)" <<'YAML'
serivces:
  web: {image: x}
YAML
    refused "3:3: networks.n additional properties 'zzzzzzzz' not allowed" <<'YAML'
services: {web: {image: x}}
networks: {n: {
  zzzzzzzz: 1}}
YAML
}

@test "values of the wrong kind are refused with their place" {
    refused "3:12: services.web.image must be a string" <<<$'services:\n  web:\n    image: 12'
    refused "2:26: services.web.ports must be an array" <<<$'services:\n  web: {image: x, ports: 80:80}'
    refused "4:9: services.web.command.1 must be a string" <<<$'services:\n  web:\n    command: [sleep,\n        10]'
    refused "2:31: services.web.mem_limit: invalid size: '1zz'" <<<$'services:\n  web: {image: x, mem_limit:  1zz}'
    refused "2:43: services.web.stop_grace_period: time: invalid duration \"soon\"" <<<$'services:\n  web: {image: x,      stop_grace_period: soon}'
    refused "2:31: services.web.read_only: invalid boolean: perhaps" <<<$'services:\n  web: {image: x, read_only:  perhaps}'
    refused "2:26: services.web.scale must be an integer, not 1.5" <<<$'services:\n  web: {image: x, scale: 1.5}'
    refused "2:7: services.db must be a mapping" <<<$'services:\n  db: postgres'
}

@test "what cannot be had here is refused by name" {
    refused "2:25: services.web.gpus is not supported: there is no GPU support" <<<$'services:\n  web: {image: x, gpus: all}'
    refused "2:19: services.web.provider is not supported" <<<$'services:\n  web: {provider: {type: awesome}}'
    refused "2:27: services.web.models is not supported: there is no model runner" <<<$'services:\n  web: {image: x, models: [llm]}'
    refused "3:5: include from another machine (https://x/y.git) is not supported" <<<$'services: {web: {image: x}}\ninclude:\n  - https://x/y.git'
}

@test "short forms that cannot be read" {
    refused "2:" <<<$'services:\n  web: {image: x, ports: ["80:http"]}'
    refused "2:30: services.web.volumes.0: invalid spec: aa:bb:cc:dd: too many colons" <<<$'services:\n  web: {image: x, volumes: ["aa:bb:cc:dd"]}'
    refused "2:" <<<$'services:\n  web: {image: x, extra_hosts: [nothing]}'
    refused "2:" <<<$'services:\n  web: {image: x, command: "sh -c \'open"}'
    refused "2:" <<<$'services:\n  web: {image: x, devices: ["/a:/b:r:w"]}'
}

@test "variables that must be there, and forms that are none" {
    refused "2:17: required variable NOPE is missing a value: say which" <<<$'services:\n  web: {image: "${NOPE:?say which}"}'
    refused "2:" <<<$'services:\n  web: {image: "${}"}'
    [[ "$stderr" == *"invalid interpolation format"* ]]
    refused "2:" <<<$'services:\n  web: {image: "${open"}'
}

@test "references to nothing" {
    refused "2:30: service \"web\" refers to undefined network front" <<<$'services:\n  web: {image: x, networks: [front]}'
    refused "2:" <<<$'services:\n  web: {image: x, volumes: ["data:/d"]}'
    [[ "$stderr" == *'service "web" refers to undefined volume data'* ]]
    refused "2:" <<<$'services:\n  web: {image: x, depends_on: [db]}'
    [[ "$stderr" == *'service "web" depends on undefined service "db"'* ]]
    refused "2:" <<<$'services:\n  web: {hostname: x}'
    [[ "$stderr" == *'service "web" has neither an image nor a build context specified'* ]]
    refused "2:" <<<$'services:\n  web: {image: x, env_file: [nope.env]}'
    [[ "$stderr" == *"env file $BATS_TEST_TMPDIR/p/nope.env not found"* ]]
}

@test "cycles: dependencies, extends, include" {
    refused "2:3: dependency cycle detected: a -> b -> a" <<<$'services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, links: [a]}'
    refused "" <<<$'services:\n  a: {extends: b}\n  b: {extends: a}'
    [[ "$stderr" == *"Circular reference:"* ]]
    refused "2:5: include cycle detected" <<<$'include:\n  - compose.yaml\nservices: {}'
}

@test "YAML that is none, twice the same key, tags of others, too much of it" {
    refused "2:" <<<$'services:\n  web: {a: b: c}'
    refused "3:3: yaml: mapping key \"web\" already defined at line 2" <<<$'services:\n  web: {image: x}\n  web: {image: y}'
    refused "2:" <<<$'services:\n  web: !include other.yaml'
    [[ "$stderr" == *"unknown tag !include"* ]]
    local i text=$'x-0: &a0 [x, x, x, x, x, x, x, x, x]\n'
    for i in 1 2 3 4 5 6 7 8 9; do
        text+="x-$i: &a$i [*a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1))]"$'\n'
    done
    refused "" <<<"$text"
    [[ "$stderr" == *"the document has too many nodes"* ]]
    refused "" <<<"x-deep: $(printf '[%.0s' {1..100})$(printf ']%.0s' {1..100})"
    [[ "$stderr" == *"the document has too many levels"* ]]
}

@test "bytes that are not UTF-8, in a directive too" {
    local text
    for text in $'services:\n  \xff: {}' $'# a\n%%FOO \xd3\n---\nservices: {web: {image: x}}' $'services: {}\n%%\xff'; do
        printf "$text\n" >compose.yaml
        run -1 timeout 60 "$DORY_BIN/dory" compose config
        [[ "$output" =~ compose.yaml:2:[0-9]+:\ yaml:\ the\ text\ has\ characters\ that\ are\ not\ UTF-8 ]]
    done
}

@test "names of projects" {
    echo 'services: {web: {image: x}}' >compose.yaml
    run -1 "$DORY_BIN/dory" compose -p Shop config
    [[ "$output" == *'invalid project name "Shop": must consist only of lowercase alphanumeric characters'* ]]
    run -0 "$DORY_BIN/dory" compose config --format json
    [ "$(jq -r .name <<<"$output")" = p ]
    run -0 env COMPOSE_PROJECT_NAME=other "$DORY_BIN/dory" compose config --format json
    [ "$(jq -r .name <<<"$output")" = other ]
    run -1 "$DORY_BIN/dory" compose config nope
    [[ "$output" == *"no such service: nope"* ]]
}

@test "old versions and unset variables are warned of once, as Compose words it" {
    printf 'version: "3.8"\nservices: {web: {image: "x:$NOPE", hostname: $NOPE}}\n' >compose.yaml
    run -0 --separate-stderr "$DORY_BIN/dory" compose config -q
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 2 ]
    [[ "$stderr" == *'level=warning msg="The \"NOPE\" variable is not set. Defaulting to a blank string."'* ]]
    [[ "$stderr" == *"compose.yaml: the attribute \`version\` is obsolete, it will be ignored, please remove it to avoid potential confusion\""* ]]
}
