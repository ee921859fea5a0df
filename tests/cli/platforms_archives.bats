#!/usr/bin/env bats
# Archives with several platforms of a name: load and save.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients
load ../lib/platforms

setup_file() {
    env_start
    registry_start
    own_platform
    put app:1="$OWN+s390x+riscv64,oci"
    make_layout "$ENV_DIR/multi.tar"
}

teardown_file() {
    registry_stop
    env_stop
}

teardown() {
    dory ps -aq | xargs -r dory rm -f >/dev/null
    dory images -aq | sort -u | xargs -r dory rmi -f >/dev/null
}

# An OCI layout: an index of three platforms, of which two are there, as plain tars; written as no program writes JSON.
make_layout() { # file
    /usr/bin/python3 - "$1" "$OWN" <<'END'
import hashlib, io, json, sys, tarfile
blobs = {}
def put(data):
    name = hashlib.sha256(data).hexdigest()
    blobs[name] = data
    return "sha256:" + name
def image(architecture):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as t:
        info = tarfile.TarInfo("platform")
        info.size = len(architecture)
        t.addfile(info, io.BytesIO(architecture.encode()))
    layer = buffer.getvalue()
    config = json.dumps({"architecture": architecture, "os": "linux", "config": {"Cmd": ["/x"]},
                         "rootfs": {"type": "layers", "diff_ids": [put(layer)]}}).encode()
    manifest = json.dumps({"layers": [{"size": len(layer), "digest": put(layer), "mediaType": "application/vnd.oci.image.layer.v1.tar"}],
                           "config": {"digest": put(config), "size": len(config), "mediaType": "application/vnd.oci.image.config.v1+json"},
                           "schemaVersion": 2, "annotations": {"of": architecture}}, indent=7).encode()
    return {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": put(manifest), "size": len(manifest),
            "platform": {"architecture": architecture, "os": "linux"}, "annotations": {"member": architecture}}
members = [image("s390x"), image(sys.argv[2]), image("riscv64")]
del blobs[members[2]["digest"][7:]]
index = json.dumps({"manifests": members, "annotations": {"whole": "yes"}, "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.index.v1+json"}, indent=5).encode()
top = {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": put(index), "size": len(index),
       "annotations": {"io.containerd.image.name": "docker.io/library/multi:1"}}]}
with tarfile.open(sys.argv[1], "w") as t:
    def add(name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    add("index.json", json.dumps(top).encode())
    for name, data in blobs.items():
        add("blobs/sha256/" + name, data)
END
}

index_of() { # archive: digest of the first entry of its index.json
    tar -xOf "$1" index.json | jq -r '.manifests[0].digest | sub("sha256:"; "")'
}

blob() { # archive, digest
    tar -xOf "$1" "blobs/sha256/${2#sha256:}"
}

@test "an archive's index is loaded with all platforms that are there, and saved again byte for byte" {
    local out=$BATS_TEST_TMPDIR/out.tar before
    run -0 dory load -i "$ENV_DIR/multi.tar"
    [ "$(grep -c 'Loaded image' <<<"$output")" = 1 ]
    [[ $output == *"Loaded image: multi:1"* ]]
    [ "$(platform_of multi:1)" = "$OWN" ]
    [ "$(platform_of multi:1 linux/s390x)" = s390x ]
    run -1 dory image inspect --platform linux/riscv64 multi:1
    before=$(api '/v1.51/images/json?manifests=1' | jq -c 'map(del(.Created))')
    dory save -o "$out" multi:1
    [ "$(index_of "$out")" = "$(index_of "$ENV_DIR/multi.tar")" ]
    # Every blob that the archive had and that something in it names is there again, and nothing else.
    diff <(tar -tf "$ENV_DIR/multi.tar" | grep '^blobs/sha256/.' | sort) <({
        tar -tf "$out" | grep '^blobs/sha256/.'
        unnamed
    } | sort)
    for digest in $(tar -tf "$out" | grep '^blobs/sha256/.' | sed 's|.*/||'); do
        cmp <(blob "$out" "$digest") <(blob "$ENV_DIR/multi.tar" "$digest")
    done
    # Docker's form of it has this machine's image under the name.
    [ "$(tar -xOf "$out" manifest.json | jq -c '[length, .[0].RepoTags, .[0].Config]')" = "[1,[\"multi:1\"],\"blobs/sha256/$(id multi:1 | cut -c8-)\"]" ]
    dory rmi multi:1
    dory load -q -i "$out"
    [ "$(api '/v1.51/images/json?manifests=1' | jq -c 'map(del(.Created))')" = "$before" ]
    dory save multi:1 | cmp - "$out"
}

# What the archive has of the third platform, whose manifest is missing.
unnamed() {
    local index
    index=$(index_of "$ENV_DIR/multi.tar")
    comm -23 <(tar -tf "$ENV_DIR/multi.tar" | grep '^blobs/sha256/.' | sort) <({
        echo "blobs/sha256/$index"
        blob "$ENV_DIR/multi.tar" "$index" | jq -r '.manifests[:2][].digest' | while read -r digest; do
            echo "blobs/sha256/${digest#sha256:}"
            blob "$ENV_DIR/multi.tar" "$digest" | jq -r '.config.digest, .layers[].digest' | sed 's|sha256:|blobs/sha256/|'
        done
    } | sort)
}

@test "load --platform and save --platform take what is asked for, and fail for what is not there" {
    local out=$BATS_TEST_TMPDIR/out.tar
    run -1 dory load --platform linux/riscv64 -i "$ENV_DIR/multi.tar"
    [[ $output == *"requested platform (linux/riscv64) not found in the archive"* ]]
    [ -z "$(dory images -aq)" ]
    dory load --platform linux/s390x -i "$ENV_DIR/multi.tar"
    [ "$(platform_of multi:1)" = s390x ]
    run -1 dory image inspect --platform "linux/$OWN" multi:1
    # One present platform of a known index: the index stays what it is.
    dory save -o "$out" multi:1
    [ "$(index_of "$out")" = "$(index_of "$ENV_DIR/multi.tar")" ]
    dory load --platform "linux/s390x,linux/$OWN" -i "$ENV_DIR/multi.tar"
    [ "$(platform_of multi:1)" = "$OWN" ]
    run -1 dory save --platform linux/s390x,linux/riscv64 multi:1
    [[ $output == *"image with reference multi:1 was found but does not provide the specified platform (linux/riscv64)"* ]]
    # One: the image. Two: the index.
    dory save --platform linux/s390x -o "$out" multi:1
    [ "$(tar -xOf "$out" index.json | jq -r '.manifests[0].mediaType')" = application/vnd.oci.image.manifest.v1+json ]
    [ "$(blob "$out" "$(index_of "$out")" | jq -r .annotations.of)" = s390x ]
    dory save --platform "linux/s390x,linux/$OWN" -o "$out" multi:1
    [ "$(index_of "$out")" = "$(index_of "$ENV_DIR/multi.tar")" ]
    # By id: the image of one platform, without a name.
    dory save -o "$out" "$(id multi:1 linux/s390x)"
    [ "$(tar -xOf "$out" manifest.json | jq -c '.[0].RepoTags')" = null ]
    [ "$(blob "$out" "$(index_of "$out")" | jq -r .annotations.of)" = s390x ]
}

@test "what was pulled compressed is saved as an index of the platforms that are here; skopeo reads it" {
    local app=$REGISTRY/app:1 out=$BATS_TEST_TMPDIR/out.tar own other
    dory pull -q "$app"
    dory save -o "$out" "$app"
    [ "$(tar -xOf "$out" index.json | jq -r '.manifests[0].mediaType')" = application/vnd.oci.image.manifest.v1+json ]
    dory pull -q --platform linux/s390x "$app"
    own=$(id "$app") other=$(id "$app" linux/s390x)
    dory save -o "$out" "$app"
    [ "$(tar -xOf "$out" index.json | jq -r '.manifests[0].mediaType')" = application/vnd.oci.image.index.v1+json ]
    [ "$(blob "$out" "$(index_of "$out")" | jq -c '[.manifests[].platform.architecture]')" = "[\"$OWN\",\"s390x\"]" ]
    mkdir "$BATS_TEST_TMPDIR/layout"
    tar -xf "$out" -C "$BATS_TEST_TMPDIR/layout"
    skopeo copy -q --all --insecure-policy "oci:$BATS_TEST_TMPDIR/layout" "dir:$BATS_TEST_TMPDIR/copied"
    dory rmi "$app" >/dev/null
    dory load -q -i "$out"
    [ "$(id "$app") $(id "$app" linux/s390x)" = "$own $other" ]
    # From then on the archive is the form that it is saved in.
    dory save "$app" | cmp - "$out"
    # An archive of skopeo's, compressed
    skopeo copy -q --all --insecure-policy --src-tls-verify=false "docker://$app" "oci-archive:$BATS_TEST_TMPDIR/skopeo.tar:docker.io/library/copied:1"
    dory load -q -i "$BATS_TEST_TMPDIR/skopeo.tar"
    [ "$(platform_of copied:1 linux/s390x)" = s390x ]
    [ "$(platform_of copied:1 linux/riscv64)" = riscv64 ]
}

@test "docker's newer CLI saves and loads platforms" {
    local out=$BATS_TEST_TMPDIR/out.tar
    clients_newer
    newer_docker load -q -i "$ENV_DIR/multi.tar"
    newer_docker save --platform linux/s390x -o "$out" multi:1
    [ "$(blob "$out" "$(index_of "$out")" | jq -r .annotations.of)" = s390x ]
    run -1 newer_docker save --platform linux/riscv64 -o "$out" multi:1
    [[ $output == *"does not provide the specified platform (linux/riscv64)"* ]]
    newer_docker rmi multi:1
    newer_docker load -q --platform linux/s390x -i "$ENV_DIR/multi.tar"
    [ "$(platform_of multi:1)" = s390x ]
}

@test "an index none of whose images is in the archive is refused, and leaves nothing" {
    local dir=$BATS_TEST_TMPDIR/broken digest
    mkdir "$dir"
    tar -xf "$ENV_DIR/multi.tar" -C "$dir"
    digest=$(index_of "$ENV_DIR/multi.tar")
    for member in $(jq -r '.manifests[].digest' "$dir/blobs/sha256/$digest"); do
        rm -f "$dir/blobs/sha256/${member#sha256:}"
    done
    tar -C "$dir" -cf "$BATS_TEST_TMPDIR/broken.tar" .
    run -1 dory load -i "$BATS_TEST_TMPDIR/broken.tar"
    [[ $output == *"none of the images of an index is in it"* ]]
    [ -z "$(dory images -aq)" ]
    dory system check
}
