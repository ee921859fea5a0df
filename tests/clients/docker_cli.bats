#!/usr/bin/env bats
# The real docker CLIs, unmodified, with DOCKER_HOST pointing at doryd: Debian's 20.10 and, where one is installed, a
# newer one.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    registry_start
    env_images busybox
    skopeo_source=$ENV_DIR/push.tar
    /usr/bin/python3 - "$(busybox_tar)" "$skopeo_source" <<'EOF'
import hashlib, io, json, sys, tarfile
base = open(sys.argv[1], "rb").read()
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/bin:/sbin"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(base).hexdigest()]}}).encode()
with tarfile.open(sys.argv[2], "w") as t:
    for name, data in (("c.json", config), ("l.tar", base), ("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": ["b:1"], "Layers": ["l.tar"]}]).encode())):
        i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
EOF
    skopeo copy -q --insecure-policy --dest-tls-verify=false "docker-archive:$skopeo_source" "docker://$REGISTRY/b:1"
}

teardown_file() {
    registry_stop
    env_stop
}

clis() {
    echo /usr/bin/docker
    [ ! -x /usr/local/bin/docker ] || echo /usr/local/bin/docker
}

@test "version and info" {
    for docker in $(clis); do
        run "$docker" version --format '{{.Server.Os}} {{.Server.APIVersion}}'
        [ "$status" -eq 0 ]
        [[ $output == linux\ 1.* ]]
        run "$docker" info
        [ "$status" -eq 0 ]
        [[ $output == *"Storage Driver: overlay"* ]]
    done
}

@test "pull, images, run, ps, logs -f, stop, rm" {
    for docker in $(clis); do
        "$docker" pull "$REGISTRY/b:1"
        run "$docker" images --format '{{.Repository}}:{{.Tag}}' "$REGISTRY/b"
        [ "$output" = "$REGISTRY/b:1" ]
        id=$("$docker" run -d --name job -p 127.0.0.1::80 "$REGISTRY/b:1" sh -c 'for i in 1 2 3; do echo line$i; sleep 0.2; done; exec sleep 100')
        run "$docker" ps --no-trunc --format '{{.ID}} {{.Names}} {{.Image}}'
        [ "$output" = "$id job $REGISTRY/b:1" ]
        timeout 1.5 "$docker" logs -f job >"$BATS_TEST_TMPDIR/log" || true
        [ "$(cat "$BATS_TEST_TMPDIR/log")" = $'line1\nline2\nline3' ]
        "$docker" stop -t 1 job
        run "$docker" ps -a --filter status=exited --format '{{.Names}} {{.Status}}'
        [[ $output == "job Exited (137)"* ]]
        "$docker" rm job
        "$docker" rmi "$REGISTRY/b:1"
    done
}

@test "run: streams, exit codes, --rm, -i" {
    for docker in $(clis); do
        run --separate-stderr "$docker" run --rm busybox sh -c 'echo o; echo e >&2; exit 3'
        [ "$status" -eq 3 ]
        [ "$output" = o ]
        [ "$stderr" = e ]
        run bash -c 'echo data | "$1" run --rm -i busybox cat' - "$docker"
        [ "$output" = data ]
        run "$docker" run --rm busybox nosuchcommand
        [ "$status" -eq 127 ]
        [ -z "$("$docker" ps -aq)" ]
    done
}

@test "run -it works in a terminal" {
    for docker in $(clis); do
        run script -qec "stty rows 30 cols 90; $docker run --rm -it busybox sh -c 'tty; sleep 0.4; stty size; exit 6'" /dev/null </dev/null
        [ "$status" -eq 6 ]
        [[ $output == *"/dev/pts/0"* ]]
        [[ $output == *"30 90"* ]]
    done
}

@test "attach, wait, kill, inspect, rename, pause, top, stats, port, network ls, volume" {
    for docker in $(clis); do
        "$docker" run -d --name waited busybox sh -c 'sleep 0.5; exit 9'
        run "$docker" wait waited
        [ "$output" = 9 ]
        "$docker" rm waited
        "$docker" run -d --name killed busybox sleep 100
        "$docker" rename killed k2
        "$docker" pause k2
        [ "$("$docker" inspect -f '{{.State.Status}}' k2)" = paused ]
        "$docker" unpause k2
        run "$docker" top k2
        [[ $output == *"sleep 100"* ]]
        run "$docker" stats --no-stream --format '{{.Name}} {{.PIDs}}' k2
        [ "$output" = "k2 1" ]
        "$docker" kill k2
        [ "$("$docker" wait k2)" = 137 ]
        "$docker" rm k2
        run "$docker" network ls --format '{{.Name}} {{.Driver}}'
        [[ $output == *"bridge bridge"* && $output == *"host host"* && $output == *"none null"* ]]
        "$docker" volume create vol1
        [ "$("$docker" volume ls -q)" = vol1 ]
        "$docker" volume rm vol1
    done
}

@test "exec: streams, exit codes, input, user, directory, detached, terminal" {
    for docker in $(clis); do
        "$docker" run -d --name ex busybox sleep 1000
        run --separate-stderr "$docker" exec -u www-data -w /tmp -e A=b ex sh -c 'id -un; pwd; echo $A; echo e >&2; exit 3'
        [ "$status" -eq 3 ]
        [ "$output" = $'www-data\n/tmp\nb' ]
        [ "$stderr" = e ]
        run bash -c 'echo data | "$1" exec -i ex cat' - "$docker"
        [ "$output" = data ]
        "$docker" exec ex nosuch >"$BATS_TEST_TMPDIR/out" 2>&1 && status=0 || status=$?
        [ "$status" -eq 126 ] || [ "$status" -eq 127 ]
        grep -q 'executable file not found' "$BATS_TEST_TMPDIR/out"
        "$docker" exec -d ex sh -c 'echo detached >/tmp/d'
        run "$docker" exec ex sh -c 'until [ -s /tmp/d ]; do sleep 0.05; done; cat /tmp/d'
        [ "$output" = detached ]
        run script -qec "stty rows 31 cols 91; $docker exec -it ex sh -c 'tty; until stty size | grep \"31 91\"; do sleep 0.1; done; exit 6'" /dev/null </dev/null
        [ "$status" -eq 6 ]
        [[ $output == *"/dev/pts/"* ]]
        "$docker" rm -f ex
        run "$docker" exec ex true
        [ "$status" -eq 1 ]
        [[ $output == *"No such container: ex"* ]]
    done
}

@test "health checks and log drivers, as the CLI shows them" {
    for docker in $(clis); do
        "$docker" run -d --name he --health-cmd 'test -e /tmp/ok' --health-interval 100ms --log-driver local busybox \
            sh -c 'echo logged; exec sleep 1000'
        "$docker" exec he touch /tmp/ok
        for _ in $(seq 600); do
            [ "$("$docker" inspect -f '{{.State.Health.Status}}' he)" != healthy ] || break
            sleep 0.05
        done
        run "$docker" ps --filter health=healthy --format '{{.Names}} {{.Status}}'
        [[ $output == "he Up "*"(healthy)" ]]
        run "$docker" logs he
        [ "$output" = logged ]
        "$docker" rm -f he
    done
}

@test "what is refused before its upload ends is told, not that the pipe broke" {
    truncate -s 20M "$BATS_FILE_TMPDIR/zeros"
    for docker in $(clis); do
        run "$docker" import -c 'FOO x' "$BATS_FILE_TMPDIR/zeros"
        echo "$output"
        [ "$status" -eq 1 ]
        [[ $output == *"FOO is not a valid change command"* ]]
    done
}

@test "what is missing says so" {
    for docker in $(clis); do
        run "$docker" swarm init
        [ "$status" -ne 0 ]
        run "$docker" node ls
        [[ $output == *"This node is not a swarm manager"* ]]
    done
}
