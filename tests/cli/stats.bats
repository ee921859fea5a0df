#!/usr/bin/env bats
# stats over the API: docker's members, one sample, a stream, a container that does not run.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory run -d --name busy -m 64m --memory-swap 64m --pids-limit 50 busybox sh -c 'dd if=/dev/zero of=/file bs=64k count=32 2>/dev/null; sync; while :; do :; done'
    dory create --name still busybox true
}

teardown_file() {
    env_stop
}

stats() { # container query
    timeout "${3:-30}" curl -sN --unix-socket "$ENV_DIR/dory.sock" "http://d/containers/$1/stats?$2"
}

# Reads one sample; asserts in Python, where numbers are numbers.
check() {
    /usr/bin/python3 -c 'import json, sys
samples = [json.loads(line) for line in sys.stdin if line.strip()]
s = samples[-1]
exec(sys.argv[1])' "$1"
}

@test "a sample has docker's members with true values" {
    stats busy 'stream=0' | check '
assert s["name"] == "/busy" and len(s["id"]) == 64, s
assert s["memory_stats"]["limit"] == 64 << 20 and 0 < s["memory_stats"]["usage"] <= 64 << 20, s["memory_stats"]
assert any(name.endswith("inactive_file") for name in s["memory_stats"]["stats"]), s["memory_stats"]
assert s["pids_stats"]["limit"] == 50 and 1 <= s["pids_stats"]["current"] <= 50, s["pids_stats"]
cpu, before = s["cpu_stats"], s["precpu_stats"]
assert cpu["online_cpus"] >= 1 and cpu["system_cpu_usage"] > before["system_cpu_usage"] > 0, cpu
assert cpu["cpu_usage"]["total_usage"] > before["cpu_usage"]["total_usage"] > 0, (cpu, before)
assert "percpu_usage" not in cpu["cpu_usage"] or sum(cpu["cpu_usage"]["percpu_usage"]) > 0, cpu
both = [sum(c["cpu_usage"]["percpu_usage"]) for c in (before, cpu) if "percpu_usage" in c["cpu_usage"]]
assert len(both) in (0, 2) and both == sorted(both), (before, cpu)
assert set(cpu["throttling_data"]) == {"periods", "throttled_periods", "throttled_time"}, cpu
assert s["networks"]["eth0"].keys() >= {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"}
io = s["blkio_stats"]
assert {"io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive", "sectors_recursive"} <= io.keys()
for entry in io["io_service_bytes_recursive"] or []:
    assert entry.keys() == {"major", "minor", "op", "value"}, entry
assert s["preread"] < s["read"] and not s["preread"].startswith("0001"), (s["preread"], s["read"])'
}

@test "one-shot has no earlier sample, and comes at once" {
    stats busy 'stream=0&one-shot=1' | check '
assert s["preread"] == "0001-01-01T00:00:00Z" and s["precpu_stats"]["cpu_usage"]["total_usage"] == 0, s["precpu_stats"]
assert "system_cpu_usage" not in s["precpu_stats"] and s["cpu_stats"]["cpu_usage"]["total_usage"] > 0'
    run stats busy 'stream=1&one-shot=1'
    [[ $output == *"cannot have stream=true and one-shot=true"* ]]
}

@test "a stream goes on until the client leaves, each sample with the one before" {
    : >"$BATS_TEST_TMPDIR/out" # the first look may come before the background has made it
    stats busy 'stream=1' >"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -lt 4 ] || break
        sleep 0.05
    done
    kill "$pid"
    wait "$pid" || true
    grep '^{' "$BATS_TEST_TMPDIR/out" | head -2 | check '
assert len(samples) == 2
assert samples[1]["preread"] == samples[0]["read"], samples
assert samples[1]["precpu_stats"]["cpu_usage"]["total_usage"] == samples[0]["cpu_stats"]["cpu_usage"]["total_usage"]'
}

@test "a container that does not run has an empty sample" {
    stats still 'stream=0' | check '
assert s["read"] == "0001-01-01T00:00:00Z" and s["pids_stats"] == {} and "networks" not in s, s
assert s["memory_stats"] == {}, s["memory_stats"]
assert s["blkio_stats"]["io_service_bytes_recursive"] is None and s["cpu_stats"]["cpu_usage"]["total_usage"] == 0, s'
    [ "$(dory stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' still)" = "0B / 0B 0" ]
    run stats nosuch 'stream=0'
    [[ $output == *"No such container: nosuch"* ]]
}
