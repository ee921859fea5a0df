#!/usr/bin/env bats
# What HostConfig asks for is seen in the container or refused by name: namespaces, shared memory, devices, limits,
# mounts. Limits that the kernel keeps are read in the container.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's own"
}

# create JSON: status and message of POST /containers/create with busybox and this HostConfig; what was made is removed.
create() {
    local answer id
    answer=$(curl -s -w '\n%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' \
        -d "{\"Image\":\"busybox\",\"Cmd\":[\"true\"],\"HostConfig\":$1}" http://d/containers/create)
    id=$(grep -o '"Id":"[0-9a-f]*"' <<<"$answer" | cut -d'"' -f4) || true
    [ -z "$id" ] || dory rm "$id" >/dev/null
    echo "$answer"
}

namespace() { # container type
    readlink "/proc/$(dory inspect -f '{{.State.Pid}}' "$1")/ns/$2"
}

@test "ipc: private, shareable, of a container, of the host, none" {
    dory run -d --name donor --ipc shareable --shm-size 8m busybox sleep 1000
    dory run -d --name closed busybox sleep 1000
    dory run --rm --ipc container:donor busybox sh -c 'echo shared >/dev/shm/file'
    run dory run --rm --ipc container:donor busybox sh -c 'cat /dev/shm/file; df -k /dev/shm | tail -1'
    [ "${lines[0]}" = shared ]
    [[ ${lines[1]} == *8192* ]]
    dory run -d --name joined --ipc container:donor busybox sleep 1000
    [ "$(namespace joined ipc)" = "$(namespace donor ipc)" ]
    [ "$(namespace closed ipc)" != "$(namespace donor ipc)" ]
    run dory run --rm --ipc container:closed busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"non-shareable IPC"* ]]
    run dory run --rm --ipc container:nosuch busybox true
    [ "$status" -ne 0 ]
    [[ $output == *"No such container: nosuch"* ]]
    if [ "$ENV_ENGINE" = dory ]; then # the memory is there again for a daemon that died
        env_daemon_kill
        env_daemon_start
        [ "$(dory run --rm --ipc container:donor busybox cat /dev/shm/file)" = shared ]
    fi
    dory rm -f joined donor closed
    local i
    for ((i = 0; i < 200; i++)); do
        grep -q "$ENV_DIR/run/mounts" /proc/self/mountinfo || break
        sleep 0.1
    done
    [ "$(grep -c "$ENV_DIR/run/mounts" /proc/self/mountinfo || true)" = 0 ]
    [ "$(dory run --rm --ipc host busybox readlink /proc/self/ns/ipc)" = "$(readlink /proc/self/ns/ipc)" ]
    run dory run --rm --ipc none busybox sh -c 'grep " /dev/shm " /proc/mounts || echo none'
    [ "$output" = none ]
}

@test "pid, uts and cgroup namespaces" {
    dory run -d --name first busybox sleep 1234
    run dory run --rm --pid container:first busybox ps
    [[ $output == *"sleep 1234"* ]]
    [ "$(dory run --rm --pid host busybox readlink /proc/self/ns/pid)" = "$(readlink /proc/self/ns/pid)" ]
    [ "$(dory run --rm --uts host busybox hostname)" = "$(hostname)" ]
    [ "$(dory run --rm --cgroupns host busybox readlink /proc/self/ns/cgroup)" = "$(readlink /proc/self/ns/cgroup)" ]
    [ "$(dory run --rm --userns host busybox readlink /proc/self/ns/user)" = "$(readlink /proc/self/ns/user)" ]
    dory rm -f first
}

@test "read-only binds reach what is mounted below them, unless that is unwanted" {
    ours
    mkdir -p "$BATS_TEST_TMPDIR/top/below"
    mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/top/below"
    try() { dory run --rm "$@" busybox sh -c 'touch /m/below/x 2>/dev/null && echo writable || echo readonly' || true; }
    results="$(try -v "$BATS_TEST_TMPDIR/top:/m:ro") $(try --mount "type=bind,src=$BATS_TEST_TMPDIR/top,dst=/m,readonly,bind-recursive=writable")"
    results+=" $(try --mount "type=bind,src=$BATS_TEST_TMPDIR/top,dst=/m,readonly,bind-recursive=readonly,bind-propagation=rprivate")"
    results+=" $(dory run --rm --mount "type=bind,src=$BATS_TEST_TMPDIR/top,dst=/m,bind-recursive=disabled" busybox sh -c 'grep -c " /m/below " /proc/mounts' || true)"
    umount "$BATS_TEST_TMPDIR/top/below"
    [ "$results" = "readonly writable readonly 0" ]
}

@test "mount options: what is wrong is refused before anything is made" {
    ours
    run dory create --mount type=bind,src=/nosuch,dst=/m busybox true
    [[ $output == *"bind source path does not exist: /nosuch"* ]]
    id=$(dory create --mount "type=bind,src=$BATS_TEST_TMPDIR/made,dst=/m,bind-create-src" busybox true)
    dory start -a "$id"
    [ -d "$BATS_TEST_TMPDIR/made" ]
    dory rm "$id"
    run dory create --mount type=bind,src=/tmp,dst=/m,bind-recursive=readonly busybox true
    [[ $output == *"requires 'readonly' to be specified in conjunction"* ]]
    run dory create --mount type=bind,src=/tmp,dst=/m,bind-recursive=perhaps busybox true
    [[ $output == *"invalid value for bind-recursive: perhaps"* ]]
    run dory create --mount type=npipe,src=a,dst=/m busybox true
    [[ $output == *'mounts of type "npipe" are not supported'* || $output == *"mount type unknown"* ]]
    [ -z "$(dory ps -aq)" ]
}

@test "limits and files that the container sees" {
    run dory run --rm --shm-size 3m --sysctl net.core.somaxconn=77 --ulimit nofile=99:99 --oom-score-adj 300 --group-add audio \
        busybox sh -c 'df -k /dev/shm | tail -1; cat /proc/sys/net/core/somaxconn; ulimit -n; cat /proc/self/oom_score_adj; id -G'
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == *3072* ]]
    [ "${lines[1]} ${lines[2]} ${lines[3]}" = "77 99 300" ]
    [[ ${lines[4]} == *29* ]]
    run dory run --rm --cgroup-parent "/$ENV_BRIDGE/sub" --cgroupns host busybox cat /proc/self/cgroup
    [[ $output == *":/$ENV_BRIDGE/sub/"* ]]
    [ "$(dory run --rm --device /dev/zero:/dev/nought busybox sh -c 'dd if=/dev/nought bs=1 count=1 2>/dev/null | wc -c')" = 1 ]
    # No driver is behind the number: who may open it is told so, who may not is told that.
    run dory run --rm --device-cgroup-rule 'c 42:* rwm' busybox sh -c 'mknod /node c 42 7; cat /node'
    [[ $output == *"No such device"* ]]
    run dory run --rm busybox sh -c 'mknod /node c 42 7; cat /node'
    [[ $output == *"Operation not permitted"* ]]
}

@test "what dory cannot fulfil is refused by name, and nothing is made" {
    ours
    while IFS='|' read -r wanted host message; do
        run create "$host"
        [ "${lines[-1]}" = "$wanted" ] && [[ $output == *"$message"* ]] || {
            echo "$host: expected $wanted $message, got $output"
            false
        }
    done <<'ROWS'
400|{"StorageOpt":{"size":"1g"}}|supported only for overlay over xfs
400|{"StorageOpt":{"size":"much"}}|invalid size: 'much'
400|{"StorageOpt":{"inodes":"5"}}|Unknown option inodes
501|{"DeviceRequests":[{"Capabilities":[["gpu"]]}]}|could not select device driver
501|{"KernelMemory":52428800}|HostConfig.KernelMemory
501|{"KernelMemoryTCP":52428800}|HostConfig.KernelMemoryTCP
501|{"Cgroup":"container:x"}|HostConfig.Cgroup
501|{"CpuCount":1}|HostConfig.CpuCount
501|{"CpuPercent":1}|HostConfig.CpuPercent
501|{"IOMaximumIOps":1}|HostConfig.IOMaximumIOps
501|{"IOMaximumBandwidth":1}|HostConfig.IOMaximumBandwidth
400|{"CpusetCpus":"4000"}|Requested CPUs are not available - requested 4000
400|{"CpusetMems":"900"}|Requested memory nodes are not available - requested 900
400|{"BlkioWeightDevice":[{"Path":"/dev/null","Weight":100}]}|/dev/null: not a block device
400|{"BlkioDeviceReadBps":[{"Path":"/dev/nosuch","Rate":1}]}|/dev/nosuch
400|{"BlkioWeight":5}|Range of blkio weight
400|{"IpcMode":"container:nosuch"}|No such container: nosuch
400|{"UTSMode":"x"}|invalid UTS mode: x
400|{"UsernsMode":"x"}|invalid user namespace mode: x
400|{"CgroupnsMode":"x"}|invalid cgroup namespace mode: x
400|{"Isolation":"hyperv"}|invalid isolation (hyperv)
400|{"Runtime":"nosuch"}|nosuch
400|{"VolumeDriver":"nosuch","Binds":["named:/v"]}|plugin \"nosuch\" not found
400|{"VolumesFrom":["nosuch"]}|No such container: nosuch
400|{"Links":["nosuch:x"]}|No such container: nosuch
400|{"NetworkMode":"nosuchnetwork"}|network nosuchnetwork not found
400|{"ShmSize":-1}|SHM size
400|{"OomScoreAdj":2000}|range for oom score adj
400|{"MemorySwappiness":101}|valid memory swappiness range
400|{"Mounts":[{"Type":"nosuch","Target":"/x"}]}|mount type unknown
400|{"Mounts":[{"Type":"volume","Source":"v1","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"nosuch"}}}]}|plugin \"nosuch\" not found
400|{"Binds":["/a:/b:nosuch"]}|invalid mode: nosuch
400|{"LogConfig":{"Type":"nosuch"}}|nosuch
400|{"Ulimits":[{"Name":"nosuch","Hard":1,"Soft":1}]}|invalid ulimit type: nosuch
400|{"CapAdd":["NOSUCH"]}|NOSUCH
400|{"SecurityOpt":["nosuch=1"]}|nosuch=1
400|{"RestartPolicy":{"Name":"sometimes"}}|unknown policy 'sometimes'
400|{"Dns":["1.1.1.1\noptions x"]}|invalid DNS setting
400|{"ExtraHosts":["x"]}|bad format for add-host
400|{"ExtraHosts":["a:b"]}|invalid IP address in add-host: \"b\"
400|{"PidMode":"container:nosuch"}|No such container: nosuch
400|{"Sysctls":{"net/../../x":"1"}}|net/../../x
400|{"DeviceCgroupRules":["x"]}|invalid device cgroup rule format
ROWS
    [ -z "$(dory ps -aq)" ]
    [ -z "$(dory volume ls -q)" ]
}

@test "options of an endpoint that are nobody's driver's are kept and shown, a driver's are refused; links may come later" {
    ours
    dory network create noted
    dory network create other
    dory create --name notes --network name=noted,driver-opt=org.example.note=1,driver-opt=plain=2 busybox
    dory network connect --driver-opt org.example.note=2 --link nosuch:later other notes
    run -0 dory inspect -f '{{json .NetworkSettings.Networks}}' notes
    [ "$(jq -c '[.noted.DriverOpts, .other.DriverOpts, .other.Links]' <<<"$output")" = '[{"org.example.note":"1","plain":"2"},{"org.example.note":"2"},["nosuch:later"]]' ]
    dory start notes
    run -1 dory create --network name=noted,driver-opt=com.docker.network.endpoint.other=x busybox
    [[ $output == *"com.docker.network.endpoint.other"*"is not supported"* ]]
    dory rm -f notes
    dory network rm noted other
}

@test "questions that cannot be understood are errors, and not answered with nothing" {
    ours
    dory run -d --name asked busybox sleep 1000
    ask() { curl -s -w '\n%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -X "$1" "http://d$2"; }
    while IFS='|' read -r method url message; do
        run ask "$method" "$url"
        [ "${lines[-1]}" = 400 ] && [[ $output == *"$message"* ]] || {
            echo "$method $url: expected 400 $message, got $output"
            false
        }
    done <<'ROWS'
GET|/containers/json?filters=%7B%22publish%22:%5B%22x/y%22%5D%7D|invalid filter 'publish=x/y'
GET|/containers/json?filters=%7B%22expose%22:%5B%2299999%22%5D%7D|invalid filter 'expose=99999'
GET|/containers/json?filters=%7B%22expose%22:%5B%229-8%22%5D%7D|invalid filter 'expose=9-8'
GET|/containers/json?filters=%7B%22is-task%22:%5B%22x%22%5D%7D|invalid filter 'is-task=x'
GET|/containers/json?filters=%7B%22exited%22:%5B%22x%22%5D%7D|invalid filter 'exited=x'
POST|/containers/asked/resize|invalid resize height
POST|/containers/asked/resize?h=10|invalid resize width
POST|/containers/asked/resize?h=70000&w=1|invalid resize height
POST|/exec/nosuch/resize?h=x&w=1|invalid resize height
POST|/containers/asked/attach?stream=1&detachKeys=ctrl-|Invalid detach keys (ctrl-) provided
POST|/volumes/create|got EOF while reading request body
ROWS
    dory rm -f asked
}

@test "an image is taken for a platform in all of its spellings; ports are discarded aloud on the host's network" {
    ours
    dory create --name fits --platform "linux/$(uname -m)" busybox true
    dory rm fits
    run -1 dory create --platform linux/s390x --pull never busybox true
    [[ $output == *"does not match the specified platform"* ]]
    run -1 dory create --platform a/b/c/d --pull never busybox true
    [[ $output == *"a/b/c/d"* ]]
    run -0 --separate-stderr dory create --name loud --network host -p 80:80 busybox true
    [[ $stderr == *"Published ports are discarded when using host network mode"* ]]
    dory rm loud
}

@test "docker's runtime is known by its names, and is the linked one; OomKillDisable is false where the kernel has it" {
    for name in runc io.containerd.runc.v2; do
        dory run -d --name rt --runtime "$name" busybox sleep 1000
        [ "$(dory inspect -f '{{.HostConfig.Runtime}}' rt)" = "$name" ]
        dory exec rt true
        dory rm -f rt
    done
    [ "$(dory info --format '{{json .Runtimes}}' | jq -r '.runc.path != null')" = true ]
    expected='<nil>'
    [ ! -e /sys/fs/cgroup/memory/memory.oom_control ] || expected=false
    dory create --name oom busybox true
    [ "$(dory inspect -f '{{json .HostConfig.OomKillDisable}}' oom | sed 's/null/<nil>/')" = "$expected" ]
    dory rm oom
}
