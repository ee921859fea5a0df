#!/usr/bin/env bats
# docker-compose 1.29, unmodified: a project of two services on two networks, which find each other by name.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    export PROJECT=$ENV_DIR/project SUBNET=${ENV_SUBNET/10.213/10.215}
    mkdir "$PROJECT"
    cat >"$PROJECT/docker-compose.yml" <<EOF
version: "2.4"
services:
  web:
    image: busybox
    command: httpd -f -p 80 -h /etc
    ports: ["0:80"]
    networks:
      front:
        aliases: [www]
      back: {}
  app:
    image: busybox
    command: sleep 1000
    depends_on: [web]
    networks: [back]
networks:
  front: {}
  back:
    internal: true
    ipam:
      config:
        - subnet: $SUBNET.0/24
EOF
}

teardown_file() {
    [ ! -d "${PROJECT:-/none}" ] || compose down -v >/dev/null 2>&1 || true
    env_stop
}

compose() {
    (cd "$PROJECT" && COMPOSE_PROJECT_NAME=tst docker-compose "$@" </dev/null)
}

@test "up makes networks and services that find each other" {
    compose up -d
    compose ps | grep -q 'tst_web_1 .*Up'
    compose exec -T app wget -q -O - http://web/passwd | grep -q ^root:
    curl -sf -o /dev/null "http://127.0.0.1:$(compose port web 80 | sed 's/.*://')/passwd"
    [ "$(dory network inspect -f '{{.Internal}} {{(index .IPAM.Config 0).Subnet}}' tst_back)" = "true $SUBNET.0/24" ]
    [ "$(dory network inspect -f '{{len .Containers}}' tst_back)" = 2 ]
}

@test "up again changes nothing; scaled services share a name" {
    before=$(dory ps -q --no-trunc | sort)
    compose up -d
    [ "$(dory ps -q --no-trunc | sort)" = "$before" ]
    compose up -d --scale app=3
    [ "$(compose exec -T web nslookup app | grep -c '^Address: ')" -eq 3 ]
    compose restart -t 0 app
    compose exec -T --index 2 app wget -q -O /dev/null http://web/passwd
}

@test "down leaves nothing" {
    compose down -v -t 0
    [ -z "$(dory ps -aq)" ]
    [ "$(dory network ls -q -f type=custom | wc -l)" -eq 0 ]
    [ "$(ip -o -4 addr show | grep -cF " $SUBNET.1/")" -eq 0 ]
}
