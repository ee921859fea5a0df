#!/usr/bin/env bats
# What the CLI refuses by itself, with docker 28's words and status (ENV_ENGINE=docker ENV_DOCKER=/path/of/a/docker-28 states
# the same of docker's).

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory run -d --name web -p 127.0.0.1::80 busybox sleep 1000 >/dev/null
    P=$(basename "$ENV_CLI")
    export P
}

teardown_file() {
    env_stop
}

says() { # STATUS "first line of standard error" argument...
    local want=$1 text=$2
    shift 2
    run --separate-stderr timeout 60 "$ENV_CLI" "$@" </dev/null
    echo "$* -> $status: $stderr"
    [ "$status" -eq "$want" ]
    [ "${stderr_lines[0]}" = "$text" ]
}

@test "flags of create are judged before the daemon is asked" {
    says 125 "$P: --pid: invalid PID mode" create --pid foo busybox
    says 125 "$P: --uts: invalid UTS mode" create --uts foo busybox
    says 125 "$P: --userns: invalid USER mode" create --userns foo busybox
    says 125 "$P: --cgroupns: invalid CGROUP mode" create --cgroupns foo busybox
    says 125 "$P: foo is not an absolute path" create --device foo busybox
    says 125 "$P: foo is not a valid mac address" create --mac-address foo busybox
    says 125 "$P: Invalid --security-opt: \"foo\"" create --security-opt foo busybox
    says 125 "$P: invalid IP address: 1:2" create -p 1:2:3:4 busybox
    says 125 "$P: invalid containerPort: foo" create -p foo busybox
    says 125 "$P: open /nonexistent: no such file or directory" create --env-file /nonexistent busybox
    says 125 "$P: open /nonexistent: no such file or directory" create --label-file /nonexistent busybox
    says 125 "$P: invalid pull option: 'foo': must be one of \"always\", \"missing\" or \"never\"" create --pull foo busybox
    [ "$(dory ps -aq | wc -l)" -eq 1 ]
}

@test "values that do not fit are errors of their flag" {
    says 125 'invalid argument "foo" for "--dns" flag: IP address is not correctly formatted: foo' create --dns foo busybox
    says 125 "invalid argument \"foo\" for \"--sysctl\" flag: sysctl 'foo' is not allowed" create --sysctl foo busybox
    says 125 "invalid argument \"foo\" for \"--mount\" flag: invalid field 'foo' must be a key=value pair" create --mount foo busybox
    [ "${stderr_lines[1]}" = "Usage:  $P create [OPTIONS] IMAGE [COMMAND] [ARG...]" ]
    says 125 'invalid argument "foo" for "--ulimit" flag: invalid ulimit argument: foo' create --ulimit foo busybox
    says 125 'invalid argument "foo" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR' create -a foo busybox
}

@test "devices, labels and domains are judged as values of their flag" {
    says 125 'invalid argument "foo" for "--blkio-weight-device" flag: bad format: foo' create --blkio-weight-device foo busybox
    says 125 'invalid argument "null:500" for "--blkio-weight-device" flag: bad format for device path: null:500' \
        create --blkio-weight-device null:500 busybox
    says 125 'invalid argument "/dev/null:5" for "--blkio-weight-device" flag: invalid weight for device: /dev/null:5' \
        create --blkio-weight-device /dev/null:5 busybox
    says 125 'invalid argument "/dev/null:x" for "--device-read-bps" flag: invalid rate for device: /dev/null:x. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb' \
        create --device-read-bps /dev/null:x busybox
    says 125 'invalid argument "/dev/null:-1" for "--device-write-iops" flag: invalid rate for device: /dev/null:-1. The correct format is <device-path>:<number>. Number must be a positive integer' \
        create --device-write-iops /dev/null:-1 busybox
    for rule in foo 'c 1:3 rwmr' 'd 1:3 r' 'c 1-3 r' 'c 1:3 '; do
        says 125 "invalid argument \"$rule\" for \"--device-cgroup-rule\" flag: invalid device cgroup format '$rule'" \
            create --device-cgroup-rule "$rule" busybox
    done
    says 125 "invalid argument \"=x\" for \"-l, --label\" flag: invalid label '=x': empty name" create -l =x busybox
    says 125 "invalid argument \"\" for \"--label\" flag: invalid label '': empty name" network create --label '' labelled
    says 125 "invalid argument \"=\" for \"--label\" flag: invalid label '=': empty name" volume create --label = labelled
    for domain in 'bad!' foo_bar 17 foo- -foo foo..bar ''; do
        says 125 "invalid argument \"$domain\" for \"--dns-search\" flag: $domain is not a valid domain" create --dns-search "$domain" busybox
    done
    for domain in . 1.foo a. foo-bar.example; do
        run dory create --name searching --dns-search "$domain" busybox
        [ "$status" -eq 0 ]
        dory rm searching >/dev/null
    done
    says 125 "$P: invalid storage option" create --storage-opt foo busybox
    says 125 "$P: invalid logging opts for driver none" create --log-driver none --log-opt max-size=1m busybox
    says 125 "$P: --health-retries cannot be negative" create --health-cmd true --health-retries=-1 busybox
    says 125 "$P: --health-start-period cannot be negative" create --health-cmd true --health-start-period=-1s busybox
    says 1 "invalid key/value pair format in driver options" network connect --driver-opt foo bridge web
    [ "$(dory ps -aq | wc -l)" -eq 1 ]
}

@test "names of images are judged before the daemon is asked" {
    says 125 "$P: invalid reference format" run ''
    says 125 "$P: invalid reference format: repository name (library/BAD) must be lowercase" create BAD
    says 125 "$P: invalid reference format" run busybox@sha256:abc
    says 1 "invalid reference format" commit web x:y:z
    says 1 "invalid reference format: repository name (library/BAD) must be lowercase" push BAD
    says 1 "invalid reference format: repository name (library/BAD) must be lowercase" import - BAD
    run dory create --name whole "$(dory inspect -f '{{.ID}}' busybox | cut -d: -f2)"
    [ "$status" -eq 0 ]
    dory rm whole
}

@test "an empty name is none" {
    says 1 "container name cannot be empty" rm ''
    says 1 "container name cannot be empty" rm -f /
    says 1 "invalid container name or ID: value is empty" stop ''
    says 1 "invalid container name or ID: value is empty" inspect ''
    says 1 "invalid volume name or ID: value is empty" volume rm ''
    says 1 "invalid network name or ID: value is empty" network rm ''
    says 1 "username is empty" login 127.0.0.1:1 -u '' -p ''
    says 1 "password is empty" login 127.0.0.1:1 -u user -p ''
}

@test "files of variables and labels" {
    cd "$BATS_TEST_TMPDIR"
    printf '\xef\xbb\xbfA=1\r\n# no\n\n \tB=2 \nABSENT\nHOME\nA=3\n' >good
    run dory create --name filed --env-file good --label-file good busybox
    [ "$status" -eq 0 ]
    [ "$(HOME=/h dory inspect -f '{{json .Config.Labels}}' filed)" = '{"A":"3","B":"2 "}' ]
    dory rm filed >/dev/null
    run env HOME=/h "$ENV_CLI" run --rm --env-file good busybox sh -c 'echo "$A,$B,$HOME,$ABSENT."'
    [ "$output" = '3,2 ,/h,.' ]
    printf 'A=1\nB D=1\n' >bad
    says 125 "$P: invalid env file (bad): variable 'B D' contains whitespaces" create --env-file bad busybox
    printf 'A=1\n=1\n' >bad
    says 125 "$P: invalid env file (bad): no variable name on line '=1'" create --label-file bad busybox
    printf 'A=1\nB=\xff' >bad
    says 125 "$P: invalid env file (bad): invalid utf8 bytes at line 2: [66 61 255]" create --env-file bad busybox
    says 125 "$P: invalid env file (.): read .: is a directory" create --env-file . busybox
    says 125 "$P: open good/x: not a directory" create --env-file good/x busybox
    head -c 70000 /dev/zero | tr '\0' x >bad
    says 125 "$P: invalid env file (bad): bufio.Scanner: token too long" create --env-file bad busybox
    says 125 "$P: opening seccomp profile (/nonexistent) failed: open /nonexistent: no such file or directory" \
        create --security-opt seccomp=/nonexistent busybox
}

@test "options that exclude each other" {
    says 1 "conflicting options: cannot specify both --attach and --detach" run -d -a stdout busybox true
    says 125 "$P: conflicting options: cannot specify both --restart and --rm" run --rm --restart always busybox true
    says 1 "the input device is not a TTY" run -it busybox true
}

@test "errors of the daemon: run says who it is, create does not" {
    says 125 "$P: Error response from daemon: No such image: nope:latest" run --pull never nope
    says 1 "Error response from daemon: No such image: nope:latest" create --pull never nope
    says 1 "Error response from daemon: No such container: nope" rm nope
    says 1 "Error response from daemon: No such container: nope" logs nope
    says 1 "Error response from daemon: No such container: nope" rename nope other
    [ "${stderr_lines[1]}" = "Error: failed to rename container named nope" ]
}

@test "several arguments: all are tried, failures are told behind what was done" {
    run --separate-stderr dory start nope web nope2
    [ "$status" -eq 1 ]
    [ "$output" = web ]
    [ "${stderr_lines[2]}" = "Error: failed to start containers: nope, nope2" ]
    run dory stop -t 0 nope web
    [ "$status" -eq 1 ]
    [ "$output" = $'web\nError response from daemon: No such container: nope' ]
    dory start web >/dev/null
    run --separate-stderr dory rm -f nope
    [ -z "$output" ]
    [ "$stderr" = "Error response from daemon: No such container: nope" ]
}

@test "containers are stopped at the same time, and told in the order of the arguments" {
    # They ignore the signal: one after the other they would wait for each other's end.
    for name in slow1 slow2 slow3 slow4; do
        dory run -d --name $name busybox sh -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null
    done
    since=$(date +%s)
    run dory stop -t 4 slow3 slow1 nope slow4 slow2
    [ "$status" -eq 1 ]
    [ "$output" = $'slow3\nslow1\nslow4\nslow2\nError response from daemon: No such container: nope' ]
    # Every one got its first signal before any was killed.
    signals=$(dory events --since "$since" --until "$(($(date +%s) + 1))" --filter event=kill --filter container=slow1 --filter container=slow2 \
        --filter container=slow3 --filter container=slow4 --format '{{.Actor.Attributes.signal}}' | tr '\n' ' ')
    [ "$signals" = "15 15 15 15 9 9 9 9 " ]
    run dory rm -f slow1 slow2 slow3 slow4
    [ "$output" = $'slow1\nslow2\nslow3\nslow4' ]
}

@test "names, ports and times are checked" {
    says 1 'Error parsing reference: "BAD" is not a valid repository/tag: invalid reference format: repository name (library/BAD) must be lowercase' \
        tag busybox BAD
    says 1 'Error parsing reference: "x:y:z" is not a valid repository/tag: invalid reference format' tag busybox x:y:z
    says 1 "invalid reference format: repository name (library/BAD) must be lowercase" pull BAD
    says 1 "Error: No public port '81' published for web" port web 81
    says 1 'Error: invalid port (foo): strconv.ParseUint: parsing "foo": invalid syntax' port web foo
    says 1 'invalid value for "since": failed to parse value as time or duration: "foo"' logs --since foo web
    says 1 'failed to parse value as time or duration: "foo"' events --since foo
    says 1 "Error: Neither old nor new names may be empty" rename web ''
}

@test "a daemon that is not there" {
    name=Dory
    [ "$P" != docker ] || name=Docker
    says 1 "Cannot connect to the $name daemon at unix:///nonexistent. Is the ${name,} daemon running?" -H unix:///nonexistent ps
    says 125 "$P: Cannot connect to the $name daemon at unix:///nonexistent. Is the ${name,} daemon running?" -H unix:///nonexistent run x
    run --separate-stderr dory -H unix:///nonexistent version
    [ "$status" -eq 1 ]
    [ "${lines[0]}" = Client: ]
    if [ "$ENV_ENGINE" = dory ]; then
        ln -s "$DORY_BIN/dory" "$BATS_TEST_TMPDIR/docker"
        run "$BATS_TEST_TMPDIR/docker" -H unix:///nonexistent ps
        [ "$output" = "Cannot connect to the Docker daemon at unix:///nonexistent. Is the docker daemon running?" ]
    fi
}
