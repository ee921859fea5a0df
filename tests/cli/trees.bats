#!/usr/bin/env bats
# Trees of files with everything that an image can have in it (tests/lib/tree.py), through import, commit, save, load, push
# and pull, and images that other tools wrote: what comes out is compared with the original by umoci, skopeo and GNU tar.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    registry_start
    env_images busybox
    export W=$ENV_DIR/trees SKIP=proc,sys,dev,etc,.dockerenv
    mkdir "$W"
    tree make "$W/original"
    dory create --name box busybox >/dev/null
    dory cp -q box:/bin/busybox "$W/original/busybox"
    dory rm box >/dev/null
    tar -C "$W/original" --format=posix --xattrs --xattrs-include='*' --numeric-owner -cf "$W/original.tar" .
    # From the tree an image, from a container of it that changed much another one.
    dory import "$W/original.tar" tree:1 >/dev/null
    dory run -d --name changed --network none tree:1 /busybox sleep 1000 >/dev/null
    tree change "$(root_of changed)"
    # Where the mounts are, docker's own directories come into being.
    tree list "$(root_of changed)" "$SKIP" >"$W/expected"
    dory commit changed tree:2 >/dev/null
    dory tag tree:2 "$REGISTRY/tree:2"
    dory push -q "$REGISTRY/tree:2"
}

teardown_file() {
    registry_stop
    env_stop
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

tree() {
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/tree.py" "$@"
}

root_of() {
    echo "/proc/$(dory inspect -f '{{.State.Pid}}' "$1")/root"
}

# same DIRECTORY [EXPECTED]
same() {
    diff "${2:-$W/expected}" <(tree list "$1" "$SKIP")
}

# unpack LAYOUT:TAG: into ./bundle/rootfs
unpack() {
    rm -rf bundle
    umoci unpack --image "$1" bundle 2>umoci.log || { cat umoci.log >&2; return 1; }
}

@test "import and a container of it have the original" {
    dory run -d --name one --network none tree:1 /busybox sleep 1000 >/dev/null
    tree list "$W/original" "$SKIP" >original
    same "$(root_of one)" original
    dory rm -f one >/dev/null
    grep -q 'security.capability' original
    [ "$(wc -l <original)" -gt 50 ]
}

@test "save: umoci unpacks what the container had" {
    mkdir layout
    dory save tree:2 | tar -C layout -x
    unpack "layout:$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' layout/index.json)"
    same bundle/rootfs
}

@test "push: skopeo fetches it and umoci unpacks it; a pull brings the same" {
    skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$REGISTRY/tree:2" oci:layout:x
    unpack layout:x
    same bundle/rootfs
    dory save -o two.tar tree:2
    dory rm -f changed >/dev/null
    dory rmi "$REGISTRY/tree:2" tree:2 tree:1 >/dev/null
    dory pull -q "$REGISTRY/tree:2"
    dory run -d --name pulled --network none "$REGISTRY/tree:2" /busybox sleep 1000 >/dev/null
    same "$(root_of pulled)"
    dory rm -f pulled >/dev/null
    dory rmi "$REGISTRY/tree:2" >/dev/null
    dory load -q -i two.tar
    dory create --name exported tree:2 >/dev/null
    mkdir out
    dory export exported | tar -C out --xattrs --xattrs-include='*' --numeric-owner -xp
    dory rm exported >/dev/null
    same out
    dory import "$W/original.tar" tree:1 >/dev/null
}

@test "a file of nine gigabytes with holes: imported, exported and committed as what it is" {
    mkdir sparse
    cp "$W/original/busybox" sparse
    /usr/bin/python3 -c 'f = open("sparse/huge", "wb"); f.truncate(9 << 30); f.seek(8_700_000_000); f.write(b"far out"); f.seek(5); f.write(b"near")'
    tar -C sparse --sparse --format=posix -cf sparse.tar .
    [ "$(stat -c %s sparse.tar)" -lt 10000000 ]
    dory import sparse.tar sparse >/dev/null
    [ "$(dory run --rm --network none sparse /busybox stat -c '%s' /huge)" = 9663676416 ]
    [ "$(dory run --rm --network none sparse /busybox dd if=/huge bs=1 skip=8700000000 count=7 2>/dev/null)" = "far out" ]
    dory save sparse | dory load -q
    dory rmi sparse >/dev/null
}

@test "old formats: GNU tar's and ustar's headers" {
    local format
    mkdir -p old/d
    for i in 1 2 3 4 5 6; do mkdir -p "old/d/$(printf 'x%.0s' {1..60})$i" && cd old && echo $i >"d/$(printf 'x%.0s' {1..60})$i/$(printf 'y%.0s' {1..90})" && cd ..; done
    ln -s "$(printf 'z%.0s' {1..90})" old/link
    touch -d @1234567890 old/d/*/* old/d/* old/d
    touch -h -d @1234567890 old/link
    for format in gnu oldgnu ustar; do
        tar -C old --format=$format --numeric-owner -cf old.tar .
        dory import old.tar "old:$format" >/dev/null
        mkdir -p "layout-$format"
        dory save "old:$format" | tar -C "layout-$format" -x
        unpack "layout-$format:$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "layout-$format/index.json")"
        diff <(tree list old) <(tree list bundle/rootfs)
        dory rmi "old:$format" >/dev/null
    done
}

@test "umoci's images, with whiteouts and opaque directories: loaded, saved and pushed unchanged" {
    umoci init --layout u
    umoci new --image u:x
    umoci insert --image u:x "$W/original" /
    mkdir -p second/replaced second/emptied
    echo new >second/replaced/new
    umoci insert --image u:x --opaque second/replaced /replaced
    umoci insert --image u:x --opaque second/emptied /emptied
    umoci insert --image u:x --whiteout /removed
    umoci insert --image u:x --whiteout /names
    umoci config --image u:x --config.cmd /busybox --config.cmd sleep --config.cmd 1000
    tar -C u -cf u.tar .
    run dory load -i u.tar
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    dory tag "$(sed -n 's/^Loaded image.*: //p' <<<"$output")" "$REGISTRY/umoci:x"
    unpack u:x
    tree list bundle/rootfs "$SKIP" >expected
    [ "$(grep -c removed expected)" -eq 0 ]
    dory run -d --name umoci --network none "$REGISTRY/umoci:x" >/dev/null
    same "$(root_of umoci)" expected
    dory rm -f umoci >/dev/null
    dory push -q "$REGISTRY/umoci:x"
    skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$REGISTRY/umoci:x" oci:back:x
    unpack back:x
    same bundle/rootfs expected
    dory rmi "$REGISTRY/umoci:x" >/dev/null
}

@test "archives of buildah and skopeo: docker-archive and oci-archive, gzip, zstd and plain layers" {
    local c
    buildah() { env -u DOCKER_CONFIG buildah --root "$BATS_TEST_TMPDIR/b" --runroot "$BATS_TEST_TMPDIR/br" --storage-driver vfs "$@"; }
    mkdir small
    cp "$W/original/busybox" small
    echo one >small/file
    c=$(buildah from scratch)
    buildah add -q "$c" small / >/dev/null
    buildah config --cmd '/busybox cat /file' --label made=buildah "$c"
    buildah commit -q "$c" by-buildah >/dev/null
    buildah push -q by-buildah docker-archive:b-docker.tar:by-buildah:docker
    buildah push -q by-buildah oci-archive:b-oci.tar:by-buildah:oci
    buildah rm -a >/dev/null
    buildah rmi -a -f >/dev/null
    skopeo copy -q --insecure-policy oci-archive:b-oci.tar docker-archive:s-docker.tar:by-skopeo:docker
    skopeo copy -q --insecure-policy --dest-compress-format zstd --dest-compress oci-archive:b-oci.tar oci:s-zstd:by-skopeo:zstd
    tar -C s-zstd -cf s-zstd.tar .
    skopeo copy -q --insecure-policy oci-archive:b-oci.tar dir:s-dir
    for archive in b-docker b-oci s-docker s-zstd; do
        run -0 dory load -i $archive.tar
        local name=${output##*: }
        [ "$(dory run --rm --network none "$name")" = one ]
        [ "$(dory inspect -f '{{.Config.Labels.made}}' "$name")" = buildah ]
        # And what dory saves of it, skopeo takes as both.
        dory save -o again.tar "$name"
        skopeo inspect "docker-archive:again.tar" | grep -q '"made": "buildah"'
        skopeo inspect "oci-archive:again.tar" | grep -q '"made": "buildah"'
        dory rmi -f "$name" >/dev/null
    done
}
