#!/usr/bin/env bats
# Bad input to every endpoint, and clients that are slow or vanish: the daemon answers as docker does, stays up and
# serves the others. FUZZ_SEED=n repeats a run.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory run -d --restart always busybox sleep 10000 >"$ENV_DIR/fuzzed" # by its id: its name may change
}

teardown_file() {
    env_stop
}

alive() {
    [ "$(timeout 20 curl -s --unix-socket "$ENV_DIR/dory.sock" http://d/_ping)" = OK ]
    kill -0 "$(env_daemon_pid)"
    run grep -E 'AddressSanitizer|runtime error|assertion|answered twice' "$ENV_DIR/doryd.log"
    [ "$status" -eq 1 ]
}

@test "malformed requests to every endpoint are answered with a status and a message" {
    before=$(env_daemon_pid)
    seed=${FUZZ_SEED:-1}
    echo "seed $seed"
    run timeout 120 /usr/bin/python3 "$BATS_TEST_DIRNAME/api_fuzz.py" "$ENV_DIR/dory.sock" "$seed" "$(cat "$ENV_DIR/fuzzed")" "${FUZZ_ROUNDS:-30}"
    echo "$output"
    [ "$status" -eq 0 ]
    alive
    [ "$(env_daemon_pid)" = "$before" ]
    env_images busybox # its name may be gone
    dory run --rm busybox true
}

@test "slow and vanished clients block nobody" {
    dory run -d busybox sleep 10000 >"$ENV_DIR/fuzzed"
    /usr/bin/python3 - "$ENV_DIR/dory.sock" "$(cat "$ENV_DIR/fuzzed")" <<'PYTHON'
import socket, sys, time
held = []
fuzzed = sys.argv[2].encode()
def connect(data):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    s.sendall(data)
    held.append(s)
    return s
for i in range(30):
    connect(b"GET /containers/json HTTP/1.1\r\nHo")                                                  # half a header
    connect(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 1000\r\n\r\n{")         # half a body
    connect(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")                                              # never read
    connect(b"GET /containers/" + fuzzed + b"/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\n\r\n")
    connect(b"POST /containers/" + fuzzed + b"/wait HTTP/1.1\r\nHost: d\r\n\r\n").close()                     # gone at once
    connect(b"GET /containers/" + fuzzed + b"/stats HTTP/1.1\r\nHost: d\r\n\r\n").close()
for i in range(20):
    s = connect(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    answer = b""
    while True:
        block = s.recv(4096)
        if not block:
            break
        answer += block
    assert answer.startswith(b"HTTP/1.1 200"), answer
PYTHON
    alive
    timeout 30 "$ENV_CLI" run --rm busybox true
    [ "$(dory inspect -f '{{.State.Running}}' "$(cat "$ENV_DIR/fuzzed")")" = true ]
}
