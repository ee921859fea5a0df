#!/usr/bin/env bats
# save: what is written is the exact layers, in an archive that docker, podman and skopeo read; load reads theirs.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory run --name maker busybox sh -c 'echo one >/one; ln /one /two; rm /etc/group; mkdir /dir; chmod 4750 /one; touch -d "2001-02-03 04:05:06" /dir'
    dory commit -c 'CMD ["cat", "/one"]' maker saved:1 >/dev/null
    dory rm maker >/dev/null
    dory tag saved:1 saved:2
    dory tag saved:1 other.example/name:x
    dory save -o "$ENV_DIR/saved.tar" saved:1
}

teardown_file() {
    env_stop
}

setup() {
    W=$(mktemp -d "$ENV_DIR/save.XXXXXX")
    cd "$W"
}

layers_of() {
    dory inspect -f '{{json .RootFS.Layers}}' "$1"
}

id_of() {
    dory inspect -f '{{.Id}}' "$1"
}

@test "an OCI layout that is a docker archive; every blob is what its name says" {
    tar -xf "$ENV_DIR/saved.tar"
    [ "$(ls)" = "$(printf '%s\n' blobs index.json manifest.json oci-layout)" ]
    (cd blobs/sha256 && for f in *; do echo "$f  $f"; done | sha256sum --quiet -c)
    [ "$(cat oci-layout)" = '{"imageLayoutVersion":"1.0.0"}' ]
    /usr/bin/python3 - "$(id_of saved:1)" "$(layers_of saved:1)" <<'PY'
import json, sys
id, layers = sys.argv[1], json.loads(sys.argv[2])
path = lambda d: "blobs/sha256/" + d.split(":")[1]
m = json.load(open("manifest.json"))
assert [(x["Config"], x["RepoTags"], x["Layers"]) for x in m] == [(path(id), ["saved:1"], [path(l) for l in layers])], m
index = json.load(open("index.json"))
(entry,) = index["manifests"]
assert entry["annotations"] == {"io.containerd.image.name": "docker.io/library/saved:1", "org.opencontainers.image.ref.name": "1"}
manifest = json.load(open(path(entry["digest"])))
assert manifest["config"]["digest"] == id and [l["digest"] for l in manifest["layers"]] == layers
PY
    # the same again gives the same bytes, also through a pipe
    dory save saved:1 | cmp - "$ENV_DIR/saved.tar"
}

@test "several images, all tags of a repository, by id" {
    dory save saved busybox | tar -xO manifest.json >m.json
    [ "$(/usr/bin/python3 -c 'import json; print(sorted(sum([x["RepoTags"] for x in json.load(open("m.json"))], [])))')" = "['busybox:latest', 'saved:1', 'saved:2']" ]
    dory save "$(id_of saved:1)" | tar -xO manifest.json | grep -q '"RepoTags":null'
    dory save "$(id_of saved:1 | cut -c8-19)" | tar -xO manifest.json | grep -q '"RepoTags":null'
    dory save other.example/name:x saved:2 | tar -xO manifest.json | grep -q '"RepoTags":\["other.example/name:x","saved:2"\]'
    # layers that images share are there once
    [ "$(dory save busybox saved:1 | tar -t | sort | uniq -d)" = "" ]
}

@test "save and load give the same image, through gzip too" {
    id=$(id_of saved:1)
    dory save saved:2 saved:1 | gzip -1 >both.tar.gz
    dory rmi saved:1 saved:2 other.example/name:x >/dev/null
    run -1 dory inspect "$id"
    run dory load -i both.tar.gz
    [ "$status" -eq 0 ]
    [ "$(grep -c '^Loaded image: saved:[12]$' <<<"$output")" -eq 2 ]
    [ "$(id_of saved:1)" = "$id" ]
    [ "$(dory run --rm saved:1)" = one ]
    [ "$(dory run --rm saved:1 stat -c '%a %h' /two)" = "4750 2" ]
    dory tag saved:1 other.example/name:x
    dory save saved:1 | cmp - "$ENV_DIR/saved.tar"
}

@test "load, import and cp of xz, bzip2 and zstd, decompressed in the daemon" {
    mkdir root
    seq 300000 >root/numbers
    tar -C root -c . >root.tar
    for c in "xz -1" "xz -9" bzip2 "zstd -q"; do
        [ "$ENV_ENGINE" = dory ] || [ "$c" != "zstd -q" ] || continue
        $c -c "$ENV_DIR/saved.tar" >saved.z
        run dory load -q -i saved.z
        [ "$output" = "Loaded image: saved:1" ]
        $c -c root.tar >root.z
        dory import root.z packed:1 >/dev/null
        dory create --name packed packed:1 true >/dev/null
        dory cp packed:/numbers - | tar -xO | cmp - root/numbers
        dory cp - packed:/ <root.z
        dory rm packed >/dev/null
        # two streams in a row are one
        { head -c 100000 root.tar | $c -c; tail -c +100001 root.tar | $c -c; } >two.z
        dory import two.z packed:1 >/dev/null
        head -c 3000 root.z >cut.z
        run -1 dory import cut.z packed:2
        [[ $output == *EOF* ]]
    done
    dory rmi packed:1 >/dev/null
}

@test "load -q prints the names only; --platform" {
    run dory load -q -i "$ENV_DIR/saved.tar"
    [ "$output" = "Loaded image: saved:1" ]
    run -1 dory load --platform linux/s390x -i "$ENV_DIR/saved.tar"
    [[ $output == *"linux/s390x"* ]]
    run dory load -q --platform linux/amd64 -i "$ENV_DIR/saved.tar"
    [ "$status" -eq 0 ] || [ "$(uname -m)" != x86_64 ]
    run -1 dory save --platform linux/s390x saved:1
    [[ $output == *"linux/s390x"* ]]
}

@test "save and load are events of each image, with its id" {
    local since id
    since=$(date +%s.%N)
    id=$(id_of saved:1)
    dory save -o both.tar saved:1 saved:2
    dory load -q -i both.tar >/dev/null
    run -0 dory events --since "$since" --until "$(date +%s.%N)" --filter type=image \
        --format '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}'
    [ "$output" = "save $id $id"$'\n'"load $id $id" ]
}

@test "refusals come before the first byte" {
    run -1 dory save nosuch
    [[ $output == *"No such image: nosuch"* ]]
    # the name of a container is none of an image, whatever else has it
    dory create --name holder saved:1 >/dev/null
    run -1 dory save holder
    dory rm holder >/dev/null
    [[ $output == *"No such image: holder"* ]]
    run -1 dory save saved:1 nosuch:2 -o out.tar
    [ ! -e out.tar ]
    run -1 dory save -o /nosuch/x saved:1
    [ "$output" = 'failed to save image: invalid output path: directory "/nosuch" does not exist' ]
    run script -qec "$ENV_CLI save saved:1" /dev/null </dev/null
    [[ $output == "cowardly refusing to save to a terminal. Use the -o flag or redirect"* ]]
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" http://d/images/nosuch/get)" = 404 ]
}

@test "a layer that is damaged on the disk is not taken for whole" {
    mkdir root
    seq 1000 >root/numbers
    tar -C root -c . | dory import - broken:1 >/dev/null
    dir=$(dory inspect -f '{{.GraphDriver.Data.UpperDir}}' broken:1)
    sed -i 's/^500$/501/' "$dir/numbers"
    run -1 dory save -o broken.tar broken:1
    [ ! -e broken.tar ]
    grep -q "is damaged" "$ENV_DIR/doryd.log"
    dory rmi broken:1 >/dev/null
}

@test "skopeo reads it as both, and finds the same layers" {
    skopeo copy -q --insecure-policy "docker-archive:$ENV_DIR/saved.tar" "dir:$W/d"
    skopeo copy -q --insecure-policy "oci-archive:$ENV_DIR/saved.tar" "dir:$W/o"
    for l in $(layers_of saved:1 | tr -d '[]"' | tr ',' ' '); do
        [ -e "o/${l#sha256:}" ]
        [ -e "d/${l#sha256:}" ]
    done
    skopeo copy -q --insecure-policy "docker-archive:$ENV_DIR/saved.tar" "oci-archive:$W/again.oci:again:1"
    run dory load -q -i again.oci
    [[ $output == "Loaded image"* ]]
}

@test "podman loads and runs what was saved, and the other way round" {
    podman() { command podman --root "$W/p" --runroot "$W/pr" --storage-driver vfs "$@"; }
    podman load -q -i "$ENV_DIR/saved.tar"
    [ "$(podman inspect -f '{{.Id}}' saved:1)" = "$(id_of saved:1 | cut -c8-)" ]
    podman tag saved:1 by-podman:1
    podman save -q -o p.tar by-podman:1
    podman save -q --format oci-archive -o po.tar by-podman:1
    podman rmi -a -f >/dev/null
    dory load -q -i p.tar
    [ "$(dory run --rm localhost/by-podman:1)" = one ]
    dory rmi localhost/by-podman:1
    dory load -q -i po.tar
    [ "$(dory run --rm localhost/by-podman:1)" = one ]
    dory rmi localhost/by-podman:1
}

@test "docker 20.10 loads what was saved" {
    dockerd --data-root "$W/data" --exec-root "$W/run" -H "unix://$W/d.sock" --pidfile "$W/pid" --bridge none --iptables=false \
        3>&- 4>&- >"$W/log" 2>&1 &
    echo $! >"$W/started"
    for _ in $(seq 600); do curl -sf --unix-socket "$W/d.sock" http://d/_ping >/dev/null && break; sleep 0.05; done
    status=0
    docker_side >out 2>&1 || status=$?
    kill "$(cat "$W/started")"
    env_wait_gone "$(cat "$W/started")"
    cat out
    [ "$status" -eq 0 ]
}

docker_side() {
    export DOCKER_HOST=unix://$W/d.sock
    /usr/bin/docker load -i "$ENV_DIR/saved.tar" &&
        [ "$(/usr/bin/docker inspect -f '{{.Id}} {{json .RootFS.Layers}}' saved:1)" = "$(DOCKER_HOST=unix://$ENV_DIR/dory.sock id_of saved:1) $(DOCKER_HOST=unix://$ENV_DIR/dory.sock layers_of saved:1)" ]
}
