# dory compose: what a service says of files, networks, volumes and images becomes so in its containers.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients
load ../lib/compose
load ../lib/compose_up

setup_file() {
    clients_newer
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

setup() {
    compose_up_setup
}

teardown() {
    compose_up_teardown
}

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
