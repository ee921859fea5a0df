# The commands of `dory compose` that list: what they print about a project that Compose 2.x made.
load ../lib/compose

setup_file() {
    compose_setup_file
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    image: busybox:latest
    command: sh -c 'echo hello; exec httpd -f -p 80 -h /etc'
    ports: ["127.0.0.1::80", "127.0.0.1::53/udp", "9000"]
    healthcheck: {test: ["CMD", "true"], interval: 200ms}
    stop_grace_period: 1s
  worker:
    image: busybox:latest
    command: sh -c 'exec sleep 1000'
    init: true
    deploy: {replicas: 2}
    volumes: ["data:/data"]
  once:
    image: busybox:latest
    command: sh -c 'exit 3'
  tool:
    image: busybox:latest
    profiles: [tools]
volumes: {data: {}, more: {}}
YAML
    compose_reference up -d
    compose_reference wait once >/dev/null 2>&1 || true
    compose_reference up -d --wait web worker
}

teardown_file() {
    compose_reference down -v -t 0 >/dev/null 2>&1 || true
    env_stop
}

@test "ps prints the table of the reference" {
    compose_same ps
    compose_same ps -a
    compose_same ps web
    compose_same ps once
    compose_same ps --no-trunc
    compose_same ps -a --format 'table {{.Name}}\t{{.Service}}\t{{.State}}\t{{.ExitCode}}'
    run -0 compose ps -a --format '{{.Service}} {{.ExitCode}}'
    [[ "$output" == *"once 3"* ]]
}

@test "ps --format json is the same tree" {
    local tree='del(.Labels, .RunningFor, .Status, .CreatedAt)'
    diff <(compose_reference ps -a --format json | jq -S "$tree") <(compose ps -a --format json | jq -S "$tree")
    [ "$(compose ps --format json web | jq -r .Health)" = healthy ]
}

@test "ps -q, --services, --status and --filter choose" {
    compose_same ps -q
    compose_same ps -aq once
    compose_same ps --services
    compose_same ps -a --services
    compose_same ps --status exited
    compose_same ps --status running --status exited
    compose_same ps --filter status=exited
    compose_same ps --filter nonsense
    compose_same ps --filter name=web
    compose_same ps nonesuch
    run -0 compose ps --status exited --services
    [ "$output" = once ]
}

@test "ps finds the project by name alone, from anywhere" {
    local ids
    ids=$(compose ps -q)
    cd /
    run -0 "$DORY_BIN/dory" compose -p shop ps -q
    [ "$output" = "$ids" ]
    COMPOSE_PROJECT_NAME=shop run -0 "$DORY_BIN/dory" compose ps -q
    [ "$output" = "$ids" ]
    run -0 "$DORY_BIN/dory" compose -p other ps -q
    [ -z "$output" ]
    run -1 "$DORY_BIN/dory" compose ps -q
    [ "$output" = "no configuration file provided: not found" ]
}

@test "ps --orphans=false leaves out what the file does not declare" {
    printf 'services:\n  web: {image: "busybox:latest"}\n' >"$BATS_TEST_TMPDIR/less.yaml"
    run -0 compose -p shop -f "$BATS_TEST_TMPDIR/less.yaml" ps --orphans=false --format '{{.Service}}'
    [ "$output" = web ]
    run -0 compose -p shop -f "$BATS_TEST_TMPDIR/less.yaml" ps --services
    [ "$output" = $'web\nworker' ]
}

@test "containers of run are shown by ps -a only" {
    compose_reference run -d --name shop-extra worker sleep 1000 >/dev/null
    run -0 compose ps --format '{{.Name}}'
    [[ "$output" != *shop-extra* ]]
    run -0 compose ps -a --format '{{.Name}}'
    [[ "$output" == *shop-extra* ]]
    dory rm -f shop-extra
}

@test "ls lists projects with their states and files" {
    compose_same ls
    compose_same ls -a
    compose_same ls -q
    compose_same ls --format json
    compose_same ls --filter name=sho
    compose_same ls --filter name=nonesuch
    compose_same ls --filter label=x
    compose_same ls --format nonsense
    run -0 compose ls -a --format json
    [ "$(jq -r '.[0].Status' <<<"$output")" = "exited(1), running(3)" ]
}

@test "top has one table for all containers" {
    # Without web: its health checks come and go.
    compose_same top worker
    compose_same top nonesuch
    run -0 compose top
    [[ "${lines[0]}" == "SERVICE  #  "*CMD ]]
    [ "${#lines[@]}" -ge 4 ]
}

@test "images are those of the containers" {
    compose_same images
    compose_same images web
    compose_same images nonesuch
    compose_same images -q
    compose_same images --format nonsense
    diff <(compose_reference images --format json | jq -S 'sort_by(.ContainerName)') <(compose images --format json | jq -S .)
}

@test "volumes lists the project's, and those that a service has mounted" {
    compose_same volumes
    compose_same volumes -q
    compose_same volumes worker
    compose_same volumes web
    compose_same volumes --format '{{.Name}} {{.Label "com.docker.compose.volume"}}'
    compose_same volumes nonesuch
    run -0 compose volumes -q worker
    [ "$output" = shop_data ]
}

@test "port tells where a port is published" {
    compose_same port web 80
    compose_same port web 53 --protocol UDP
    compose_same port web 9000 --index 1
    compose_same port web 81
    compose_same port --index 2 web 80
    compose_same port nonesuch 80
    compose_same port web http
    compose_same port web 70000
    run -0 compose port web 80
    [[ "$output" == 127.0.0.1:* ]]
}

@test "stats shows the containers of the project, or of one service" {
    dory run -d --name stranger busybox sleep 1000
    run -0 compose stats --no-stream --format '{{.Name}}'
    [ "$(sort <<<"$output")" = $'shop-web-1\nshop-worker-1\nshop-worker-2' ]
    run -0 compose stats --no-stream --format '{{.Name}}' web
    [ "$output" = shop-web-1 ]
    run -0 compose stats --no-stream
    [[ "${lines[0]}" == "CONTAINER ID   NAME "*PIDS ]]
    dory rm -f stranger
}
