# How the daemon is reached: TLS with certificates, sockets passed by the service manager, the socket's group, and what a
# reload changes.
bats_require_minimum_version 1.5.0
load ../lib/env

# A certificate authority, and certificates signed by it (client, server) or by nobody known (other-*).
make_certificates() { # directory
    local name
    for name in ca other-ca; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
            -keyout "$1/$name-key.pem" -out "$1/$name.pem" 2>/dev/null
    done
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >"$1/server.ext"
    printf 'extendedKeyUsage=clientAuth\n' >"$1/client.ext"
    sign "$1" server server ca
    sign "$1" client client ca
    sign "$1" other-client client other-ca
}

sign() { # directory, name, kind, authority
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
        -keyout "$1/$2-key.pem" -out "$1/$2.csr" 2>/dev/null
    openssl x509 -req -in "$1/$2.csr" -CA "$1/$4.pem" -CAkey "$1/$4-key.pem" -CAcreateserial -days 2 \
        -extfile "$1/$3.ext" -out "$1/$2.pem" 2>/dev/null
}

setup_file() {
    export CERTS=$BATS_FILE_TMPDIR
    make_certificates "$CERTS"
    mkdir "$CERTS/home"
    cp "$CERTS/ca.pem" "$CERTS/home/ca.pem"
    cp "$CERTS/client.pem" "$CERTS/home/cert.pem"
    cp "$CERTS/client-key.pem" "$CERTS/home/key.pem"
    export TLS_PORT
    TLS_PORT=$(free_port)
    ENV_CONFIG='{"labels": ["before=1"]}' env_start -H "tcp://127.0.0.1:$TLS_PORT" \
        --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/server.pem" --tlskey "$CERTS/server-key.pem"
    env_images busybox
}

teardown_file() {
    # Of the daemons that tests start beside the file's.
    ip link del "$ENV_BRIDGE-2" 2>/dev/null || true
    nft delete table ip "dory-$ENV_BRIDGE-2" 2>/dev/null || true
    env_stop
}

secure() { # arguments of dory, over TLS
    env -u DORY_HOST DOCKER_HOST="tcp://localhost:$TLS_PORT" DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$CERTS/home" "$ENV_CLI" "$@"
}

@test "with its certificate a client runs containers over tcp" {
    run -0 secure run --rm busybox echo over tls
    [ "$output" = "over tls" ]
    run -0 secure run --rm -i busybox sh -c 'wc -c; exit 0' < <(head -c 300000 /dev/zero)
    [ "$output" = 300000 ]
    run -3 secure run --rm busybox sh -c 'exit 3'
    run -0 env -u DORY_HOST "$ENV_CLI" -H "tcp://127.0.0.1:$TLS_PORT" --tlsverify --tlscacert "$CERTS/ca.pem" \
        --tlscert "$CERTS/client.pem" --tlskey "$CERTS/client-key.pem" version --format '{{.Server.Os}}'
    [ "$output" = linux ]
}

@test "docker's own client and curl are served over TLS" {
    run -0 env -u DORY_HOST DOCKER_HOST="tcp://localhost:$TLS_PORT" DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$CERTS/home" \
        /usr/bin/docker run --rm busybox echo by docker
    [ "$output" = "by docker" ]
    run -0 curl -s --cacert "$CERTS/ca.pem" --cert "$CERTS/client.pem" --key "$CERTS/client-key.pem" "https://localhost:$TLS_PORT/_ping"
    [ "$output" = OK ]
}

@test "without a certificate, and with a stranger's, nobody is served" {
    run ! curl -s --cacert "$CERTS/ca.pem" "https://localhost:$TLS_PORT/_ping"
    run ! curl -s --cacert "$CERTS/ca.pem" --cert "$CERTS/other-client.pem" --key "$CERTS/other-client-key.pem" \
        "https://localhost:$TLS_PORT/_ping"
    run -1 env -u DORY_HOST DOCKER_HOST="tcp://localhost:$TLS_PORT" DOCKER_TLS=1 DOCKER_CERT_PATH=/nonexistent "$ENV_CLI" ps
    # Whoever forgets TLS is told.
    run curl -s --http1.0 "http://127.0.0.1:$TLS_PORT/_ping"
    [ "$output" = "Client sent an HTTP request to an HTTPS server." ]
    run -0 dory ps
}

@test "a client believes no daemon with another's certificate or name" {
    cp "$CERTS/other-ca.pem" "$BATS_TEST_TMPDIR/ca.pem"
    run -1 env -u DORY_HOST DOCKER_HOST="tcp://localhost:$TLS_PORT" DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$BATS_TEST_TMPDIR" "$ENV_CLI" ps
    [[ "$output" == *"tls: failed to verify certificate: x509:"* ]]
    run -1 env -u DORY_HOST DOCKER_HOST="tcp://127.0.0.2:$TLS_PORT" DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$CERTS/home" "$ENV_CLI" ps
    [[ "$output" == *"Cannot connect to the Dory daemon"* || "$output" == *mismatch* ]]
    # Without verification any certificate will do, but the daemon still wants ours.
    run -0 env -u DORY_HOST "$ENV_CLI" -H "tcp://localhost:$TLS_PORT" --tls --tlscert "$CERTS/client.pem" \
        --tlskey "$CERTS/client-key.pem" ps -q
}

@test "an attached session over TLS outlives the daemon" {
    secure run -d --name tls-session busybox sh -c 'i=0; while [ $i -lt 600 ]; do echo line; i=$((i+1)); sleep 0.1; done' >/dev/null
    secure attach tls-session >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    local client=$! lines i
    for ((i = 0; i < 200; i++)); do
        [ -s "$BATS_TEST_TMPDIR/out" ] && break
        sleep 0.1
    done
    env_daemon_kill KILL
    lines=$(wc -l <"$BATS_TEST_TMPDIR/out")
    for ((i = 0; i < 200; i++)); do
        [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -gt $((lines + 3)) ] && break
        sleep 0.1
    done
    [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -gt $((lines + 3)) ]
    ENV_OPTIONS=(-H "tcp://127.0.0.1:$TLS_PORT" --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/server.pem"
        --tlskey "$CERTS/server-key.pem")
    env_daemon_start
    dory rm -f tls-session
    wait "$client" || true
}

@test "wrong certificate files are found before anything starts" {
    local options=(--data-root "$BATS_TEST_TMPDIR/data" --exec-root "$BATS_TEST_TMPDIR/run" --config-file "$ENV_DIR/daemon.json"
        --pidfile "$BATS_TEST_TMPDIR/pid" -H "unix://$BATS_TEST_TMPDIR/sock" -H tcp://127.0.0.1:0)
    run -1 "$DORY_BIN/doryd" "${options[@]}" --tls --tlscert /nonexistent/cert.pem --tlskey "$CERTS/server-key.pem"
    [[ "$output" == *"/nonexistent/cert.pem"*"No such file"* ]]
    run -1 "$DORY_BIN/doryd" "${options[@]}" --tls --tlscert "$CERTS/server.pem" --tlskey "$CERTS/client-key.pem"
    [[ "$output" == *"key values mismatch"* ]]
    [ ! -e "$BATS_TEST_TMPDIR/data" ]
}

@test "the socket's group is the one asked for, and an unknown one is refused" {
    local options=(--data-root "$BATS_TEST_TMPDIR/data" --exec-root "$BATS_TEST_TMPDIR/run" --config-file "$ENV_DIR/daemon.json"
        --pidfile "$BATS_TEST_TMPDIR/pid" -H "unix://$BATS_TEST_TMPDIR/sock" --bridge "$ENV_BRIDGE-2" --bip "${ENV_SUBNET/213/215}.1/24")
    run -1 "$DORY_BIN/doryd" "${options[@]}" --group no-such-group
    [[ "$output" == *"group no-such-group not found"* ]]
    "$DORY_BIN/doryd" "${options[@]}" --group games >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    local pid=$! i
    for ((i = 0; i < 500; i++)); do
        curl -sf --unix-socket "$BATS_TEST_TMPDIR/sock" http://dory/_ping >/dev/null && break
        sleep 0.02
    done
    run -0 stat -c '%G %a' "$BATS_TEST_TMPDIR/sock"
    kill "$pid"
    wait "$pid" || true
    [ "$output" = "games 660" ]
}

@test "sockets of a service manager are served, and stay when the daemon ends" {
    run -0 /usr/bin/python3 - "$DORY_BIN/doryd" "$BATS_TEST_TMPDIR" "$ENV_DIR/daemon.json" "$ENV_BRIDGE-2" "${ENV_SUBNET/213/215}.1/24" <<'PY'
import os, socket, subprocess, sys, time
program, root, config, bridge, bip = sys.argv[1:]
listeners = []
unix = socket.socket(socket.AF_UNIX); unix.bind(root + "/passed.sock"); unix.listen(8)
tcp = socket.socket(); tcp.bind(("127.0.0.1", 0)); tcp.listen(8)
for at, listener in enumerate((unix, tcp)):
    os.dup2(listener.fileno(), 3 + at)
def setup():
    os.environ["LISTEN_PID"] = str(os.getpid())
def run(host):
    script = 'export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"'
    return subprocess.Popen(["sh", "-c", script, "sh", program, "--data-root", root + "/data", "--exec-root", root + "/run",
        "--config-file", config, "--pidfile", root + "/pid", "--bridge", bridge, "--bip", bip, "-H", host], pass_fds=(3, 4),
        stderr=open(root + "/log", "a"))
def ping(kind, address):
    client = socket.socket(kind); client.settimeout(30); client.connect(address)
    client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
    answer = b""
    while True:
        piece = client.recv(4096)
        if not piece: break
        answer += piece
    assert answer.endswith(b"OK"), answer
for attempt in range(2):
    daemon = run("fd://")
    ping(socket.AF_UNIX, root + "/passed.sock")   # queued until the daemon is up
    ping(socket.AF_INET, tcp.getsockname())
    daemon.terminate(); daemon.wait()
    assert os.path.exists(root + "/passed.sock")
print("served")
PY
    [ "$output" = served ]
}

@test "SIGHUP reads daemon.json again: labels change, what needs a restart is named" {
    echo '{"labels": ["after=2"], "mtu": 1400}' >"$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    local i
    for ((i = 0; i < 200; i++)); do
        [ "$(dory info --format '{{json .Labels}}')" = '["after=2"]' ] && break
        sleep 0.05
    done
    run -0 dory info --format '{{json .Labels}}'
    [ "$output" = '["after=2"]' ]
    grep -q 'need a restart of the daemon: mtu' "$ENV_DIR/doryd.log"
    # A file that is wrong changes nothing.
    echo '{"labels": "x"}' >"$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    for ((i = 0; i < 200; i++)); do
        grep -q 'the settings are kept as they are' "$ENV_DIR/doryd.log" && break
        sleep 0.05
    done
    run -0 dory info --format '{{json .Labels}}'
    [ "$output" = '["after=2"]' ]
    echo '{}' >"$ENV_DIR/daemon.json"
}

@test "a TLS client that does not read costs no processor time" {
    dory run -d --name chatty busybox sh -c 'yes something | head -c 8000000; echo; echo written; sleep 1000' >/dev/null
    local i pid='' before after
    for ((i = 0; i < 300; i++)); do
        [ "$(dory logs --tail 1 chatty)" = written ] && break
        sleep 0.1
    done
    # Reads the head of the answer and nothing more, while the daemon goes away.
    openssl s_client -quiet -connect "127.0.0.1:$TLS_PORT" -CAfile "$CERTS/ca.pem" -cert "$CERTS/client.pem" \
        -key "$CERTS/client-key.pem" < <(printf 'GET /containers/chatty/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n'; exec sleep 30 >/dev/null 3>&-) 2>/dev/null 3>&- | {
        read -r _
        exec sleep 30
    } >/dev/null 3>&- &
    for ((i = 0; i < 200; i++)); do
        pid=$(pgrep -f "dory-connect server.*$CERTS" | head -1)
        [ -z "$pid" ] || break
        sleep 0.1
    done
    [ -n "$pid" ]
    sleep 0.5
    env_daemon_kill KILL
    before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat" 2>/dev/null) || before=0
    sleep 2
    # Gone, or waiting: two seconds of a busy loop are 200 ticks.
    after=$(awk '{ print $14 + $15 }' "/proc/$pid/stat" 2>/dev/null) || after=$before
    [ $((after - before)) -lt 100 ]
    pkill -f "openssl s_client -quiet -connect 127.0.0.1:$TLS_PORT" || true
    env_daemon_start
    dory rm -f chatty >/dev/null
}
