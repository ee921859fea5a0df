#!/usr/bin/env bats
# manifest: lists of manifests, made on this machine and pushed to a registry. Docker's CLI works on the same files and
# makes the same bytes of them.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    registry_start
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/registry_images.py" "$REGISTRY" app:amd64=amd64 app:arm64=arm64/v8 \
        other:s390x=s390x app:oci=ppc64le,oci app:chart=amd64,artifact
}

teardown_file() {
    registry_stop
    env_stop
}

setup() {
    export DOCKER_CONFIG=$BATS_TEST_TMPDIR/config
    mkdir "$DOCKER_CONFIG"
}

create() { # list manifest...
    dory manifest create --insecure "$@" >/dev/null
}

raw_list() { # name:tag, as the registry has it
    curl -sf -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json' "http://$REGISTRY/v2/${1%:*}/manifests/${1#*:}"
}

@test "inspect: a manifest of a registry, short and verbose, as docker's CLI prints it" {
    local tag flags
    for tag in amd64 arm64; do
        for flags in --insecure "--insecure -v"; do
            # shellcheck disable=SC2086
            dory manifest inspect $flags "$REGISTRY/app:$tag" >"$BATS_TEST_TMPDIR/ours"
            # shellcheck disable=SC2086
            /usr/bin/docker manifest inspect $flags "$REGISTRY/app:$tag" >"$BATS_TEST_TMPDIR/theirs"
            # Docker 20.10 has the same members without the raw text.
            diff <(jq -S 'del(.Raw)' "$BATS_TEST_TMPDIR/ours") <(jq -S . "$BATS_TEST_TMPDIR/theirs")
        done
    done
    [ "$(jq -r .Raw "$BATS_TEST_TMPDIR/ours" | base64 -d | sha256sum | cut -d' ' -f1)" = "$(jq -r .Descriptor.digest "$BATS_TEST_TMPDIR/ours" | cut -c8-)" ]
    run dory manifest inspect -v "$REGISTRY/app:oci"
    [ "$(jq -c .Descriptor.platform <<<"$output")" = '{"architecture":"ppc64le","os":"linux"}' ]
    [ "$(jq -r .OCIManifest.mediaType <<<"$output")" = application/vnd.oci.image.manifest.v1+json ]
    # What is no image can be looked at all the same.
    run dory manifest inspect "$REGISTRY/app:chart"
    [ "$(jq -r .config.mediaType <<<"$output")" = application/vnd.cncf.helm.config.v1+json ]
    run --separate-stderr -1 dory manifest inspect "$REGISTRY/app:nosuch"
    [ "$stderr" = "no such manifest: $REGISTRY/app:nosuch" ]
}

@test "create, annotate, inspect: files that docker's CLI reads; docker's bytes are pushed" {
    local list=$REGISTRY/list:1 ours theirs
    run -0 dory manifest create --insecure "$list" "$REGISTRY/app:amd64" "$REGISTRY/app:arm64" "$REGISTRY/other:s390x"
    [ "$output" = "Created manifest list $list" ]
    [ "$(ls "$DOCKER_CONFIG/manifests")" = "$(tr :/ -_ <<<"$list")" ]
    run -1 dory manifest create --insecure "$list" "$REGISTRY/app:amd64"
    [ "$output" = "refusing to amend an existing manifest list with no --amend flag" ]
    run -0 dory manifest create -a --insecure "$list" "$REGISTRY/app:amd64"
    dory manifest annotate "$list" "$REGISTRY/app:amd64" --os-version 10 --variant v2 --os-features a,b --os-features b
    dory manifest inspect "$list" >"$BATS_TEST_TMPDIR/ours"
    /usr/bin/docker manifest inspect "$list" >"$BATS_TEST_TMPDIR/theirs"
    diff "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
    [ "$(jq -c '.manifests[0].platform' "$BATS_TEST_TMPDIR/ours")" = '{"architecture":"amd64","os":"linux","os.version":"10","os.features":["a","b"],"variant":"v2"}' ]
    diff <(dory manifest inspect "$list" "$REGISTRY/app:arm64" | jq -S .) <(dory manifest inspect --insecure "$REGISTRY/app:arm64" | jq -S .)
    [ "$(dory manifest inspect -v "$list" | jq -r '.[].Ref' | tr '\n' ' ')" = "$REGISTRY/app:amd64 $REGISTRY/app:arm64 $REGISTRY/other:s390x " ]
    run -0 dory manifest push "$list"
    ours=${lines[-1]}
    [ "${#lines[@]}" -eq 4 ]
    [[ ${lines[0]} =~ ^Pushed\ ref\ $REGISTRY/list@(sha256:[0-9a-f]{64})\ with\ digest:\ (sha256:[0-9a-f]{64})$ ]]
    [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
    [ "sha256:$(raw_list list:1 | sha256sum | cut -d' ' -f1)" = "$ours" ]
    run -0 /usr/bin/docker manifest push --insecure "$list"
    [ "${lines[-1]}" = "$ours" ]
    # The image of this machine's platform comes out of the list, its blobs included.
    skopeo inspect --tls-verify=false --override-arch arm64 --override-variant v8 "docker://$list" | grep -q '"Architecture": "arm64"'
    dory pull -q --platform linux/s390x "$list"
    [ "$(dory inspect -f '{{.Architecture}}' "$list")" = s390x ]
    dory rmi "$list" >/dev/null
    run -0 dory manifest push -p "$list"
    [ -z "$(ls "$DOCKER_CONFIG/manifests")" ]
    # From the registry now: the same list, and its members by digest.
    diff <(dory manifest inspect "$list") "$BATS_TEST_TMPDIR/ours"
    [ "$(dory manifest inspect -v "$list" | jq -r '.[0].Ref')" = "$list@$(jq -r '.manifests[0].digest' "$BATS_TEST_TMPDIR/ours")" ]
    [ "$(dory manifest inspect -v "$list" | jq -c '.[0].Descriptor.platform')" = '{"architecture":"amd64","os":"linux","os.version":"10","os.features":["a","b"],"variant":"v2"}' ]
}

@test "rm, and lists that docker made" {
    /usr/bin/docker manifest create --insecure "$REGISTRY/theirs:1" "$REGISTRY/app:amd64" >/dev/null
    [ "$(dory manifest inspect "$REGISTRY/theirs:1" | jq -r '.manifests[0].platform.architecture')" = amd64 ]
    create "$REGISTRY/mine" "$REGISTRY/app:amd64"
    run -1 dory manifest rm "$REGISTRY/theirs:1" "$REGISTRY/nosuch" "$REGISTRY/mine"
    [ "$output" = "No such manifest: $REGISTRY/nosuch:latest" ]
    [ -z "$(ls "$DOCKER_CONFIG/manifests")" ]
}

@test "refusals: nothing is written, nothing is sent" {
    run -1 dory manifest create UPPER x
    [ "$output" = "error parsing name for manifest list UPPER: invalid reference format: repository name (library/UPPER) must be lowercase" ]
    run -1 dory manifest create "$REGISTRY/list:2" "$REGISTRY/app:amd64" "$REGISTRY/app:nosuch"
    [ "$output" = "no such manifest: $REGISTRY/app:nosuch" ]
    [ ! -e "$DOCKER_CONFIG/manifests" ]
    create "$REGISTRY/list:2" "$REGISTRY/app:amd64"
    run -1 dory manifest annotate "$REGISTRY/list:2" "$REGISTRY/app:nosuch" --arch arm
    [ "$output" = "manifest for image $REGISTRY/app:nosuch does not exist in $REGISTRY/list:2" ]
    run -1 dory manifest annotate "$REGISTRY/list:2" "$REGISTRY/app:amd64" --arch nonsense
    [ "$output" = "manifest entry for image has unsupported os/arch combination: /nonsense" ]
    [ "$(dory manifest inspect "$REGISTRY/list:2" | jq -r '.manifests[0].platform.architecture')" = amd64 ]
    run -1 dory manifest inspect "$REGISTRY/list:2" "$REGISTRY/app:arm64"
    [ "$output" = "No such manifest: $REGISTRY/app:arm64" ]
    run -1 dory manifest push "$REGISTRY/nosuch:1"
    [ "$output" = "No such manifest: $REGISTRY/nosuch:1" ]
    create other.example/list:1 "$REGISTRY/app:amd64"
    run -1 dory manifest push other.example/list:1
    [ "$output" = "cannot use source images from a different registry than the target image: $REGISTRY != other.example" ]
    dory manifest push "$REGISTRY/list:2" >/dev/null
    run -1 dory manifest create "$REGISTRY/list:3" "$REGISTRY/list:2" </dev/null
    [[ $output == "No such manifest"* || $output == "$REGISTRY/list:2 is a manifest list" ]]
}

@test "the endpoints behind it: what is not a manifest is refused" {
    api() { curl -s --unix-socket "$ENV_DIR/dory.sock" -w '%{http_code}' "http://d/distribution/$1/manifest" "${@:2}"; }
    [[ $(api "$REGISTRY/app:x" -H 'Content-Type: application/json' -d '{}') == *"MediaType and Raw"*400 ]]
    [[ $(api "$REGISTRY/app:x" -H 'Content-Type: application/json' -d '{"MediaType":"application/vnd.oci.image.manifest.v1+json","Raw":"e30="}') == *manifest*400 ]]
    [[ $(api "$REGISTRY/app@sha256:$(printf x | sha256sum | cut -d' ' -f1)" -H 'Content-Type: application/json' -d '{"MediaType":"application/vnd.oci.image.manifest.v1+json","Raw":"e30="}') == *"the manifest's digest is sha256:"*400 ]]
    [[ $(api "$REGISTRY/app:nosuch") == *404 ]]
}
