#!/usr/bin/env bats
# The image store on the disk against its database: after kills at any moment, and after damage (system check).

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    registry_start
    env_images busybox
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/registry_images.py" "$REGISTRY" app:1=amd64 app:2=amd64/v2,oci other:3=amd64/v3 \
        many:1=amd64+s390x+riscv64,oci
    dory save -o "$ENV_DIR/busybox.tar" busybox
    dory run --name maker busybox sh -c 'seq 1000 >/numbers; mkdir /d; ln /numbers /d/again'
    dory export maker >"$ENV_DIR/tree.tar"
}

teardown_file() {
    registry_stop
    env_stop
}

tmp_is_empty() {
    [ -z "$(ls "$ENV_DIR/data/tmp")" ]
}

# Every directory and blob has its row, and every row what it names.
compare() {
    local i
    for ((i = 0; i < 600; i++)); do
        tmp_is_empty && break
        sleep 0.05
    done
    tmp_is_empty
    /usr/bin/python3 - "$ENV_DIR/data" <<'PY'
import glob, os, sqlite3, sys
root = sys.argv[1]
path = [p for p in glob.glob(root + "/*.db") + glob.glob(root + "/*/*.db")
        if sqlite3.connect("file:%s?mode=ro" % p, uri=True).execute("SELECT 1 FROM sqlite_master WHERE name = 'image_layer'").fetchall()]
assert len(path) == 1, path
db = sqlite3.connect("file:%s?mode=ro" % path[0], uri=True)
column = lambda sql: {row[0] for row in db.execute(sql)}
dirs = column("SELECT dir FROM layer UNION SELECT id FROM rootfs UNION SELECT dir FROM init_layer")
blobs = {d[7:] for d in column("SELECT id FROM image UNION SELECT digest FROM image_blob UNION SELECT digest FROM image_index")}
bad = []
for what, there, wanted in (("overlay", set(os.listdir(root + "/overlay")), dirs),
                            ("blobs", set(os.listdir(root + "/image/blobs/sha256")), blobs)):
    bad += ["%s/%s has no row" % (what, name) for name in there - wanted]
    bad += ["%s/%s is missing" % (what, name) for name in wanted - there]
bad += ["layer %s belongs to nothing" % d for d in column(
    "SELECT diff_id FROM layer WHERE diff_id NOT IN (SELECT diff_id FROM image_layer)"
    " AND NOT EXISTS (SELECT 1 FROM rootfs WHERE instr(lowers, layer.dir) > 0)")]
bad += ["image %s lacks a layer" % i for i in column("SELECT image FROM image_layer WHERE diff_id NOT IN (SELECT diff_id FROM layer)")]
bad += ["index %s has no name" % i for i in column("SELECT digest FROM image_index WHERE digest NOT IN (SELECT idx FROM name_index)")]
bad += ["index %s has nothing of it here" % i for i in column("SELECT digest FROM image_index WHERE digest NOT IN (SELECT idx FROM index_image)")]
bad += ["%s means an image that its index has not" % n for n in column(
    "SELECT n.name FROM name_index n JOIN image_name i ON i.name = n.name"
    " WHERE i.image NOT IN (SELECT image FROM index_image m WHERE m.idx = n.idx)")]
print("\n".join(bad))
sys.exit(bool(bad))
PY
}

@test "killed at random while images come and go: the disk has what the database says, and nothing else" {
    local round pids w
    worker() {
        local n=$1
        while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do
            n=$((n + 1))
            case $((n % 9)) in
            0) dory pull -q "$REGISTRY/app:1" && dory rmi "$REGISTRY/app:1" ;;
            1) dory import "$ENV_DIR/tree.tar" "imported:$1" ;;
            2) dory load -q -i "$ENV_DIR/busybox.tar" ;;
            3) dory commit maker "made:$1" ;;
            4) dory rmi "made:$1" "imported:$1" ;;
            5) dory pull -q "$REGISTRY/app:2" && dory pull -q "$REGISTRY/other:3" ;;
            6) dory tag busybox "$REGISTRY/pushed:$1" && dory push -q "$REGISTRY/pushed:$1" && dory rmi "$REGISTRY/pushed:$1" "$REGISTRY/app:2" ;;
            7) dory pull -q --platform linux/amd64 "$REGISTRY/many:1" && dory pull -q --platform linux/s390x "$REGISTRY/many:1" ;;
            8) dory tag "$REGISTRY/many:1" "many:$1" && dory rmi --platform linux/s390x "many:$1" && dory rmi "many:$1" "$REGISTRY/many:1" ;;
            esac
        done >/dev/null 2>&1
    }
    for ((round = 0; round < 8; round++)); do
        rm -f "$BATS_TEST_TMPDIR/stop"
        pids=()
        for w in 1 2 3; do
            worker "$w$round" 3>&- &
            pids+=($!)
        done
        # Any moment will do.
        sleep "0.$((RANDOM % 60 + 20))"
        touch "$BATS_TEST_TMPDIR/stop"
        env_daemon_kill KILL
        for w in "${pids[@]}"; do wait "$w" || true; done
        env_daemon_start
        run compare
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        run -0 dory system check --contents
        [[ $output == *": no problems" ]]
    done
    # Nothing is referenced any more: nothing stays.
    dory rm maker >/dev/null
    # An image goes after those that were made from it.
    local ids try
    for ((try = 0; try < 10; try++)); do
        ids=$(dory images -aq | sort -u)
        [ -n "$ids" ] || break
        dory rmi -f $ids >/dev/null || true
    done
    [ -z "$ids" ]
    run compare
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ -z "$(ls "$ENV_DIR/data/overlay" "$ENV_DIR/data/image/blobs/sha256" | grep -v :)" ]
    env_images busybox
}

layer_of() { # image: the directory of its first layer
    dory inspect -f '{{.GraphDriver.Data.UpperDir}}' "$1"
}

@test "system check finds what is missing, damaged or belongs to nothing, and repairs it" {
    dory import "$ENV_DIR/tree.tar" lost >/dev/null
    dory pull -q "$REGISTRY/app:1"
    dory pull -q "$REGISTRY/app:2"
    local id old dir text
    run -0 dory system check --contents
    [[ $output == *": no problems" ]]
    dory run -d --name user busybox sleep 1000 >/dev/null
    # The layer of one image goes, the config of another, a manifest is changed, files lie about.
    dir=$(layer_of lost)
    [ -d "$dir" ]
    rm -rf "${dir%/diff}"
    id=$(dory inspect -f '{{.Id}}' "$REGISTRY/app:1")
    echo '{}' >"$ENV_DIR/data/image/blobs/sha256/${id#*:}"
    text=$(dory inspect -f '{{index .RepoDigests 0}}' "$REGISTRY/app:2")
    echo ' ' >>"$ENV_DIR/data/image/blobs/sha256/${text#*@sha256:}"
    mkdir -p "$ENV_DIR/data/overlay/0123456789ab/diff/etc"
    touch -d '2 hours ago' "$ENV_DIR/data/overlay/0123456789ab"
    mkdir "$ENV_DIR/data/overlay/ba9876543210" # being made, for all the check can know
    old=$(printf old | sha256sum | cut -d' ' -f1)
    printf old >"$ENV_DIR/data/image/blobs/sha256/$old"
    touch -d '2 hours ago' "$ENV_DIR/data/image/blobs/sha256/$old"
    run -1 dory system check
    [[ $output == *"layer sha256:"*": it is gone from the disk"* ]]
    [[ $output == *"image $id: its text is gone from the disk or damaged"* ]]
    [[ $output == *"manifest ${text#*@}: its text is gone from the disk or damaged"* ]]
    [[ $output == *"directory 0123456789ab: nothing in the database has it"* ]]
    [[ $output == *"blob $old: nothing in the database has it"* ]]
    [[ $output == *": 5 problems, 0 of them repaired" ]]
    dory inspect lost >/dev/null # nothing was changed
    run -0 dory system check --repair
    [ "$(grep -c '(repaired)$' <<<"$output")" -eq 6 ]
    run -1 dory inspect lost
    run -1 dory inspect "$REGISTRY/app:1"
    dory pull -q "$REGISTRY/app:1"
    [ ! -e "$ENV_DIR/data/overlay/0123456789ab" ]
    [ -e "$ENV_DIR/data/overlay/ba9876543210" ]
    rmdir "$ENV_DIR/data/overlay/ba9876543210"
    [ "$(dory exec user echo fine)" = fine ]
    run -0 dory system check --contents
    [[ $output == *": no problems" ]]
    # Contents: of an image that a container uses, and of one that nobody does.
    dory import "$ENV_DIR/tree.tar" damaged >/dev/null
    echo changed >>"$(layer_of damaged)/numbers"
    run -0 dory system check
    run -1 dory system check --contents
    [[ $output == *"layer sha256:"*"is not what its digest says"* ]]
    run -0 dory system check --contents --repair
    run -1 dory inspect damaged
    echo changed >>"$(layer_of busybox)/etc/passwd"
    run -1 dory system check --contents --repair
    [[ $output == *"containers have it below their own files"* ]]
    [[ $output == *": 1 problems, 0 of them repaired" ]]
    dory inspect busybox >/dev/null
    dory rm -f user >/dev/null
    dory rm maker >/dev/null 2>&1 || true # another test may have removed it
    run -0 dory system check --contents --repair
    run -1 dory inspect busybox
    run compare
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}

@test "what cannot be deleted at once is deleted later, without a restart" {
    local i mark
    dory load -q -i "$ENV_DIR/busybox.tar"
    dory run --name held busybox mkdir /held-here
    mark=$(find "$ENV_DIR/data/overlay" -maxdepth 3 -type d -name held-here)
    mount -t tmpfs held "$mark"
    dory rm held
    for ((i = 0; i < 600; i++)); do
        mark=$(find "$ENV_DIR/data/tmp" -maxdepth 3 -type d -name held-here)
        [ -z "$mark" ] || break
        sleep 0.05
    done
    sleep 0.5 # some tries
    mountpoint "$mark"
    umount "$mark"
    compare
    dory rmi busybox
}

@test "the space that images take is what du counts" {
    env_images busybox
    dory import "$ENV_DIR/tree.tar" tree >/dev/null
    local files reported
    # The bytes of regular files, those with several names once, as the store counts them.
    files=$(for dir in $(curl -s --unix-socket "$ENV_DIR/dory.sock" 'http://d/images/json?all=1' | jq -r '.[].Id' | while read -r id; do
        dory inspect -f '{{.GraphDriver.Data.UpperDir}} {{.GraphDriver.Data.LowerDir}}' "$id"
    done | tr ': ' '\n\n' | grep '^/' | sort -u); do
        find "$dir" -type f -printf '%D:%i %s\n'
    done | sort -u | awk '{ n += $2 } END { print n + 0 }')
    reported=$(curl -s --unix-socket "$ENV_DIR/dory.sock" 'http://d/system/df?type=image' | jq .LayersSize)
    echo "du: $files, system df: $reported"
    [ "$files" = "$reported" ]
}
