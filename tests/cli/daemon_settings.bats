#!/usr/bin/env bats
# Settings of the daemon: every one of dockerd 28 is honoured or refused by its name, and what those do that reach no container.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export PROXY_PORT
    PROXY_PORT=$(free_port)
    export METRICS_PORT
    METRICS_PORT=$(free_port)
    ENV_CONFIG='{"log-format": "json", "host-gateway-ips": ["10.99.0.1", "fd99::1"], "max-download-attempts": 2, "metrics-addr": "127.0.0.1:'$METRICS_PORT'", "features": {"buildkit": true, "cdi": false},
        "proxies": {"http-proxy": "http://127.0.0.1:'$PROXY_PORT'", "no-proxy": "127.0.0.1,localhost"}}' env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

validate() { # json, option...
    echo "$1" >"$BATS_TEST_TMPDIR/daemon.json"
    shift
    run "$DORY_BIN/doryd" --validate --config-file "$BATS_TEST_TMPDIR/daemon.json" "$@"
}

@test "flags of dockerd 28 are there, or refused with a reason; those that switch off what is not there are taken" {
    local help flag
    help=$("$DORY_BIN/doryd" --help)
    for flag in add-runtime authorization-plugin bip bip6 bridge cgroup-parent config-file data-root debug default-address-pool default-cgroupns-mode \
        default-gateway default-gateway-v6 default-ipc-mode default-runtime default-shm-size default-ulimit dns dns-opt dns-search exec-opt exec-root \
        feature fixed-cidr fixed-cidr-v6 group help host host-gateway-ip http-proxy https-proxy icc init init-path insecure-registry ip ip-forward \
        ip-forward-no-drop ip-masq ip6tables iptables ipv6 label live-restore log-driver log-format log-level log-opt max-concurrent-downloads \
        max-concurrent-uploads max-download-attempts metrics-addr mtu no-new-privileges no-proxy pidfile raw-logs registry-mirror seccomp-profile \
        shutdown-timeout storage-driver storage-opt tls tlscacert tlscert tlskey tlsverify userland-proxy userns-remap validate version; do
        [[ $help == *"--$flag "* ]] || { echo "--$flag"; return 1; }
    done
    local text='{}'
    for flag in cdi-spec-dir containerd containerd-namespace containerd-plugins-namespace cpu-rt-period cpu-rt-runtime default-network-opt \
        network-control-plane-mtu node-generic-resource swarm-default-advertise-addr userland-proxy-path; do
        validate "$text" "--$flag" 1
        [[ $status -eq 1 && $output == *"$flag is not supported: "?* ]] || { echo "$flag: $output"; return 1; }
        validate "$text" "--$flag"
        [[ $status -eq 1 && $output == *"flag needs an argument: --$flag"* ]]
    done
    for flag in allow-direct-routing cri-containerd experimental rootless selinux-enabled; do
        validate "$text" "--$flag"
        [[ $status -eq 1 && $output == *"$flag is not supported: "?* ]] || { echo "$flag: $output"; return 1; }
        validate "$text" "--$flag=false"
        [ "$status" -eq 0 ]
        validate "$text" "--$flag=maybe"
        [[ $status -eq 1 && $output == *"invalid argument \"maybe\" for \"--$flag\""* ]]
        validate "{\"$flag\": true}"
        [[ $status -eq 1 && $output == *"$flag is not supported: "?* ]]
    done
    validate '{"experimental": false, "containerd": "", "node-generic-resources": [], "cpu-rt-period": 0, "default-network-opts": {}, "builder": {}}'
    [ "$status" -eq 0 ]
    validate '{"builder": {"gc": {"enabled": true}}}'
    [[ $status -eq 1 && $output == *"builder is not supported: "* ]]
    validate '{"nosuch": 1}'
    [[ $status -eq 1 && $output == *"don't match any configuration option: nosuch"* ]]
}

@test "values that cannot be are named" {
    check() { # message, json, option...
        local message=$1
        shift
        validate "$@"
        [[ $status -eq 1 && $output == *"$message"* ]] || { echo "$output"; return 1; }
    }
    check 'invalid log format: xml' '{"log-format": "xml"}'
    check 'features: containerd-snapshotter is not supported' '{"features": {"containerd-snapshotter": true}}'
    check 'features: buildkit cannot be switched off' '{}' --feature buildkit=false
    check 'features: expected an object of true and false' '{"features": {"buildkit": "yes"}}'
    check "don't match any configuration option: proxies.ftp-proxy" '{"proxies": {"ftp-proxy": "x"}}'
    check 'host-gateway-ip: "bridge" is no IP address' '{}' --host-gateway-ip bridge
    check 'only one IPv4 and one IPv6 host gateway' '{"host-gateway-ips": ["1.1.1.1", "1.1.1.2"]}'
    check 'invalid max download attempts: 0' '{"max-download-attempts": 0}'
    check 'ip-forward-no-drop' '{"ip-forward-no-drop": false}'
    validate '{"features": {"buildkit": true, "containerd-snapshotter": false}, "raw-logs": true}' --http-proxy http://h:1
    [ "$status" -eq 0 ]
}

@test "the log is JSON when that is asked for" {
    jq -e -s 'length > 1 and all(.[]; .level != null and .time != null and .msg != null)' "$ENV_DIR/doryd.log"
    grep -q '"msg":"Daemon has completed initialization"' "$ENV_DIR/doryd.log"
}

@test "host-gateway is what the settings say, by both families" {
    run -0 dory run --rm --add-host outside:host-gateway --add-host other:10.1.1.1 busybox cat /etc/hosts
    [ "$(grep -w outside <<<"$output")" = $'10.99.0.1\toutside\nfd99::1\toutside' ]
    [[ $output == *$'10.1.1.1\tother'* ]]
}

metric() { # name{labels}
    curl -sf "http://127.0.0.1:$METRICS_PORT/metrics" | awk -v name="$1" '$1 == name {print $2}'
}

@test "metrics are served under docker's names, and count" {
    run -0 curl -sf -D - "http://127.0.0.1:$METRICS_PORT/metrics"
    [[ $output == *"Content-Type: text/plain; version=0.0.4"* ]]
    # Every line is a comment or a sample, and every sample has its type before it.
    curl -sf "http://127.0.0.1:$METRICS_PORT/metrics" >"$ENV_DIR/metrics"
    awk '/^# TYPE/ {type[$3] = 1; next} /^#/ {next}
        {name = $1; sub(/\{.*/, "", name); sub(/_(bucket|sum|count)$/, "", name); if (!type[name] || $NF !~ /^[0-9.e+]+$/) {print; bad = 1}}
        END {exit bad}' "$ENV_DIR/metrics"
    grep -q '^engine_daemon_engine_info{architecture="'"$(uname -m)"'",.*daemon_id="'"$(dory info -f '{{.ID}}')"'".*} 1$' "$ENV_DIR/metrics"
    [ "$(metric engine_daemon_engine_memory_bytes)" = "$(dory info -f '{{.MemTotal}}')" ]
    states='engine_daemon_container_states_containers'
    running=$(metric "$states{state=\"running\"}") starts=$(metric 'engine_daemon_container_actions_seconds_count{action="start"}')
    checks=$(metric engine_daemon_health_checks_failed_total) events=$(metric engine_daemon_events_total)
    dory run -d --name counted --health-cmd 'exit 1' --health-interval 100ms busybox sleep 1000 >/dev/null
    [ "$(metric "$states{state=\"running\"}")" = $((running + 1)) ]
    [ "$(metric 'engine_daemon_container_actions_seconds_count{action="start"}')" = $((starts + 1)) ]
    [ "$(metric 'engine_daemon_container_actions_seconds_bucket{action="start",le="+Inf"}')" = $((starts + 1)) ]
    [ "$(metric engine_daemon_events_total)" -ge $((events + 3)) ]
    local end=$((SECONDS + 60))
    until [ "$(metric engine_daemon_health_checks_failed_total)" -gt "$checks" ]; do
        [ $SECONDS -lt $end ]
        sleep 0.05
    done
    dory pause counted
    [ "$(metric "$states{state=\"paused\"}")" = 1 ]
    dory rm -f counted
    [ "$(metric "$states{state=\"running\"}")" = "$running" ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$METRICS_PORT/containers/json")" = 404 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' -d x "http://127.0.0.1:$METRICS_PORT/metrics")" = 404 ]
    run -1 "$DORY_BIN/doryd" --data-root "$BATS_TEST_TMPDIR/d" --exec-root "$BATS_TEST_TMPDIR/r" -H "unix://$BATS_TEST_TMPDIR/s" --pidfile "$BATS_TEST_TMPDIR/p" \
        --config-file <(echo '{}') --bridge none --metrics-addr "127.0.0.1:$METRICS_PORT"
    [[ $output == *"metrics-addr 127.0.0.1:$METRICS_PORT"*"in use"* ]]
    env_remove_rules "$(env_rules_name <<<"$output")"
}

@test "SIGHUP takes what may change, names the rest, and is an event" {
    since=$(date +%s)
    jq '. + {"labels": ["a=b"], "max-concurrent-downloads": 7, "mtu": 1400, "shutdown-timeout": 9}' "$ENV_DIR/daemon.json" >"$ENV_DIR/new.json"
    cp "$ENV_DIR/daemon.json" "$ENV_DIR/former.json"
    cp "$ENV_DIR/new.json" "$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    local end=$((SECONDS + 60)) event=
    until [ -n "$event" ]; do
        [ $SECONDS -lt $end ]
        event=$(dory events --since "$since" --until "$(date +%s.%N)" --filter type=daemon --filter event=reload --format '{{json .}}')
    done
    [ "$(jq -r '[.Action, .Actor.ID, .Actor.Attributes.labels, .Actor.Attributes["max-concurrent-downloads"], .Actor.Attributes["shutdown-timeout"],
        .Actor.Attributes["live-restore"], .Actor.Attributes.features, .Actor.Attributes.name] | join(" ")' <<<"$event")" = \
        "reload $(dory info -f '{{.ID}}') [\"a=b\"] 7 9 true {\"buildkit\":\"true\",\"cdi\":\"false\"} $(hostname)" ]
    [ "$(jq -r '.Actor.Attributes | has("mtu")' <<<"$event")" = false ]
    [ "$(dory info -f '{{json .Labels}}')" = '["a=b"]' ]
    grep -q 'these settings need a restart of the daemon: mtu"' "$ENV_DIR/doryd.log"
    # One that cannot be read changes nothing.
    echo '{"labels": ' >"$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    end=$((SECONDS + 60))
    until grep -q 'the settings are kept as they are' "$ENV_DIR/doryd.log"; do
        [ $SECONDS -lt $end ]
        sleep 0.05
    done
    [ "$(dory info -f '{{json .Labels}}')" = '["a=b"]' ]
    cp "$ENV_DIR/former.json" "$ENV_DIR/daemon.json"
    kill -HUP "$(env_daemon_pid)"
    end=$((SECONDS + 60))
    until [ "$(dory info -f '{{json .Labels}}')" = '[]' ]; do
        [ $SECONDS -lt $end ]
        sleep 0.05
    done
}

@test "pulls go through the proxy, with as many attempts as the settings say, and not where none is wanted" {
    [ "$(dory info -f '{{.HttpProxy}} {{.NoProxy}}')" = "http://127.0.0.1:$PROXY_PORT 127.0.0.1,localhost" ]
    cat >"$ENV_DIR/proxy.py" <<'P'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, flush=True)
        ping = self.path.endswith("/v2/")
        self.send_response(200 if ping else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_HEAD = do_GET
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
P
    /usr/bin/python3 "$ENV_DIR/proxy.py" "$PROXY_PORT" >"$ENV_DIR/proxy.said" 2>/dev/null 3>&- &
    proxy=$!
    curl -sf --retry 100 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$PROXY_PORT/v2/" # it listens
    jq '. + {"insecure-registries": ["registry.invalid:5000"]}' "$ENV_DIR/daemon.json" >"$ENV_DIR/new.json"
    cp "$ENV_DIR/new.json" "$ENV_DIR/daemon.json"
    env_daemon_kill TERM
    env_daemon_start
    run -1 dory pull registry.invalid:5000/app:1
    kill "$proxy"
    wait "$proxy" || true
    cat "$ENV_DIR/proxy.said"
    [ "$(grep -c 'registry.invalid:5000/v2/app/manifests/1' "$ENV_DIR/proxy.said")" = 2 ]
    run -1 dory pull 127.0.0.1:1/app:1
    [[ $output == *"127.0.0.1:1"*[Cc]"onnection refused"* ]]
}
