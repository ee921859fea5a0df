#!/usr/bin/env bats
# Decompression bombs: a layer that unpacks to more than daemon.json allows is refused, and the store stays as it was.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    ENV_CONFIG='{"max-layer-size": "16m", "max-layer-entries": 2000, "keep-downloads": 0}' env_start
    env_images busybox
    cd "$ENV_DIR"
    mkdir zeros
    truncate -s 300M zeros/zeros
    tar -C zeros -cf - zeros | gzip -1 >bomb.tar.gz
    tar -C zeros -cf - zeros | zstd -q >bomb.tar.zst
    head -c 17000000 /dev/urandom >zeros/zeros
    tar -C zeros -cf large.tar zeros
    head -c 15000000 zeros/zeros >zeros/small
    tar -C zeros -cf fits.tar small
    # 30000 empty files: 15 MB of headers, which the limit of bytes lets pass
    /usr/bin/python3 - <<'PY'
import tarfile
with open("files.tar", "wb") as out:
    for i in range(30000):
        out.write(tarfile.TarInfo("f%d" % i).tobuf(tarfile.USTAR_FORMAT))
    out.write(bytes(1024))
PY
    /usr/bin/python3 "$ENV_SOURCE/tests/clients/registry_faults.py" faults.port faults.log 3>&- 4>&- >/dev/null 2>&1 &
    echo $! >faults.pid
    disown $!
    local i
    for ((i = 0; i < 1000; i++)); do
        [ ! -s faults.port ] || break
        sleep 0.02
    done
    FAULTS=127.0.0.1:$(cut -d' ' -f1 faults.port)
    export FAULTS
}

teardown_file() {
    [ ! -s "$ENV_DIR/faults.pid" ] || kill "$(cat "$ENV_DIR/faults.pid")" 2>/dev/null || true
    env_stop
}

contents() {
    ls "$ENV_DIR/data/overlay" "$ENV_DIR/data/image/blobs/sha256"
    dory images -a --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}'
}

refused() { # text, command...: fails with the text, and leaves nothing
    local text=$1 before i
    shift
    before=$(contents)
    run "$@"
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"$text"* ]]
    [ "$before" = "$(contents)" ]
    for ((i = 0; i < 600; i++)); do
        [ -n "$(ls "$ENV_DIR/data/tmp")" ] || return 0
        sleep 0.05
    done
    ls "$ENV_DIR/data/tmp"
    return 1
}

BYTES="the layer unpacks to more than 16777216 bytes"
ENTRIES="the archive has more than 2000 entries"

@test "gzip and zstd bombs, and what is large without any compression" {
    cd "$ENV_DIR"
    [ "$(stat -c %s bomb.tar.zst)" -lt 100000 ]
    refused "$BYTES" dory import bomb.tar.gz bomb
    refused "$BYTES" dory import bomb.tar.zst bomb
    refused "$BYTES" dory import large.tar bomb
    dory import fits.tar fits >/dev/null
    dory rmi fits >/dev/null
}

@test "a layer of too many empty files" {
    cd "$ENV_DIR"
    refused "$ENTRIES" dory import files.tar bomb
    gzip -k files.tar
    refused "$ENTRIES" dory import files.tar.gz bomb
}

@test "bombs inside of archives that are loaded" {
    cd "$ENV_DIR"
    local layer
    for layer in bomb.tar.gz bomb.tar.zst large.tar files.tar; do
        text=$BYTES
        [ "$layer" != files.tar ] || text=$ENTRIES
        /usr/bin/python3 "$ENV_SOURCE/tests/lib/hostile.py" save -o saved.tar --tag bomb "$layer"
        refused "$text" dory load -i saved.tar
    done
}

@test "a bomb in a registry: none of the image's layers stays" {
    refused "$BYTES" dory pull "$FAULTS/bomb"
    dory pull -q "$FAULTS/plain"
    dory rmi "$FAULTS/plain" >/dev/null
}

@test "a container that has written more is not committed" {
    dory create --name writer busybox true >/dev/null
    dory cp "$ENV_DIR/large.tar" writer:/large
    refused "$BYTES" dory commit writer bomb
    dory rm writer >/dev/null
}
