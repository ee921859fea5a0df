#!/usr/bin/env bats
# --systemd-cgroup: a container's cgroup is a transient unit. systemd itself is a stand-in on a real bus daemon.
load helper

eval "original_$(declare -f teardown)"
teardown() {
    rt_systemd delete --force "$ID" 2>/dev/null || true
    for pid in $STANDIN $BUS; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    find /sys/fs/cgroup -maxdepth 4 -depth -type d -path "*/dorytest$$*" -exec rmdir {} \; 2>/dev/null || true
    original_teardown
}

start_systemd() {
    cat >"$T/bus.conf" <<XML
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=$T/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
XML
    dbus-daemon --config-file="$T/bus.conf" --nofork --nopidfile </dev/null >"$T/bus.log" 2>&1 3>&- &
    BUS=$!
    wait_for '[ -S "$T/bus" ]'
    /usr/bin/python3 "$BATS_TEST_DIRNAME/systemd.py" "unix:path=$T/bus" "$T/calls" </dev/null >"$T/standin.log" 2>&1 3>&- &
    STANDIN=$!
    wait_for 'grep -qs ready "$T/calls"'
}

rt_systemd() {
    DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/bus" rt --systemd-cgroup "$@"
}

try() {
    status=0
    output=$(rt_systemd "$@" </dev/null 2>&1) || status=$?
}

@test "the cgroup of a container is a unit of systemd with its limits as properties" {
    start_systemd
    slice=dorytest$$-sub.slice
    make_config sleep 1000
    edit "l['cgroupsPath'] = '$slice:dory:$ID'; r['pids'] = {'limit': 33}; r['memory'] = {'limit': 64 << 20}; r['cpu'] = {'shares': 1024, 'quota': 50000, 'period': 100000}"
    rt_systemd run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>&1
    path=dorytest$$.slice/$slice/dory-$ID.scope
    python3 - "$T/calls" "dory-$ID.scope" "$slice" "$(cat "$T/pid")" <<'PY'
import json, sys
start, = [c for c in map(json.loads, open(sys.argv[1])) if c["call"] == "start"]
p = start["properties"]
assert (start["unit"], start["mode"], p["Slice"], p["PIDs"]) == (sys.argv[2], "replace", sys.argv[3], [int(sys.argv[4])]), start
assert p["Delegate"] is True and p["DefaultDependencies"] is False and p["MemoryAccounting"] is True, p
assert (p["MemoryMax"], p["TasksMax"], p["CPUQuotaPerSecUSec"], p["CPUWeight"]) == (64 << 20, 33, 500000, 39), p
PY
    file=/sys/fs/cgroup/$path/pids.max
    [ ! -d /sys/fs/cgroup/pids ] || file=/sys/fs/cgroup/pids/$path/pids.max
    [ "$(cat "$file")" = 33 ]
    grep -q ":/$path\$" "/proc/$(cat "$T/pid")/cgroup"
    # Commands find it with and without the option: the record says where it is.
    rt pause "$ID"
    rt resume "$ID"
    run rt exec "$ID" echo inside
    [ "$output" = inside ]
    run rt ps --format json "$ID"
    [ "$output" = "[$(cat "$T/pid")]" ]
    rt_systemd delete --force "$ID"
    grep -q '"call": "stop", "unit": "dory-'"$ID"'.scope"' "$T/calls"
    [ "$(find /sys/fs/cgroup -path "*$path")" = "" ]
}

@test "systemd is told of the devices that may be used, of the CPUs and of v2's files" {
    start_systemd
    make_config sleep 1000
    edit "l['cgroupsPath'] = 'dorytest$$.slice:dory:$ID'; r['cpu'] = {'cpus': '0', 'mems': '0', 'quota': 12345, 'period': 100000}
r['devices'] += [{'allow': True, 'type': 'c', 'major': 10, 'minor': 229, 'access': 'rw'}, {'allow': True, 'type': 'b', 'major': 7, 'access': 'r'}]"
    rt_systemd run -d --bundle "$T/bundle" "$ID" </dev/null >"$T/out" 2>&1
    # A rule that systemd cannot say: it must not be narrower than we are.
    echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "minor": 3, "access": "r"}], "pids": {"limit": 44},
        "memory": {"swap": -1}, "cpu": {"quota": -1}, "unified": {"cpu.weight": "55", "memory.high": "max"}}' >"$T/resources"
    status=0
    output=$(rt_systemd update -r "$T/resources" "$ID" 2>&1) || status=$?
    python3 - "$T/calls" "dory-$ID.scope" <<'PY'
import json, re, sys
calls = [json.loads(line) for line in open(sys.argv[1])]
start, = [c["properties"] for c in calls if c["call"] == "start"]
assert start["CollectMode"] == "inactive-or-failed" and start["DevicePolicy"] == "strict", start
allowed = dict(map(tuple, start["DeviceAllow"]))
assert allowed["/dev/char/10:229"] == "rw" and allowed["/dev/char/1:3"] == "rwm" and allowed["char-*"] == "m", allowed
loop = re.search(r"Block devices:[^$]*?\n *7 (\S+)", open("/proc/devices").read())
assert not loop or allowed["block-" + loop[1]] == "r", allowed
assert start["AllowedCPUs"][0] == 1 and start["AllowedMemoryNodes"][0] == 1, start
assert start["CPUQuotaPerSecUSec"] == 130000, start  # rounded up
update, = [c for c in calls if c["call"] == "set"]
p = update["properties"]
assert (update["unit"], update["runtime"]) == (sys.argv[2], True), update
assert p["TasksMax"] == 44 and p["CPUWeight"] == 55 and p["DevicePolicy"] == "auto" and p["DeviceAllow"] == [], p
assert p["MemoryHigh"] == p["MemorySwapMax"] == p["CPUQuotaPerSecUSec"] == 2**64 - 1, p
PY
    # On v1 the files refuse what only v2 has, when systemd has been told.
    [ "$status" = 0 ] || [[ "$output" == *"linux.resources.unified"* ]]
}

@test "an update of the CPU quota or of its period leaves the other one, for systemd as well" {
    start_systemd
    make_config sleep 1000
    edit "l['cgroupsPath'] = 'dorytest$$.slice:dory:$ID'; r['cpu'] = {'quota': 50000, 'period': 50000}"
    rt_systemd run -d --bundle "$T/bundle" "$ID" </dev/null >"$T/out" 2>&1
    rt_systemd update --cpu-quota 20000 "$ID"
    rt_systemd update --cpu-period 40000 "$ID"
    rt_systemd update --cpu-quota -1 "$ID"
    rt_systemd update --cpu-period 80000 "$ID"
    python3 - "$T/calls" <<'PY'
import json, sys
told = [c["properties"] for c in map(json.loads, open(sys.argv[1])) if c["call"] == "set"]
want = [(400000, 50000), (500000, 40000), (2**64 - 1, 40000), (2**64 - 1, 80000)]
assert [(p["CPUQuotaPerSecUSec"], p["CPUQuotaPeriodUSec"]) for p in told] == want, told
PY
    path=dorytest$$.slice/dory-$ID.scope
    [ ! -e "/sys/fs/cgroup/cpu/$path" ] || [ "$(cd "/sys/fs/cgroup/cpu/$path" && cat cpu.cfs_quota_us cpu.cfs_period_us | tr '\n' ' ')" = "-1 80000 " ]
    [ -e "/sys/fs/cgroup/cpu/$path" ] || [ "$(cat "/sys/fs/cgroup/$path/cpu.max")" = "max 80000" ]
}

@test "a unit that failed, whose cgroup systemd has removed, is forgotten" {
    start_systemd
    make_config sleep 1000
    edit "l['cgroupsPath'] = 'dorytest$$.slice:dory:$ID'"
    rt_systemd run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>&1
    kill -9 "$(cat "$T/pid")"
    wait_for '[ -z "$(cat /sys/fs/cgroup/{,*/}dorytest$$.slice/dory-$ID.scope/cgroup.procs 2>/dev/null)" ]'
    rmdir $(ls -d /sys/fs/cgroup/{,*/}dorytest$$.slice/dory-$ID.scope 2>/dev/null)
    rt_systemd delete "$ID"
    grep -q '"call": "reset", "unit": "dory-'"$ID"'.scope"' "$T/calls"
}

@test "delete needs systemd only where something is left to stop" {
    start_systemd
    make_config sleep 1000
    edit "l['cgroupsPath'] = 'dorytest$$.slice:dory:$ID'"
    rt_systemd run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>&1
    away() { DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/nosuch" rt delete "$ID"; }
    kill -9 "$(cat "$T/pid")"
    wait_for '[ -z "$(cat /sys/fs/cgroup/{,*/}dorytest$$.slice/dory-$ID.scope/cgroup.procs 2>/dev/null)" ]'
    run away
    [ "$status" = 1 ]
    [[ "$output" == *"systemd not running"* ]]
    [ "$(ls "$T/state")" = "$ID" ]
    rmdir $(ls -d /sys/fs/cgroup/{,*/}dorytest$$.slice/dory-$ID.scope 2>/dev/null)
    away
    [ -z "$(ls "$T/state")" ]
}

@test "a container that runs to its end takes its unit along" {
    start_systemd
    make_config sh -c 'echo hello; exit 3'
    edit "l['cgroupsPath'] = 'dorytest$$.slice::$ID'"
    try run --bundle "$T/bundle" "$ID"
    [ "$status" = 3 ]
    [ "$output" = hello ]
    grep -q '"unit": "'"$ID"'.scope", "mode"' "$T/calls"
    [ "$(find /sys/fs/cgroup -path "*$ID.scope")" = "" ]
    [ -z "$(ls "$T/state")" ]
}

@test "what systemd refuses is an error in its words and leaves nothing" {
    start_systemd
    make_config true
    edit "l['cgroupsPath'] = 'dorytest$$.slice:refused:$ID'"
    try run --bundle "$T/bundle" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"systemd: StartTransientUnit: Unit refused-$ID.scope is not wanted."* ]]
    edit "l['cgroupsPath'] = 'dorytest$$.slice:fails:$ID'"
    try run --bundle "$T/bundle" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"fails-$ID.scope: the job ended with \"failed\""* ]]
    for bad in /a/b a:b 'a:b:c:d' 'x.slice:p:' 'noslice:p:n' '-x.slice:p:n' 'a--b.slice:p:n' 'a/b.slice:p:n'; do
        edit "l['cgroupsPath'] = '$bad'"
        try run --bundle "$T/bundle" "$ID"
        [ "$status" = 1 ]
        [[ "$output" == *cgroupsPath* ]]
    done
    [ -z "$(ls "$T/state" 2>/dev/null)" ]
}

@test "a create that fails leaves the unit of the running container of that name alone" {
    start_systemd
    make_config sleep 1000
    edit "l['cgroupsPath'] = 'dorytest$$.slice:dory:$ID'"
    rt_systemd run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>&1
    try run --bundle "$T/bundle" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"already exists"* ]]
    try run --bundle "$T/bundle" "$ID-other" # another container, the same unit
    [ "$status" = 1 ]
    [[ "$output" == *"Unit dory-$ID.scope was already loaded"* ]]
    edit "l['seccomp'] = {'defaultAction': 'SCMP_ACT_NOSUCH'}"
    try run --bundle "$T/bundle" "$ID-other"
    [ "$status" = 1 ]
    [[ "$output" == *SCMP_ACT_NOSUCH* ]]
    [ "$(grep -c '"call": "stop"' "$T/calls")" = 0 ]
    kill -0 "$(cat "$T/pid")"
    grep -q "dory-$ID.scope\$" "/proc/$(cat "$T/pid")/cgroup"
    [ "$(ls "$T/state")" = "$ID" ]
    rt_systemd delete --force "$ID"
    grep -q '"call": "stop", "unit": "dory-'"$ID"'.scope"' "$T/calls"
}

@test "restore puts criu into a unit, which goes when criu fails" {
    start_systemd
    make_config sleep 1000
    edit "l['cgroupsPath'] = 'dorytest$$.slice:dory:$ID'; r['pids'] = {'limit': 33}"
    mkdir "$T/images"
    echo '["/dev/null", "/dev/null", "/dev/null"]' >"$T/images/descriptors.json"
    # A criu that fails once it has been asked, and tells where it stood then.
    cat >"$T/criu" <<'PY'
#!/usr/bin/python3
import os, socket, sys
request = socket.socket(fileno=int(sys.argv[2])).recv(65536)
open(os.path.dirname(sys.argv[0]) + "/stood", "w").write("%d\n" % os.getpid() + open("/proc/self/cgroup").read())
PY
    chmod +x "$T/criu"
    try --criu "$T/criu" restore -d --bundle "$T/bundle" --image-path "$T/images" "$ID"
    [ "$status" = 1 ]
    grep -q ":/dorytest$$.slice/dory-$ID.scope\$" "$T/stood"
    grep '"call": "start", "unit": "dory-'"$ID"'.scope"' "$T/calls" | grep -q "\"PIDs\": \[$(head -n 1 "$T/stood")\]"
    grep -q '"call": "stop", "unit": "dory-'"$ID"'.scope"' "$T/calls"
    [ "$(find /sys/fs/cgroup -path "*dory-$ID.scope")" = "" ]
    [ -z "$(ls "$T/state")" ]
}

@test "without systemd the option is an error that says so" {
    make_config true
    edit "l['cgroupsPath'] = 'system.slice:dory:$ID'"
    status=0
    output=$(DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/nosuch" rt --systemd-cgroup run --bundle "$T/bundle" "$ID" </dev/null 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ "$output" == *"systemd not running on this host, cannot use systemd cgroups manager"* ]]
    [ -z "$(ls "$T/state")" ]
    status=0
    output=$(rt run --bundle "$T/bundle" "$ID" </dev/null 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ "$output" == *"--systemd-cgroup"* ]]
}

@test "an ordinary user's units are those of the user's own systemd, which has cgroups with v2 alone" {
    make_config true
    edit "l['cgroupsPath'] = 'user.slice:dory:$ID'"
    want="cannot use rootless systemd cgroups manager on cgroup v1"
    [ -d /sys/fs/cgroup/pids ] || want="systemd not running for this user, cannot use systemd cgroups manager"
    status=0
    output=$(DBUS_SESSION_BUS_ADDRESS="unix:path=$T/nosuch" rt --rootless true --systemd-cgroup run --bundle "$T/bundle" "$ID" </dev/null 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ "$output" == *"$want"* ]]
    [ -z "$(ls "$T/state")" ]
}
