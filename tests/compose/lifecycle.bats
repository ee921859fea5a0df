# dory compose down, stop, start, restart, kill, pause, unpause and rm, with a file, without one, and on others' projects.
load ../lib/compose_up

@test "either of dory and Compose leaves the other's containers as they are, and stops and removes them" {
    two_services
    compose up -d
    before=$(id_of shop-db-1)$(id_of shop-web-1)
    compose_reference up -d
    [ "$before" = "$(id_of shop-db-1)$(id_of shop-web-1)" ]
    compose_reference stop
    [ "$(state_of shop-web-1)" = exited ]
    compose start
    [ "$(state_of shop-web-1)" = running ]
    compose_reference down -v
    [ -z "$(dory ps -aq)" ]
    compose_reference up -d
    before=$(id_of shop-db-1)$(id_of shop-web-1)
    compose up -d
    [ "$before" = "$(id_of shop-db-1)$(id_of shop-web-1)" ]
    compose stop
    [ "$(state_of shop-db-1)" = exited ]
    compose down -v
    [ -z "$(dory ps -aq)$(dory volume ls -q)" ]
}

@test "a project of docker-compose 1.29 is stopped, started and removed, and the other way round" {
    two_services
    { echo 'version: "3.8"' && cat "$PROJECT/compose.yaml"; } >"$PROJECT/docker-compose.yml"
    rm "$PROJECT/compose.yaml"
    (cd "$PROJECT" && docker-compose up -d 3>&- 4>&-)
    compose stop
    [ "$(state_of shop_db_1)" = exited ]
    compose start
    [ "$(state_of shop_db_1)" = running ]
    compose down -v
    [ -z "$(dory ps -aq)" ]
    compose up -d
    run -0 bash -c "cd '$PROJECT' && docker-compose ps -q 3>&- 4>&-"
    [[ "$output" == *"$(id_of shop-db-1)"* ]]
    (cd "$PROJECT" && docker-compose down 3>&- 4>&-)
    [ -z "$(dory ps -aq)" ]
}

@test "stop -t -1 waits for ever, whatever the file says" {
    file <<'YAML'
services:
  web:
    image: busybox:latest
    command: sh -c 'trap "sleep 0.3; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    stop_grace_period: 0s
YAML
    compose up -d
    for ((i = 0; i < 600; i++)); do
        if compose logs web | grep -q ready; then break; fi
        sleep 0.05
    done
    compose stop -t -1
    [ "$(dory inspect -f '{{.State.ExitCode}}' shop-web-1)" = 5 ]
}

@test "rm asks, removes what is stopped, and with -s stops it before" {
    two_services
    compose up -d
    run -0 compose rm -f
    [[ "$output" == *"No stopped containers"* ]]
    compose stop web
    run -0 compose rm <<<n
    [ "$(state_of shop-web-1)" = exited ]
    run -0 compose rm <<<y
    [[ "$output" == *"Going to remove shop-web-1"* ]]
    [[ "$output" == *"Container shop-web-1  Removed"* ]]
    # What has no container is passed over where others have some.
    compose start db web
    compose stop db
    compose start
    [ "$(state_of shop-db-1)" = running ]
    run -0 compose rm -sf db
    [ -z "$(dory ps -aq)" ]
    run -1 compose start
    [ "$output" = 'service "db" has no container to start' ]
}

@test "pause, unpause, kill and restart, without a file by -p" {
    two_services
    compose up -d
    rm "$PROJECT/compose.yaml"
    run -0 compose -p shop pause web
    [ "$output" = " Container shop-web-1  Paused" ]
    [ "$(state_of shop-web-1)" = paused ]
    run -1 compose -p shop pause
    [[ "$output" == *" is already paused"* ]]
    [ "$(state_of shop-db-1)" = paused ]
    compose -p shop unpause db
    run -1 compose -p shop unpause db
    [[ "$output" == *" is not paused"* ]]
    compose -p shop unpause web
    [ "$(state_of shop-web-1)" = running ]
    compose -p shop kill -s KILL db
    [ "$(state_of shop-db-1)" = exited ]
    compose -p shop restart -t 0
    [ "$(state_of shop-db-1)" = running ]
    run -0 compose -p shop stop
    [ "${lines[0]}" = " Container shop-web-1  Stopping" ]
    [ "${lines[3]}" = " Container shop-db-1  Stopped" ]
    run -0 compose -p shop down -v
    [ -z "$(dory ps -aq)$(dory volume ls -q)$(dory network ls -q --filter label=com.docker.compose.project=shop)" ]
    run -0 compose -p shop down
    [[ "$output" == *'No resource found to remove for project \"shop\".'* ]]
}
