#!/usr/bin/env bats
# update: limits of running and stopped containers, the restart policy, and what is refused.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

wait_for() { # seconds, command...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# limit CONTAINER CONTROLLER V1-FILE V2-FILE: what the kernel has, wherever this host mounts the controller.
limit() {
    local pid path
    pid=$(dory inspect -f '{{.State.Pid}}' "$1")
    path=$(awk -F: -v c="$2" '{ n = split($2, names, ","); for (i = 1; i <= n; i++) if (names[i] == c) print $3 }' "/proc/$pid/cgroup")
    if [ -n "$path" ]; then
        cat "/sys/fs/cgroup/$2$path/$3"
    else
        cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")/$4"
    fi
}

host() {
    dory inspect -f "{{.HostConfig.$2}}" "$1"
}

@test "limits of a running container change at once, and are kept" {
    dory run -d --name up1 -m 64m --memory-swap 128m busybox sleep 1000
    [ "$(limit up1 memory memory.limit_in_bytes memory.max)" = 67108864 ]
    run dory update -m 96m --memory-reservation 32m --cpu-shares 512 --pids-limit 50 up1
    [ "$status" -eq 0 ]
    [ "$output" = up1 ]
    [ "$(limit up1 memory memory.limit_in_bytes memory.max)" = 100663296 ]
    [ "$(limit up1 memory memory.soft_limit_in_bytes memory.low)" = 33554432 ]
    [ "$(limit up1 pids pids.max pids.max)" = 50 ]
    [ "$(host up1 Memory) $(host up1 CpuShares) $(host up1 PidsLimit) $(host up1 MemorySwap)" = "100663296 512 50 134217728" ]
    dory update --cpus 0.5 up1
    [[ $(limit up1 cpu cpu.cfs_quota_us cpu.max) == 50000* ]]
    [ "$(host up1 NanoCpus)" = 500000000 ]
    dory update --cpuset-cpus 0 up1
    [ "$(limit up1 cpuset cpuset.cpus cpuset.cpus)" = 0 ]
    dory update --pids-limit -1 up1
    [ "$(limit up1 pids pids.max pids.max)" = max ]
    dory restart -t 0 up1
    [ "$(limit up1 memory memory.limit_in_bytes memory.max)" = 100663296 ]
    [[ $(limit up1 cpu cpu.cfs_quota_us cpu.max) == 50000* ]]
    dory rm -f up1
}

@test "a stopped container starts with its new limits, also after the daemon was killed" {
    dory create --name up2 busybox sleep 1000
    dory update --memory 80m --memory-swap 160m up2
    dory update --pids-limit 20 up2
    env_daemon_kill
    env_daemon_start
    [ "$(host up2 Memory)" = 83886080 ]
    dory start up2
    [ "$(limit up2 memory memory.limit_in_bytes memory.max)" = 83886080 ]
    [ "$(limit up2 pids pids.max pids.max)" = 20 ]
    dory rm -f up2
}

@test "what is wrong or contradicts is refused in docker's words, and nothing changes" {
    dory run -d --name up3 -m 64m --cpus 1 busybox sleep 1000
    run dory update -m 1m up3
    [ "$status" -eq 1 ]
    [[ $output == *"Minimum memory limit allowed is 6MB"* ]]
    run dory update -m 256m up3
    [ "$status" -eq 1 ]
    [[ $output == *"Cannot update container"*"Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"* ]]
    run dory update --cpu-period 50000 up3
    [ "$status" -eq 1 ]
    [[ $output == *"CPU Period cannot be updated as NanoCPUs has already been set"* ]]
    run dory update --cpu-quota 50000 up3
    [ "$status" -eq 1 ]
    [[ $output == *"CPU Quota cannot be updated as NanoCPUs has already been set"* ]]
    run dory update --cpuset-cpus 999 up3
    [ "$status" -eq 1 ]
    [ "$(host up3 CpusetCpus)" = "" ]
    [ "$(limit up3 memory memory.limit_in_bytes memory.max) $(host up3 Memory) $(host up3 CpuPeriod)" = "67108864 67108864 0" ]
    run dory update up3
    [ "$status" -eq 1 ]
    [[ $output == *"must provide one or more flags"* ]]
    [ "$(dory update --cpu-shares 0 up3)" = up3 ] # a value that changes nothing is one
    run dory update -m 64m nosuchcontainer
    [ "$status" -eq 1 ]
    [[ $output == *"No such container: nosuchcontainer"* ]]
    dory rm -f up3
}

@test "a limit that the kernel refuses leaves the others as they were" {
    [ "$ENV_ENGINE" = dory ] || skip "docker keeps what it has written before the refusal"
    dory run -d --name up4 busybox sleep 1000
    before=$(limit up4 memory memory.soft_limit_in_bytes memory.low)
    run dory update --memory-reservation 32m --cpu-shares 300 --cpu-rt-runtime 1000 up4
    [ "$status" -eq 1 ]
    [[ $output == *"Cannot update container"*rt_runtime* ]]
    [ "$(limit up4 memory memory.soft_limit_in_bytes memory.low)" = "$before" ]
    [ "$(host up4 MemoryReservation) $(host up4 CpuShares)" = "0 0" ]
    dory rm -f up4
}

@test "limits of devices are replaced and, since API 1.55, lifted by an empty list" {
    [ "$ENV_ENGINE" = dory ] || skip "docker does so since 29.6"
    device=
    for node in /dev/*; do
        [ ! -b "$node" ] || device=$node
    done
    [ -n "$device" ] || skip "no block device"
    number=$((16#$(stat -c %t "$device"))):$((16#$(stat -c %T "$device")))
    update() { # version body
        curl -sf --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' -d "$2" "http://d/v$1/containers/up8/update" >/dev/null
    }
    throttled() { # v1's file, v2's key
        limit up8 blkio "blkio.throttle.$1" io.max | grep "^$number " | grep -o "$number [1-9].*\|$2=[1-9][0-9]*" | grep -o '[0-9]*$' || echo none
    }
    dory run -d --name up8 --device-read-bps "$device:1mb" busybox sleep 1000
    [ "$(throttled read_bps_device rbps)" = 1048576 ]
    update 1.47 '{"BlkioDeviceReadBps":[{"Path":"'"$device"'","Rate":2097152}],"BlkioDeviceWriteIOps":[{"Path":"'"$device"'","Rate":50}]}'
    [ "$(throttled read_bps_device rbps) $(throttled write_iops_device wiops)" = "2097152 50" ]
    # Null and what is not there leave it; so did an empty list once.
    update 1.55 '{"BlkioDeviceReadBps":null,"CpuShares":512}'
    update 1.54 '{"BlkioDeviceReadBps":[],"CpuShares":300}'
    [ "$(throttled read_bps_device rbps) $(throttled write_iops_device wiops)" = "2097152 50" ]
    update 1.55 '{"BlkioDeviceReadBps":[]}'
    [ "$(throttled read_bps_device rbps) $(throttled write_iops_device wiops)" = "none 50" ]
    [ "$(dory inspect -f '{{len .HostConfig.BlkioDeviceReadBps}} {{len .HostConfig.BlkioDeviceWriteIOps}}' up8)" = "0 1" ]
    # What a refused update had lifted comes back.
    run ! update 1.55 '{"BlkioDeviceWriteIOps":[],"CpuRealtimeRuntime":1000}'
    [ "$(throttled write_iops_device wiops)" = 50 ]
    [ "$(dory inspect -f '{{len .HostConfig.BlkioDeviceWriteIOps}}' up8)" = 1 ]
    dory rm -f up8
}

@test "the restart policy of a running container" {
    dory run -d --name up5 busybox sleep 1000
    dory update --restart on-failure:3 up5
    [ "$(dory inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' up5)" = "on-failure 3" ]
    dory update --restart always up5
    kill -KILL "$(dory inspect -f '{{.State.Pid}}' up5)"
    restarted() { [ "$(dory inspect -f '{{.RestartCount}} {{.State.Running}}' up5)" = "1 true" ]; }
    wait_for 30 restarted
    run dory update --restart sometimes up5
    [ "$status" -eq 1 ]
    [[ $output == *"invalid restart policy"* ]]
    dory rm -f up5
    dory run -d --rm --name up6 busybox sleep 1000
    run dory update --restart always up6
    [ "$status" -eq 1 ]
    [[ $output == *"Restart policy cannot be updated because AutoRemove is enabled for the container"* ]]
    dory rm -f up6
}

@test "members that cannot be updated are named, and the event says what happened" {
    [ "$ENV_ENGINE" = dory ] || skip "docker ignores them"
    dory create --name up7 busybox true
    run curl -s -o "$BATS_TEST_TMPDIR/out" -w '%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' \
        -d '{"Memory":67108864,"MemorySwap":-1,"Ulimits":[{"Name":"nofile","Soft":1,"Hard":1}]}' http://d/containers/up7/update
    [ "$output" = 501 ]
    grep -q 'Ulimits of an existing container cannot be updated' "$BATS_TEST_TMPDIR/out"
    [ "$(host up7 Memory)" = 0 ]
    run curl -s --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' \
        -d '{"Memory":67108864,"MemorySwap":-1,"Ulimits":null,"Devices":[],"CgroupParent":"","OomKillDisable":null}' http://d/containers/up7/update
    [ "$output" = '{"Warnings":[]}' ]
    [ "$(host up7 Memory) $(host up7 MemorySwap)" = "67108864 -1" ]
    run dory events --since 1h --until "$(date +%s.%N)" --filter container=up7 --filter event=update --format '{{.Action}}'
    [ "$output" = update ]
    dory rm up7
}

@test "limits, restart policy, ports and mounts change together, in a running and in a stopped container" {
    [ "$ENV_ENGINE" = dory ] || skip "docker has no --publish-add and no --mount-add"
    dory run -d --name up8 busybox sh -c 'mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www'
    dory create --name up9 busybox sh -c 'mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www'
    for name in up8 up9; do
        old=$(free_port)
        dory update --publish-add "127.0.0.1:$old:81" "$name"
        port=$(free_port)
        run dory update -m 64m --memory-swap 128m --pids-limit 40 --restart on-failure:3 --publish-rm 81 \
            --publish-add "127.0.0.1:$port:80" --mount-add type=volume,src=togethervol,dst=/vol \
            --mount-add type=tmpfs,dst=/t "$name"
        [ "$status $output" = "0 $name" ]
        dory start "$name"
        [ "$(limit "$name" memory memory.limit_in_bytes memory.max)" = 67108864 ]
        [ "$(limit "$name" pids pids.max pids.max)" = 40 ]
        [ "$(host "$name" RestartPolicy.Name) $(dory inspect -f '{{len .Mounts}}' "$name")" = "on-failure 2" ]
        serves() { [ "$(curl -s --max-time 20 "http://127.0.0.1:$port/")" = hello ]; }
        wait_for 30 serves
        [ "$(dory port "$name")" = "80/tcp -> 127.0.0.1:$port" ]
        dory exec "$name" touch /vol/x /t/x
        dory restart -t 0 "$name"
        [ "$(limit "$name" pids pids.max pids.max)" = 40 ]
        wait_for 30 serves
        dory exec "$name" test -e /vol/x
    done
    dory rm -f up8 up9
    dory volume rm togethervol
}

@test "of an update that is refused in one part nothing is done" {
    [ "$ENV_ENGINE" = dory ] || skip "docker has no --publish-add and no --mount-add"
    taken=$(free_port)
    dory run -d --name holder -p "127.0.0.1:$taken:80" busybox sleep 1000
    kept=$(free_port)
    port=$(free_port)
    dory run -d --name up10 -m 64m --memory-swap 128m -p "127.0.0.1:$kept:80" busybox sh -c 'mkdir /www; echo kept >/www/index.html; exec httpd -f -p 80 -h /www'
    serves() { [ "$(curl -s --max-time 20 "http://127.0.0.1:$kept/")" = kept ]; }
    wait_for 30 serves
    before=$(dory inspect -f '{{json .HostConfig}} {{json .Mounts}} {{json .NetworkSettings.Ports}}' up10)
    unchanged() { # what the refused update said must have this
        [ "$status" -eq 1 ]
        [[ $output == *"$1"* ]]
        [ "$(dory inspect -f '{{json .HostConfig}} {{json .Mounts}} {{json .NetworkSettings.Ports}}' up10)" = "$before" ]
        [ "$(limit up10 memory memory.limit_in_bytes memory.max)" = 67108864 ]
        [ "$(limit up10 pids pids.max pids.max)" = max ]
        [ "$(dory exec up10 grep -c ' /refused' /proc/self/mountinfo || true)" = 0 ]
        [ -z "$(dory volume ls -q -f name=norefusedvol)" ]
        serves
        run curl -s --max-time 20 "http://127.0.0.1:$port/"
        [ "$status" -ne 0 ]
    }
    good=(-m 32m --pids-limit 30 --restart always)
    mount=(--mount-add type=volume,src=norefusedvol,dst=/refused)
    # A port of somebody else: the limits were the kernel's already.
    run dory update "${good[@]}" "${mount[@]}" --publish-add "127.0.0.1:$taken:81" up10
    unchanged "port is already allocated"
    # A mount that cannot be attached: limits, ports, volumes and the row were there already.
    run dory update "${good[@]}" "${mount[@]}" --publish-rm 80 --publish-add "127.0.0.1:$port:80" \
        --mount-add type=tmpfs,dst=/etc/passwd/below up10
    unchanged /etc/passwd/below
    # A limit that the kernel refuses.
    run dory update "${good[@]}" --cpu-rt-runtime 1000 "${mount[@]}" --publish-add "127.0.0.1:$port:80" up10
    unchanged rt_runtime
    # What a check finds.
    run dory update "${good[@]}" -m 1m "${mount[@]}" --publish-add "127.0.0.1:$port:80" up10
    unchanged "Minimum memory limit allowed is 6MB"
    run dory update "${good[@]}" "${mount[@]}" --publish-rm 99 up10
    unchanged "port 99/tcp is not published"
    # And it is so in the database.
    env_daemon_kill
    env_daemon_start
    [ "$(dory inspect -f '{{json .HostConfig}} {{json .Mounts}} {{json .NetworkSettings.Ports}}' up10)" = "$before" ]
    dory rm -f up10 holder
}
