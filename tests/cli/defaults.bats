# What containers get that do not say: the daemon's settings, from daemon.json and flags.
bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export PROFILE=$BATS_FILE_TMPDIR/profile.json
    # Everything but chmod(2) and its relatives.
    cat >"$PROFILE" <<'JSON'
{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmod", "fchmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO"}]}
JSON
    ENV_CONFIG='{"default-shm-size": "8m", "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 100, "Hard": 200},
        "core": {"Name": "core", "Soft": 0, "Hard": 0}},
        "no-new-privileges": true, "seccomp-profile": "'$PROFILE'", "default-ipc-mode": "shareable",
        "storage-driver": "overlay2", "default-address-pools": [{"base": "10.214.0.0/16", "size": 24}], "exec-opts": ["native.cgroupdriver=cgroupfs"]}' env_start
    env_images busybox
}

teardown_file() {
    # Of the daemons that tests start beside the file's.
    ip link del "$ENV_BRIDGE-2" 2>/dev/null || true
    nft delete table ip "dory-$ENV_BRIDGE-2" 2>/dev/null || true
    env_stop
}

@test "the daemon's defaults reach a container, and its own settings win" {
    run -0 dory run --rm busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c; df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'
    [ "$output" = $'100\n200\n0\n8192' ]
    run -0 dory run --rm --ulimit nofile=50:60 --shm-size 4m busybox sh -c 'ulimit -n; df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'
    [ "$output" = $'50\n4096' ]
    run -0 dory run --rm busybox grep NoNewPrivs /proc/self/status
    [ "$output" = $'NoNewPrivs:\t1' ]
    run -0 dory run --rm --security-opt no-new-privileges=false busybox grep NoNewPrivs /proc/self/status
    [ "$output" = $'NoNewPrivs:\t0' ]
    dory create --name defaults busybox
    run -0 dory inspect -f '{{.HostConfig.IpcMode}} {{.HostConfig.ShmSize}}' defaults
    [ "$output" = "shareable 8388608" ]
}

@test "the daemon's seccomp profile is the default, and can be left for the built-in one or none" {
    run -1 dory run --rm busybox chmod 700 /tmp
    [[ "$output" == *"Operation not permitted"* ]]
    run -0 dory run --rm --security-opt seccomp=builtin busybox chmod 700 /tmp
    run -0 dory run --rm --security-opt seccomp=unconfined busybox chmod 700 /tmp
}

@test "settings that cannot be had are refused by name, before anything starts" {
    local options=(--data-root "$BATS_TEST_TMPDIR/data" --exec-root "$BATS_TEST_TMPDIR/run" --pidfile "$BATS_TEST_TMPDIR/pid"
        -H "unix://$BATS_TEST_TMPDIR/sock" --bridge "$ENV_BRIDGE-2" --bip "${ENV_SUBNET/213/215}.1/24")
    local case
    for case in '--storage-driver btrfs=storage driver btrfs' '--exec-opt native.cgroupdriver=systemd=native.cgroupdriver=systemd' \
        '--default-ulimit nofiles=1=invalid ulimit type: nofiles' '--default-ulimit nofile=9:1=less than or equal to hard limit: 9 > 1' \
        '--default-shm-size lots=invalid default-shm-size: lots' '--default-ipc-mode host=invalid default-ipc-mode' \
        '--max-layer-size 0=invalid max-layer-size: 0' '--max-layer-entries 0=invalid max-layer-entries: 0' \
        '--storage-opt overlay2.inodes=1=unknown option overlay2.inodes' "--storage-opt overlay2.size=lots=invalid size: 'lots'" \
        '--seccomp-profile /nonexistent=/nonexistent'; do
        # shellcheck disable=SC2086
        run -1 "$DORY_BIN/doryd" "${options[@]}" --config-file <(echo '{}') ${case%=*}
        [[ "$output" == *"${case##*=}"* ]] || { echo "$case: $output"; false; }
    done
}

@test "info tells what is set: profile, pools, listeners; a list tells where volumes are" {
    run -0 dory info -f '{{json .SecurityOptions}} {{json .DefaultAddressPools}}'
    [ "$output" = '["name=seccomp,profile='"$PROFILE"'","name=cgroupns","name=no-new-privileges"] [{"Base":"10.214.0.0/16","Size":24}]' ]
    before=$(dory info -f '{{.NEventsListener}}')
    dory events >/dev/null 3>&- &
    listener=$!
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(dory info -f '{{.NEventsListener}}')" = $((before + 1)) ] && break
        sleep 0.05
    done
    [ "$(dory info -f '{{.NEventsListener}}')" = $((before + 1)) ]
    kill "$listener"
    wait "$listener" || true
    [ "$(curl -sf --unix-socket "$ENV_DIR/dory.sock" http://d/v1.47/info | jq .BridgeNfIptables)" = "$([ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ] && echo true || echo false)" ]
    dory create --name listed -v listed:/v busybox
    [ "$(curl -sf --unix-socket "$ENV_DIR/dory.sock" 'http://d/containers/json?all=1' | jq -r '.[] | select(.Names[0] == "/listed") | .Mounts[0].Source')" = "$ENV_DIR/data/volumes/listed/_data" ]
    [ "$(dory ps -a --filter name=listed --format '{{.Mounts}}')" = listed ]
    dory rm listed
    dory volume rm listed
}
