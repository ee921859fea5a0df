#!/usr/bin/env bats
# `run`: streams, exit codes, options, isolation. ENV_ENGINE=docker states the same of the real docker.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

@test "standard output and error are separate streams and the exit status is the container's" {
    run --separate-stderr dory run --rm busybox sh -c 'echo out; echo err >&2; exit 7'
    [ "$status" -eq 7 ]
    [ "$output" = out ]
    [ "$stderr" = err ]
}

@test "standard input reaches the container and its end is seen" {
    run bash -c 'printf "a\nb\nc" | "$ENV_CLI" run --rm -i busybox wc -c'
    [ "$status" -eq 0 ]
    [ "$output" = 5 ]
}

@test "standard input that the caller closed is empty" {
    run timeout 60 bash -c '"$ENV_CLI" run --rm -i busybox wc -c <&-'
    [ "$status" -eq 0 ]
    [ "$output" = 0 ]
    run timeout 60 bash -c '"$ENV_CLI" ps -q -f name=nobody <&- >&-'
    [ "$status" -eq 0 ] || [ "$ENV_ENGINE" = docker ]
}

@test "the platform of the environment is that of a flag that is not given" {
    for command in 'create busybox' 'pull 127.0.0.1:1/any' 'import /dev/null'; do
        run env DOCKER_DEFAULT_PLATFORM=nonsense timeout 60 "$ENV_CLI" $command
        echo "$command: $output"
        [ "$status" -eq 1 ]
        [[ $output == *'"nonsense": unknown operating system or architecture'* ]]
    done
    run env DOCKER_DEFAULT_PLATFORM=nonsense timeout 60 "$ENV_CLI" run --rm --platform "linux/$(dory image inspect -f '{{.Architecture}}' busybox)" busybox echo given
    [ "$output" = given ]
}

@test "a megabyte passes through cat unchanged" {
    head -c 1000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
    dory run --rm -i busybox cat <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
    cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

@test "a missing command is 127 and is named" {
    run dory run --rm busybox /no/such/command
    [ "$status" -eq 127 ]
    [[ $output == *"/no/such/command"* ]]
    [[ $output == *"no such file or directory"* ]]
}

@test "a command that is not in PATH is 127 and says so" {
    run dory run --rm busybox nosuchcommand
    [ "$status" -eq 127 ]
    [[ $output == *'exec: "nosuchcommand": executable file not found in $PATH'* ]]
}

@test "a file that cannot be executed is 126" {
    run dory run --rm busybox /etc/passwd
    [ "$status" -eq 126 ]
    [[ $output == *"permission denied"* ]]
}

@test "a signal's exit status is 128 plus its number" {
    run dory run --rm --init busybox sh -c 'kill -9 $$'
    [ "$status" -eq 137 ]
}

@test "an unknown flag is 125 and points at help" {
    run dory run --no-such-flag busybox true
    [ "$status" -eq 125 ]
    [[ $output == *"unknown flag: --no-such-flag"* ]]
    [[ $output == *"--help"* ]]
}

@test "a bad memory size is refused and nothing is created" {
    run dory run --name badmem -m 12potatoes busybox true
    [ "$status" -eq 125 ]
    [[ $output == *"invalid"*"12potatoes"* ]]
    run dory inspect badmem
    [ "$status" -eq 1 ]
}

@test "less than the least memory is refused" {
    run dory run --rm -m 1m busybox true
    [ "$status" -eq 125 ]
    [[ $output == *"Minimum memory limit allowed is 6MB"* ]]
}

@test "an unknown user is refused by name" {
    run dory run --rm -u nosuchuser busybox true
    [ "$status" -eq 126 ] || [ "$status" -eq 125 ]
    [[ $output == *"unable to find user nosuchuser: no matching entries in passwd file"* ]]
}

@test "a malformed reference is refused" {
    run dory run --rm 'BAD//name' true
    [ "$status" -eq 125 ]
    [[ $output == *"invalid reference format"* ]]
}

@test "an unknown image with --pull never is refused" {
    run dory run --rm --pull never nosuchimage:tag true
    [ "$status" -eq 125 ]
    [[ $output == *"No such image: nosuchimage:tag"* ]]
}

@test "a duplicate name is a conflict that names the holder" {
    dory create --name twice busybox true
    run dory run --name twice busybox true
    [ "$status" -eq 125 ]
    [[ $output == *'Conflict. The container name "/twice" is already in use by container'* ]]
    dory rm twice
}

@test "environment: -e, -e from the caller, --env-file, and nothing of the daemon's" {
    printf '# comment\nFROM_FILE=1\nPASSED\n' >"$BATS_TEST_TMPDIR/env"
    PASSED=yes INHERIT=me run dory run --rm -e A=1 -e INHERIT --env-file "$BATS_TEST_TMPDIR/env" -h box busybox env
    [ "$status" -eq 0 ]
    sorted=$(sort <<<"$output")
    [ "$sorted" = "$(printf 'A=1\nFROM_FILE=1\nHOME=/root\nHOSTNAME=box\nINHERIT=me\nPASSED=yes\nPATH=/bin:/sbin:/usr/bin:/usr/sbin' | sort)" ]
}

@test "working directory is made when missing" {
    run dory run --rm -w /new/dir busybox pwd
    [ "$output" = /new/dir ]
}

@test "users: name, uid, uid:gid, supplementary groups of the image" {
    run dory run --rm -u www-data busybox id
    [ "$output" = "uid=33(www-data) gid=33(www-data) groups=29(audio),33(www-data)" ]
    run dory run --rm -u 1234 busybox id
    [ "$output" = "uid=1234 gid=0(root) groups=0(root)" ]
    run dory run --rm -u 1234:4321 busybox id
    [ "$output" = "uid=1234 gid=4321 groups=4321" ]
    run dory run --rm -u nobody:audio busybox id -g
    [ "$output" = 29 ]
    run dory run --rm --group-add 777 busybox id -G
    [[ " $output " == *" 777 "* ]]
}

@test "uids out of range are refused, never wrapped" {
    for user in 4294967296 -1 2147483648; do
        run dory run --rm -u "$user" busybox id
        [ "$status" -ne 0 ]
        [[ $output != *uid=0* ]]
    done
}

@test "hostname, hosts and resolv.conf" {
    run dory run --rm -h myhost --add-host db:10.1.2.3 --dns 9.9.9.9 --dns-search example.org busybox \
        sh -c 'hostname; cat /etc/hostname; cat /etc/hosts; cat /etc/resolv.conf'
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = myhost ]
    [ "${lines[1]}" = myhost ]
    [[ $output == *$'10.1.2.3\tdb'* ]]
    [[ $output == *"nameserver 9.9.9.9"* ]]
    [[ $output == *"search example.org"* ]]
    [[ $output == *$'\tmyhost'* ]]
    run dory run --rm -h 'odd_host!' busybox hostname
    [ "$status" -eq 0 ]
    [ "$output" = 'odd_host!' ]
}

@test "entrypoint replaces the image's command" {
    run dory run --rm --entrypoint echo busybox a b
    [ "$output" = "a b" ]
}

@test "bind mounts: read-write, read-only, a missing source is made" {
    mkdir "$BATS_TEST_TMPDIR/b"
    echo hello >"$BATS_TEST_TMPDIR/b/f"
    run dory run --rm -v "$BATS_TEST_TMPDIR/b:/b" busybox sh -c 'cat /b/f; echo new >/b/g'
    [ "$output" = hello ]
    [ "$(cat "$BATS_TEST_TMPDIR/b/g")" = new ]
    run dory run --rm -v "$BATS_TEST_TMPDIR/b:/b:ro" busybox sh -c 'echo x >/b/h'
    [ "$status" -ne 0 ]
    [[ $output == *"Read-only file system"* ]]
    dory run --rm -v "$BATS_TEST_TMPDIR/made:/m" busybox true
    [ -d "$BATS_TEST_TMPDIR/made" ]
}

@test "a missing source of --mount type=bind is refused" {
    run dory run --rm --mount type=bind,src=/no/such/dir,dst=/m busybox true
    [ "$status" -eq 125 ]
    [[ $output == *'invalid mount config for type "bind": bind source path does not exist: /no/such/dir'* ]]
}

@test "named volumes keep their content; anonymous ones go with --rm" {
    dory run --rm -v vol1:/v busybox sh -c 'echo kept >/v/f'
    run dory run --rm -v vol1:/v busybox cat /v/f
    [ "$output" = kept ]
    before=$(curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/v1.40/volumes | jq '.Volumes | length')
    dory run --rm -v /anon busybox true
    after=$(curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/v1.40/volumes | jq '.Volumes | length')
    [ "$before" -eq "$after" ]
}

@test "a new volume is filled from the image" {
    run dory run --rm -v fresh:/etc busybox cat /etc/passwd
    [ "$status" -eq 0 ]
    [[ $output == *www-data* ]]
}

@test "tmpfs, read-only root, shm size" {
    run dory run --rm --read-only --tmpfs /t:size=1m busybox sh -c 'echo x >/t/f && cat /t/f; echo y >/g'
    [ "$status" -ne 0 ]
    [ "${lines[0]}" = x ]
    [[ $output == *"Read-only file system"* ]]
    # Propagation is an option of a tmpfs as well.
    [[ $(dory run --rm --tmpfs /t:size=1m,shared busybox grep ' /t ' /proc/self/mountinfo) == *" shared:"* ]]
    [[ $(dory run --rm --tmpfs /t:unbindable busybox grep ' /t ' /proc/self/mountinfo) == *" unbindable "* ]]
    [[ $(dory run --rm --tmpfs /t busybox grep ' /t ' /proc/self/mountinfo) != *shared* ]]
    run -125 dory run --rm --tmpfs /t:sharing busybox true
    [[ $output == *'invalid tmpfs option ["sharing"]'* ]]
    run dory run --rm --shm-size 8m busybox df -k /dev/shm
    [[ $output == *8192* ]]
}

@test "memory limit binds: the container is killed and says why" {
    dory run --name oom -m 20m --memory-swap 20m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1' || status=$?
    [ "$status" -eq 137 ]
    run dory inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom
    [ "$output" = "true 137" ]
    dory rm oom
}

@test "pids limit binds" {
    run dory run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'
    [[ $output == *"can't fork"* ]]
}

@test "cpu limit is in the cgroup" {
    dory run -d --name cpus --cpus 0.5 busybox sleep 60
    pid=$(dory inspect -f '{{.State.Pid}}' cpus)
    path=$(awk -F: '$2 == "cpu" || $2 == "cpu,cpuacct" || $2 == "cpuacct,cpu" {print $3}' "/proc/$pid/cgroup")
    if [ -n "$path" ]; then
        [ "$(cat "/sys/fs/cgroup/cpu$path/cpu.cfs_quota_us")" = 50000 ]
    else
        path=$(awk -F: '$1 == 0 {print $3}' "/proc/$pid/cgroup")
        [ "$(cat "/sys/fs/cgroup$path/cpu.max")" = "50000 100000" ]
    fi
    dory rm -f cpus
}

@test "default capabilities and seccomp are docker's" {
    run dory run --rm busybox grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|Seccomp|NoNewPrivs):' /proc/self/status
    [[ $output == *$'CapEff:\t00000000a80425fb'* ]]
    [[ $output == *$'CapBnd:\t00000000a80425fb'* ]]
    [[ $output == *$'CapAmb:\t0000000000000000'* ]]
    [[ $output == *$'Seccomp:\t2'* ]]
    [[ $output == *$'NoNewPrivs:\t0'* ]]
}

@test "inheritable capabilities are empty" {
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 before its fix of CVE-2022-24769 may differ"
    run dory run --rm busybox grep CapInh /proc/self/status
    [ "$output" = $'CapInh:\t0000000000000000' ]
}

@test "cap-add, cap-drop, no-new-privileges" {
    run dory run --rm --cap-drop ALL --cap-add NET_ADMIN busybox grep CapEff /proc/self/status
    [ "$output" = $'CapEff:\t0000000000001000' ]
    run dory run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
    [ "$output" = $'NoNewPrivs:\t1' ]
    run dory run --rm --cap-add NO_SUCH busybox true
    [ "$status" -eq 125 ]
    [[ $output == *'invalid CapAdd: unknown capability: "CAP_NO_SUCH"'* ]]
}

@test "privileged: no seccomp, all devices, mounting works" {
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 asks for capabilities that this machine does not give"
    run dory run --rm --privileged busybox sh -c 'grep Seccomp: /proc/self/status; [ $(ls /dev | wc -l) -gt 30 ] && echo many; mkdir /m && mount -t tmpfs x /m && echo mounted; : >/proc/sys/vm/overcommit_memory && echo writable'
    [ "$status" -eq 0 ]
    [ "$output" = $'Seccomp:\t0\nmany\nmounted\nwritable' ]
}

@test "a volume on /etc does not hide the container's own files there; a host name with dots has a short form" {
    [ "$(dory run --rm -v /etc --dns 192.0.2.7 busybox grep -c '^nameserver 192.0.2.7' /etc/resolv.conf)" = 1 ]
    run dory run --rm -v /etc --hostname name.of.this busybox cat /etc/hosts /etc/hostname
    [[ $output == *$'\tname.of.this name\n'* ]]
    [ "${lines[-1]}" = name.of.this ]
}

@test "a seccomp profile in the old form, with one name" {
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"chmod","action":"SCMP_ACT_ERRNO"},{"name":"fchmodat","action":"SCMP_ACT_ERRNO"}]}' >"$BATS_TEST_TMPDIR/old"
    run -1 dory run --rm --security-opt "seccomp=$BATS_TEST_TMPDIR/old" busybox chmod 400 /bin
    [[ $output == *"Operation not permitted"* ]]
    dory run --rm --security-opt "seccomp=$BATS_TEST_TMPDIR/old" busybox true
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"chmod","names":["chown"],"action":"SCMP_ACT_ERRNO"}]}' >"$BATS_TEST_TMPDIR/both"
    run -125 dory run --rm --security-opt "seccomp=$BATS_TEST_TMPDIR/both" busybox true
    [[ $output == *"both 'name' and 'names' are specified"* ]]
}

@test "what docker masks is masked and what it makes read-only is" {
    # The last: how often processors were throttled.
    run dory run --rm busybox sh -c 'cat /proc/keys /proc/timer_list /proc/interrupts | wc -c
        ls /sys/firmware | wc -l; ls /sys/devices/system/cpu/cpu*/thermal_throttle 2>/dev/null | grep -c count'
    [ "$output" = $'0\n0\n0' ]
    run dory run --rm busybox sh -c 'echo 1 >/proc/sys/kernel/domainname'
    [ "$status" -ne 0 ]
    [[ $output == *"Read-only file system"* ]]
}

@test "a mount is not allowed without privilege" {
    run dory run --rm busybox mount -t tmpfs x /tmp
    [ "$status" -ne 0 ]
}

@test "devices: the default set, and --device" {
    run dory run --rm busybox sh -c 'ls /dev | sort | tr "\n" " "'
    # /dev/core points at /proc/kcore, which not every kernel has.
    [ "${output/core /}" = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero " ]
    run dory run --rm --device /dev/kmsg:/dev/mykmsg:r busybox ls -l /dev/mykmsg
    [[ $output == c* ]]
    [[ $output == *"1,  11"* ]]
}

@test "the container sees no descriptors but its own three" {
    run dory run --rm busybox sh -c 'ls /proc/self/fd | tr "\n" " "'
    [ "$output" = "0 1 2 3 " ]
}

@test "a working directory that points at a descriptor is refused or harmless" {
    for n in 3 4 5 6 7 8 9 10; do
        run dory run --rm -w "/proc/self/fd/$n" busybox sh -c 'cat ../../../etc/shadow 2>/dev/null || true; pwd'
        [[ $output != *'root:$'* ]]
        [[ $output != *'root:*'* ]]
    done
}

@test "ulimits and sysctls" {
    run dory run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -Sn; ulimit -Hn'
    [ "$output" = $'100\n200' ]
    run dory run --rm --sysctl net.ipv4.ip_default_ttl=33 busybox cat /proc/sys/net/ipv4/ip_default_ttl
    [ "$output" = 33 ]
}

@test "init reaps and forwards" {
    run dory run --rm --init busybox sh -c 'cat /proc/1/comm; echo $$'
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == docker-init* ]]
    [ "${lines[1]}" != 1 ]
}

@test "none and host networks" {
    run dory run --rm --network none busybox sh -c 'ls /sys/class/net | tr "\n" " "'
    [ "$output" = "lo " ]
    run dory run --rm --network host busybox ls /sys/class/net
    [[ $output == *"$ENV_BRIDGE"* ]]
}

@test "container:NAME shares the network" {
    dory run -d --name netowner busybox sleep 60
    a=$(dory run --rm --network container:netowner busybox ip -4 -o addr show eth0)
    b=$(dory inspect -f '{{.NetworkSettings.IPAddress}}' netowner)
    [[ $a == *"$b"* ]]
    dory rm -f netowner
}

@test "cidfile holds the id and must not exist" {
    dory run --rm --cidfile "$BATS_TEST_TMPDIR/cid" busybox true
    [ "$(wc -c <"$BATS_TEST_TMPDIR/cid")" -eq 64 ]
    run dory run --rm --cidfile "$BATS_TEST_TMPDIR/cid" busybox true
    [ "$status" -eq 125 ]
    [[ $output == *"container ID file found"* ]]
}

@test "a terminal: tty, window size, and the streams are one" {
    run script -qec "stty rows 33 cols 77; '$ENV_CLI' run --rm -it busybox sh -c 'tty; sleep 0.3; stty size'" /dev/null </dev/null
    [[ $output == *"/dev/pts/0"* ]]
    [[ $output == *"33 77"* ]]
}

@test "-t without a terminal on the input is refused for -i" {
    run bash -c 'echo | "$ENV_CLI" run --rm -it busybox true'
    [ "$status" -eq 1 ]
    [[ $output == *"the input device is not a TTY"* ]]
}

@test "signals reach the container through the CLI" {
    "$ENV_CLI" run --rm --name sigs busybox sh -c 'trap "echo got; exit 3" TERM; echo ready; while :; do sleep 0.1; done' >"$BATS_TEST_TMPDIR/out" &
    cli=$!
    for _ in $(seq 100); do grep -q ready "$BATS_TEST_TMPDIR/out" && break; sleep 0.05; done
    kill -TERM $cli
    wait $cli && code=0 || code=$?
    [ "$code" -eq 3 ]
    grep -q got "$BATS_TEST_TMPDIR/out"
}

@test "detaching with Ctrl-P Ctrl-Q leaves the container running" {
    /usr/bin/python3 - "$ENV_CLI" <<'EOF'
import os, pty, sys, time, select
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "run", "-it", "--name", "detached", "busybox", "sh"])
def until(text, seconds=10):
    got, end = b"", time.time() + seconds
    while text not in got and time.time() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try: got += os.read(fd, 4096)
            except OSError: break
    return got
assert b"#" in until(b"#"), "no prompt"
os.write(fd, b"echo a$((1+1))b\n")
assert b"a2b" in until(b"a2b")
os.write(fd, b"\x10\x11")
until(b"\x00nothing", 1)
pid, status = os.waitpid(pid, 0)
assert os.WIFEXITED(status), status
sys.exit(os.WEXITSTATUS(status))
EOF
    [ "$(dory inspect -f '{{.State.Running}}' detached)" = true ]
    dory rm -f detached
}
