# Compose 2.x as a plugin of an unmodified docker CLI: how it attaches, waits, gives up, and runs hooks; what it does with
# profiles, configs, secrets of each kind, and builds by the classic way.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_newer
    env_start
    env_images busybox
    export PROJECT=$BATS_FILE_TMPDIR/two SUBNET=${ENV_SUBNET/10.213/10.216}
    mkdir "$PROJECT"
    echo 'a file' >"$PROJECT/file"
    printf 'FROM busybox\nARG X=0\nRUN echo "$X" >/x\nCMD ["cat", "/x"]\n' >"$PROJECT/Dockerfile"
    cat >"$PROJECT/compose.yaml" <<'YAML'
x-common: &common
  image: busybox
  init: true
  stop_grace_period: 1s
services:
  web:
    <<: *common
    command: sh -c 'echo serving; exec httpd -f -p 80 -h /etc'
    ports: ["127.0.0.1::80"]
    environment: {FROM_SHELL: , FIXED: "a $$ sign"}
    configs: [{source: text, target: /etc/text}, {source: file, target: /etc/file}]
    secrets: [{source: word, target: the_word}]
    volumes:
      - {type: bind, source: ./made, target: /made, bind: {create_host_path: true}}
      - {type: tmpfs, target: /scratch, tmpfs: {size: 1m}}
      - {type: volume, source: data, target: /data}
      - {type: volume, source: data, target: /part, volume: {subpath: part}}
    depends_on: {prepare: {condition: service_completed_successfully}}
    networks:
      back: {ipv4_address: 10.199.7.10, aliases: [site], gw_priority: 1}
      front: {}
  prepare:
    <<: *common
    command: sh -c 'mkdir -p /data/part; echo of a volume >/data/part/note'
    volumes: ["data:/data"]
    networks: [front]
  fails: {<<: *common, command: "sh -c 'echo failing; exit 7'", profiles: [bad], networks: [front]}
  needs:
    <<: *common
    command: sleep 1000
    profiles: [bad]
    networks: [front]
    depends_on: {fails: {condition: service_completed_successfully}}
  sick:
    <<: *common
    command: sleep 1000
    profiles: [sick]
    networks: [front]
    healthcheck: {test: "exit 1", interval: 100ms, retries: 2}
  hooked:
    <<: *common
    command: sleep 1000
    profiles: [hooks]
    networks: [front]
    user: "33"
    volumes: ["data:/data"]
    post_start: [{command: ["sh", "-c", "id -u >/data/started"], user: root}]
    pre_stop: [{command: ["sh", "-c", "echo $$WHY >/data/stopped"], user: root, environment: ["WHY=asked"]}]
  built:
    build: {context: ., args: {X: "5"}, labels: {made: here}}
    profiles: [built]
    networks: [front]
volumes: {data: {labels: {kind: test}}}
networks:
  front: {}
  back: {ipam: {config: [{subnet: 10.199.7.0/24, gateway: 10.199.7.1}]}, attachable: true, labels: {kind: test}}
configs:
  text: {content: "written here"}
  file: {file: ./file}
secrets:
  word: {environment: WORD}
YAML
    sed -i "s/10.199.7/$SUBNET/g" "$PROJECT/compose.yaml"
    export WORD="from the environment" FROM_SHELL="of the shell" DOCKER_BUILDKIT=0
    newer_docker version >/dev/null
}

teardown_file() {
    compose --profile '*' down -v -t 0 >/dev/null 2>&1 || true
    env_stop
}

compose() {
    (cd "$PROJECT" && timeout 240 "$NEWER/usr/bin/docker" compose --progress quiet "$@" 3>&- 4>&-)
}

@test "up waits for what must end first; configs, secrets, mounts and addresses are as the file says" {
    run -0 compose up -d
    [ "$(dory inspect -f '{{.State.ExitCode}}' two-prepare-1)" = 0 ]
    run -0 compose exec -T web sh -c 'cat /etc/text; echo; cat /etc/file /run/secrets/the_word; echo; cat /part/note; echo "$FROM_SHELL, $FIXED"'
    [ "$output" = $'written here\na file\nfrom the environment\nof a volume\nof the shell, a $ sign' ]
    run -0 compose exec -T web sh -c 'df -k /scratch | tail -1 | grep -o " 1024 " | head -1; ip route | head -1'
    [ "${lines[0]}" = " 1024 " ]
    [[ "$output" == *"default via $SUBNET.1 dev "* ]]
    [ -d "$PROJECT/made" ]
    [ "$(dory inspect -f '{{(index .NetworkSettings.Networks "two_back").IPAddress}}' two-web-1)" = $SUBNET.10 ]
    [ "$(dory network inspect -f '{{.Attachable}} {{.Labels.kind}}' two_back)" = "true test" ]
    run -0 dory run --rm --network two_back busybox wget -q -O - http://site/file
    [ "$output" = "a file" ]
}

@test "logs are followed until the containers end" {
    compose logs -f --no-color web >"$BATS_TEST_TMPDIR/log" 2>&1 &
    local pid=$! i
    for ((i = 0; i < 300; i++)); do
        if grep -q serving "$BATS_TEST_TMPDIR/log"; then break; fi
        sleep 0.1
    done
    compose stop web
    wait "$pid"
    grep -q '^web-1 .*| serving' "$BATS_TEST_TMPDIR/log"
    run -0 compose start web
}

@test "what fails is told with its service, and what needs it is not started" {
    run -1 compose --profile bad up -d
    [[ "$output" == *'service "fails" didn'"'"'t complete successfully: exit 7'* ]]
    [ "$(dory inspect -f '{{.State.Status}}' two-needs-1)" = created ]
    run -1 compose --profile sick up -d --wait sick
    [[ "$output" == *"two-sick-1 is unhealthy"* ]]
}

@test "up in the foreground: the logs, and the exit status of the one that is asked for" {
    run -7 compose --profile bad up --no-color --exit-code-from fails web fails
    [[ "$output" == *"fails-1"*"| failing"* ]]
    [ "$(dory inspect -f '{{.State.Status}}' two-web-1)" = exited ]
    run -0 compose up --no-color --abort-on-container-exit prepare
    [[ "$output" == *"prepare-1 exited with code 0"* ]]
}

@test "a signal ends up in the foreground and stops the containers" {
    compose up --no-color web >"$BATS_TEST_TMPDIR/log" 2>&1 &
    local i pid=$! client
    for ((i = 0; i < 300; i++)); do
        if grep -q serving "$BATS_TEST_TMPDIR/log"; then break; fi
        sleep 0.1
    done
    # Of the subshell, the CLI, and its plugin: the one that a terminal would signal, too.
    client=$(pgrep -f "$DOCKER_CONFIG/cli-plugins/docker-compose.* up --no-color web" | head -1)
    kill -INT "$client"
    wait "$pid" || true
    [ "$(dory inspect -f '{{.State.Status}}' two-web-1)" = exited ]
}

@test "hooks run after the start and before the stop" {
    run -0 compose --profile hooks up -d hooked
    run -0 compose --profile hooks stop hooked
    run -0 dory run --rm -v two_data:/data busybox cat /data/started /data/stopped
    [ "$output" = $'0\nasked' ]
}

@test "builds by the classic way, and what was built runs" {
    run -0 compose --profile built build --build-arg X=6 built
    [ "$(dory image inspect -f '{{.Config.Labels.made}} {{index .Config.Labels "com.docker.compose.image.builder"}}' two-built)" = "here classic" ]
    run -0 compose run --rm -T built
    [[ "$output" == *6* ]]
    run -0 compose --profile built up --build -d built
    [ "$(dory logs two-built-1)" = 5 ]
}

@test "run, with the ports, the volumes and the exit status that are asked for" {
    run -4 compose run --rm -T --no-deps -v "$PROJECT/file:/given:ro" -e A=1 -u 33 -w /tmp --entrypoint sh web -c 'cat /given; echo "$A $(pwd) $(id -u)"; exit 4'
    [[ "$output" == *$'a file\n1 /tmp 33'* ]]
    run -0 compose run -d --no-deps --name shown -p 127.0.0.1::80 web
    run -0 curl -sf "http://$(dory port shown 80/tcp)/file"
    [ "$output" = "a file" ]
    [ "$(dory inspect -f '{{index .Config.Labels "com.docker.compose.oneoff"}}' shown)" = True ]
    run -0 bash -c "cd '$PROJECT' && echo 'through a pipe' | '$NEWER/usr/bin/docker' compose --progress quiet run --rm -T --no-deps prepare cat"
    [ "$output" = "through a pipe" ]
}

@test "down takes all of it" {
    run -0 compose --profile '*' down -v --rmi local --remove-orphans
    [ -z "$(dory ps -aq)" ]
    [ -z "$(dory volume ls -q)" ]
    [ -z "$(dory network ls -q --filter type=custom)" ]
    [ -z "$(dory images -q two-built)" ]
}
