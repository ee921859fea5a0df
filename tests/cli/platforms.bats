#!/usr/bin/env bats
# Several platforms of one name: what pull, run, tag, list, rmi and prune make of them.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients
load ../lib/platforms

setup_file() {
    env_start
    registry_start
    own_platform
    put app:1="$OWN+s390x+riscv64" app:2="$OWN+s390x,oci" foreign:1=s390x+riscv64,oci "single:1=$OWN"
}

teardown_file() {
    registry_stop
    env_stop
}

teardown() {
    dory ps -aq | xargs -r dory rm -f >/dev/null
    dory images -aq | sort -u | xargs -r dory rmi -f >/dev/null
}

blobs() {
    find "$ENV_DIR/data/image/blobs/sha256" -type f | wc -l
}

@test "a pull of another platform adds it, and takes nothing away" {
    local app=$REGISTRY/app:1 own
    dory pull -q "$app"
    own=$(id "$app")
    run -0 dory pull --platform linux/s390x "$app"
    [[ $output == *"Status: Downloaded newer image for $app"* ]]
    run -0 dory pull --platform linux/s390x "$app"
    [[ $output == *"Status: Image is up to date for $app"* ]]
    # No platform asked for: this machine's. An id is of one platform.
    [ "$(id "$app")" = "$own" ]
    [ "$(id "$app" "linux/$OWN")" = "$own" ]
    [ "$(id "$app" linux/s390x)" != "$own" ]
    [ "$(dory image inspect -f '{{.Architecture}}' "$(id "$app" linux/s390x)")" = s390x ]
    [ "$(dory image inspect --platform linux/s390x -f '{{json .RepoTags}}' "$app")" = "[\"$app\"]" ]
    [ "$(dory history -q --platform linux/s390x "$app" 2>&1)" = "$(dory history -q "$(id "$app" linux/s390x)" 2>&1)" ]
    # One line in the list.
    [ "$(dory images -aq | wc -l)" = 1 ]
    [ "$(dory images -q --no-trunc "$app")" = "$own" ]
    dory system df -v | grep -c "^$REGISTRY/app" | grep -qx 1
    run -1 dory image inspect --platform linux/riscv64 "$app"
    [[ $output == *"image with reference $app was found but does not provide the specified platform (linux/riscv64)"* ]]
}

@test "run and create take the platform that is asked for, this machine's, or the only one with a warning" {
    local app=$REGISTRY/app:1 other=$REGISTRY/foreign:1
    dory pull -q --platform linux/s390x "$app"
    [ "$(platform_of "$app")" = s390x ]
    run -0 --separate-stderr dory create --pull never "$app"
    [[ $stderr == *"The requested image's platform (linux/s390x) does not match the detected host platform (linux/$OWN) and no specific platform was requested"* ]]
    run -1 dory create --pull never --platform "linux/$OWN" "$app"
    [[ $output == *"does not match the specified platform (linux/$OWN)"* ]]
    # What is not there is pulled, and from then on this machine's own is the one that is meant.
    run -0 --separate-stderr dory create --platform "linux/$OWN" "$app"
    [[ $stderr == *"Unable to find image '$app' locally"* ]]
    [ "$(platform_of "$app")" = "$OWN" ]
    [ "$(platform_of "$app" linux/s390x)" = s390x ]
    run -1 dory create --pull never --platform linux/riscv64 "$app"
    [[ $output == *"does not provide the specified platform (linux/riscv64)"* ]]
    dory create --platform linux/riscv64 "$app"
    [ "$(platform_of "$app" linux/riscv64)" = riscv64 ]
    # Docker's own CLI asks and pulls likewise.
    docker rm "$(docker create --platform linux/riscv64 "$other")"
    docker rm "$(docker create --platform linux/s390x "$other")"
    [ "$(platform_of "$other" linux/s390x)" = s390x ]
    [ "$(platform_of "$other" linux/riscv64)" = riscv64 ]
}

@test "a container is listed under the name of its platform" {
    local app=$REGISTRY/app:1
    dory pull -q "$app"
    dory create --quiet --name other --platform linux/s390x "$app"
    [ "$(dory ps -a --format '{{.Names}} {{.Image}}')" = "other $app" ]
    [ "$(dory ps -aq --filter "ancestor=$app" | wc -l)" = 1 ]
    [ "$(dory inspect -f '{{.Image}}' other)" = "$(id "$app" linux/s390x)" ]
}

@test "tag names all platforms, an id one" {
    local app=$REGISTRY/app:1
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    dory tag "$app" copy:1
    dory tag "$(id "$app" linux/s390x)" only:1
    [ "$(platform_of copy:1 linux/s390x)" = s390x ]
    [ "$(platform_of copy:1)" = "$OWN" ]
    [ "$(platform_of only:1)" = s390x ]
    run -1 dory create --pull never --platform "linux/$OWN" only:1
    [ "$(dory images --format '{{.Repository}}:{{.Tag}}' | sort | paste -sd' ')" = "$(printf '%s\n' "$app" copy:1 only:1 | sort | paste -sd' ')" ]
    # The other platform stays as long as one of its names does.
    dory rmi "$app" copy:1 >/dev/null
    [ "$(platform_of only:1)" = s390x ]
    run -1 dory image inspect copy:1
    [ "$(dory images -aq | wc -l)" = 1 ]
}

@test "rmi takes all platforms with the last name, and refuses while a container uses one" {
    local app=$REGISTRY/app:1 own other before
    before=$(blobs)
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    own=$(id "$app") other=$(id "$app" linux/s390x)
    dory create --name user --platform linux/s390x "$app"
    run -1 dory rmi "$app"
    [[ $output == *"conflict: unable to remove repository reference \"$app\" (must force) - container "*" is using its referenced image ${other:7:12}"* ]]
    run -1 dory rmi "$own"
    [[ $output == *"conflict: unable to delete ${other:7:12} (must be forced) - image is being used by stopped container"* ]]
    [ "$(platform_of "$app" linux/s390x)" = s390x ]
    [ "$(platform_of "$app")" = "$OWN" ]
    dory rm user
    run -0 dory rmi "$app"
    [[ $output == *"Untagged: $app"*"Deleted: $own"* && $output == *"Deleted: $other"* ]]
    [ -z "$(dory images -aq)" ]
    [ "$(blobs)" = "$before" ]
    dory system check
}

@test "rmi --platform takes one platform" {
    local app=$REGISTRY/app:1 other
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    other=$(id "$app" linux/s390x)
    dory create --name user "$app"
    run -1 dory rmi --platform "linux/$OWN" "$app"
    [[ $output == *"image is being used by stopped container"* ]]
    dory rm user
    run -1 dory rmi --platform linux/riscv64 "$app"
    [[ $output == *"does not provide the specified platform"* ]]
    dory rmi --platform "linux/$OWN" "$app"
    [ "$(id "$app")" = "$other" ]
    [ "$(dory images -q --no-trunc)" = "$other" ]
    # It can come back; then both go at once.
    dory pull -q "$app"
    [ "$(platform_of "$app")" = "$OWN" ]
    dory rmi --platform linux/s390x --platform "linux/$OWN" "$app"
    [ -z "$(dory images -aq)" ]
}

@test "prune leaves what a container uses, of whatever platform, and takes the rest whole" {
    local app=$REGISTRY/app:1 two=$REGISTRY/app:2
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    dory tag "$app" copy:1
    dory pull -q "$two"
    dory pull -q --platform linux/s390x "$two"
    dory create --name user --platform linux/s390x "$app"
    dory image prune -f
    [ "$(platform_of "$two" linux/s390x)" = s390x ]
    dory image prune -af
    [ "$(platform_of "$app" linux/s390x)" = s390x ]
    [ "$(platform_of "$app")" = "$OWN" ]
    run -1 dory image inspect "$two"
    [ "$(dory images -aq | sort -u | wc -l)" = 1 ]
    dory rm user
    dory image prune -af
    [ -z "$(dory images -aq)" ]
    [ "$(blobs)" = 0 ]
}

@test "a tag that moved on stands for its new index only" {
    local app=$REGISTRY/moving:1
    put moving:1="$OWN+s390x"
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    put moving:1="$OWN+s390x+riscv64,oci"
    dory pull -q "$app"
    run -1 dory image inspect --platform linux/s390x "$app"
    [ "$(dory images -q "$REGISTRY/moving" | wc -l)" = 2 ]
    dory image prune -f >/dev/null
    dory image prune -af >/dev/null
    [ -z "$(dory images -aq)" ]
    dory system check
}

@test "platforms are there after a restart, and what lost its files says so" {
    local app=$REGISTRY/app:2 layer
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    env_daemon_kill TERM
    env_daemon_start
    [ "$(platform_of "$app" linux/s390x)" = s390x ]
    dory system check
    # The layer of the own platform is lost: the name means the other one.
    layer=$(dory image inspect -f '{{.GraphDriver.Data.UpperDir}}' "$app")
    env_daemon_kill TERM
    rm -rf "$layer"
    env_daemon_start
    [ "$(platform_of "$app")" = s390x ]
    [ "$(dory images -q | wc -l)" = 1 ]
    # The document of the index is lost: the name means what it meant first.
    env_daemon_kill TERM
    grep -rl '"manifests"' "$ENV_DIR/data/image/blobs/sha256" | xargs rm
    env_daemon_start
    [ "$(platform_of "$app")" = s390x ]
    dory pull -q "$app"
    [ "$(platform_of "$app")" = "$OWN" ]
    [ "$(platform_of "$app" linux/s390x)" = s390x ]
}

@test "an image whose index or manifest is damaged or lost is listed without it, and mended at the next start" {
    local app=$REGISTRY/app:1 lone=$REGISTRY/lone:1 blobs=$ENV_DIR/data/image/blobs/sha256 index manifest
    put lone:1=riscv64
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    dory pull -q --platform linux/riscv64 "$lone"
    index=$(dory image inspect -f '{{index .RepoDigests 0}}' "$app")
    manifest=$(dory image inspect -f '{{index .RepoDigests 0}}' "$lone")
    echo ' ' >>"$blobs/${index#*@sha256:}"
    echo ' ' >>"$blobs/${manifest#*@sha256:}"
    [ "$(api /v1.51/images/json | jq -c 'map(has("Descriptor"))')" = '[false,false]' ]
    [ "$(api "/v1.51/images/$lone/json" | jq -c 'has("Id"), has("Descriptor")' | paste -sd' ')" = "true false" ]
    dory system df >/dev/null
    grep -q "is shown without its manifests: blob ${index#*@} is damaged" "$ENV_DIR/doryd.log"
    # As a power failure may leave them.
    env_daemon_kill TERM
    : >"$blobs/${index#*@sha256:}"
    rm "$blobs/${manifest#*@sha256:}"
    env_daemon_start
    grep -q "index ${index#*@} removed: it is gone from the disk" "$ENV_DIR/doryd.log"
    grep -q "manifest ${manifest#*@} removed: it is gone from the disk" "$ENV_DIR/doryd.log"
    [ "$(platform_of "$app")" = "$OWN" ]
    dory save -o "$BATS_TEST_TMPDIR/lone.tar" "$lone"
    dory system check
    dory pull -q "$app"
    dory pull -q --platform linux/riscv64 "$lone"
    [ "$(api /v1.51/images/json | jq -c '[.[] | select(.RepoTags != []) | has("Descriptor")]')" = '[true,true]' ]
}

@test "list and inspect tell the index and its manifests: what is here, how large, and who uses it" {
    local app=$REGISTRY/app:1 own index
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    own=$(id "$app")
    index=$(dory image inspect -f '{{index .RepoDigests 0}}' "$app")
    dory create --name user --platform linux/s390x "$app"
    api "/v1.51/images/json?manifests=1" >"$BATS_TEST_TMPDIR/list"
    run -0 jq -c '.[0] | .Id, .Descriptor.mediaType, .Descriptor.digest, .Containers, (.Size == ([.Manifests[].ImageData.Size.Unpacked] | add))' "$BATS_TEST_TMPDIR/list"
    [ "$output" = "$(printf '"%s"\n"application/vnd.docker.distribution.manifest.list.v2+json"\n"%s"\n1\ntrue' "$own" "${index#*@}")" ]
    run -0 jq -c '.[0].Manifests[] | [.Kind, .Available, .Descriptor.platform.architecture, .ImageData.Platform.architecture, (.ImageData.Containers | length), .Size.Content > 0, .ID == .Descriptor.digest]' "$BATS_TEST_TMPDIR/list"
    [ "$output" = "[\"image\",true,\"$OWN\",\"$OWN\",0,true,true]
[\"image\",true,\"s390x\",\"s390x\",1,true,true]
[\"image\",false,\"riscv64\",\"riscv64\",0,false,true]" ]
    [ "$(jq -r '.[0].Manifests[1].ImageData.Containers[0]' "$BATS_TEST_TMPDIR/list")" = "$(dory inspect -f '{{.Id}}' user)" ]
    # Without being asked for, and to clients that know nothing of it, it is not told.
    [ "$(api /v1.51/images/json | jq -c '.[0] | has("Manifests"), has("Descriptor")' | paste -sd' ')" = "false true" ]
    [ "$(api '/v1.46/images/json?manifests=1' | jq -c '.[0] | has("Manifests"), has("Descriptor")' | paste -sd' ')" = "false false" ]
    # inspect: the index, or of a platform that is asked for its manifest
    [ "$(api "/v1.48/images/$app/json?manifests=1" | jq -c '.Manifests | length')" = 3 ]
    [ "$(api "/v1.48/images/$app/json" | jq -r .Descriptor.digest)" = "${index#*@}" ]
    [ "$(api "/v1.49/images/$app/json?platform=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22s390x%22%7D" | jq -r .Descriptor.digest)" = "$(jq -r '.[0].Manifests[1].ID' "$BATS_TEST_TMPDIR/list")" ]
    run api "/v1.49/images/$app/json?manifests=1&platform=linux%2Fs390x" -w '%{http_code}'
    [[ $output == *"conflicting options: manifests and platform options cannot both be set"*400 ]]
    # A manifest that stands alone is its own descriptor; an import has none.
    dory pull -q "$REGISTRY/single:1"
    [ "$(api "/v1.48/images/$REGISTRY/single:1/json?manifests=1" | jq -c '[.Descriptor.digest == .Manifests[0].ID, .Manifests[0].Available, .Manifests[0].ImageData.Platform.architecture]')" = "[true,true,\"$OWN\"]" ]
    env_images busybox
    [ "$(api "/v1.48/images/busybox/json?manifests=1" | jq -c '[has("Descriptor"), .Manifests]')" = "[false,[]]" ]
}

@test "attestations are told from images, and are none" {
    local app=$REGISTRY/attested:1
    put "attested:1=$OWN+s390x,attested"
    dory pull -q "$app"
    [ "$(api "/v1.51/images/$app/json?manifests=1" | jq -c '[.Manifests[] | [.Kind, .Available, (.AttestationData.For // "")]] | .[2][2] = (.[2][2] | startswith("sha256:"))')" = '[["image",true,""],["image",false,""],["attestation",false,true]]' ]
}

@test "image ls --tree: dory's and the newer docker's" {
    local app=$REGISTRY/app:1 newer
    dory pull -q "$app"
    dory pull -q --platform linux/s390x "$app"
    for newer in dory newer; do
        [ $newer = dory ] || clients_newer
        if [ $newer = dory ]; then run -0 dory image ls --tree; else run -0 newer_docker image ls --tree; fi
        [[ $output == *"$app"*"linux/$OWN"*"linux/s390x"* ]]
    done
}

@test "services of one image name for two platforms have each its own, and stay when nothing changes" {
    local app=$REGISTRY/app:1 before
    mkdir "$BATS_TEST_TMPDIR/two"
    cat >"$BATS_TEST_TMPDIR/two/compose.yaml" <<END
services:
  own: {image: "$app", command: [/x]}
  other: {image: "$app", command: [/x], platform: linux/s390x}
END
    cd "$BATS_TEST_TMPDIR/two"
    dory compose create
    [ "$(dory inspect -f '{{.Image}}' two-own-1)" = "$(id "$app" "linux/$OWN")" ]
    [ "$(dory inspect -f '{{.Image}}' two-other-1)" = "$(id "$app" linux/s390x)" ]
    before=$(dory ps -aq --no-trunc | sort)
    run -0 dory compose create
    [[ $output != *Pull* && $output != *Recreate* ]]
    [ "$(dory ps -aq --no-trunc | sort)" = "$before" ]
}
