#!/usr/bin/env bats
# Several platforms of one build, annotations and provenance, by buildx of Debian's testing suite: what is in the registry
# afterwards, in archives and in the store.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients
load ../lib/platforms

setup_file() {
    clients_newer
    env_start
    env_images busybox
    registry_start
    own_platform
    put "app:1=$OWN+$OTHER,oci"
    newer_docker version >/dev/null # links its plugins
    export DOCKER_BUILDKIT=1 BUILDX_METADATA_PROVENANCE=disabled
}

teardown_file() {
    registry_stop
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
    cat >"$C/Dockerfile" <<END
FROM --platform=\$BUILDPLATFORM busybox AS tools
ARG TARGETARCH
RUN uname -m >/made; echo "for \$TARGETARCH" >/for
FROM $REGISTRY/app:1
ARG TARGETPLATFORM
LABEL for=\$TARGETPLATFORM
ARG TARGETARCH
COPY only-\$TARGETARCH /only
COPY --from=tools /made /for /
END
    echo "$OWN" >"$C/only-$OWN"
    echo "$OTHER" >"$C/only-$OTHER"
    echo unwanted >"$C/only-none"
}

build() {
    "$NEWER/usr/bin/docker" buildx build --progress plain "$@" </dev/null
}

# get REPOSITORY REFERENCE: a manifest or an index of the registry.
get() {
    curl -fsS -H 'Accept: application/vnd.oci.image.index.v1+json' -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$REGISTRY/v2/$1/manifests/$2"
}
blob() {
    curl -fsSL "http://$REGISTRY/v2/$1/blobs/$2"
}

# file REFERENCE PLATFORM PATH: of an image of the store.
file() {
    local c
    c=$(dory create --pull never --platform "$2" "$1" true)
    dory cp "$c:$3" - | tar -xO
    dory rm "$c" >/dev/null
}

@test "each platform is built of its own base, and an index is pushed" {
    run -0 build --platform "$BOTH" -t "$REGISTRY/both:1" --push --metadata-file "$C.metadata" "$C"
    echo "$output"
    echo "$output"
    [[ $output == *"[linux/$OTHER stage-1 2/3] COPY only-"* ]]
    [[ $output == *"exporting manifest list sha256:"* ]]
    get both 1 >"$C.index"
    jq -e '.mediaType == "application/vnd.oci.image.index.v1+json"' "$C.index"
    [ "$(jq -r '.manifests[].platform | .os + "/" + .architecture' "$C.index" | xargs)" = "linux/$OWN linux/$OTHER" ]
    [ "$(jq -r '."containerimage.digest"' "$C.metadata")" = "sha256:$(sha256sum <"$C.index" | cut -d' ' -f1)" ]
    # What is in the store has the name, too; and so has what comes back.
    for where in built pulled; do
        for arch in "$OWN" "$OTHER"; do
            [ "$(file "$REGISTRY/both:1" "linux/$arch" /only)" = "$arch" ]
            [ "$(file "$REGISTRY/both:1" "linux/$arch" /for)" = "for $arch" ]
            [ "$(file "$REGISTRY/both:1" "linux/$arch" /made)" = "$(uname -m)" ]
            [[ "$(file "$REGISTRY/both:1" "linux/$arch" /platform)" == *"$arch"* ]]
        done
        [ "$where" = built ] || break
        dory rmi -f "$REGISTRY/both:1"
        for arch in "$OWN" "$OTHER"; do dory pull -q --platform "linux/$arch" "$REGISTRY/both:1"; done
    done
    # Once more: nothing is done.
    run -0 build --platform "$BOTH" -t "$REGISTRY/both:2" --push "$C"
    [ "$(grep -c ' CACHED$' <<<"$output")" = 6 ]
    [ "$(get both 2 | sha256sum)" = "$(sha256sum <"$C.index")" ]
}

@test "several platforms in an archive, and in the store" {
    build --platform "$BOTH" -o "type=oci,dest=$C.tar,name=both:tar" "$C"
    mkdir "$C.layout"
    tar -C "$C.layout" -xf "$C.tar"
    index=$(jq -r '.manifests[0].digest' "$C.layout/index.json")
    [ "$(jq -r '.manifests[0].annotations."io.containerd.image.name"' "$C.layout/index.json")" = docker.io/library/both:tar ]
    [ "$(jq -r '.manifests[].platform.architecture' "$C.layout/blobs/sha256/${index#*:}" | xargs)" = "$OWN $OTHER" ]
    for blob in "$C.layout"/blobs/sha256/*; do
        [ "$(sha256sum <"$blob")" = "${blob##*/}  -" ]
    done
    for manifest in $(jq -r '.manifests[].digest' "$C.layout/blobs/sha256/${index#*:}"); do
        for digest in $(jq -r '.config.digest, .layers[].digest' "$C.layout/blobs/sha256/${manifest#*:}"); do
            [ -e "$C.layout/blobs/sha256/${digest#*:}" ]
        done
    done
    build --platform "$BOTH" -t both:store "$C"
    [ "$(file both:store "linux/$OWN" /only)" = "$OWN" ]
    [ "$(file both:store "linux/$OTHER" /only)" = "$OTHER" ]
    [ "$(dory image inspect -f '{{.Config.Labels.for}}' both:store)" = "linux/$OWN" ]
}

@test "a command of another platform needs a handler; a failure names the platform, and nothing is pushed" {
    printf '\177ELF\2\1\1no program' >"$C/program"
    chmod 755 "$C/program"
    printf 'FROM %s\nCOPY program /program\nRUN ["/program"]\n' "$REGISTRY/app:1" >"$C/Dockerfile"
    run -1 build --platform "linux/$OTHER" -t "$REGISTRY/failed:1" --push "$C"
    echo "$output"
    [[ $output == *"exec format error"* ]]
    printf 'FROM %s\nARG TARGETARCH\nCOPY only-%s /only-$TARGETARCH\n' "$REGISTRY/app:1" "$OWN" >"$C/Dockerfile"
    printf 'COPY missing-$TARGETARCH /\n' >>"$C/Dockerfile"
    touch "$C/missing-$OWN"
    run -1 build --platform "$BOTH" -t "$REGISTRY/failed:1" --push "$C"
    echo "$output"
    [[ $output == *"linux/$OTHER"*"missing-$OTHER"* ]]
    run -22 get failed 1
}

@test "one platform that is pushed has its manifest's digest" {
    build -t "$REGISTRY/plain:1" --push --metadata-file "$C.metadata" "$C"
    digest=$(jq -r '."containerimage.digest"' "$C.metadata")
    [ "sha256:$(get plain 1 | sha256sum | cut -d' ' -f1)" = "$digest" ]
    [ "$(jq -r '."containerimage.config.digest"' "$C.metadata")" = "$(dory image inspect -f '{{.Id}}' "$REGISTRY/plain:1")" ]
}

@test "annotations of manifests, of one platform's, of the index and of its entries" {
    build --platform "$BOTH" -t "$REGISTRY/annotated:1" --push --annotation "a=1" \
        --annotation "manifest[linux/$OTHER]:b=2" --annotation "index:c=3" --annotation "manifest-descriptor:d=4" "$C"
    get annotated 1 >"$C.index"
    [ "$(jq -c .annotations "$C.index")" = '{"c":"3"}' ]
    [ "$(jq -c '.manifests[].annotations' "$C.index" | sort -u)" = '{"d":"4"}' ]
    [ "$(get annotated "$(jq -r '.manifests[0].digest' "$C.index")" | jq -c .annotations)" = '{"a":"1"}' ]
    [ "$(get annotated "$(jq -r '.manifests[1].digest' "$C.index")" | jq -cS .annotations)" = '{"a":"1","b":"2"}' ]
    build -t "$REGISTRY/annotated:2" --push --annotation "a=1" "$C"
    [ "$(get annotated 2 | jq -c '[.mediaType, .annotations]')" = '["application/vnd.oci.image.manifest.v1+json",{"a":"1"}]' ]
    run -1 build -t "$REGISTRY/annotated:3" --push --annotation "index:a=1" "$C"
    [[ $output == *"index annotations not supported for single platform export"* ]]
}

@test "provenance that is asked for is an attestation of each platform" {
    run -0 build --platform "$BOTH" -t "$REGISTRY/proven:1" --push --provenance=mode=max --build-arg X=y \
        --provenance=mode=max,builder-id=https://example.org/job "$C"
    echo "$output"
    get proven 1 >"$C.index"
    [ "$(jq '.manifests | length' "$C.index")" = 4 ]
    for i in 0 1; do
        image=$(jq -r ".manifests[$i].digest" "$C.index")
        jq -e ".manifests[$((i + 2))] | .platform.os == \"unknown\" and
            .annotations.\"vnd.docker.reference.type\" == \"attestation-manifest\" and
            .annotations.\"vnd.docker.reference.digest\" == \"$image\"" "$C.index"
        get proven "$(jq -r ".manifests[$((i + 2))].digest" "$C.index")" >"$C.attestation"
        jq -e '.layers[0] | .mediaType == "application/vnd.in-toto+json" and
            .annotations."in-toto.io/predicate-type" == "https://slsa.dev/provenance/v0.2"' "$C.attestation"
        blob proven "$(jq -r .config.digest "$C.attestation")" | jq -e '.os == "unknown"'
        blob proven "$(jq -r '.layers[0].digest' "$C.attestation")" >"$C.statement"
        jq -e "._type == \"https://in-toto.io/Statement/v0.1\" and .subject[0].digest.sha256 == \"${image#*:}\"" "$C.statement"
        jq -e '.predicate | .builder.id == "https://example.org/job" and .invocation.parameters.args."build-arg:X" == "y" and
            .invocation.configSource.entryPoint == "Dockerfile" and .metadata.completeness.parameters' "$C.statement"
        [ "$(jq -r '.predicate.metadata."https://mobyproject.org/buildkit@v1#metadata".source.infos[0].data' "$C.statement" |
            base64 -d)" = "$(cat "$C/Dockerfile")" ]
        [[ $(jq -r '.predicate.materials[].uri' "$C.statement") == *"pkg:docker/$REGISTRY/app@1?platform=linux%2F"* ]]
    done
    # With mode=min what it was given is not in it, and one platform has an index, too. It can be pulled.
    build -t "$REGISTRY/proven:2" --push --provenance=mode=min,inline-only=false --build-arg X=y "$C"
    get proven 2 >"$C.index"
    [ "$(jq '.manifests | length' "$C.index")" = 2 ]
    get proven "$(jq -r ".manifests[1].digest" "$C.index")" >"$C.attestation"
    blob proven "$(jq -r '.layers[0].digest' "$C.attestation")" >"$C.statement"
    run ! jq -e '.predicate.invocation.parameters.args."build-arg:X"' "$C.statement"
    dory rmi -f "$REGISTRY/proven:2"
    dory pull -q "$REGISTRY/proven:2"
    [ "$(file "$REGISTRY/proven:2" "linux/$OWN" /only)" = "$OWN" ]
    # A context's address is in it, who fetched it is not.
    tar -C "$C" -cf "$C.context.tar" .
    port=$(free_port)
    /usr/bin/python3 -m http.server --bind 127.0.0.1 -d "$ENV_DIR" "$port" >/dev/null 2>&1 3>&- 4>&- &
    server=$!
    for _ in {1..300}; do
        curl -sf -o /dev/null "http://127.0.0.1:$port/" && break
        sleep 0.1
    done
    run build -t "$REGISTRY/proven:4" --push --provenance=mode=max "http://me:hidden@127.0.0.1:$port/${C##*/}.context.tar"
    kill "$server"
    echo "$output"
    [ "$status" -eq 0 ]
    get proven "$(get proven 4 | jq -r ".manifests[1].digest")" >"$C.attestation"
    blob proven "$(jq -r '.layers[0].digest' "$C.attestation")" >"$C.statement"
    [ "$(jq -r .predicate.invocation.parameters.args.context "$C.statement")" = \
        "http://xxxxx:xxxxx@127.0.0.1:$port/${C##*/}.context.tar" ]
    run ! grep -q hidden "$C.statement"
    # An archive has it as well.
    build --attest type=provenance,mode=min -o "type=oci,dest=$C.tar" "$C"
    tar -xOf "$C.tar" "blobs/sha256/$(tar -xOf "$C.tar" index.json | jq -r '.manifests[0].digest' | cut -d: -f2)" |
        jq -e '.manifests[1].annotations."vnd.docker.reference.type" == "attestation-manifest"'
    # Not asked for it is not there, as with docker's own store.
    build -t "$REGISTRY/proven:3" --push "$C"
    get proven 3 | jq -e '.layers | length > 0'
}

@test "several outputs of one build" {
    run -0 build -t "$REGISTRY/several:1" -o "type=image,push=true" -o "type=local,dest=$C.out" -o "type=oci,dest=$C.tar" "$C"
    echo "$output"
    [ "$(cat "$C.out/only")" = "$OWN" ]
    get several 1 | jq -e '.layers | length > 0'
    tar -tf "$C.tar" | grep -qx index.json
}

@test "files of several platforms are beside each other, in a directory and in a tar" {
    build --platform "$BOTH" -o "type=local,dest=$C.out" -o "type=tar,dest=$C.tar" "$C"
    [ "$(ls "$C.out" | sort | xargs)" = "$(printf 'linux_%s\n' "$OWN" "$OTHER" | sort | xargs)" ]
    mkdir "$C.unpacked"
    tar -C "$C.unpacked" -xf "$C.tar"
    for arch in "$OWN" "$OTHER"; do
        [ "$(cat "$C.out/linux_$arch/only")" = "$arch" ]
        [ "$(cat "$C.out/linux_$arch/for")" = "for $arch" ]
        diff -r "$C.out/linux_$arch" "$C.unpacked/linux_$arch"
    done
    # One alone is at the top, unless it is to be in its directory, too.
    build -o "type=local,dest=$C.one" "$C"
    [ "$(cat "$C.one/only")" = "$OWN" ]
    build -o "type=local,dest=$C.split,platform-split=true" "$C"
    [ "$(cat "$C.split/linux_$OWN/only")" = "$OWN" ]
}

@test "what is not done is refused by name" {
    run -1 build --sbom=true -t "$REGISTRY/refused:1" --push "$C"
    echo "$output"
    [[ $output == *"attest:sbom"*"not supported"* ]]
    run -1 build --provenance=true -t refused "$C"
    echo "$output"
    [[ $output == *"attestations are kept in registries and oci archives"* ]]
    run -1 build --platform "$BOTH" -o "type=local,dest=$C.out,platform-split=false" "$C"
    [[ $output == *"platform-split=false is not supported"* ]]
    run -1 build --platform "$BOTH" -o "type=docker,dest=$C.tar" "$C"
    echo "$output"
    [[ $output == *"manifest lists"* ]]
    run -1 build --provenance=version=v1 -t "$REGISTRY/refused:1" --push "$C"
    [[ $output == *"version"* ]]
    run -22 get refused 1
}
