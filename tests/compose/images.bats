# `dory compose build`, pull and push: the images of services.
load ../lib/compose

setup_file() {
    compose_setup_file
    registry_start
    mkdir -p "$PROJECT/web" "$PROJECT/base"
    echo 'FROM busybox:latest
ARG COLOUR=red
RUN echo $COLOUR >/colour' >"$PROJECT/web/Dockerfile"
    cp "$PROJECT/web/Dockerfile" "$PROJECT/base/Dockerfile"
    cat >"$PROJECT/compose.yaml" <<YAML
services:
  web:
    image: $REGISTRY/web:one
    build:
      context: ./web
      tags: ["$REGISTRY/web:two"]
    depends_on: [db]
  db:
    build: {context: ./base}
  stored:
    image: $REGISTRY/stored:one
  same:
    image: $REGISTRY/stored:one
  tool:
    build: {context: ./base}
    profiles: [tools]
YAML
    dory tag busybox:latest "$REGISTRY/stored:one"
    dory push -q "$REGISTRY/stored:one"
    dory rmi "$REGISTRY/stored:one"
}

teardown_file() {
    registry_stop
    env_stop
}

@test "build builds the services that have a build, under their names" {
    run -0 compose build
    [[ "$output" == *" web  Built"* ]]
    [[ "$output" == *" db  Built"* ]]
    [[ "$output" != *tool* ]]
    run -0 dory run --rm shop-db cat /colour
    [ "$output" = red ]
    [ "$(dory image inspect -f '{{.Id}}' "$REGISTRY/web:one")" = "$(dory image inspect -f '{{.Id}}' "$REGISTRY/web:two")" ]
}

@test "build chooses services, with their dependencies or without" {
    dory rmi -f shop-db >/dev/null
    run -0 compose build web
    run -1 dory image inspect shop-db
    run -0 compose build --with-dependencies web
    run -0 dory image inspect shop-db
    run -0 compose build tool
    run -0 dory image inspect shop-tool
    run -1 compose build nonesuch
    [ "$output" = "no such service: nonesuch" ]
    run -0 compose build stored
    [[ "$output" == *"No services to build"* ]]
}

@test "build takes --build-arg, --no-cache, -q and says what it cannot do" {
    run -0 compose build --build-arg COLOUR=blue db
    run -0 dory run --rm shop-db cat /colour
    [ "$output" = blue ]
    local before
    before=$(dory image inspect -f '{{.Id}}' shop-db)
    run -0 compose build -q --build-arg COLOUR=blue db
    [[ "$output" != *Built* ]]
    [ "$(dory image inspect -f '{{.Id}}' shop-db)" = "$before" ]
    run -0 compose build --no-cache --build-arg COLOUR=blue db
    [ "$(dory image inspect -f '{{.Id}}' shop-db)" != "$before" ]
    run -1 compose build --builder x db
    [[ "$output" == *"--builder"* ]]
    run -1 compose build --ssh nonsense db
    [ "$output" = 'invalid ssh key "nonsense"' ]
    printf 'services: {odd: {build: {context: "%s", provenance: true}}}\n' "$PROJECT/web" >"$BATS_TEST_TMPDIR/compose.yaml"
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" build
    [ "$output" = 'service "odd": build.provenance is not supported' ]
    run -0 compose build --compress db
    [[ "$output" == *"option '--compress' is DEPRECATED and will be ignored."* ]]
}

@test "build --print is the reference's bake file" {
    local tree='.group.default.targets |= sort'
    diff <(compose_reference build --print | jq -S "$tree") <(compose build --print | jq -S "$tree")
    # The reference prints what the service depends on, too, without building it.
    diff <(compose_reference build --print --build-arg A=b --no-cache --pull --push web | jq -S .target.web) \
        <(compose build --print --build-arg A=b --no-cache --pull --push web | jq -S .target.web)
}

@test "build --check judges the Dockerfile, and builds nothing" {
    dory rmi -f shop-db >/dev/null
    run -0 compose build --check db
    run -1 dory image inspect shop-db
    printf 'from busybox:latest\nCMD echo\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    printf 'services: {bad: {build: {context: "%s"}}}\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/compose.yaml"
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" build --check
    [[ "$output" == *JSONArgsRecommended* ]]
}

@test "a build that fails says which service it was, and has its status" {
    printf 'FROM busybox:latest\nRUN exit 9\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    printf 'services: {broken: {build: {context: "%s"}}}\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/compose.yaml"
    run -9 compose -f "$BATS_TEST_TMPDIR/compose.yaml" build
    [[ "$output" == *'service "broken"'* ]]
}

@test "push sends what was built, under all its names" {
    compose build -q web
    run -0 compose push
    [[ "$output" == *" db  Skipped"* ]]
    [[ "$output" == *" stored  Skipped"* ]]
    [[ "$output" == *"Pushing $REGISTRY/web:one  Pushed"* ]]
    run -0 curl -sf "http://$REGISTRY/v2/web/tags/list"
    [ "$(jq -c '.tags | sort' <<<"$output")" = '["one","two"]' ]
    run -0 compose push -q web
    [ -z "$output" ]
    run -1 compose push nonesuch
}

@test "pull gets each image once" {
    run -0 compose pull --ignore-buildable
    [[ "$output" == *" db  Skipped - No image to be pulled"* ]]
    [[ "$output" == *" web  Skipped - Image can be built"* ]]
    [[ "$output" == *"Skipped - Image is already being pulled by"* ]]
    [[ "$output" == *"  Pulled"* ]]
    run -0 dory image inspect "$REGISTRY/stored:one"
    run -0 compose pull --policy missing stored
    [[ "$output" == *" stored  Skipped - Image is already present locally"* ]]
    run -0 compose pull -q stored
    [ -z "$output" ]
    run -1 compose pull --policy sometimes stored
    [[ "$output" == *"must be one of missing, always"* ]]
    run -1 compose pull nonesuch
    [ "$output" = "no such service: nonesuch" ]
}

@test "pull of what is not there fails, unless failures are to be ignored" {
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<YAML
services:
  lost: {image: "$REGISTRY/nonesuch:one"}
  stored: {image: "$REGISTRY/stored:one"}
YAML
    dory rmi -f "$REGISTRY/stored:one"
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" pull lost
    [[ "$output" == *" lost  Error "* ]]
    [[ "$output" == *$'\nservice lost: Error response from daemon: '* ]]
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" up -d lost
    [[ "$output" == *$'\nservice lost: Error response from daemon: '* ]]
    run -0 compose -f "$BATS_TEST_TMPDIR/compose.yaml" pull --ignore-pull-failures
    run -0 dory image inspect "$REGISTRY/stored:one"
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" push nonesuch
}

@test "--dry-run asks the registry for what would be pulled, and pulls nothing" {
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<YAML
services:
  lost: {image: "$REGISTRY/nonesuch:one"}
  stored: {image: "$REGISTRY/stored:one"}
YAML
    dory rmi -f "$REGISTRY/stored:one" >/dev/null
    run -0 compose -f "$BATS_TEST_TMPDIR/compose.yaml" --dry-run pull stored
    [[ "$output" == *"DRY-RUN MODE -  stored  Pulled"* ]]
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" --dry-run pull lost
    [[ "$output" == *"DRY-RUN MODE -  lost  Error "*"service lost: $REGISTRY/nonesuch:one: "* ]]
    run -0 compose -f "$BATS_TEST_TMPDIR/compose.yaml" --dry-run up -d stored
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" --dry-run up -d lost
    run -1 dory image inspect "$REGISTRY/stored:one"
}

@test "config --resolve-image-digests takes the digests from the registry, as Compose does" {
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<YAML
services:
  stored: {image: "$REGISTRY/stored:one"}
YAML
    digest=$(curl -sfI -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
        -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/stored/manifests/one" |
        sed -n 's/^Docker-Content-Digest: *\([^[:space:]]*\).*/\1/Ip')
    [[ "$digest" == sha256:* ]]
    run -0 compose -f "$BATS_TEST_TMPDIR/compose.yaml" config --resolve-image-digests --format json
    [ "$(jq -r .services.stored.image <<<"$output")" = "$REGISTRY/stored:one@$digest" ]
    compose_same -f "$BATS_TEST_TMPDIR/compose.yaml" config --resolve-image-digests
    compose_same -f "$BATS_TEST_TMPDIR/compose.yaml" config --lock-image-digests
    sed -i s/stored:one/stored:nonesuch/ "$BATS_TEST_TMPDIR/compose.yaml"
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" config --resolve-image-digests
    [[ "$output" == "failed to resolve digest for $REGISTRY/stored:nonesuch: "* ]]
}

@test "pull of an image that can be built points at build" {
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<YAML
services:
  made: {image: "$REGISTRY/nonesuch:one", build: {context: "$PROJECT/web"}}
YAML
    run -1 compose -f "$BATS_TEST_TMPDIR/compose.yaml" pull
    [[ "$output" == *"must be built from source by running:"*"compose build made"* ]]
}

@test "subcommands that are not there are refused by name" {
    run -1 compose publish x/y
    [[ "$output" == "compose publish is not supported: "* ]]
    run -1 compose alpha viz
    [[ "$output" == "compose alpha is not supported: "* ]]
    run -1 compose bridge convert
    run -1 compose models
}
