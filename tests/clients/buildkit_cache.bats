#!/usr/bin/env bats
# Build caches that are kept elsewhere, written and read by buildx of Debian's testing suite: in a registry, and in
# directories of the client's.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_newer
    env_start
    env_images busybox
    registry_start
    newer_docker version >/dev/null # links its plugins
    export DOCKER_BUILDKIT=1 BUILDX_METADATA_PROVENANCE=disabled
}

teardown_file() {
    registry_stop
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
    # What RUN makes is another thing each time: the same files are the same result.
    cat >"$C/Dockerfile" <<'END'
FROM busybox AS tools
RUN head -c 1000000 /dev/urandom >/tool
FROM busybox
ENV A=b
COPY file /file
RUN head -c 100000 /dev/urandom >/random
WORKDIR /w
COPY --from=tools /tool /tool
LABEL c=d
END
    echo "$BATS_TEST_NUMBER" >"$C/file"
}

build() {
    "$NEWER/usr/bin/docker" buildx build --progress plain "$@" </dev/null
}

sums() {
    dory run --rm "$1" sha256sum /random /tool /file
}

# Nothing of the former builds is left.
forget() {
    dory rmi -f made
    dory builder prune -af
    [ -z "$(dory builder du | grep -F RUN)" ]
}

# rewrite CACHE JQ: changes the config of a directory's cache, and prints the digest of the manifest that has it then.
rewrite() {
    local blobs=$1/blobs/sha256 manifest config new
    manifest=$(jq -r '.manifests[0].digest' "$1/index.json")
    config=$(jq -r .config.digest "$blobs/${manifest#*:}")
    jq -c "$2" "$blobs/${config#*:}" >"$C.new"
    new=$(sha256sum <"$C.new" | cut -d' ' -f1)
    mv "$C.new" "$blobs/$new"
    jq -c ".config.digest = \"sha256:$new\" | .config.size = $(stat -c %s "$blobs/$new")" "$blobs/${manifest#*:}" >"$C.new"
    new=$(sha256sum <"$C.new" | cut -d' ' -f1)
    mv "$C.new" "$blobs/$new"
    echo "sha256:$new"
}

# Steps that came from a cache.
cached() {
    grep -c ' CACHED$' <<<"$output"
}

@test "a registry: all stages with mode=max, and a machine that has nothing builds nothing" {
    run -0 build -t made --cache-to "type=registry,ref=$REGISTRY/cache:max,mode=max" "$C"
    [[ $output == *"exporting cache to registry"* ]]
    [[ $output =~ writing\ cache\ manifest\ sha256:[0-9a-f]{64}\ .*done ]]
    before=$(sums made)
    id=$(dory image inspect -f '{{.Id}}' made)
    forget
    run -0 build -t made --cache-from "type=registry,ref=$REGISTRY/cache:max" "$C"
    echo "$output"
    [[ $output == *"importing cache manifest from $REGISTRY/cache:max"* ]]
    [ "$(cached)" = 5 ]
    [ "$(sums made)" = "$before" ]
    [ "$(dory image inspect -f '{{.Id}}' made)" = "$id" ]
    # What came is this machine's own, and is written anew without being sent.
    run -0 build -t made --cache-to "type=registry,ref=$REGISTRY/cache:again,mode=max" "$C"
    [ "$(cached)" = 5 ]
    forget
    run -0 build -t made --cache-from "$REGISTRY/cache:again" "$C"
    [ "$(cached)" = 5 ]
    [ "$(sums made)" = "$before" ]
    # A step that is another one, and what comes behind it, is done.
    forget
    echo other >"$C/file"
    run -0 build -t made --cache-from "type=registry,ref=$REGISTRY/cache:max" "$C"
    echo "$output"
    [ "$(cached)" = 1 ]
    [ "$(sums made | sed -n 2p)" = "$(sed -n 2p <<<"$before")" ]
    [ "$(sums made | sed -n 1p)" != "$(sed -n 1p <<<"$before")" ]
}

@test "a registry: with mode=min nothing of stages that the result is not made of" {
    sed -i 's,COPY --from=tools /tool /tool,RUN --mount=from=tools\,target=/t sha256sum /t/tool >/tool,' "$C/Dockerfile"
    build -t made --cache-to "type=registry,ref=$REGISTRY/cache:min" "$C"
    before=$(sums made)
    forget
    run -0 build -t made --cache-from "type=registry,ref=$REGISTRY/cache:min" "$C"
    echo "$output"
    [ "$(cached)" = 3 ]
    [ "$(sums made | sed -n '1p;3p')" = "$(sed -n '1p;3p' <<<"$before")" ]
    [ "$(sums made | sed -n 2p)" != "$(sed -n 2p <<<"$before")" ]
}

@test "a directory of the client's, whole and in the form of an index, under a tag" {
    run -0 build -t made --cache-to "type=local,dest=$C.cache,mode=max" "$C"
    [[ $output == *"exporting cache to client directory"* ]]
    before=$(sums made)
    # As containerd and skopeo would read it: an OCI layout whose manifest is an image's.
    manifest=$(jq -r '.manifests[0].digest' "$C.cache/index.json")
    jq -e '.mediaType == "application/vnd.oci.image.manifest.v1+json"' "$C.cache/blobs/sha256/${manifest#*:}"
    jq -e '.config.mediaType == "application/vnd.buildkit.cacheconfig.v0"' "$C.cache/blobs/sha256/${manifest#*:}"
    for blob in "$C.cache"/blobs/sha256/*; do
        [ "$(sha256sum <"$blob")" = "${blob##*/}  -" ]
    done
    forget
    run -0 build -t made --cache-from "type=local,src=$C.cache" "$C"
    echo "$output"
    [[ $output == *"importing cache manifest from "* ]]
    [ "$(cached)" = 5 ]
    [ "$(sums made)" = "$before" ]
    run -0 build -t made --cache-to "type=local,dest=$C.index,mode=max,image-manifest=false,tag=other" "$C"
    manifest=$(jq -r '.manifests[0].digest' "$C.index/index.json")
    jq -e '.manifests[-1].mediaType == "application/vnd.buildkit.cacheconfig.v0"' "$C.index/blobs/sha256/${manifest#*:}"
    forget
    run -0 build -t made --cache-from "type=local,src=$C.index,tag=other" "$C"
    [ "$(cached)" = 5 ]
    [ "$(sums made)" = "$before" ]
}

@test "a registry takes docker's media types too, and several targets at once" {
    build -t made --cache-to "type=registry,ref=$REGISTRY/cache:docker,oci-mediatypes=false" \
        --cache-to "type=registry,ref=$REGISTRY/cache:index,image-manifest=false" --cache-to "type=inline" "$C"
    curl -fsS -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json' \
        "http://$REGISTRY/v2/cache/manifests/docker" >"$C/docker"
    jq -e '.mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"' "$C/docker"
    jq -e '.manifests[0].mediaType == "application/vnd.docker.image.rootfs.diff.tar.gzip"' "$C/docker"
    rm "$C/docker"
    for tag in docker index; do
        forget
        run -0 build -t made --cache-from "type=registry,ref=$REGISTRY/cache:$tag" "$C"
        [ "$(cached)" -ge 2 ]
    done
}

@test "a cache that is not there, is broken or is another builder's does not matter; one that cannot be written does" {
    run -0 build -t made --cache-from "type=registry,ref=$REGISTRY/none:1" "$C"
    echo "$output"
    [[ $output == *"importing cache manifest from $REGISTRY/none:1"* ]]
    [[ $output == *"ERROR: "* ]]
    run -1 build --cache-to "type=registry,ref=127.0.0.1:1/none" "$C"
    [[ $output == *"connection refused"* ]]
    run -0 build --cache-to "type=registry,ref=127.0.0.1:1/none,ignore-error=true" "$C"
    # Layers that are not what they should be.
    build -t made --cache-to "type=local,dest=$C.cache,mode=max" "$C"
    manifest=$(jq -r '.manifests[0].digest' "$C.cache/index.json")
    jq -r '.layers[].digest' "$C.cache/blobs/sha256/${manifest#*:}" | while read -r digest; do
        head -c "$(stat -c %s "$C.cache/blobs/sha256/${digest#*:}")" /dev/urandom >"$C.cache/blobs/sha256/${digest#*:}"
    done
    forget
    run -0 build -t made --cache-from "type=local,src=$C.cache" "$C"
    echo "$output"
    [[ $output == *"verification failed"* ]]
    sums made
    # Records without what dory writes into them: BuildKit's.
    forget
    manifest=$(rewrite "$C.cache" 'del(.records[].dory)')
    run -0 build -t made --cache-from "type=local,src=$C.cache,digest=$manifest" "$C"
    echo "$output"
    [[ $output == *"importing cache manifest"* ]]
    [[ $output != *ERROR* ]]
    run ! cached
}

@test "what a cache says of sizes is not believed" {
    used() {
        curl -sf --unix-socket "$ENV_DIR/dory.sock" http://d/system/df |
            jq '[.BuildCache[] | select(.Type == "regular") | {Description, Size}] | sort'
    }
    forget
    build -t made --cache-to "type=local,dest=$C.cache,mode=max" "$C"
    sums made >"$C.sums"
    used >"$C.used"
    grep -q 1000000 "$C.used"
    manifest=$(rewrite "$C.cache" '.records[].dory.size = 9000000000000000000')
    forget
    run -0 build -t made --cache-from "type=local,src=$C.cache,digest=$manifest" "$C"
    echo "$output"
    [ "$(cached)" -ge 5 ]
    sums made | diff - "$C.sums"
    used | diff - "$C.used"
}

@test "what is not done is refused by name" {
    run -1 build --cache-to type=another,x=y "$C"
    [[ $output == *"cache export of type another is not supported"* ]]
    run -1 build --cache-from type=another,x=y "$C"
    [[ $output == *"cache imports of type another are not supported"* ]]
    run -1 build --cache-to "type=registry,ref=$REGISTRY/cache,compression=zstd" "$C"
    [[ $output == *"compression=zstd is not supported"* ]]
    run -1 build --cache-to "type=registry,ref=$REGISTRY/cache,mode=some" "$C"
    [[ $output == *"neither min nor max"* ]]
    run -1 build --cache-to "type=registry,ref=$REGISTRY/cache,oci-mediatypes=false,image-manifest=true" "$C"
    [[ $output == *"OCI mediatypes are required"* ]]
}
