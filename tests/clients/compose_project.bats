# docker-compose 1.29, unmodified: health conditions, profiles, secrets, builds, logs that are followed, and all that one does
# with a project that runs.
bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    export PROJECT=$BATS_FILE_TMPDIR/one
    mkdir "$PROJECT"
    echo 'top secret' >"$PROJECT/password"
    printf 'FROM busybox\nARG X=0\nRUN echo "$X" >/x\nCMD ["cat", "/x"]\n' >"$PROJECT/Dockerfile"
    cat >"$PROJECT/docker-compose.yml" <<'YAML'
version: "3.8"
services:
  web:
    image: busybox
    command: sh -c 'echo serving; exec httpd -f -p 80 -h /run/secrets'
    init: true
    ports: ["127.0.0.1::80"]
    secrets: [password]
    healthcheck: {test: "wget -q -O /dev/null http://127.0.0.1/password", interval: 200ms, retries: 100}
    networks: {inner: {aliases: [site]}}
    stop_grace_period: 1s
  client:
    image: busybox
    command: sh -c 'wget -q -O - http://site/password; exec sleep 1000'
    init: true
    depends_on: {web: {condition: service_healthy}}
    networks: [inner]
    stop_grace_period: 1s
    volumes: ["kept:/kept", "/anonymous"]
  tool:
    image: busybox
    command: sh -c 'echo the tool; exit 6'
    networks: [inner]
    profiles: [tools]
  built:
    image: one-built
    build: {context: ., args: {X: "5"}, labels: {made: here}}
    networks: [inner]
    profiles: [tools]
volumes: {kept: {}}
networks: {inner: {}}
secrets: {password: {file: ./password}}
YAML
}

teardown_file() {
    compose --profile tools down -v -t 0 >/dev/null 2>&1 || true
    env_stop
}

compose() {
    (cd "$PROJECT" && docker-compose "$@" </dev/null 3>&- 4>&-)
}

states() { # service: state of each of its containers
    dory ps -a --filter "label=com.docker.compose.project=one" --filter "label=com.docker.compose.service=$1" --format '{{.State}}'
}

@test "up waits for health, secrets are files, and what has a profile is left out" {
    run -0 compose up -d
    run -0 compose exec -T web cat /run/secrets/password
    [ "$output" = "top secret" ]
    [ "$(dory inspect -f '{{.State.Health.Status}}' one_web_1)" = healthy ]
    [ -z "$(states tool)" ]
    run -0 curl -sf "http://$(compose port web 80)/password"
    [ "$output" = "top secret" ]
}

@test "logs are prefixed and followed" {
    local i
    for ((i = 0; i < 300; i++)); do
        run -0 compose logs --no-color client
        [[ "$output" != *"top secret"* ]] || break
        sleep 0.1
    done
    [[ "$output" == *"client_1  | top secret"* ]]
    compose logs -f --no-color client >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    local pid=$!
    for ((i = 0; i < 300; i++)); do
        grep -q 'top secret' "$BATS_TEST_TMPDIR/log" && break
        sleep 0.1
    done
    # The follower ends with the containers that it follows.
    compose kill client
    wait "$pid"
    grep -q 'client_1  | top secret' "$BATS_TEST_TMPDIR/log"
    [ "$(states client)" = exited ]
    run -0 compose start client
    [ "$(states client)" = running ]
}

@test "run: its exit status, its options, the service's ports" {
    run -5 compose run --rm -T client sh -c 'echo "$A in $(pwd)"; exit 5'
    [[ "$output" == *" in /"* ]]
    run -0 compose run --rm -T -e A=1 -w /tmp -u 33 --entrypoint sh client -c 'echo "$A in $(pwd) as $(id -u)"'
    [[ "$output" == *"1 in /tmp as 33"* ]]
    run -0 compose run -d --name shown --service-ports web
    [ "$(dory port shown 80/tcp | grep -c '^127.0.0.1:')" = 1 ]
    dory rm -f shown
    run -6 compose run --rm -T tool
    [[ "$output" == *"the tool"* ]]
}

@test "scale, and exec, top, images, pause, unpause, kill, stop, start, restart on all of them" {
    run -0 compose up -d --scale client=3
    [ "$(states client)" = $'running\nrunning\nrunning' ]
    run -0 compose exec -T --index 3 client sh -c 'hostname'
    [ "$output" = "$(dory inspect -f '{{.Config.Hostname}}' one_client_3)" ]
    run -3 compose exec -T --index 2 client sh -c 'exit 3'
    run -0 compose top client
    [ "$(grep -c 'sleep 1000' <<<"$output")" = 3 ]
    run -0 compose images
    [ "$(grep -c busybox <<<"$output")" = 4 ]
    run -0 compose pause client
    [ "$(states client)" = $'paused\npaused\npaused' ]
    run -0 compose unpause client
    run -0 compose kill -s SIGKILL client
    [ "$(states client)" = $'exited\nexited\nexited' ]
    [ "$(dory inspect -f '{{.State.ExitCode}}' one_client_1)" = 137 ]
    run -0 compose start client
    run -0 compose restart -t 1 client
    [ "$(states client)" = $'running\nrunning\nrunning' ]
    run -0 compose stop
    [ "$(states client)$(states web)" = $'exited\nexited\nexitedexited' ]
    run -0 compose up -d --scale client=1
    [ "$(states client)" = running ]
}

@test "made anew: the volumes go along, those without a name too, until one says otherwise" {
    compose exec -T client sh -c 'echo a >/anonymous/mark; echo k >/kept/mark'
    local before
    before=$(dory inspect -f '{{.Id}}' one_client_1)
    run -0 compose up -d --force-recreate client
    [ "$(dory inspect -f '{{.Id}}' one_client_1)" != "$before" ]
    run -0 compose exec -T client cat /anonymous/mark /kept/mark
    [ "$output" = $'a\nk' ]
    run -0 compose up -d --force-recreate --renew-anon-volumes client
    run -0 compose exec -T client ls /anonymous /kept
    [[ "$output" != *$'/anonymous:\nmark'* ]]
    [[ "$output" == *$'/kept:\nmark'* ]]
}

@test "build and up --build by the classic way" {
    COMPOSE_DOCKER_CLI_BUILD=0 run -0 compose build built
    [[ "$output" == *"Successfully tagged one-built:latest"* ]]
    [ "$(dory image inspect -f '{{.Config.Labels.made}}' one-built)" = here ]
    run -0 compose --profile tools run --rm built
    [[ "$output" == *5* ]]
    sed -i 's/X: "5"/X: "6"/' "$PROJECT/docker-compose.yml"
    COMPOSE_DOCKER_CLI_BUILD=0 run -0 compose --profile tools up --no-color --build built
    [[ "$output" == *"| 6"* ]]
}

@test "events name the services" {
    compose events --json >"$BATS_TEST_TMPDIR/events" 3>&- &
    local pid=$! i
    # It tells nothing of when it begins to listen.
    for ((i = 0; i < 100; i++)); do
        compose pause web >/dev/null 2>&1
        compose unpause web >/dev/null 2>&1
        if grep -q '"action": "unpause"' "$BATS_TEST_TMPDIR/events"; then break; fi
    done
    kill "$pid"
    wait "$pid" || true
    run -0 jq -r 'select(.action == "unpause") | .service + " " + .attributes.name' "$BATS_TEST_TMPDIR/events"
    [ "${lines[0]}" = "web one_web_1" ]
}

@test "a service that a health check fails is told, and what needs it is not started" {
    cat >"$PROJECT/sick.yml" <<'YAML'
version: "2.4"
services:
  sick: {image: busybox, command: sleep 1000, init: true, healthcheck: {test: "exit 1", interval: 100ms, retries: 2}}
  needs: {image: busybox, command: sleep 1000, depends_on: {sick: {condition: service_healthy}}}
YAML
    run -1 compose -p sick -f sick.yml up -d
    [[ "$output" == *"is unhealthy"* ]]
    [ -z "$(dory ps -aq --filter name=needs)" ]
    run -0 compose -p sick -f sick.yml down -t 1
}

@test "down takes containers, networks and volumes, and with --rmi all the images" {
    run -0 compose --profile tools down -v --rmi all --remove-orphans
    [ -z "$(dory ps -aq)" ]
    [ -z "$(dory volume ls -q --filter name=kept)" ]
    [ -z "$(dory network ls -q --filter type=custom)" ]
    [ -z "$(dory images -q one-built)" ]
}
