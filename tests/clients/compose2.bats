# Compose 2.x as a plugin of an unmodified docker CLI, both of Debian's next release.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_newer
    env_start
    env_images busybox
    export PROJECT=$BATS_FILE_TMPDIR/shop
    mkdir "$PROJECT"
    echo 'FROM_FILE=from the file' >"$PROJECT/web.env"
    echo 'top secret' >"$PROJECT/password"
    cat >"$PROJECT/compose.yaml" <<'YAML'
services:
  web:
    image: busybox:latest
    command: sh -c 'echo "$$GREETING, $$FROM_FILE, $$(cat /run/secrets/password)" >/www/index.html; exec httpd -f -p 80 -h /www'
    environment: {GREETING: hello}
    env_file: web.env
    volumes: ["pages:/www"]
    ports: ["127.0.0.1::80"]
    secrets: [password]
    healthcheck: {test: ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1/"], interval: 200ms, retries: 100}
    networks: {front: {aliases: [site]}}
    labels: {role: server}
    stop_grace_period: 1s
  client:
    image: busybox:latest
    command: sh -c 'wget -q -O - http://site/ && exec sleep 1000'
    depends_on: {web: {condition: service_healthy}}
    networks: [front, back]
    init: true
    stop_grace_period: 1s
  extra:
    image: busybox:latest
    command: "true"
    profiles: [tools]
volumes: {pages: {}}
networks:
  front: {}
  back: {internal: true}
secrets:
  password: {file: ./password}
YAML
}

teardown_file() {
    compose down -v -t 0 >/dev/null 2>&1 || true
    env_stop
}

compose() {
    (cd "$PROJECT" && newer_docker compose "$@" 3>&- 4>&-)
}

@test "up starts services in order, with their networks, volume and secret, and they find each other" {
    run -0 compose up -d --wait
    run -0 compose ps --format '{{.Service}} {{.State}} {{.Health}}'
    [[ "$output" == *"web running healthy"* ]]
    [[ "$output" == *"client running"* ]]
    local i
    for ((i = 0; i < 100; i++)); do
        [[ "$(compose logs client)" == *hello* ]] && break
        sleep 0.2
    done
    run -0 compose logs --no-log-prefix client
    [ "$output" = "hello, from the file, top secret" ]
    run -0 curl -sf "http://$(compose port web 80)/"
    [ "$output" = "hello, from the file, top secret" ]
    run -0 dory network inspect -f '{{.Internal}}' shop_back
    [ "$output" = true ]
}

@test "exec, run, cp, top, images and ls" {
    run -0 compose exec -T web sh -c 'echo in $(hostname | wc -c); id -u'
    [ "${lines[1]}" = 0 ]
    run -3 compose exec -T web sh -c 'exit 3'
    run -0 compose run --rm -T client echo one-off
    [[ "$output" == *one-off* ]]
    compose cp web:/www/index.html "$BATS_TEST_TMPDIR/page"
    grep -q hello "$BATS_TEST_TMPDIR/page"
    run -0 compose top web
    [[ "$output" == *httpd* ]]
    run -0 compose ls -q
    [ "$output" = shop ]
    run -0 compose --profile tools run --rm -T extra
}

@test "up again changes nothing; scale, stop, start, restart, pause do what they say" {
    local before
    before=$(compose ps -q web)
    run -0 compose up -d
    [ "$(compose ps -q web)" = "$before" ]
    run -0 compose up -d --scale client=3
    [ "$(compose ps -q client | wc -l)" = 3 ]
    run -0 compose stop client
    [ -z "$(compose ps -q --status running client)" ]
    run -0 compose start client
    [ "$(compose ps -q --status running client | wc -l)" = 3 ]
    run -0 compose restart -t 0 web
    run -0 compose pause web
    run -0 compose ps --format '{{.State}}' web
    [ "$output" = paused ]
    run -0 compose unpause web
}

@test "a changed service is made anew, and keeps its volume" {
    sed -i 's/GREETING: hello/GREETING: goodbye/' "$PROJECT/compose.yaml"
    run -0 compose up -d --wait web
    run -0 curl -sf "http://$(compose port web 80)/"
    [ "$output" = "goodbye, from the file, top secret" ]
}

@test "down removes containers, networks and, when asked, volumes" {
    # The default network was made for a service of the profile.
    run -0 compose --profile tools down -t 0
    [ -z "$(dory ps -aq)" ]
    run -0 dory volume ls -q
    [ "$output" = shop_pages ]
    run -0 dory network ls -q --filter label=com.docker.compose.project=shop
    [ -z "$output" ]
    run -0 compose down -v
    run -0 dory volume ls -q
    [ -z "$output" ]
}
