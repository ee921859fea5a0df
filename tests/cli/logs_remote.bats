#!/usr/bin/env bats
# The log drivers gelf and fluentd, and syslog over TLS, as a server sees them. With ENV_ENGINE=docker the same file runs against docker, except for
# what is marked as ours.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

teardown() {
    local ids
    end_server
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f $ids >/dev/null
}

eventually() { # command...: within 60 seconds it succeeds
    local end=$((SECONDS + 60))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's own"
}

# server KIND PORT|PATH [CERT KEY [CA]]: sets MESSAGES, the file of what came, and PORT.
server() {
    MESSAGES=$(mktemp -u "$ENV_DIR/messages.XXXXXX")
    /usr/bin/python3 "$BATS_TEST_DIRNAME/../lib/log_server.py" "$1" "$2" "$MESSAGES" "${@:3}" 3>&- >"$MESSAGES.log" 2>&1 &
    SERVER=$!
    eventually test -e "$MESSAGES.port" || { cat "$MESSAGES.log"; return 1; }
    PORT=$(cat "$MESSAGES.port")
}

end_server() {
    [ -n "${SERVER:-}" ] || return 0
    kill "$SERVER"
    wait "$SERVER" || true
    SERVER=
}

came() { # count
    [ "$(wc -l <"$MESSAGES")" -ge "$1" ]
}

@test "gelf: fields, levels, attributes and compression of datagrams" {
    server gelf-udp 0
    dory run --name g1 -l role=web -e A=b --log-driver gelf --log-opt "gelf-address=udp://127.0.0.1:$PORT" --log-opt 'tag={{.Name}}' \
        --log-opt labels=role --log-opt env=A busybox sh -c 'echo "out \"1\""; echo; echo err >&2'
    eventually came 2
    id=$(dory inspect -f '{{.Id}}' g1)
    out=$(jq -c 'select(.level == 6)' "$MESSAGES")
    echo "$out"
    [ "$(jq -r '[.version, .host, .short_message, ._container_id, ._container_name, ._image_name, ._tag, ._role, ._A, .packed] | join("|")' <<<"$out")" = \
        "1.1|$(hostname)|out \"1\"|$id|g1|busybox|g1|web|b|gzip" ]
    [ "$(jq -r ._image_id <<<"$out")" = "$(dory inspect -f '{{.Image}}' g1)" ]
    [[ $(jq -r ._command <<<"$out") == "sh -c echo "* ]]
    [[ $(jq -r ._created <<<"$out") == 20*T*Z ]]
    [ "$(jq '(.timestamp - now) | fabs < 3600' <<<"$out")" = true ]
    [ "$(jq -r 'select(.level == 3).short_message' "$MESSAGES")" = err ]
    [ "$(wc -l <"$MESSAGES")" = 2 ] # an empty line is no message
    for packed in zlib none; do
        dory run --rm --log-driver gelf --log-opt "gelf-address=udp://localhost:$PORT" --log-opt "gelf-compression-type=$packed" \
            --log-opt gelf-compression-level=9 busybox echo "as $packed"
        eventually grep -q "as $packed" "$MESSAGES"
        [ "$(jq -r "select(.short_message == \"as $packed\").packed" "$MESSAGES")" = "$packed" ]
    done
    run -0 --separate-stderr dory logs g1
    [ "${lines[0]}$stderr" = 'out "1"err' ]
}

@test "gelf: what does not fit into one datagram comes in chunks; a stream has every line in order" {
    server gelf-udp 0
    dory run --rm --log-driver gelf --log-opt "gelf-address=udp://127.0.0.1:$PORT" --log-opt gelf-compression-type=none busybox \
        sh -c 'seq -s , 1 2000' >/dev/null
    eventually came 1
    [ "$(jq -r .short_message "$MESSAGES")" = "$(seq -s , 1 2000)" ]
    [ "$(jq '.chunks > 3' "$MESSAGES")" = true ]
    end_server
    server gelf-tcp 0
    dory run --rm --log-driver gelf --log-opt "gelf-address=tcp://127.0.0.1:$PORT" busybox seq 1 5000 >/dev/null
    eventually came 5000
    [ "$(jq -r .short_message "$MESSAGES" | md5sum)" = "$(seq 1 5000 | md5sum)" ]
}

@test "fluentd: the record, its tag, pieces of a long line, times with nanoseconds; over TCP and a Unix socket" {
    server fluentd 0
    dory run --name f1 -l role=web --log-driver fluentd --log-opt "fluentd-address=127.0.0.1:$PORT" --log-opt 'tag=app.{{.Name}}' \
        --log-opt labels=role busybox sh -c 'echo out; echo; echo err >&2'
    eventually came 3
    id=$(dory inspect -f '{{.Id}}' f1)
    [ "$(jq -c 'select(.record.log == "out") | [.tag, .record]' "$MESSAGES" | jq -cS .)" = \
        "[\"app.f1\",{\"container_id\":\"$id\",\"container_name\":\"/f1\",\"log\":\"out\",\"role\":\"web\",\"source\":\"stdout\"}]" ]
    [ "$(jq 'select(.record.log == "out") | (.time - now) | fabs < 3600' "$MESSAGES")" = true ]
    [ "$(jq -r 'select(.record.log == "").record.source' "$MESSAGES")" = stdout ]
    [ "$(jq -r 'select(.record.log == "err").record.source' "$MESSAGES")" = stderr ]
    run -0 --separate-stderr dory logs f1
    [ "${lines[0]}$stderr" = outerr ]
    end_server
    server fluentd "$ENV_DIR/f.sock"
    dory run --name f2 --log-driver fluentd --log-opt "fluentd-address=unix://$ENV_DIR/f.sock" --log-opt fluentd-sub-second-precision=true \
        busybox sh -c 'head -c 20000 /dev/zero | tr "\0" x; echo; echo whole' >/dev/null
    eventually came 3
    [ "$(jq -r .tag "$MESSAGES" | sort -u)" = "$(dory inspect -f '{{.Id}}' f2 | cut -c1-12)" ]
    [ "$(jq -c '[.record.partial_message, .record.partial_ordinal, .record.partial_last, (.record.log | length)]' "$MESSAGES")" = \
        '["true","1","false",16384]
["true","2","true",3616]
[null,null,null,5]' ]
    [ "$(jq -r '.record.partial_id | select(. != null)' "$MESSAGES" | sort -u | wc -l)" = 1 ]
    [ "$(jq -s '.[0].time | length' "$MESSAGES")" = 2 ]
}

@test "a server that is not there fails the start; with fluentd-async the container starts and its lines wait for it" {
    for options in "--log-driver gelf --log-opt gelf-address=tcp://127.0.0.1:1" "--log-driver fluentd --log-opt fluentd-address=127.0.0.1:1"; do
        # shellcheck disable=SC2086
        run dory run --name gone $options busybox true
        [ "$status" -eq 125 ] || [ "$status" -eq 128 ]
        [[ $output == *"failed to initialize logging driver"*"127.0.0.1:1"*[Cc]"onnection refused"* ]]
        dory rm gone
    done
    dory run -d --name early --log-driver fluentd --log-opt "fluentd-address=unix://$ENV_DIR/early.sock" --log-opt fluentd-async=true \
        --log-opt fluentd-retry-wait=100ms busybox sh -c 'echo before; until [ -e /tmp/go ]; do sleep 0.05; done; echo after' >/dev/null
    ours
    eventually eval '[ "$(dory logs early)" = before ]'
    server fluentd "$ENV_DIR/early.sock"
    eventually grep -q before "$MESSAGES" # although nothing was said since
    dory exec early touch /tmp/go
    eventually grep -q after "$MESSAGES"
    [ "$(jq -r .record.log "$MESSAGES")" = $'before\nafter' ]
    [ "$(timeout 60 "$ENV_CLI" wait early)" = 0 ]
    # One that never comes holds no container back.
    dory run -d --name never --log-driver fluentd --log-opt fluentd-address=127.0.0.1:1 --log-opt fluentd-async=true busybox \
        sh -c 'seq 1 20000; exit 6' >/dev/null
    [ "$(timeout 60 "$ENV_CLI" wait never)" = 6 ]
    [ "$(dory logs never | wc -l)" = 20000 ]
}

texts() { # what the messages say, in the order in which each came first
    jq -r .record.log "$MESSAGES" | awk '!seen[$0]++'
}

@test "fluentd over TLS: the server is checked with the system's authorities" {
    T=$ENV_DIR/ftls
    mkdir "$T"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=fluentd \
        -addext subjectAltName=DNS:localhost -keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null
    server fluentd-tls 0 "$T/cert.pem" "$T/key.pem"
    run dory run --rm --log-driver fluentd --log-opt "fluentd-address=tls://localhost:$PORT" busybox true
    [ "$status" -eq 125 ] || [ "$status" -eq 128 ]
    [[ $output == *"failed to initialize logging driver"*certificate* ]]
    env_daemon_kill TERM
    SSL_CERT_FILE=$T/cert.pem env_daemon_start
    dory run --rm --log-driver fluentd --log-opt "fluentd-address=tls://localhost:$PORT" --log-opt fluentd-request-ack=true \
        busybox seq 1 2000 >/dev/null
    eventually came 2000
    [ "$(texts | md5sum)" = "$(seq 1 2000 | md5sum)" ]
}

@test "fluentd-request-ack: what a server took and lost comes again, over as many connections as it takes" {
    server fluentd-lossy 0
    # With attempts that are counted no line is dropped while there is no connection.
    dory run --name acked --log-driver fluentd --log-opt "fluentd-address=127.0.0.1:$PORT" --log-opt fluentd-request-ack=true --log-opt fluentd-max-retries=6000 \
        --log-opt fluentd-retry-wait=10ms busybox seq 1 3000 >/dev/null
    eventually eval '[ "$(texts | wc -l)" -ge 3000 ]'
    [ "$(texts | md5sum)" = "$(seq 1 3000 | md5sum)" ]
    [ "$(jq .asked "$MESSAGES" | sort -u)" = true ]
    [ "$(jq .connection "$MESSAGES" | sort -u | paste -sd,)" = 0,1,2 ]
    # What the first two had not acknowledged came anew.
    [ "$(jq -r 'select(.record.log == "1").connection' "$MESSAGES" | paste -sd,)" = 0,1,2 ]
    ours
    # A server that says nothing is given up, and another connection made, by fluentd-read-timeout.
    end_server
    server fluentd-silent 0
    dory run -d --name silent --log-driver fluentd --log-opt "fluentd-address=127.0.0.1:$PORT" --log-opt fluentd-request-ack=true \
        --log-opt fluentd-retry-wait=10ms --log-opt fluentd-read-timeout=200ms busybox sh -c 'echo said; exec sleep 1000' >/dev/null
    eventually eval '[ "$(jq .connection "$MESSAGES" | sort -u | wc -l)" -ge 3 ]'
    [ "$(texts)" = said ]
}

@test "fluentd-max-retries and gelf-tcp-max-reconnect: lines wait for a server that comes back in time, and no longer" {
    ours
    for kind in fluentd gelf-tcp; do
        if [ $kind = fluentd ]; then
            options=(--log-driver fluentd --log-opt fluentd-retry-wait=1s --log-opt fluentd-address=127.0.0.1:)
            many=(--log-opt fluentd-max-retries=600) few=(--log-opt fluentd-retry-wait=10ms --log-opt fluentd-max-retries=2) what=.record.log
        else
            options=(--log-driver gelf --log-opt gelf-tcp-reconnect-delay=1 --log-opt gelf-address=tcp://127.0.0.1:)
            many=(--log-opt gelf-tcp-max-reconnect=600) few=(--log-opt gelf-tcp-reconnect-delay=0 --log-opt gelf-tcp-max-reconnect=2) what=.short_message
        fi
        server $kind 0
        options[-1]+=$PORT
        dory run -d --name back-$kind "${options[@]}" "${many[@]}" busybox \
            sh -c 'echo one; until [ -e /go ]; do sleep 0.05; done; for i in 1 2 3 4 5; do echo "early $i"; sleep 0.1; done
                until [ -e /on ]; do sleep 0.05; done; seq 1 20000; echo end' >/dev/null
        dory run -d --name gone-$kind "${options[@]}" "${few[@]}" busybox \
            sh -c 'echo one; until [ -e /go ]; do sleep 0.05; done; seq 1 40000; exit 6' >/dev/null
        eventually came 1
        end_server
        # With a few attempts the container is held back for those only.
        dory exec gone-$kind touch /go
        [ "$(timeout 100 "$ENV_CLI" wait gone-$kind)" = 6 ]
        dory exec back-$kind touch /go
        eventually eval '[ "$(dory logs back-$kind | wc -l)" = 6 ]'
        server $kind "$PORT"
        dory exec back-$kind touch /on
        [ "$(timeout 100 "$ENV_CLI" wait back-$kind)" = 0 ]
        eventually eval '[ "$(jq -r "$what" "$MESSAGES" | tail -1)" = end ]'
        # The first line may have gone to the server that was no more: all after it are there.
        [ "$(jq -r "$what" "$MESSAGES" | tail -20002 | md5sum)" = "$( (echo "early 5"; seq 1 20000; echo end) | md5sum)" ]
        end_server
    done
}

@test "fluentd-async-reconnect-interval makes new connections, without a line lost" {
    ours
    server fluentd 0
    dory run -d --name renewed --log-driver fluentd --log-opt "fluentd-address=127.0.0.1:$PORT" --log-opt fluentd-async=true \
        --log-opt fluentd-async-reconnect-interval=100ms busybox sh -c 'i=0; while sleep 0.02; do i=$((i+1)); echo $i; done' >/dev/null
    eventually eval '[ "$(jq .connection "$MESSAGES" | sort -u | wc -l)" -ge 3 ]'
    dory stop -t 0 renewed >/dev/null
    count=$(texts | wc -l)
    [ "$(texts | md5sum)" = "$(seq 1 "$count" | md5sum)" ]
}

@test "syslog over TLS: the server is checked, and sees the client's certificate; both framings" {
    T=$ENV_DIR/tls
    mkdir "$T"
    for name in server client other; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
            -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$T/$name.key" -out "$T/$name.pem" 2>/dev/null
    done
    server syslog-tls 0 "$T/server.pem" "$T/server.key" "$T/client.pem"
    run_to() { # options...: what a container says to the server
        dory run --rm --log-driver syslog --log-opt "syslog-address=tcp+tls://localhost:$PORT" --log-opt tag=t "$@" busybox seq 1 2000 >/dev/null
    }
    own="--log-opt syslog-tls-cert=$T/client.pem --log-opt syslog-tls-key=$T/client.key"
    # shellcheck disable=SC2086
    run_to $own --log-opt "syslog-tls-ca-cert=$T/server.pem"
    eventually came 2000
    [ "$(jq -r .text "$MESSAGES" | sed 's/.*\]: //' | md5sum)" = "$(seq 1 2000 | md5sum)" ]
    [ "$(jq .counted "$MESSAGES" | sort -u)" = false ]
    # shellcheck disable=SC2086
    run run_to $own --log-opt "syslog-tls-ca-cert=$T/other.pem"
    [ "$status" -eq 125 ] || [ "$status" -eq 128 ]
    [[ $output == *"failed to initialize logging driver"*certificate* ]]
    run run_to --log-opt "syslog-tls-ca-cert=$T/none.pem"
    [ "$status" -ne 0 ]
    [[ $output == *none.pem* ]]
    ours
    # shellcheck disable=SC2086
    run_to $own --log-opt syslog-tls-skip-verify=true --log-opt syslog-format=rfc5424
    eventually came 4000
    [ "$(tail -2000 "$MESSAGES" | jq -r .text | sed 's/.* - //' | md5sum)" = "$(seq 1 2000 | md5sum)" ]
    [ "$(tail -2000 "$MESSAGES" | jq .counted | sort -u)" = true ]
    end_server
    # A server that goes: the container goes on, and the program that held the connection has ended.
    server syslog-tls 0 "$T/server.pem" "$T/server.key"
    dory run -d --name left --log-driver syslog --log-opt "syslog-address=tcp+tls://127.0.0.1:$PORT" --log-opt "syslog-tls-ca-cert=$T/server.pem" \
        busybox sh -c 'echo before; until [ -e /tmp/go ]; do sleep 0.05; done; seq 1 2000; exit 5' >/dev/null
    eventually grep -q before "$MESSAGES"
    pgrep -f "dory-connect client 127.0.0.1 $PORT"
    end_server
    dory exec left touch /tmp/go
    [ "$(timeout 60 "$ENV_CLI" wait left)" = 5 ]
    [ "$(dory logs left | wc -l)" = 2001 ]
    eventually eval '! pgrep -f "dory-connect client 127.0.0.1 $PORT" >/dev/null'
}

@test "options that cannot be are refused by name, and leave nothing" {
    check() { # message, options...
        local message=$1
        shift
        run dory create "$@" busybox true
        [ "$status" -ne 0 ] || return 1
        [[ $output == *"$message"* ]] || { echo "$output"; return 1; }
    }
    check "unknown log opt \"foo\" for gelf log driver" --log-driver gelf --log-opt gelf-address=udp://127.0.0.1:1 --log-opt foo=1
    check "unknown log opt 'foo' for fluentd log driver" --log-driver fluentd --log-opt foo=1
    check "gelf: endpoint needs to be TCP or UDP" --log-driver gelf --log-opt gelf-address=unix:///x
    check "compression is only supported on UDP" --log-driver gelf --log-opt gelf-address=tcp://127.0.0.1:1 --log-opt gelf-compression-type=gzip
    ours
    check "gelf-address is a required parameter" --log-driver gelf
    check "\"gelf-tcp-max-reconnect\" must be a positive integer" --log-driver gelf --log-opt gelf-address=tcp://127.0.0.1:1 \
        --log-opt gelf-tcp-max-reconnect=-3
    check "\"gelf-tcp-max-reconnect\" is only valid for TCP" --log-driver gelf --log-opt gelf-address=udp://127.0.0.1:1 \
        --log-opt gelf-tcp-max-reconnect=3
    check "fluentd-request-ack: 'maybe'" --log-driver fluentd --log-opt fluentd-request-ack=maybe
    check "fluentd-max-retries: 'x'" --log-driver fluentd --log-opt fluentd-max-retries=x
    check "fluentd-read-timeout: '-1s'" --log-driver fluentd --log-opt fluentd-read-timeout=-1s
    check "is not between 100ms and 10s" --log-driver fluentd --log-opt fluentd-async=true --log-opt fluentd-async-reconnect-interval=1ms
    for driver in splunk awslogs gcplogs etwlogs logentries; do
        check "logging plugin $driver" --log-driver $driver
    done
    check "need a syslog-address tcp+tls://" --log-driver syslog --log-opt syslog-tls-ca-cert=/x
    check "syslog-tls-cert needs syslog-tls-key" --log-driver syslog --log-opt syslog-address=tcp+tls://h:1 --log-opt syslog-tls-cert=/x
    [ -z "$(dory ps -aq)" ]
}
