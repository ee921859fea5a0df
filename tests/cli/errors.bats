#!/usr/bin/env bats
# Bad input: docker's wording, the exit status or HTTP status, and nothing left behind. What a registry can do wrong with
# data is in pull.bats.

bats_require_minimum_version 1.5.0
load ../lib/env
load ../faults/leaks

setup_file() {
    # What pulls keep for the next one is pull.bats' business: here nothing may be left.
    env_start --keep-downloads 0
    env_images busybox
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/hostile.py" tar -o "$ENV_DIR/layer.tar" size:fill:300000
    for _ in 1 2 3 4 5; do dory run --rm busybox true; done
}

teardown_file() {
    env_stop
}

api() { # METHOD PATH [JSON]
    curl -s --max-time 20 --unix-socket "$ENV_DIR/dory.sock" --path-as-is -X "$1" -H 'Content-Type: application/json' \
        ${3:+-d "$3"} -w '\n%{http_code}' "http://d$2"
}

# Sends standard input as it is and prints the answer.
raw() {
    timeout "${1:-5}" socat -t "${1:-5}" - "UNIX-CONNECT:$ENV_DIR/dory.sock"
}

still_answers() {
    [ "$(curl -s --max-time 5 --unix-socket "$ENV_DIR/dory.sock" http://d/_ping)" = OK ]
}

memory() { # KiB, resident
    awk '/^VmRSS/ {print $2}' "/proc/$(env_daemon_pid)/status"
}

hostile() {
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/hostile.py" "$@"
}

# After `run --rm` the daemon keeps one root of that image ready: it is there before and after, then.
settled_snapshot() {
    dory run --rm busybox true
    sleep 0.3
    leak_snapshot
}

nothing_left() { # snapshot before
    run leak_compare "$1"
    echo "$output"
    [ "$status" -eq 0 ]
}

faults_start() {
    rm -f "$ENV_DIR/faults.port"
    /usr/bin/python3 "$ENV_SOURCE/tests/clients/registry_faults.py" "$ENV_DIR/faults.port" "$ENV_DIR/faults.log" \
        3>&- 4>&- >/dev/null 2>&1 &
    FAULTS_PID=$!
    disown $FAULTS_PID
    for _ in $(seq 250); do
        [ ! -s "$ENV_DIR/faults.port" ] || break
        sleep 0.02
    done
    read -r FAULTS _ <"$ENV_DIR/faults.port"
    FAULTS=127.0.0.1:$FAULTS
}

teardown() {
    [ -z "${FAULTS_PID:-}" ] || kill "$FAULTS_PID" 2>/dev/null || true
}

# ---- the command line ----

@test "every refusal of run has its exit status and docker's words, and leaves nothing behind" {
    local before mistakes=0
    before=$(settled_snapshot)
    refused() { # STATUS TEXT ARGUMENT...
        local expected=$1 text=$2 code=0
        shift 2
        output=$("$ENV_CLI" run "$@" 2>&1 </dev/null) || code=$?
        if [ "$code" -ne "$expected" ] || [[ ${output,,} != *"${text,,}"* ]]; then
            printf 'run %s\nexpected %s: %s\ngot %s: %s\n' "$*" "$expected" "$text" "$code" "$output"
            mistakes=$((mistakes + 1))
        fi
    }
    refused 125 "No such image: nosuch:tag" --pull never --rm nosuch:tag true
    refused 125 "Unable to find image '127.0.0.1:1/nosuch:latest' locally" --rm 127.0.0.1:1/nosuch true
    refused 125 "invalid reference format" --rm 'a b' true
    refused 125 "invalid reference format" --rm "busybox@sha256:12" true
    refused 125 "invalid reference format" --rm busybox: true
    refused 125 "must be lowercase" --rm BusyBox true
    refused 125 "unknown flag: --nosuch" --nosuch busybox
    refused 125 "unknown shorthand flag: 'Z' in -Z" -Z busybox
    refused 1 "requires at least 1 argument"
    refused 125 "flag needs an argument: --name" --name
    refused 127 'exec: "nosuch": executable file not found in $PATH' --rm busybox nosuch
    refused 127 'exec: "/no/such": stat /no/such: no such file or directory' --rm busybox /no/such
    refused 126 "permission denied" --rm busybox /etc/passwd
    mkdir "$ENV_DIR/loop"
    ln -s itself "$ENV_DIR/loop/itself"
    refused 125 "too many levels of symbolic links" --rm -v "$ENV_DIR/loop:/loop" busybox /loop/itself
    refused 126 "is a directory" --rm busybox /etc
    for size in 12potatoes 12x x '1 2' 0x10 1e3q; do
        refused 125 "invalid argument \"$size\" for \"-m, --memory\" flag: invalid s" --rm -m "$size" busybox true
    done
    refused 125 "Minimum memory limit allowed is 6MB" --rm -m 5m busybox true
    refused 125 "unable to find user nosuch: no matching entries in passwd file" --rm -u nosuch busybox true
    refused 125 "unable to find group nosuch: no matching entries in group file" --rm -u 0:nosuch busybox true
    refused 125 "unable to find group nosuch: no matching entries in group file" --rm --group-add nosuch busybox true
    refused 125 "conflicting options: port exposing and the container type network mode" --rm --network container:x --expose 80 busybox true
    refused 125 "invalid hostname format: a b" --rm -h 'a b' busybox true
    refused 125 'invalid mount config for type "bind": bind source path does not exist: /no/such' \
        --rm --mount type=bind,src=/no/such,dst=/x busybox true
    refused 125 "invalid volume specification: '/a:/b:/c:/d'" --rm -v /a:/b:/c:/d busybox true
    refused 125 "includes invalid characters for a local volume name" --rm -v a/b:/b busybox true
    refused 125 "mount path must be absolute" --rm -v /tmp:b busybox true
    refused 125 "Invalid container name (_)" --rm --name _ busybox true
    refused 125 "nvalid" --rm -p 99999:80 busybox true
    refused 125 "nvalid" --rm -p a:80 busybox true
    refused 125 "nvalid" --rm -p 1.2.3.4.5:1:80 busybox true
    refused 125 "invalid restart policy" --restart sometimes busybox true
    refused 125 "network nosuch not found" --rm --network nosuch busybox true
    refused 125 "No such container: nosuch" --rm --network container:nosuch busybox true
    refused 125 "nvalid" --rm --ulimit nofile=x busybox true
    refused 125 "nvalid" --rm --ulimit nofile=5:1 busybox true
    refused 125 "range of CPUs is from 0.01 to" --rm --cpus 1000 busybox true
    refused 125 "NOSUCH" --rm --cap-add NOSUCH busybox true
    refused 125 "no such file or directory" --rm --env-file /no/such busybox true
    refused 125 "nosuch" --rm --security-opt nosuch busybox true
    refused 127 "/dev/nosuch" --rm --device /dev/nosuch busybox true
    refused 125 "nosuchsignal" --rm --stop-signal nosuchsignal busybox true
    [ "$mistakes" -eq 0 ]
    nothing_left "$before"
}

@test "a duplicate name is refused and the first container is not touched" {
    local before
    before=$(settled_snapshot)
    dory run -d --name taken busybox sleep 1000
    run dory run --rm --name taken busybox true
    [ "$status" -eq 125 ]
    [[ $output == *'Conflict. The container name "/taken" is already in use by container "'*'". You have to remove (or rename) that container to be able to reuse that name.'* ]]
    [ "$(dory inspect -f '{{.State.Status}}' taken)" = running ]
    run api POST '/containers/create?name=taken' '{"Image":"busybox"}'
    [ "${lines[-1]}" = 409 ]
    dory rm -f taken
    nothing_left "$before"
}

@test "a port in use is refused, by another container and by the host, and its network is given back" {
    local before port
    before=$(settled_snapshot)
    port=$(free_port)
    dory run -d --name holder -p "127.0.0.1:$port:80" busybox sleep 1000
    run dory run --rm -p "127.0.0.1:$port:80" busybox true
    [ "$status" -eq 125 ]
    [[ $output == *"Bind for 127.0.0.1:$port failed: port is already allocated"* ]]
    dory rm -f holder
    /usr/bin/python3 -c "import socket, time
s = socket.socket(); s.bind(('127.0.0.1', $port)); s.listen(); time.sleep(60)" 3>&- &
    local holder=$!
    sleep 0.5
    run dory run --rm -p "127.0.0.1:$port:80" busybox true
    kill $holder
    [ "$status" -eq 125 ]
    [[ $output == *"address already in use"* ]]
    run dory run --rm -p "127.0.0.1:$port:80" busybox true
    [ "$status" -eq 0 ]
    nothing_left "$before"
}

@test "commands on what does not exist say so and fail with 1" {
    for command in start stop kill rm inspect logs wait attach; do
        run dory "$command" nosuch
        [ "$status" -eq 1 ]
        [[ $output == *"o such "*": nosuch"* || $output == *"o such object: nosuch"* ]]
    done
    run dory rmi nosuch
    [ "$status" -eq 1 ]
    [[ $output == *"No such image: nosuch"* ]]
    run dory tag nosuch other
    [ "$status" -eq 1 ]
    [[ $output == *"No such image: nosuch"* ]]
    run dory load -i /no/such
    [ "$status" -eq 1 ]
    [[ ${output,,} == *"open /no/such: no such file or directory"* ]]
    run dory nosuchcommand
    [ "$status" -ne 0 ]
    [[ $output == *nosuchcommand* ]]
    DORY_HOST=unix:///no/such.sock run dory ps
    [ "$status" -eq 1 ]
    [[ ${output,,} =~ "cannot connect to the "(dory|docker)" daemon at unix:///no/such.sock. is the "(dory|docker)" daemon running?" ]]
}

# ---- archives ----

@test "corrupt and truncated archives are refused by import and load and leave nothing behind" {
    local before fault
    hostile save -o "$ENV_DIR/good.tar" --tag archive "$(busybox_tar)" "$ENV_DIR/layer.tar"
    gzip -kf "$ENV_DIR/good.tar"
    before=$(settled_snapshot)
    head -c 1000000 "$ENV_DIR/good.tar" >"$ENV_DIR/bad1"
    head -c 700000 "$ENV_DIR/good.tar.gz" >"$ENV_DIR/bad2"
    head -c 100000 /dev/urandom >"$ENV_DIR/bad3"
    : >"$ENV_DIR/bad4"
    head -c 10240 /dev/zero >"$ENV_DIR/bad5"
    /usr/bin/python3 - "$ENV_DIR/good.tar.gz" "$ENV_DIR/bad6" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 255
open(sys.argv[2], "wb").write(data)
PY
    tar -C /etc -cf "$ENV_DIR/bad7" passwd
    printf '[{"Config":1}]' >"$ENV_DIR/manifest.json"
    tar -C "$ENV_DIR" -cf "$ENV_DIR/bad8" manifest.json
    for fault in 1 2 3 4 5 6 7 8; do
        run timeout 20 "$ENV_CLI" load -i "$ENV_DIR/bad$fault"
        echo "load $fault: $status $output"
        [ "$status" -eq 1 ]
        [ -n "$output" ]
    done
    for fault in 2 3 6; do
        run timeout 20 "$ENV_CLI" import "$ENV_DIR/bad$fault" bad
        echo "import $fault: $status $output"
        [ "$status" -eq 1 ]
    done
    run dory load -i "$ENV_DIR/layer.tar"
    [ "$status" -eq 1 ]
    nothing_left "$before"
    ! dory images | grep -E '^(archive|bad) ' || false
    dory load -q -i "$ENV_DIR/good.tar.gz"
    dory rmi archive
}

@test "an upload that breaks off in the middle leaves nothing behind" {
    local before
    before=$(settled_snapshot)
    { printf 'POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 10000000\r\n\r\n'; head -c 500000 "$(busybox_tar)"; } | raw 1 || true
    { printf 'POST /images/create?fromSrc=-&repo=broken HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nF4240\r\n'
        head -c 500000 "$(busybox_tar)"; } | raw 1 || true
    nothing_left "$before"
    still_answers
    [ -z "$(dory images -q broken)" ]
}

# ---- a registry that goes away, a disk that is full ----

@test "a registry that is gone in the middle of a layer is an error, nothing stays, and the next pull works" {
    local before client
    faults_start
    before=$(settled_snapshot)
    dory pull "$FAULTS/stuck" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    client=$!
    for _ in $(seq 250); do
        ! grep -q 'Pulling fs layer' "$BATS_TEST_TMPDIR/out" || break || false
        sleep 0.02
    done
    sleep 0.3
    kill -9 "$FAULTS_PID"
    local code=0
    wait $client || code=$?
    cat "$BATS_TEST_TMPDIR/out"
    [ "$code" -eq 1 ]
    grep -qE 'connection refused|unexpected EOF|connection reset' "$BATS_TEST_TMPDIR/out"
    nothing_left "$before"
    faults_start
    dory pull "$FAULTS/plain"
    dory rmi "$FAULTS/plain"
}

@test "a client that goes away in the middle of a pull leaves nothing behind" {
    local before client
    faults_start
    before=$(settled_snapshot)
    dory pull "$FAULTS/stuck" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    client=$!
    sleep 1
    kill -9 $client
    wait $client || true
    kill -9 "$FAULTS_PID"
    nothing_left "$before"
    still_answers
}

@test "a full disk during import, load, pull and create is 'no space left on device', and everything is given back" {
    local outer=$ENV_DIR small=$ENV_DIR/small
    faults_start
    hostile save -o "$ENV_DIR/full.tar" --tag full "$(busybox_tar)"
    mkdir "$small"
    mount -t tmpfs -o size=2500k tmpfs "$small"
    (
        env_start --data-root "$small"
        trap env_stop EXIT
        cp "$outer/doryd.pid" "$ENV_DIR/outer.pid"
        used() { df --output=used -k "$small" | tail -1; }
        start=$(used)
        hostile tar -o "$ENV_DIR/big.tar" size:a:4000000
        for _ in 1 2 3; do
            run dory import "$ENV_DIR/big.tar" big
            echo "$output"
            [ "$status" -eq 1 ]
            [[ ${output,,} == *"no space left on device"* ]]
            hostile save -o "$ENV_DIR/save.tar" "$ENV_DIR/big.tar"
            run dory load -i "$ENV_DIR/save.tar"
            echo "$output"
            [ "$status" -eq 1 ]
            [[ ${output,,} == *"no space left on device"* ]]
            run dory pull "$FAULTS/plain"
            echo "$output"
            [ "$status" -eq 1 ]
            [[ ${output,,} == *"no space left on device"* ]]
        done
        for _ in $(seq 100); do
            [ -n "$(ls -A "$small/tmp" "$small/overlay" | grep -v :)" ] || break
            sleep 0.1
        done
        ls -A "$small"/*
        [ -z "$(ls -A "$small/tmp")" ]
        [ -z "$(ls -A "$small/overlay")" ]
        [ -z "$(dory images -q)" ]
        [ $(($(used) - start)) -lt 600 ] # the database's log may have grown
        dory import "$ENV_DIR/../$(basename "$outer")/layer.tar" fits
        [ -n "$(dory images -q fits)" ]
        # No byte left for the database either: an error, not a crash; afterwards all is well.
        head -c 100m /dev/zero >"$small/filler" 2>/dev/null || true
        for i in 1 2 3 4 5 6 7 8; do
            dory create --name "n$i" fits /x || true
        done
        curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/_ping
        rm "$small/filler"
        dory create --name after fits /x
        dory rm after
        dory images
    )
    local code=$?
    umount "$small"
    [ "$code" -eq 0 ]
}

# ---- HTTP ----

@test "unknown routes, methods and versions are answered as docker answers" {
    run api GET /nosuch
    [ "${lines[0]}" = '{"message":"page not found"}' ]
    [ "${lines[-1]}" = 404 ]
    run api DELETE /_ping
    [ "${lines[-1]}" = 404 ] || [ "${lines[-1]}" = 405 ]
    run api GET /v1.40/nosuch
    [ "${lines[-1]}" = 404 ]
    run api GET /v1.999/info
    [[ ${lines[0]} == *"client version 1.999 is too new. Maximum supported API version is "* ]]
    [ "${lines[-1]}" = 400 ]
    run api GET /v1.1/info
    [[ ${lines[0]} == *"client version 1.1 is too old. Minimum supported API version is "* ]]
    [ "${lines[-1]}" = 400 ]
    for path in /v1.40 /v1./info /v/info /v1.99999999999999999999/info /v-1.40/info //info /v1.40//info; do
        run api GET "$path"
        [[ ${lines[-1]} =~ ^(400|404|301|200)$ ]]
        still_answers
    done
}

@test "ids are no paths: every traversal is an unknown container, image or volume" {
    for id in ..%2f..%2fetc '..' '../..' '%2e%2e' '..%2f..%2f..%2fproc%2f1' 'a%00b' '%' '%zz' "$(printf 'a%.0s' $(seq 5000))" '*' '%27%20OR%201=1'; do
        for path in "/containers/$id/json" "/containers/$id/logs?stdout=1" "/images/$id/json" "/volumes/$id" "/networks/$id"; do
            run api GET "$path"
            echo "$path: $output"
            [[ ${lines[-1]} =~ ^(400|404|414|431|301)$ ]]
        done
        run api DELETE "/containers/$id?force=1"
        [[ ${lines[-1]} =~ ^(400|404|414|431|301)$ ]]
        run api DELETE "/volumes/$id"
        [[ ${lines[-1]} =~ ^(400|404|414|431|301|405)$ ]]
    done
    still_answers
    [ -d "$ENV_DIR/data/overlay" ]
}

@test "malformed JSON, wrong types and wrong content types are 400 with the place that is wrong" {
    for body in '{' '[]' '"x"' 'null' '{"Image":1}' '{"Image":"busybox","Cmd":{"a":1}}' '{"Image":"busybox","Env":"x"}' \
        '{"Image":"busybox","HostConfig":[]}' '{"Image":"busybox","HostConfig":{"Memory":"x"}}' '{"Image":"busybox"}trailing' \
        '{"Image":"\ud800"}' $'{"Image":"\xff\xfe"}' "$(printf '[%.0s' $(seq 100000))" \
        "{\"Image\":\"busybox\",\"HostConfig\":$(printf '{"a":%.0s' $(seq 20000))"; do
        run api POST /containers/create "$body"
        echo "${body:0:80}: $output"
        [[ ${lines[-1]} =~ ^(400|404)$ ]]
        [[ ${lines[0]} == '{"message":"'*'"}' ]]
    done
    run curl -s --unix-socket "$ENV_DIR/dory.sock" -X POST -H 'Content-Type: text/plain' -d '{"Image":"busybox"}' \
        -w '\n%{http_code}' http://d/containers/create
    [ "${lines[-1]}" = 400 ]
    [[ ${lines[0]} == *"unsupported Content-Type header (text/plain): must be 'application/json'"* ]]
    run api POST /containers/create
    [ "${lines[-1]}" = 400 ]
    still_answers
}

@test "requests that are no HTTP, contradict themselves or never end do not disturb the daemon" {
    local before
    before=$(settled_snapshot)
    printf 'hello\r\n\r\n' | raw 2 || true
    printf '\0\0\0\0\r\n\r\n' | raw 2 || true
    head -c 100000 /dev/urandom | raw 2 >/dev/null || true
    printf 'GET /_ping HTTP/9.9\r\nHost: d\r\n\r\n' | raw 2 || true
    printf 'GET http://evil/_ping HTTP/1.1\r\nHost: d\r\n\r\n' | raw 2 || true
    # Two lengths, or a length and chunks: never the second request that hides in the body.
    run bash -c "printf 'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nContent-Length: 50\r\nContent-Type: application/json\r\n\r\n{}GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n' | timeout 3 socat -t 2 - UNIX-CONNECT:$ENV_DIR/dory.sock"
    [[ $output == "HTTP/1.1 400"* || -z $output ]]
    run bash -c "printf 'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n0\r\n\r\nDELETE /x HTTP/1.1\r\nHost: d\r\n\r\n' | timeout 3 socat -t 2 - UNIX-CONNECT:$ENV_DIR/dory.sock"
    [[ $output == "HTTP/1.1 400"* || -z $output ]]
    for length in -1 99999999999999999999 0x10 abc '1 1'; do
        printf 'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: %s\r\n\r\n{}' "$length" | raw 2 || true
    done
    for chunk in zz ffffffffffffffffff -5 '5;ext=1' ''; do
        printf 'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nxxxxx\r\n' "$chunk" | raw 2 || true
    done
    still_answers
    nothing_left "$before"
}

@test "headers and bodies beyond every measure are refused and do not fill the memory" {
    local start grown
    start=$(memory)
    { printf 'GET /_ping HTTP/1.1\r\nHost: d\r\nX-Big: '; head -c 10m /dev/zero | tr '\0' x; printf '\r\n\r\n'; } | raw 5 | head -1 || true
    { printf 'GET /_ping HTTP/1.1\r\nHost: d\r\n'; for i in $(seq 20000); do printf 'X-%d: %d\r\n' "$i" "$i"; done; printf '\r\n'; } | raw 5 | head -1 || true
    { printf 'GET /'; head -c 1m /dev/zero | tr '\0' a; printf ' HTTP/1.1\r\nHost: d\r\n\r\n'; } | raw 5 | head -1 || true
    { printf '{"Image":"'; head -c 64m /dev/zero | tr '\0' a; printf '"}'; } >"$BATS_TEST_TMPDIR/big.json"
    run curl -s --max-time 20 --unix-socket "$ENV_DIR/dory.sock" -X POST -H 'Content-Type: application/json' -H 'Expect:' \
        --data-binary "@$BATS_TEST_TMPDIR/big.json" -w '\n%{http_code}' http://d/containers/create
    [[ ${lines[-1]} =~ ^(400|413|000)$ ]]
    still_answers
    grown=$(($(memory) - start))
    echo "grown by $grown KiB"
    [ "$grown" -lt 40000 ]
}

@test "slow clients and ten thousand idle connections do not exhaust the daemon" {
    local before limit=200000
    before=$(settled_snapshot)
    # AddressSanitizer keeps shadow memory and a second stack for each thread.
    if env_sanitized; then limit=1000000; fi
    run /usr/bin/python3 - "$ENV_DIR/dory.sock" "$(env_daemon_pid)" "$limit" <<'PY'
import resource, select, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (11000, max(11000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
path, pid, limit = sys.argv[1:]
def rss():
    return next(int(l.split()[1]) for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS"))
def ping(timeout):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(path)
    s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    return s.recv(100)[:15]
start, idle = rss(), []
slow = [socket.socket(socket.AF_UNIX) for _ in range(50)]
for s in slow:
    s.connect(path)
    s.send(b"GET /_ping HT")
assert ping(5) == b"HTTP/1.1 200 OK", "not with slow clients"
refused = 0
for i in range(10000):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(path)
    except BlockingIOError:  # the backlog is full: the daemon is not taking more
        refused += 1
        time.sleep(0.001)
        if refused > 3000:
            break
        continue
    idle.append(s)
print(len(idle), "idle,", refused, "refused, grown by", rss() - start, "KiB")
assert rss() - start < int(limit), "memory"
for s in slow[:5]:
    s.setblocking(True)
for s in idle:
    s.close()
deadline = time.time() + 20
while True:
    try:
        assert ping(5) == b"HTTP/1.1 200 OK"
        break
    except (OSError, AssertionError):
        if time.time() > deadline:
            raise
        time.sleep(0.1)
slow[0].settimeout(5)
slow[0].sendall(b"TP/1.1\r\nHost: d\r\n\r\n")
assert slow[0].recv(100).startswith(b"HTTP/1.1 200"), "a slow client is still served"
PY
    echo "$output"
    [ "$status" -eq 0 ]
    still_answers
    dory run --rm busybox true
    nothing_left "$before"
}
