#!/usr/bin/env bats
# Push of names that stand for several platforms.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients
load ../lib/platforms

setup_file() {
    env_start
    registry_start
    own_platform
    put app:1="$OWN+s390x" app:2="$OWN+s390x+riscv64,oci" app:3="$OWN+s390x,attested" app:4=s390x+riscv64+ppc64le
}

teardown_file() {
    registry_stop
    env_stop
}

teardown() {
    dory images -aq | sort -u | xargs -r dory rmi -f >/dev/null
}

raw() { # repository:tag, as the registry has it
    curl -sf -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json' \
        "http://$REGISTRY/v2/${1%:*}/manifests/${1#*:}"
}

pull_all() { # name, platforms
    local name=$1 platform
    shift
    for platform in "$@"; do dory pull -q --platform "linux/$platform" "$name" >/dev/null; done
}

@test "an index whose images are all here goes to another repository byte for byte" {
    pull_all "$REGISTRY/app:1" "$OWN" s390x
    dory tag "$REGISTRY/app:1" "$REGISTRY/other/copy:1"
    run -0 dory push "$REGISTRY/other/copy:1"
    [[ $output == *"1: digest: sha256:$(raw app:1 | sha256sum | cut -d' ' -f1)"* ]]
    cmp <(raw app:1) <(raw other/copy:1)
    # It is one there, too: pulled anew, for either platform.
    dory rmi "$REGISTRY/app:1" "$REGISTRY/other/copy:1" >/dev/null
    pull_all "$REGISTRY/other/copy:1" s390x
    [ "$(platform_of "$REGISTRY/other/copy:1")" = s390x ]
}

@test "with the missing images in the repository the index is pushed, else this machine's image with docker's note" {
    pull_all "$REGISTRY/app:2" "$OWN" s390x
    dory tag "$REGISTRY/app:2" "$REGISTRY/app:again"
    run -0 dory push "$REGISTRY/app:again"
    cmp <(raw app:2) <(raw app:again)
    dory tag "$REGISTRY/app:2" "$REGISTRY/partly:1"
    run -0 dory push "$REGISTRY/partly:1"
    [[ $output == *"Not all multiplatform-content is present and only the available single-platform image was pushed"* ]]
    [ "$(raw partly:1 | sha256sum | cut -d' ' -f1)" = "$(raw app:2 | jq -r '.manifests[0].digest' | cut -c8-)" ]
    # Docker's newer CLI reads the note.
    clients_newer
    run -0 newer_docker push "$REGISTRY/partly:1"
    [[ $output == *"Not all multiplatform-content is present and only the available single-platform image was pushed"*"$(raw app:2 | sha256sum | cut -d' ' -f1)"* ]]
    # One that is asked for
    dory push --platform linux/s390x "$REGISTRY/partly:1"
    [ "$(raw partly:1 | sha256sum | cut -d' ' -f1)" = "$(raw app:2 | jq -r '.manifests[1].digest' | cut -c8-)" ]
    run -1 dory push --platform linux/riscv64 "$REGISTRY/partly:1"
    [[ $output == *"does not provide the specified platform (linux/riscv64)"* ]]
}

@test "several foreign images of an index with others missing: which one is not for the engine to say" {
    pull_all "$REGISTRY/app:4" s390x riscv64
    dory tag "$REGISTRY/app:4" "$REGISTRY/foreign:1"
    run -1 dory push "$REGISTRY/foreign:1"
    [[ $output == *"multiple matching manifests found but no specific platform requested"* ]]
    run -22 raw foreign:1
}

@test "an attestation that is not here counts as missing" {
    pull_all "$REGISTRY/app:3" "$OWN"
    dory tag "$REGISTRY/app:3" "$REGISTRY/attested:1"
    dory push "$REGISTRY/attested:1"
    [ "$(raw attested:1 | sha256sum | cut -d' ' -f1)" = "$(raw app:3 | jq -r '.manifests[0].digest' | cut -c8-)" ]
    dory tag "$REGISTRY/app:3" "$REGISTRY/app:whole"
    dory push "$REGISTRY/app:whole"
    cmp <(raw app:3) <(raw app:whole)
}

@test "compressed anew the images have other manifests, and the index names those" {
    pull_all "$REGISTRY/app:1" "$OWN" s390x
    dory save -o "$BATS_TEST_TMPDIR/app.tar" "$REGISTRY/app:1"
    dory rmi "$REGISTRY/app:1" >/dev/null
    # Nothing tells any more what the layers were in the registry.
    dory load -q -i "$BATS_TEST_TMPDIR/app.tar" >/dev/null
    dory tag "$REGISTRY/app:1" "$REGISTRY/anew:1"
    dory push "$REGISTRY/anew:1" >/dev/null
    [ "$(raw anew:1 | jq -c '[.mediaType, [.manifests[].platform.architecture]]')" = "[\"application/vnd.oci.image.index.v1+json\",[\"$OWN\",\"s390x\"]]" ]
    raw anew:1 >"$BATS_TEST_TMPDIR/first"
    dory push "$REGISTRY/anew:1" >/dev/null
    cmp <(raw anew:1) "$BATS_TEST_TMPDIR/first"
    dory system check
    dory images -aq | sort -u | xargs dory rmi -f >/dev/null
    pull_all "$REGISTRY/anew:1" "$OWN" s390x
    [ "$(platform_of "$REGISTRY/anew:1" linux/s390x)" = s390x ]
    [ "$(platform_of "$REGISTRY/anew:1")" = "$OWN" ]
}
