# dory compose run.
load ../lib/compose_up

shop() {
    file <<'YAML'
services:
  db: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}
  web:
    image: busybox:latest
    command: sh -c 'echo from the file'
    environment: {NAME: file, KEPT: "1"}
    ports: ["127.0.0.1::80"]
    depends_on: [db]
    restart: always
YAML
}

@test "run starts what the service needs, runs the command with its own environment, and ends with its status" {
    shop
    run -0 --separate-stderr compose run --rm web
    [ "$output" = "from the file" ]
    [ "$(state_of shop-db-1)" = running ]
    [ -z "$(dory ps -aq --filter name=shop-web)" ]
    # Of the container itself nothing is told.
    run -0 compose run --rm --no-deps web
    [ "$output" = "from the file" ]
    run -7 compose run --rm -e NAME=flag -e "OTHER=x y" --no-deps web sh -c 'echo "$NAME $KEPT $OTHER"; exit 7'
    [[ "$output" == *"flag 1 x y"* ]]
    run -0 --separate-stderr compose run --rm -T web cat <<<"to standard input"
    [ "$output" = "to standard input" ]
}

@test "run's container is a one-off with labels, name, user, directory, entrypoint, volume and capabilities as asked for" {
    shop
    run -0 compose run -d --no-deps --name shop-own -l role=test -u 65534 -w /tmp -v "$PROJECT:/src:ro" --entrypoint "sleep 1000" web
    [ "$(dory inspect -f '{{index .Config.Labels "com.docker.compose.oneoff"}} {{.Config.Labels.role}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.Entrypoint}} {{.HostConfig.RestartPolicy.Name}}' shop-own)" = \
        "True test 65534 /tmp [sleep 1000] no" ]
    dory exec shop-own test -e /src/compose.yaml
    [ -z "$(dory port shop-own)" ]
    compose up -d
    [ "$(state_of shop-own)" = running ]
    dory rm -f shop-own
    run -0 compose run -d -p 127.0.0.1::8080 web sleep 1000
    name=$(dory ps --filter label=com.docker.compose.oneoff=True --format '{{.Names}}')
    [[ "$name" =~ ^shop-web-run-[0-9a-f]{12}$ ]]
    [[ "$(dory port "$name")" == 8080/tcp* ]]
    dory rm -f "$name"
    run -0 compose run -d --service-ports --use-aliases web sleep 1000
    name=$(dory ps --filter label=com.docker.compose.oneoff=True --format '{{.Names}}')
    [[ "$(dory port "$name")" == 80/tcp* ]]
    [[ "$(dory inspect -f '{{json (index .NetworkSettings.Networks "shop_default").Aliases}}' "$name")" == *'"web"'* ]]
    dory rm -f "$name"
    run -1 compose run -v aa:bb:cc:dd web
    [ "${lines[-1]}" = "--volume: invalid spec: aa:bb:cc:dd: too many colons" ]
    mkdir "$PROJECT/made"
    shared='.[0].HostConfig | [(.Binds | sort), [.Mounts | sort_by(.Target)[] | del(.VolumeOptions | select(. == {}))]]'
    own=(--no-deps --rm -d --name shop-own -v ./made:/made:z -v named:/named:nocopy -v /tmp:/slave:rslave
        -v /tmp:/cached:cached web sleep 1000)
    compose run "${own[@]}"
    ours=$(dory inspect shop-own | jq -S "$shared")
    dory rm -f shop-own
    compose_reference run "${own[@]}"
    diff <(echo "$ours") <(dory inspect shop-own | jq -S "$shared")
    dory rm -f shop-own
    run -1 compose run --service-ports -p 80:80 web
    [[ "$output" == *"--service-ports and --publish are incompatible" ]]
    run -1 compose run nothing
    [[ "$output" == *"no such service: nothing" ]]
}

@test "run --rm leaves no container that could not be started" {
    file <<'YAML'
services:
  web:
    image: busybox:latest
    read_only: true
    secrets: [word]
secrets:
  word: {environment: WORD}
YAML
    WORD=open run -1 compose run --rm web true
    [[ "$output" == *"in read-only service web"* ]]
    [ -z "$(dory ps -aq --filter name=shop-web)" ]
    WORD=open run -1 compose run --name shop-left web true
    [ "$(state_of shop-left)" = created ]
    dory rm shop-left
}

@test "run gives a terminal where there is one" {
    shop
    cd "$PROJECT"
    run -0 python3 "$ENV_SOURCE/tests/lib/terminal.py" "$DORY_BIN/dory" compose run --rm --no-deps web sh -c 'tty; [ -t 1 ] && echo has one'
    [[ "$output" == *"has one"* ]]
    run -0 python3 "$ENV_SOURCE/tests/lib/terminal.py" "$DORY_BIN/dory" compose run --rm -T --no-deps web sh -c '[ -t 1 ] || echo has none'
    [[ "$output" == *"has none"* ]]
}

@test "--compatibility and COMPOSE_COMPATIBILITY join the parts of names with underscores" {
    file <<'YAML'
services:
  db: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}
  web: {image: "busybox:latest", command: echo said, links: [db]}
YAML
    run -0 --separate-stderr compose --compatibility up web
    [[ "$output" == *"web_1  | said"* ]]
    ours=$(dory inspect -f '{{json .HostConfig.Links}}' shop_web_1 | jq -c sort)
    [[ "$ours" == *shop_db_1* ]]
    compose down
    compose_reference --compatibility up -d
    [ "$ours" = "$(dory inspect -f '{{json .HostConfig.Links}}' shop_web_1 | jq -c sort)" ]
    run -0 compose --compatibility up -d db
    [[ "$output" == *"Container shop_db_1  Running"* ]]
    echo COMPOSE_COMPATIBILITY=y >"$PROJECT/.env"
    compose run -d web sleep 1000
    name=$(dory ps --filter label=com.docker.compose.oneoff=True --format '{{.Names}}')
    [[ "$name" =~ ^shop_web_run_[0-9a-f]{12}$ ]]
}

@test "--no-deps takes of what is needed the containers that there are, as Compose does" {
    file <<'YAML'
services:
  db: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s, ipc: shareable, volumes: [/data]}
  web:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    links: ["db:base"]
    ipc: service:db
    volumes_from: [db]
  alone: {image: "busybox:latest", command: "true", links: [db]}
YAML
    compose run --rm --no-deps alone true
    compose up -d --no-deps alone
    run -1 dory inspect shop-db-1
    run -1 compose up -d --no-deps web
    [[ "$output" == *"cannot share IPC namespace with service db: container missing"* ]]
    run -1 dory inspect shop-db-1
    compose up -d db
    compose up -d --no-deps web
    shared='[.[0].HostConfig | .IpcMode, .VolumesFrom, (.Links | sort)]'
    ours=$(dory inspect shop-web-1 | jq -c "$shared")
    [[ "$ours" == '["container:'*'shop-db-1:base'* ]]
    # With what is needed among them it is the same container.
    run -0 compose up -d web
    [[ "$output" == *"Container shop-web-1  Running"* ]]
    compose_reference up -d --no-deps --force-recreate web
    diff <(echo "$ours") <(dory inspect shop-web-1 | jq -c "$shared")
}
