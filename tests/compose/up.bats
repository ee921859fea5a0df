# dory compose up -d, scale and create: what is made, in what order, and what of it is made anew.
load ../lib/compose_up

@test "up -d makes network, volume and containers with the names and labels of Compose, and says so line by line" {
    two_services
    run -0 --separate-stderr compose up -d
    [ -z "$output" ]
    diff <(printf '%s\n' "Network shop_default  Creating" "Network shop_default  Created" \
        "Volume shop_data  Creating" "Volume shop_data  Created" "Container shop-db-1  Creating" \
        "Container shop-db-1  Created" "Container shop-web-1  Creating" "Container shop-web-1  Created" \
        "Container shop-db-1  Starting" "Container shop-db-1  Started" "Container shop-web-1  Starting" \
        "Container shop-web-1  Started") <(sed 's/^ //' <<<"$stderr")
    ours=$(dory inspect -f '{{json .Config.Labels}}' shop-web-1)
    networks=$(dory network inspect -f '{{json .Labels}}' shop_default)
    volumes=$(dory volume inspect -f '{{json .Labels}}' shop_data)
    aliases=$(dory inspect -f '{{json (index .NetworkSettings.Networks "shop_default").Aliases}}' shop-web-1)
    [[ "$aliases" == '["shop-web-1","web"'* ]]
    compose down -v
    compose_reference up -d
    [ "$ours" = "$(dory inspect -f '{{json .Config.Labels}}' shop-web-1)" ]
    [ "$networks" = "$(dory network inspect -f '{{json .Labels}}' shop_default)" ]
    [ "$volumes" = "$(dory volume inspect -f '{{json .Labels}}' shop_data)" ]
}

@test "only what has changed is made anew, and what needs it stays; anonymous and named volumes are kept" {
    two_services
    compose up -d
    dory exec shop-db-1 sh -c 'echo 1 >/data/named; echo 2 >/anonymous/file'
    web=$(id_of shop-web-1) db=$(id_of shop-db-1)
    sed -i '0,/sleep 1000/ s/sleep 1000/sleep 2000/' "$PROJECT/compose.yaml"
    run -0 compose up -d
    [[ "$output" == *"Container shop-db-1  Recreated"* ]]
    [[ "$output" == *"Container shop-web-1  Running"* ]]
    [ "$web" = "$(id_of shop-web-1)" ]
    [ "$db" != "$(id_of shop-db-1)" ]
    [ "$(dory exec shop-db-1 cat /data/named /anonymous/file)" = $'1\n2' ]
    run -0 compose up -d -V db
    run -1 dory exec shop-db-1 cat /anonymous/file
    [ "$(dory exec shop-db-1 cat /data/named)" = 1 ]
}

@test "a new image of the same name makes the containers anew" {
    dory tag busybox:latest shop:test
    file <<'YAML'
services:
  web: {image: "shop:test", command: sleep 1000, stop_grace_period: 0s}
YAML
    compose up -d
    before=$(id_of shop-web-1)
    compose up -d
    [ "$before" = "$(id_of shop-web-1)" ]
    dory commit "$before" shop:test
    compose up -d
    [ "$before" != "$(id_of shop-web-1)" ]
    compose down -v
    dory rmi shop:test
}

@test "--force-recreate, --no-recreate, --always-recreate-deps and --no-deps" {
    two_services
    compose up -d
    db=$(id_of shop-db-1) web=$(id_of shop-web-1)
    compose up -d --force-recreate web
    [ "$db" = "$(id_of shop-db-1)" ]
    [ "$web" != "$(id_of shop-web-1)" ]
    compose up -d --always-recreate-deps web
    [ "$db" != "$(id_of shop-db-1)" ]
    web=$(id_of shop-web-1)
    sed -i 's/sleep 1000/sleep 3000/' "$PROJECT/compose.yaml"
    compose up -d --no-recreate
    [ "$web" = "$(id_of shop-web-1)" ]
    compose down
    compose up -d --no-deps web
    [ "$(dory ps --format '{{.Names}}')" = shop-web-1 ]
    run -1 compose up -d --force-recreate --no-recreate
    [ "$output" = "--force-recreate and --no-recreate are incompatible" ]
}

@test "scale: by the file, by --scale and by the command; those of the highest numbers go first" {
    file <<'YAML'
services:
  web: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s, deploy: {replicas: 2}}
YAML
    compose up -d
    first=$(id_of shop-web-1)
    [ "$(compose ps -q | wc -l)" = 2 ]
    compose up -d --scale web=4
    [ "$(compose ps -q | wc -l)" = 4 ]
    compose scale web=1
    [ "$(compose ps -aq)" = "$first" ]
    run -1 compose up -d --scale nothing=1
    [ "$output" = "no such service: nothing: not found" ]
    run -1 compose scale web
    [ "$output" = "invalid scale specifier: web" ]
}

@test "conditions: healthy and completed services are waited for, and an optional one that fails is passed over" {
    file <<'YAML'
services:
  job: {image: "busybox:latest", command: "true"}
  db:
    image: busybox:latest
    command: sh -c 'sleep 0.5; touch /ready; exec sleep 1000'
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms, retries: 100}
    stop_grace_period: 0s
  optional: {image: "busybox:latest", command: "false"}
  web:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    depends_on:
      job: {condition: service_completed_successfully}
      db: {condition: service_healthy}
      optional: {condition: service_completed_successfully, required: false}
YAML
    run -0 compose up -d
    [[ "$output" == *"Container shop-db-1  Healthy"* ]]
    [[ "$output" == *"Container shop-job-1  Exited"* ]]
    [[ "$output" == *'optional dependency \"optional\" failed to start'* ]]
    [ "$(state_of shop-web-1)" = running ]
    [ "$(dory inspect -f '{{.State.Health.Status}}' shop-db-1)" = healthy ]
}

@test "a dependency that fails stops what needs it, and the sentence says which and why" {
    file <<'YAML'
services:
  job: {image: "busybox:latest", command: sh -c 'exit 3'}
  db: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s, healthcheck: {test: "exit 1", interval: 100ms, retries: 1}}
  after: {image: "busybox:latest", command: sleep 1000, depends_on: {job: {condition: service_completed_successfully}}}
  web: {image: "busybox:latest", command: sleep 1000, depends_on: {db: {condition: service_healthy}}}
YAML
    run -1 compose up -d after
    [[ "$output" == *"service \"job\" didn't complete successfully: exit 3" ]]
    [ "$(state_of shop-after-1)" = created ]
    run -1 compose up -d web
    [[ "$output" == *"dependency failed to start: container shop-db-1 is unhealthy" ]]
    [ "$(state_of shop-web-1)" = created ]
}

@test "a service that cannot be started is named with the cause, and up again repairs it" {
    file <<'YAML'
services:
  web: {image: "busybox:latest", command: /nothing, stop_grace_period: 0s}
YAML
    run -1 compose up -d
    [[ "${lines[-1]}" == "service web: container shop-web-1: Error response from daemon: "*nothing* ]]
    sed -i 's,/nothing,sleep 1000,' "$PROJECT/compose.yaml"
    run -0 compose up -d
    [ "$(state_of shop-web-1)" = running ]
    [ "$(dory ps -aq | wc -l)" = 1 ]
}

@test "--wait waits until all is healthy, --wait-timeout gives up, and an end is a failure" {
    file <<'YAML'
services:
  db:
    image: busybox:latest
    command: sleep 1000
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms, retries: 1000}
    stop_grace_period: 0s
YAML
    run -1 compose up -d --wait --wait-timeout 1
    [[ "$output" == *"application not healthy after 1s" ]]
    dory exec shop-db-1 touch /ready
    run -0 compose up --wait
    [[ "$output" == *"Container shop-db-1  Healthy"* ]]
    sed -i "s,sleep 1000,sh -c 'sleep 0.5; touch /ready; exec sleep 1000'," "$PROJECT/compose.yaml"
    run -0 compose up --wait --wait-timeout 9223372037
    file <<<'services: {job: {image: "busybox:latest", command: sh -c "exit 4", healthcheck: {test: "exit 1"}}}'
    run -1 compose up --wait
    [[ "$output" == *"container shop-job-1 exited (4)" ]]
}

@test "--wait calls a service without a health check healthy when it has run for a while" {
    file <<<'services: {web: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}}'
    compose up --wait
    now=$(date +%s%3N)
    started=$(date -d "$(dory inspect -f '{{.State.StartedAt}}' shop-web-1)" +%s%3N)
    [ $((now - started)) -ge 500 ]
}

@test "names of flags that are not there are refused before anything is made" {
    two_services
    run -1 compose up --attach nothing
    [ "$output" = "cannot attach to services not included in up: nothing" ]
    run -1 compose up --exit-code-from nothing
    [ "$output" = "no such service: nothing: not found" ]
    run -1 compose run --pull sometimes web
    [ "$output" = 'invalid --pull option "sometimes"' ]
    [ -z "$(dory ps -aq)$(dory network ls -q --filter label=com.docker.compose.project=shop)" ]
    run -1 compose up -d --menu
    [[ "$output" == "--menu is not supported"* ]]
    COMPOSE_PARALLEL_LIMIT=0 compose up -d --menu=false
}

@test "orphans are warned of, and removed with --remove-orphans" {
    two_services
    compose up -d
    file <<<'services: {web: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}}'
    run -0 compose up -d
    [[ "$output" == *"Found orphan containers ([shop-db-1]) for this project."* ]]
    COMPOSE_IGNORE_ORPHANS=1 run -0 compose up -d
    [[ "$output" != *orphan* ]]
    run -0 compose up -d --remove-orphans
    [[ "$output" == *"Container shop-db-1  Removed"* ]]
    [ "$(dory ps -aq | wc -l)" = 1 ]
}

@test "services share namespaces and volumes of others, and follow when these are made anew" {
    file <<'YAML'
services:
  first: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s, hostname: one, volumes: ["/shared"], ipc: shareable}
  second:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    network_mode: service:first
    pid: service:first
    ipc: service:first
    volumes_from: ["first:ro"]
YAML
    compose up -d
    [ "$(dory inspect -f '{{.HostConfig.NetworkMode}}' shop-second-1)" = "container:$(id_of shop-first-1)" ]
    dory exec shop-first-1 touch /shared/file
    dory exec shop-second-1 test -e /shared/file
    run -1 dory exec shop-second-1 touch /shared/other
    second=$(id_of shop-second-1)
    compose up -d
    [ "$second" = "$(id_of shop-second-1)" ]
    sed -i 's/hostname: one/hostname: two/' "$PROJECT/compose.yaml"
    compose up -d
    [ "$(dory inspect -f '{{.HostConfig.NetworkMode}}' shop-second-1)" = "container:$(id_of shop-first-1)" ]
    [ "$(state_of shop-second-1)" = running ]
    second=$(id_of shop-second-1)
    compose_reference up -d
    [ "$second" = "$(id_of shop-second-1)" ]
}

@test "restart: true restarts what depends on a service that is made anew or restarted" {
    file <<'YAML'
services:
  db: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}
  web: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s, depends_on: {db: {condition: service_started, restart: true}}}
YAML
    compose up -d
    web=$(dory inspect -f '{{.Id}} {{.State.StartedAt}}' shop-web-1)
    sed -i '0,/sleep 1000/ s/sleep 1000/sleep 2000/' "$PROJECT/compose.yaml"
    compose up -d
    again=$(dory inspect -f '{{.Id}} {{.State.StartedAt}}' shop-web-1)
    [ "${web%% *}" = "${again%% *}" ]
    [ "$web" != "$again" ]
    compose restart db
    [ "$again" != "$(dory inspect -f '{{.Id}} {{.State.StartedAt}}' shop-web-1)" ]
}

@test "create and --no-start make and start nothing" {
    two_services
    compose create
    [ "$(state_of shop-web-1)" = created ]
    compose up -d --no-start --force-recreate
    [ "$(state_of shop-web-1)" = created ]
}

@test "--dry-run tells what would be done and does nothing" {
    two_services
    run -0 --separate-stderr compose --dry-run up -d
    [ "${stderr_lines[0]# }" = "DRY-RUN MODE -  Network shop_default  Creating" ]
    [ "${stderr_lines[-1]}" = " DRY-RUN MODE -  Container shop-web-1  Started" ]
    [ -z "$(dory ps -aq)$(dory volume ls -q)" ]
    compose up -d
    compose --dry-run down -v
    [ "$(dory ps -q | wc -l)" = 2 ]
}

@test "--dry-run stands behind the subcommand, too, and no command or file gets into a container by it" {
    two_services
    run -0 --separate-stderr compose up -d --dry-run
    [ "${stderr_lines[-1]}" = " DRY-RUN MODE -  Container shop-web-1  Started" ]
    [ -z "$(dory ps -aq)$(dory volume ls -q)" ]
    compose up -d
    compose down -v --dry-run
    [ "$(dory ps -q | wc -l)" = 2 ]
    run -1 compose exec --dry-run web touch /here
    [ "$output" = "interactive exec is not supported in dry-run mode" ]
    run -0 compose exec -d --dry-run web touch /here
    [ "$output" = " DRY-RUN MODE - Executing command \"touch /here\" in $(id_of shop-web-1) (detached mode)" ]
    run -1 compose attach --dry-run web
    [ "$output" = "interactive run is not supported in dry-run mode" ]
    run -1 dory exec shop-web-1 ls /here
    run -1 compose watch --dry-run
    [ "$output" = "watch is not supported in dry-run mode" ]
    # Behind the name of a service it is a word of the command's.
    [ "$(compose exec web echo --dry-run)" = --dry-run ]
}

@test "COMPOSE_STATUS_STDOUT brings what is being done to standard output" {
    two_services
    compose_reference create
    export COMPOSE_STATUS_STDOUT=1
    run -0 --separate-stderr compose_reference down
    grep -q "Network shop_default  Removed" <<<"$output"
    unset COMPOSE_STATUS_STDOUT
    compose create
    run -0 --separate-stderr compose down
    [ -z "$output" ]
    [[ "$stderr" == *"Network shop_default  Removed"* ]]
    compose create
    COMPOSE_STATUS_STDOUT=1 run -0 --separate-stderr compose down
    [[ "$output" == *"Network shop_default  Removed"* ]]
    [ -z "$stderr" ]
}

@test "--progress json and quiet" {
    two_services
    run -0 compose --progress json up -d
    [ "${lines[0]}" = '{"id":"Network shop_default","status":"Creating"}' ]
    run -0 compose --progress quiet down -v
    [ -z "$output" ]
}
