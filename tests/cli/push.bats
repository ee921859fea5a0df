#!/usr/bin/env bats
# push: to a real registry on loopback; what is there already, mounts, tags, digests, authentication, other clients.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    registry_start
    env_images busybox
    dory run --name maker busybox sh -c 'seq 100000 >/numbers; ln /numbers /again; rm /etc/group; chmod 4711 /numbers'
    dory commit -c 'CMD ["head", "-1", "/numbers"]' maker made:1 >/dev/null
    dory rm maker >/dev/null
}

teardown_file() {
    registry_stop
    env_stop
}

manifest_of() { # name:tag
    curl -sf -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "http://$REGISTRY/v2/${1%:*}/manifests/${1#*:}"
}

@test "what was pushed is what comes back, and skopeo and docker's client agree" {
    dory tag made:1 "$REGISTRY/app:1"
    run dory push "$REGISTRY/app:1"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "The push refers to repository [$REGISTRY/app]" ]
    [ "$(grep -c ': Preparing$' <<<"$output")" -eq 2 ]
    [ "$(grep -c ': Pushed$' <<<"$output")" -eq 2 ]
    [[ ${lines[-1]} =~ ^1:\ digest:\ (sha256:[0-9a-f]{64})\ size:\ ([0-9]+)$ ]]
    digest=${BASH_REMATCH[1]}
    size=${BASH_REMATCH[2]}
    [ "$(manifest_of app:1 | wc -c)" = "$size" ]
    [ "sha256:$(manifest_of app:1 | sha256sum | cut -d' ' -f1)" = "$digest" ]
    [ "$(dory inspect -f '{{json .RepoDigests}}' made:1)" = "[\"$REGISTRY/app@$digest\"]" ]
    # layers are the exact ones: skopeo unpacks and compares the diffIDs while it copies
    skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$REGISTRY/app:1" "oci:$ENV_DIR/oci:app"
    [ "$(skopeo inspect --config --raw --tls-verify=false "docker://$REGISTRY/app:1" | sha256sum | cut -d' ' -f1)" = "$(dory inspect -f '{{.Id}}' made:1 | cut -c8-)" ]
    id=$(dory inspect -f '{{.Id}}' made:1)
    dory rmi "$REGISTRY/app:1" made:1 >/dev/null
    dory rmi busybox:latest >/dev/null
    dory pull -q "$REGISTRY/app:1"
    [ "$(dory inspect -f '{{.Id}}' "$REGISTRY/app:1")" = "$id" ]
    [ "$(dory run --rm "$REGISTRY/app:1")" = 1 ]
    [ "$(dory run --rm "$REGISTRY/app:1" stat -c '%a %h' /again)" = "4711 2" ]
    dory tag "$REGISTRY/app:1" made:1
    env_images busybox
}

@test "again: nothing is sent, and the digest stays" {
    run dory push "$REGISTRY/app:1"
    first=${lines[-1]}
    run dory push "$REGISTRY/app:1"
    [ "$(grep -c ': Layer already exists$' <<<"$output")" -eq 2 ]
    [ "${lines[-1]}" = "$first" ]
    # another tag of the same image has the same manifest
    dory tag made:1 "$REGISTRY/app:2"
    run dory push "$REGISTRY/app:2"
    [ "${lines[-1]#2}" = "${first#1}" ]
}

@test "another repository of the registry: layers are mounted from there" {
    dory tag made:1 "$REGISTRY/other/name:1"
    run dory push "$REGISTRY/other/name:1"
    [ "$(grep -c ': Mounted from app$' <<<"$output")" -eq 2 ]
    [ "$(manifest_of other/name:1)" = "$(manifest_of app:1)" ]
}

@test "what a pull brought goes out under the same digest" {
    skopeo copy -q --insecure-policy --dest-tls-verify=false -f oci --dest-compress-format zstd "oci:$ENV_DIR/oci:app" "docker://$REGISTRY/zstd:1" ||
        skopeo copy -q --insecure-policy --dest-tls-verify=false -f oci "oci:$ENV_DIR/oci:app" "docker://$REGISTRY/zstd:1"
    dory rmi "$REGISTRY/app:1" "$REGISTRY/app:2" "$REGISTRY/other/name:1" made:1 >/dev/null
    dory pull -q "$REGISTRY/zstd:1"
    dory tag "$REGISTRY/zstd:1" "$REGISTRY/again:x"
    run dory push "$REGISTRY/again:x"
    [ "$status" -eq 0 ]
    [ "$(manifest_of again:x)" = "$(manifest_of zstd:1)" ]
    dory tag "$REGISTRY/zstd:1" made:1
}

@test "all tags with -a, the default tag, quiet" {
    dory tag made:1 "$REGISTRY/many:a"
    dory tag made:1 "$REGISTRY/many:b"
    run dory push "$REGISTRY/many"
    [ "$status" -eq 1 ]
    [[ $output == *"Using default tag: latest"* ]]
    [[ $output == *"An image does not exist locally with the tag: $REGISTRY/many"* ]]
    run dory push -a "$REGISTRY/many"
    [ "$status" -eq 0 ]
    [ "$(grep -c '^[ab]: digest: ' <<<"$output")" -eq 2 ]
    [ "$(curl -sf "http://$REGISTRY/v2/many/tags/list" | grep -o '"[ab]"' | sort | tr -d '\n')" = '"a""b"' ]
    run dory push -q "$REGISTRY/many:a"
    [ "$output" = "$REGISTRY/many:a" ]
    run -1 dory push -a "$REGISTRY/many:a"
    [[ $output == *"tag can't be used with --all-tags/-a"* ]]
}

@test "refusals: no such image, no such registry, nothing half-way" {
    run -1 dory push "$REGISTRY/nosuch:1"
    [[ $output == *"An image does not exist locally with the tag: $REGISTRY/nosuch"* ]]
    dory tag made:1 "127.0.0.1:1/x:1"
    run -1 dory push 127.0.0.1:1/x:1
    [[ $output == *"connect: connection refused"* ]]
    dory rmi 127.0.0.1:1/x:1 >/dev/null
    run -1 dory push "$REGISTRY/UPPER:1"
    [[ $output == *"must be lowercase"* ]]
}

@test "docker's own client pushes through dory; docker 20.10 runs what dory pushed" {
    dory tag made:1 "$REGISTRY/by-docker:1"
    run /usr/bin/docker push "$REGISTRY/by-docker:1"
    [ "$status" -eq 0 ]
    [[ ${lines[-1]} == "1: digest: sha256:"* ]]
}

@test "aux carries tag, digest and size" {
    run curl -s -X POST -H 'X-Registry-Auth: e30=' --unix-socket "$ENV_DIR/dory.sock" "http://d/images/$REGISTRY/by-docker/push?tag=1"
    [[ $output =~ \{\"progressDetail\":\{\},\"aux\":\{\"Tag\":\"1\",\"Digest\":\"sha256:[0-9a-f]{64}\",\"Size\":[0-9]+\}\} ]]
}
