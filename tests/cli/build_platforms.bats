#!/usr/bin/env bats
# `build` of several platforms at once, and with caches that are kept in registries.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/platforms

setup_file() {
    env_start
    env_images busybox
    registry_start
    own_platform
    put "app:1=$OWN+$OTHER,oci"
}

teardown_file() {
    registry_stop
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

file() { # reference, platform, path: of an image of the store
    local c
    c=$(dory create --pull never --platform "$2" "$1" true)
    dory cp "$c:$3" - | tar -xO
    dory rm "$c" >/dev/null
}

@test "each platform of --platform is built, the name stands for all, and --push brings their index" {
    cat >"$C/Dockerfile" <<END
FROM --platform=\$BUILDPLATFORM busybox AS tools
ARG TARGETARCH
RUN echo "for \$TARGETARCH" >/for
FROM $REGISTRY/app:1
COPY --from=tools /for /
END
    run -0 dory build --progress plain --platform "$BOTH" -t "$REGISTRY/both:1" --push "$C"
    echo "$output"
    [[ $output == *"[linux/$OTHER tools "* ]]
    [[ $output == *"[linux/$OTHER 1"* ]]
    for where in built pulled; do
        for arch in "$OWN" "$OTHER"; do
            [ "$(file "$REGISTRY/both:1" "linux/$arch" /for)" = "for $arch" ]
            [[ "$(file "$REGISTRY/both:1" "linux/$arch" /platform)" == *"$arch"* ]]
        done
        [ "$where" = built ] || break
        curl -fsS -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$REGISTRY/v2/both/manifests/1" >"$C/index"
        [ "$(jq -r '.manifests[].platform.architecture' "$C/index" | xargs)" = "$OWN $OTHER" ]
        dory rmi -f "$REGISTRY/both:1"
        for arch in "$OWN" "$OTHER"; do dory pull -q --platform "linux/$arch" "$REGISTRY/both:1"; done
    done
    # A failure of one names it, and no name moves.
    printf 'FROM %s\nARG TARGETARCH\nCOPY only-$TARGETARCH /\n' "$REGISTRY/app:1" >"$C/Dockerfile"
    touch "$C/only-$OWN"
    run -1 dory build --platform "$BOTH" -t "$REGISTRY/both:2" --push "$C"
    echo "$output"
    [[ $output == *"linux/$OTHER"*"only-$OTHER"* ]]
    run -1 dory image inspect "$REGISTRY/both:2"
    run -1 dory build --platform "$BOTH" -o "type=oci,dest=$C/archive.tar" "$C"
    [[ $output == *"archives of several platforms are not supported"* ]]
    run -1 dory build --platform "linux/$OWN,linux/$OWN" "$C"
    [[ $output == *"linux/$OWN is given twice"* ]]
}

@test "files of each platform are in its directory" {
    printf 'FROM scratch\nARG TARGETPLATFORM\nARG TARGETARCH\nCOPY only-$TARGETARCH /only\n' >"$C/Dockerfile"
    echo "$OWN" >"$C/only-$OWN"
    echo "$OTHER" >"$C/only-$OTHER"
    dory build --platform "$BOTH" -o "$C/out" "$C"
    [ "$(cat "$C/out/linux_$OWN/only" "$C/out/linux_$OTHER/only" | xargs)" = "$OWN $OTHER" ]
    dory build --platform "$BOTH" -o - "$C" >"$C/out.tar"
    [ "$(tar -tf "$C/out.tar" | grep -c '/only$')" = 2 ]
    dory build -o "$C/one" "$C"
    [ "$(cat "$C/one/only")" = "$OWN" ]
}

@test "--cache-to a registry, and --cache-from it on a machine that has nothing" {
    printf 'FROM busybox\nRUN head -c 100000 /dev/urandom >/random\n' >"$C/Dockerfile"
    dory build -q -t cached --cache-to "type=registry,ref=$REGISTRY/cache:1,mode=max" --cache-to type=inline "$C"
    before=$(dory run --rm cached sha256sum /random)
    for from in "$REGISTRY/cache:1" "type=registry,ref=$REGISTRY/cache:1"; do
        dory rmi -f cached
        dory builder prune -af
        run -0 dory build --progress plain -t cached --cache-from "$from" "$C"
        echo "$output"
        [[ $output == *CACHED* ]]
        [ "$(dory run --rm cached sha256sum /random)" = "$before" ]
    done
    run -1 dory build --cache-to "type=registry,ref=127.0.0.1:1/none" "$C"
    [[ $output == *"cache to 127.0.0.1:1/none"*"connection refused"* ]]
    run -0 dory build --progress plain --cache-to "type=registry,ref=127.0.0.1:1/none,ignore-error=true" "$C"
    [[ $output == *"connection refused"* ]]
    run -1 dory build --cache-to "type=local,dest=$C/cache" "$C"
    [[ $output == *"type local is not supported"* ]]
    run -1 dory build --cache-to "type=registry,ref=$REGISTRY/cache:1,compression=zstd" "$C"
    [[ $output == *"compression=zstd is not supported"* ]]
}
