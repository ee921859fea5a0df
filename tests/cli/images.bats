#!/usr/bin/env bats
# pull, import, load, images, tag, rmi; a real registry on loopback; images made by skopeo and by the real docker.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    registry_start
    env_images busybox
    # A docker-archive with two layers, made without the engine under test, and every form of it in the registry.
    make_archive "$ENV_DIR/two.tar"
    skopeo copy -q --insecure-policy --dest-tls-verify=false -f v2s2 "docker-archive:$ENV_DIR/two.tar" "docker://$REGISTRY/two:v2s2"
    skopeo copy -q --insecure-policy --dest-tls-verify=false -f oci "docker-archive:$ENV_DIR/two.tar" "docker://$REGISTRY/two:oci"
    skopeo copy -q --insecure-policy --dest-tls-verify=false -f oci --dest-compress-format zstd --dest-compress-level 3 \
        "docker-archive:$ENV_DIR/two.tar" "docker://$REGISTRY/two:zstd"
}

teardown_file() {
    registry_stop
    env_stop
}

# busybox as the first layer; the second adds a file, replaces one and whites one out.
make_archive() {
    /usr/bin/python3 - "$(busybox_tar)" "$1" <<'EOF'
import hashlib, io, json, sys, tarfile
base = open(sys.argv[1], "rb").read()
buf = io.BytesIO()
with tarfile.open(fileobj=buf, mode="w", format=tarfile.PAX_FORMAT) as t:
    for name, text in (("etc/added", b"added\n"), ("etc/group", b"root:x:0:\n"), ("home/.wh.gone", b""), ("etc/.wh.passwd", b"")):
        i = tarfile.TarInfo(name); i.size = len(text); i.mode = 0o640
        t.addfile(i, io.BytesIO(text))
top = buf.getvalue()
config = json.dumps({"architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z",
    "config": {"Cmd": ["cat", "/etc/added"], "Env": ["PATH=/bin"], "Labels": {"made": "by-test"}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(x).hexdigest() for x in (base, top)]},
    "history": [{"created": "2024-01-02T03:04:05Z", "created_by": "base"}, {"created": "2024-01-02T03:04:05Z", "created_by": "top"}]}).encode()
cid = hashlib.sha256(config).hexdigest()
with tarfile.open(sys.argv[2], "w") as t:
    def add(name, data):
        i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
    add(cid + ".json", config)
    add("a/layer.tar", base)
    add("b/layer.tar", top)
    add("manifest.json", json.dumps([{"Config": cid + ".json", "RepoTags": ["two:loaded"], "Layers": ["a/layer.tar", "b/layer.tar"]}]).encode())
EOF
}

check_two() { # image
    run dory run --rm "$1" sh -c 'cat /etc/added /etc/group; ls /etc; ls -l /etc/added | cut -c1-10'
    [ "$status" -eq 0 ]
    [ "$output" = $'added\nroot:x:0:\nadded\ngroup\nhostname\nhosts\nmtab\nresolv.conf\n-rw-r-----' ] ||
        [ "$output" = $'added\nroot:x:0:\nadded\ngroup\nhostname\nhosts\nresolv.conf\n-rw-r-----' ]
    run dory run --rm "$1"
    [ "$output" = added ]
}

@test "load of a docker-archive, plain and gzip" {
    run dory load -i "$ENV_DIR/two.tar"
    [ "$status" -eq 0 ]
    [[ $output == *"Loaded image: two:loaded"* ]]
    check_two two:loaded
    dory rmi two:loaded
    gzip -c "$ENV_DIR/two.tar" | dory load
    check_two two:loaded
    dory rmi two:loaded
}

@test "load of what docker save wrote" {
    local root=$ENV_DIR/dk
    mkdir -p "$root"
    dockerd --data-root "$root/data" --exec-root "$root/run" -H "unix://$root/d.sock" --pidfile "$root/pid" --bridge none --iptables=false \
        3>&- 4>&- >"$root/log" 2>&1 &
    echo $! >"$root/started"
    for _ in $(seq 300); do curl -sf --unix-socket "$root/d.sock" http://d/_ping >/dev/null && break; sleep 0.1; done
    DOCKER_HOST=unix://$root/d.sock /usr/bin/docker load -i "$ENV_DIR/two.tar"
    DOCKER_HOST=unix://$root/d.sock /usr/bin/docker tag two:loaded saved:by-docker
    DOCKER_HOST=unix://$root/d.sock /usr/bin/docker tag two:loaded "$REGISTRY/two:docker"
    DOCKER_HOST=unix://$root/d.sock /usr/bin/docker push "$REGISTRY/two:docker"
    DOCKER_HOST=unix://$root/d.sock /usr/bin/docker save -o "$ENV_DIR/saved.tar" saved:by-docker
    kill "$(cat "$root/started")"
    env_wait_gone "$(cat "$root/started")"
    run dory load -i "$ENV_DIR/saved.tar"
    [[ $output == *"Loaded image: saved:by-docker"* ]]
    check_two saved:by-docker
    dory rmi saved:by-docker
    dory pull "$REGISTRY/two:docker"
    check_two "$REGISTRY/two:docker"
    dory rmi "$REGISTRY/two:docker"
}

@test "load of an oci-archive" {
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 does not read OCI archives"
    skopeo copy -q --insecure-policy "docker-archive:$ENV_DIR/two.tar" "oci-archive:$ENV_DIR/two.oci:two:oci"
    run dory load -i "$ENV_DIR/two.oci"
    [ "$status" -eq 0 ]
    loaded=${output##*: }
    check_two "$loaded"
    dory rmi -f "$loaded"
}

@test "pull: schema 2, OCI, zstd layers" {
    for tag in v2s2 oci zstd; do
        run dory pull "$REGISTRY/two:$tag"
        [ "$status" -eq 0 ]
        [[ $output == *"$tag: Pulling from two"* ]]
        [[ $output == *"Digest: sha256:"* ]]
        [[ $output == *"Status: Downloaded newer image for $REGISTRY/two:$tag"* ]]
        [[ ${lines[-1]} == "$REGISTRY/two:$tag" ]]
        check_two "$REGISTRY/two:$tag"
        run dory pull "$REGISTRY/two:$tag"
        [[ $output == *"Status: Image is up to date for $REGISTRY/two:$tag"* ]]
        dory rmi "$REGISTRY/two:$tag"
    done
}

@test "pull by digest" {
    digest=$(curl -sI -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$REGISTRY/v2/two/manifests/v2s2" |
        tr -d '\r' | sed -n 's/^docker-content-digest: //Ip')
    run dory pull "$REGISTRY/two@$digest"
    [ "$status" -eq 0 ]
    [[ $output == *"Digest: $digest"* ]]
    check_two "$REGISTRY/two@$digest"
    dory rmi "$REGISTRY/two@$digest"
}

@test "pull through an index chooses this platform" {
    manifest=$(curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/two/manifests/oci")
    digest=sha256:$(printf %s "$manifest" | sha256sum | cut -d' ' -f1)
    arch=$(dpkg --print-architecture)
    jq -n --arg d "$digest" --argjson s "${#manifest}" --arg a "$arch" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: ("sha256:" + ("0" * 64)), size: 10, platform: {os: "linux", architecture: "s390x"}},
                    {mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s, platform: {os: "linux", architecture: $a}}]}' >"$BATS_TEST_TMPDIR/index"
    # The registry insists that what an index names exists: a second real manifest stands for the other platform.
    other=$(curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/two/manifests/zstd")
    sed -i "s/0000000000000000000000000000000000000000000000000000000000000000/$(printf %s "$other" | sha256sum | cut -d' ' -f1)/; s/\"size\": 10,/\"size\": ${#other},/" "$BATS_TEST_TMPDIR/index"
    curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @"$BATS_TEST_TMPDIR/index" "http://$REGISTRY/v2/two/manifests/index"
    run dory pull "$REGISTRY/two:index"
    [ "$status" -eq 0 ]
    check_two "$REGISTRY/two:index"
    dory rmi "$REGISTRY/two:index"
    run dory pull --platform linux/riscv64 "$REGISTRY/two:index"
    [ "$status" -eq 1 ]
    [[ $output == *"no matching manifest for linux/riscv64 in the manifest list entries"* ]]
}

@test "an unknown tag and an unknown repository are named" {
    run dory pull "$REGISTRY/two:nosuchtag"
    [ "$status" -eq 1 ]
    [[ $output == *"manifest for $REGISTRY/two:nosuchtag not found: manifest unknown"* ]]
    run dory pull "$REGISTRY/nosuchrepo"
    [ "$status" -eq 1 ]
    [[ $output == *"manifest for $REGISTRY/nosuchrepo:latest not found: manifest unknown"* ]]
}

@test "a registry that is not there is an error that names it" {
    port=$(free_port)
    run dory pull "127.0.0.1:$port/x"
    [ "$status" -eq 1 ]
    [[ $output == *"127.0.0.1:$port"* ]]
    [[ $output == *"connection refused"* ]]
}

@test "run pulls what is missing and says so on standard error" {
    run --separate-stderr dory run --rm "$REGISTRY/two:oci"
    [ "$status" -eq 0 ]
    [ "$output" = added ]
    [[ $stderr == *"Unable to find image '$REGISTRY/two:oci' locally"* ]]
    dory rmi "$REGISTRY/two:oci"
}

@test "import keeps its changes and message" {
    id=$(dory import -c 'ENTRYPOINT ["/bin/echo"]' -c 'CMD ["from", "cmd"]' -c 'ENV A=b PATH=/bin' -c 'LABEL x=y' -c 'USER 33' \
        -c 'WORKDIR /tmp' -c 'EXPOSE 80' -m 'a message' "$(busybox_tar)" imported:1)
    [[ $id == sha256:* ]]
    run dory run --rm imported:1
    [ "$output" = "from cmd" ]
    run dory inspect -f '{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.ExposedPorts}} {{json .Config.Labels}} {{.Comment}}' imported:1
    [ "$output" = '33 /tmp {"80/tcp":{}} {"x":"y"} a message' ]
    dory rmi imported:1
    run dory import -c 'NOSUCH thing' "$(busybox_tar)" bad
    [ "$status" -eq 1 ]
}

@test "images, tag, rmi" {
    dory tag busybox other/name:v1
    run dory images --format '{{.Repository}}:{{.Tag}} {{.ID}}' other/name
    id=$(dory images -q busybox)
    [ "$output" = "other/name:v1 $id" ]
    run dory images
    [[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
    run dory rmi other/name:v1
    [ "$output" = "Untagged: other/name:v1" ]
    run dory rmi other/name:v1
    [ "$status" -eq 1 ]
    [[ $output == *"No such image: other/name:v1"* ]]
    run dory tag nosuch:x y
    [ "$status" -eq 1 ]
    [[ $output == *"No such image: nosuch:x"* ]]
    run dory tag busybox 'UPPER:x'
    [ "$status" -eq 1 ]
    [[ $output == *"must be lowercase"* ]]
}

@test "rmi refuses an image that a container uses" {
    dory import "$(busybox_tar)" used:1
    id=$(dory create --name user1 used:1 true)
    run dory rmi used:1
    [ "$status" -eq 1 ]
    [[ $output == *"conflict: unable to remove repository reference \"used:1\" (must force) - container ${id:0:12} is using its referenced image"* ]]
    dory rm user1
    dory rmi used:1
}

@test "corrupt archives and layers leave nothing behind" {
    sleep 1 # what the tests before removed is being deleted
    before=$(find "$ENV_DIR/data" | wc -l)
    head -c 100000 "$ENV_DIR/two.tar" >"$BATS_TEST_TMPDIR/cut.tar"
    run dory load -i "$BATS_TEST_TMPDIR/cut.tar"
    [ "$status" -eq 1 ]
    run dory load -i /etc/passwd
    [ "$status" -eq 1 ]
    run bash -c 'head -c 5000 /dev/urandom | "$ENV_CLI" import - x:y'
    [ "$status" -eq 1 ]
    run bash -c 'head -c 300000 "$1" | "$ENV_CLI" import - x:y' - "$(busybox_tar)"
    [ "$status" -eq 1 ]
    # What was unpacked so far is deleted in the background.
    for _ in $(seq 100); do
        after=$(find "$ENV_DIR/data" | wc -l)
        [ "$ENV_ENGINE" = dory ] && [ "$after" -ne "$before" ] || break
        sleep 0.1
    done
    [ "$ENV_ENGINE" = docker ] || [ "$after" -eq "$before" ]
    run dory images -q x
    [ -z "$output" ]
}

@test "LastTagTime is when an image was given a name last, also after a restart" {
    tagged() { dory image inspect -f '{{.Metadata.LastTagTime}}' "$1"; }
    before=$(date +%s)
    dory load -qi "$ENV_DIR/two.tar"
    first=$(tagged two:loaded)
    [ "$(date -d "$first" +%s)" -ge "$before" ]
    dory tag two:loaded two:again
    second=$(tagged two:loaded)
    [[ $second > $first ]]
    [ "$(tagged two:again)" = "$second" ]
    dory rmi two:again
    env_daemon_kill
    env_daemon_start
    [ "$(date -d "$(tagged two:loaded)" +%s)" -ge "$before" ]
    [ "$ENV_ENGINE" != dory ] || [ "$(tagged two:loaded)" = "$second" ]
}

@test "inspect, history and rmi take an image of the platform that is asked for, and no other" {
    dory tag busybox plat:1
    own=$(dory image inspect -f '{{.Os}}/{{.Architecture}}' plat:1)
    [ "$(dory image inspect --platform "$own" -f '{{json .RepoTags}}' plat:1 | grep -c plat:1)" = 1 ]
    [ "$(dory history -q --platform "$own" plat:1)" = "$(dory history -q plat:1)" ]
    for command in "image inspect" history rmi; do
        run -1 dory $command --platform linux/s390x plat:1
        [[ $output == *"was found but its platform ($own) does not match the specified platform (linux/s390x)"* ]]
        run -1 dory $command --platform a/b/c/d plat:1
        [[ $output == *"a/b/c/d"* ]]
    done
    object() { printf '%%7B%%22os%%22:%%22%s%%22,%%22architecture%%22:%%22%s%%22%%7D' "${1%/*}" "${1#*/}"; }
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" "http://d/images/plat:1/json?platform=$(object "$own")")" = 200 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" "http://d/images/plat:1/json?platform=$(object linux/s390x)")" = 404 ]
    dory rmi --platform "$own" plat:1
    run -1 dory image inspect plat:1
}
