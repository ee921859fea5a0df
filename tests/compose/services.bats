# dory compose: what a service says of files, networks, volumes and images becomes so in its containers.
load ../lib/compose_up

@test "secrets and configs: files are bound, contents and variables are copied into the container" {
    echo 'from a file' >"$PROJECT/secret"
    file <<'YAML'
services:
  web:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    secrets: [file, {source: variable, target: named, uid: "65534", mode: 0400}]
    configs: [{source: text, target: /etc/text}]
secrets: {file: {file: ./secret}, variable: {environment: SECRET}}
configs: {text: {content: "text of the file"}}
YAML
    SECRET=hidden compose up -d
    [ "$(dory exec shop-web-1 cat /run/secrets/file)" = "from a file" ]
    [ "$(dory exec shop-web-1 cat /run/secrets/named /etc/text)" = "hiddentext of the file" ]
    [ "$(dory exec shop-web-1 stat -c '%u %a' /run/secrets/named)" = "65534 400" ]
}

@test "secrets and configs of an included file stand for variables that only it knows" {
    mkdir "$PROJECT/part"
    echo 'SECRET=of the part' >"$PROJECT/part/.env"
    cat >"$PROJECT/part/compose.yaml" <<'YAML'
services:
  web:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    environment: {SECRET: }
    secrets: [word]
secrets: {word: {environment: SECRET}}
YAML
    file <<<'include: [part/compose.yaml]'
    compose up -d
    [ "$(dory exec shop-web-1 cat /run/secrets/word)" = "of the part" ]
    # Compose's variables of a mapping are the project's.
    [ "$(dory exec shop-web-1 sh -c 'echo "${SECRET-unset}"')" = unset ]
    rm -r "$PROJECT/part"
}

@test "hooks run in the container; one that fails is told" {
    file <<'YAML'
services:
  web:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    volumes: ["./out:/out"]
    post_start: [{command: [sh, -c, "echo started >/out/post"]}]
    pre_stop: [{command: [sh, -c, "echo stopping >/out/pre"]}]
YAML
    mkdir "$PROJECT/out"
    compose up -d
    [ "$(cat "$PROJECT/out/post")" = started ]
    compose stop
    [ "$(cat "$PROJECT/out/pre")" = stopping ]
    sed -i 's,echo started >/out/post,exit 7,' "$PROJECT/compose.yaml"
    run -1 compose up -d
    [[ "$output" == *"post_start hook exited with status 7" ]]
}

@test "networks: addresses, aliases, priorities, external ones, and a network that has changed" {
    dory network create shop-outside
    file <<'YAML'
services:
  web:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    networks:
      inner: {ipv4_address: 10.199.7.9, aliases: [other], priority: 10, mac_address: "02:42:0a:c7:07:09"}
      outside: {}
networks:
  inner: {ipam: {config: [{subnet: 10.199.7.0/24}]}, labels: {role: inner}}
  outside: {external: true, name: shop-outside}
YAML
    compose up -d
    run -0 dory inspect -f '{{.HostConfig.NetworkMode}} {{with index .NetworkSettings.Networks "shop_inner"}}{{.IPAddress}} {{.MacAddress}}{{end}}' shop-web-1
    [ "$output" = "shop_inner 10.199.7.9 02:42:0a:c7:07:09" ]
    [ "$(dory exec shop-web-1 nslookup other | grep -c 10.199.7.9)" -ge 1 ]
    sed -i 's/10.199.7/10.199.8/g' "$PROJECT/compose.yaml"
    compose up -d
    [ "$(dory network inspect -f '{{(index .IPAM.Config 0).Subnet}}' shop_inner)" = 10.199.8.0/24 ]
    [ "$(state_of shop-web-1)" = running ]
    compose down
    dory network inspect shop-outside >/dev/null
    dory network rm shop-outside
    run -1 compose up -d
    [[ "$output" == *"network shop-outside declared as external, but could not be found" ]]
}

@test "volumes: external ones, and one that has changed is made anew only when that is wanted" {
    file <<'YAML'
services:
  web: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s, volumes: ["data:/data"]}
volumes: {data: {labels: {state: one}}}
YAML
    compose up -d
    dory exec shop-web-1 touch /data/file
    sed -i 's/state: one/state: two/' "$PROJECT/compose.yaml"
    compose up -d </dev/null
    dory exec shop-web-1 test -e /data/file
    compose up -d -y
    run -1 dory exec shop-web-1 test -e /data/file
    [ "$(dory volume inspect -f '{{.Labels.state}}' shop_data)" = two ]
    compose down -v
    sed -i 's/{labels: {state: two}}/{external: true}/' "$PROJECT/compose.yaml"
    run -1 compose up -d
    [[ "$output" == *'external volume "data" not found' ]]
}

@test "images are built when they are missing, with --build always, and removed by down --rmi" {
    mkdir "$PROJECT/app"
    printf 'FROM busybox\nRUN echo 1 >/built\nCMD ["sleep", "1000"]\n' >"$PROJECT/app/Dockerfile"
    file <<'YAML'
services:
  app: {build: ./app, stop_grace_period: 0s}
  inline: {build: {dockerfile_inline: "FROM busybox\nCMD sleep 1000"}, stop_grace_period: 0s}
YAML
    run -0 compose up -d
    [[ "$output" == *" app  Built"* ]]
    [ "$(dory exec shop-app-1 cat /built)" = 1 ]
    [ "$(dory image inspect -f '{{index .Config.Labels "com.docker.compose.service"}}' shop-app)" = app ]
    sed -i 's/echo 1/echo 2/' "$PROJECT/app/Dockerfile"
    run -0 compose up -d
    [[ "$output" != *Built* ]]
    compose up -d --build
    [ "$(dory exec shop-app-1 cat /built)" = 2 ]
    run -0 compose down --rmi local -v
    [[ "$output" == *"Image shop-app:latest  Removed"* ]]
    run -1 compose up -d --no-build
    [[ "$output" == *"No such image: shop-app"* ]]
}

@test "a container with every key of a service is created as the reference creates it" {
    echo contents >"$PROJECT/secret"
    file <<'YAML'
services:
  base: {image: "busybox:latest", command: sleep 1000}
  all:
    image: busybox:latest
    command: ["sleep", "1000"]
    entrypoint: ["/bin/sh", "-c", "exec sleep 1000"]
    hostname: host
    domainname: example.org
    user: "1:2"
    working_dir: /tmp
    tty: true
    stdin_open: true
    environment: {A: "1", B: "", C: null}
    labels: {one: "1", two: ""}
    annotations: {note: "x"}
    expose: ["7000", "7001/udp"]
    ports: ["127.0.0.1:0:80", "8000-8001", {target: 53, protocol: udp, published: "0"}]
    stop_signal: SIGINT
    stop_grace_period: 1500ms
    healthcheck: {test: ["CMD", "true"], interval: 1m30s, timeout: 2s, retries: 4, start_period: 3s, start_interval: 1s}
    volumes:
      - data:/data:ro
      - /anon
      - ./:/src
      - {type: bind, source: ./, target: /long, read_only: true, bind: {create_host_path: false, propagation: rprivate}}
      - {type: volume, source: data, target: /nocopy, volume: {nocopy: true}}
      - {type: tmpfs, target: /tm, tmpfs: {size: 1m, mode: 0o700}}
    tmpfs: ["/t1", "/t2:size=1m"]
    networks: {front: {aliases: [x, y], ipv4_address: 10.198.3.7, priority: 5, mac_address: "02:42:0a:c6:03:07", link_local_ips: [169.254.9.9]}, back: {gw_priority: 3}}
    extra_hosts: ["one:10.0.0.1", "two=10.0.0.2"]
    dns: [10.0.0.53]
    dns_search: [example.org]
    dns_opt: ["ndots:2"]
    depends_on: {base: {condition: service_started, restart: true}}
    restart: on-failure:3
    deploy: {resources: {limits: {cpus: "0.5", memory: 64m, pids: 50}, reservations: {memory: 32m}}}
    logging: {driver: json-file, options: {max-size: 1m}}
    privileged: false
    cap_add: [NET_ADMIN]
    cap_drop: [CHOWN]
    devices: ["/dev/null:/dev/mynull:rw"]
    device_cgroup_rules: ["c 1:3 rwm"]
    security_opt: ["no-new-privileges"]
    sysctls: {net.core.somaxconn: 1024}
    ulimits: {nofile: {soft: 1000, hard: 2000}, nproc: 500}
    shm_size: 32m
    init: true
    read_only: true
    ipc: private
    group_add: ["5"]
    oom_score_adj: 100
    cpu_shares: 512
    cpuset: "0"
    blkio_config: {weight: 300}
    links: ["base:b"]
    secrets: [s]
    configs: [{source: c, target: /c}]
    cgroup: private
volumes: {data: {}}
networks: {front: {ipam: {config: [{subnet: 10.198.3.0/24}]}}, back: {}}
secrets: {s: {file: ./secret}}
configs: {c: {file: ./secret}}
YAML
    # What only differs in order or spelling; addresses of the daemon's choice.
    cat >"$BATS_TEST_TMPDIR/normal.jq" <<'JQ'
.[0] | {Config, HostConfig, Networks: (.NetworkSettings.Networks | map_values({Aliases, IPAMConfig, Links, DriverOpts, GwPriority, MacAddress}))}
    | .HostConfig.Binds |= (. // [] | sort)
    | .HostConfig.Mounts |= (. // [] | sort_by(.Target))
    | .HostConfig.Ulimits |= (. // [] | sort_by(.Name))
    | .Networks |= map_values(.Aliases |= (. // [] | map(select(test("^[0-9a-f]{12}$") | not))) | if .IPAMConfig == null then .MacAddress = "" else . end)
    | .Config.Env |= sort | .HostConfig.ExtraHosts |= sort | .HostConfig.Links |= (. // [] | sort)
    | .Config.ExposedPorts |= with_entries(.key |= if test("/") then . else . + "/tcp" end)
JQ
    compose_reference create
    dory inspect shop-all-1 | jq -S -f "$BATS_TEST_TMPDIR/normal.jq" >"$BATS_TEST_TMPDIR/theirs"
    compose down -v
    compose create
    dory inspect shop-all-1 | jq -S -f "$BATS_TEST_TMPDIR/normal.jq" >"$BATS_TEST_TMPDIR/ours"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/ours")" -gt 200 ]
    diff "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours"
}
