#!/usr/bin/env bats
# What is done to a container that exists: states and their moves, signals, limits, several commands at once, and what
# killed commands leave behind.
load helper

start_sleeper() {
    make_config sh -c "${1:-sleep 1000}"
    [ $# -lt 2 ] || edit "$2"
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    PID=$(cat "$T/pid")
}

# try COMMAND...: dory-runtime with $status and $output
try() {
    status=0
    output=$(rt "$@" </dev/null 2>&1) || status=$?
}

status_of() { rt state "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'; }

@test "a paused container stands still, says so, and goes on" {
    start_sleeper 'while :; do echo x >>/tmp/beat; usleep 10000; done'
    wait_for '[ -s "$ROOT/tmp/beat" ]'
    rt pause "$ID"
    [ "$(status_of "$ID")" = paused ]
    before=$(stat -c %s "$ROOT/tmp/beat")
    [ "$(stat -c %s "$ROOT/tmp/beat")" = "$before" ]
    try pause "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"container not running or created: paused"* ]]
    try exec "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"cannot exec in a paused container"* ]]
    try delete "$ID"
    [[ "$output" == *"that is not stopped: paused"* ]]
    run rt list
    [[ "${lines[1]}" =~ ^$ID\ .*paused ]]
    [ "$(stat -c %s "$ROOT/tmp/beat")" = "$before" ]
    rt resume "$ID"
    [ "$(status_of "$ID")" = running ]
    wait_for '[ "$(stat -c %s "$ROOT/tmp/beat")" -gt '"$before"' ]'
    try resume "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"container not paused"* ]]
}

@test "a paused container can be killed and deleted" {
    start_sleeper
    rt pause "$ID"
    rt kill "$ID" KILL
    wait_for '[ "$(status_of "$ID")" = stopped ]'
    rt delete "$ID"
    start_sleeper
    rt pause "$ID"
    rt delete --force "$ID"
    try state "$ID"
    [[ "$output" == *"does not exist"* ]]
}

@test "exec --ignore-paused waits for the container to go on" {
    start_sleeper
    rt pause "$ID"
    rt exec --ignore-paused "$ID" touch /tmp/ran </dev/null >/dev/null 2>&1 3>&- &
    waiting=$!
    wait_for '[ "$(rt ps --format json "$ID" | tr "," "\n" | wc -l)" = 2 ]'
    [ ! -e "$ROOT/tmp/ran" ]
    rt resume "$ID"
    wait "$waiting"
    [ -e "$ROOT/tmp/ran" ]
}

@test "kill knows signals by name and number, and --all reaches every process" {
    cat >"$ROOT/bin/signals" <<'SH'
#!/bin/sh
for s in 1 2 3 10 12 15 28 34 36 64; do trap "echo $s >>/tmp/got" $s; done
touch /tmp/ready
while :; do usleep 20000; done
SH
    chmod +x "$ROOT/bin/signals"
    start_sleeper '' "proc['args'] = ['/bin/signals']" # a shell of `sh -c` would leave SIGQUIT ignored
    wait_for '[ -e "$ROOT/tmp/ready" ]'
    # A shell may lose a signal that comes while it runs a trap, so each is sent until it has been seen.
    for pair in HUP:1 SIGINT:2 quit:3 sigusr1:10 12:12 TERM:15 WINCH:28 RTMIN:34 SIGRTMIN+2:36 RTMAX:64; do
        wait_for 'rt kill "$ID" '"${pair%:*}"'; grep -qsx '"${pair#*:}"' "$ROOT/tmp/got"'
    done
    [ "$(sort -nu "$ROOT/tmp/got" | tr '\n' ' ')" = "1 2 3 10 12 15 28 34 36 64 " ]
    rt kill "$ID" 0
    for bad in NONE SIGNONE 65 RTMIN+31 ""; do
        try kill "$ID" "$bad"
        [ "$status" = 1 ]
        [[ "$output" == *"unknown signal"* ]]
    done
    try kill "$ID" -1
    [[ "$output" == *"flag provided but not defined: -1"* ]]
    rt kill --all "$ID" KILL
    wait_for '[ "$(status_of "$ID")" = stopped ]'
    try kill "$ID" TERM
    [ "$status" = 1 ]
    [[ "$output" == *"container not running"* ]]
}

@test "kill --all signals processes outside of init's session too" {
    start_sleeper 'setsid sleep 999 & setsid sleep 999 & exec sleep 1000'
    wait_for '[ "$(rt ps --format json "$ID" | tr "," "\n" | wc -l)" = 3 ]'
    rt kill --all "$ID" TERM # pid 1 of a namespace does not take it by default: the others do
    wait_for '[ "$(rt ps "$ID" | grep -c "sleep 999")" = 0 ]'
    [ "$(status_of "$ID")" = running ]
}

@test "update changes limits by options and by a file" {
    start_sleeper
    limit() { cat "$(cgroup_file "$@")"; }
    rt update --memory 64m --memory-swap 96m --pids-limit 33 --cpu-share 512 --cpu-quota 50000 --cpu-period 100000 "$ID"
    [ "$(limit memory memory.limit_in_bytes memory.max)" = 67108864 ]
    [ "$(limit pids pids.max pids.max)" = 33 ]
    [[ "$(limit cpu cpu.cfs_quota_us cpu.max)" == 50000* ]]
    rt update --cpuset-cpus 0 "$ID"
    [ "$(limit cpuset cpuset.cpus cpuset.cpus)" = 0 ]
    grep -q 'Cpus_allowed_list:.0$' "/proc/$PID/status"
    echo '{"memory": {"limit": 134217728, "swap": 134217728}, "pids": {"limit": 44}}' >"$T/resources.json"
    rt update -r "$T/resources.json" "$ID"
    [ "$(limit memory memory.limit_in_bytes memory.max)" = 134217728 ]
    [ "$(limit pids pids.max pids.max)" = 44 ]
    echo '{"pids": {"limit": -1}}' | rt update -r - "$ID"
    [ "$(limit pids pids.max pids.max)" = max ]
    rt update --pids-limit 0 "$ID" # a limit, which systemd writes as 1
    [ "$(limit pids pids.max pids.max)" = 1 ]
    rt update --memory-swap -1 "$ID"
    rt update --memory -1 "$ID"
}

@test "what update cannot do is an error and changes nothing" {
    start_sleeper
    for options in "--memory lots" "--pids-limit x" "--cpu-quota 1.5" "--l3-cache-schema L3:0=f" "--mem-bw-schema MB:0=20" "--cpuset-cpus 4096" "--nonsense 1"; do
        # shellcheck disable=SC2086
        try update $options "$ID"
        [ "$status" = 1 ]
    done
    echo '{"memory": {"limit": "x"}}' >"$T/resources.json"
    try update -r "$T/resources.json" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"memory.limit: expected"* ]]
    try update -r "$T/nosuch" "$ID"
    [ "$status" = 1 ]
    try update --pids-limit 5 "$ID-other"
    [[ "$output" == *"container does not exist"* ]]
    rt kill "$ID" KILL
    wait_for '[ "$(status_of "$ID")" = stopped ]'
    try update --pids-limit 5 "$ID"
    [[ "$output" == *"container not running"* ]]
}

@test "of ten creations of one name at once one succeeds, and ten deletions remove it" {
    make_config sleep 1000
    for i in 1 2 3 4 5 6 7 8 9 10; do
        { rt create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>"$T/error$i" && touch "$T/done$i" || true; } 3>&- &
    done
    wait
    [ "$(ls "$T"/done* | wc -l)" = 1 ]
    [ "$(cat "$T"/error* | grep -c 'already exists')" = 9 ]
    [ "$(status_of "$ID")" = created ]
    for i in 1 2 3 4 5 6 7 8 9 10; do
        { rt start "$ID" >/dev/null 2>&1 && touch "$T/started$i" || true; } 3>&- &
    done
    wait
    [ "$(ls "$T"/started* | wc -l)" = 1 ]
    for i in 1 2 3 4 5 6 7 8 9 10; do
        rt delete --force "$ID" >/dev/null 2>"$T/delete$i" 3>&- &
    done
    wait
    [ "$(cat "$T"/delete*)" = "" ]
    [ "$(ls -A "$T/state")" = "" ]
}

@test "whatever a killed create leaves behind, delete removes and the name is free again" {
    make_config sleep 1000
    for delay in 0 1000 2000 3000 4000 5000 6000 8000 10000 15000; do
        "$DORY_BIN/dory-runtime" --root "$T/state" create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1 3>&- &
        creator=$!
        "$ROOT/bin/busybox" usleep "$delay"
        kill -9 "$creator" 2>/dev/null || true
        wait "$creator" 2>/dev/null || true
        rt delete --force "$ID"
        [ "$(ls -A "$T/state" 2>/dev/null)" = "" ]
        [ "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$ID")" = "" ]
    done
    # Killed between its first two system calls, and a record that a crash of the machine kept from the disk.
    for left in mkdir record; do
        mkdir -p "$T/state/$ID"
        [ "$left" = mkdir ] || : >"$T/state/$ID/state.json"
        rt create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
        [ "$(status_of "$ID")" = created ]
        rt delete --force "$ID"
    done
    mkdir -p "$T/state/$ID"
    : >"$T/state/$ID/state.json"
    try state "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"container does not exist: $ID"* ]]
    rt delete --force "$ID"
    [ "$(ls -A "$T/state" 2>/dev/null)" = "" ]
}

@test "a start that fails leaves nothing, and processes of others are not harmed by it" {
    start_sleeper
    cgroup=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["cgroupsPath"])' "$T/state/$ID/state.json")
    edit "l['cgroupsPath'] = '$cgroup'"
    try run --bundle "$T/bundle" "$ID-b"
    [ "$status" = 1 ]
    [[ "$output" == *"is not empty"* ]]
    [ "$(status_of "$ID")" = running ]
    [ "$(ls "$T/state")" = "$ID" ]
    for wrong in "c['root'] = {'path': 'nosuch'}" "del c['root']" "proc['args'] = ['nosuch']" "mount('/x', 'nosuchfs', 'x')" \
        "l['namespaces'] = [{'type': 'nosuch'}]" "r['pids'] = {'limit': 'many'}" "proc['cwd'] = 'x'" \
        "c['hooks'] = {'createRuntime': [{'path': '/bin/false'}]}" "mount('/y', 'bind', '/no/such/source', 'bind')"; do
        make_config true
        edit "l['cgroupsPath'] = '/dory/$ID-b'"
        edit "$wrong"
        try run --bundle "$T/bundle" "$ID-b"
        [ "$status" != 0 ]
        [ "$(ls "$T/state")" = "$ID" ]
        [ "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$ID-b")" = "" ]
    done
}

@test "list is a table, JSON or ids" {
    start_sleeper
    run rt list
    [[ "${lines[0]}" =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
    [[ "${lines[1]}" =~ ^$ID\ +$PID\ +running\ +$T/bundle\ +20[0-9-]+T.*\ +root$ ]]
    run rt list -q
    [ "$output" = "$ID" ]
    rt list -f json | python3 -c '
import json, sys
c, = json.load(sys.stdin)
assert (c["id"], c["pid"], c["status"], c["bundle"], c["owner"]) == (sys.argv[1], int(sys.argv[2]), "running", sys.argv[3], "root"), c
assert c["rootfs"] == sys.argv[3] + "/rootfs" and c["ociVersion"] == "1.0.2", c' "$ID" "$PID" "$T/bundle"
    try list -f xml
    [ "$status" = 1 ]
    run rt ps "$ID" -o pid,args
    [[ "${lines[1]}" == *"$PID"*"sleep 1000"* ]]
}

@test "every command tells its options" {
    for command in create start run state kill delete list ps exec pause resume update events checkpoint restore spec features; do
        run rt "$command" --help
        [ "$status" = 0 ]
        [[ "${lines[0]}" == "Usage: dory-runtime $command"* ]]
    done
    run rt --help
    [[ "$output" == *--root*Commands*exec* ]]
    try run --nonsense x
    [ "$status" = 1 ]
    [[ "$output" == *"flag provided but not defined: -nonsense"* ]]
}

@test "events tells statistics in runc's form" {
    start_sleeper 'head -c 1000000 /dev/zero >/tmp/file; exec sleep 1000' "r['memory'] = {'limit': 64 << 20}; r['pids'] = {'limit': 20}; r['cpu'] = {'cpus': '0', 'mems': '0'}"
    rt events --stats "$ID" >"$T/stats"
    python3 - "$T/stats" "$ID" <<'PY'
import json, sys
event, = [json.loads(line) for line in open(sys.argv[1])]
assert event["type"] == "stats" and event["id"] == sys.argv[2]
data = event["data"]
assert data["cpu"]["usage"]["total"] > 0 and "throttledTime" in data["cpu"]["throttling"], data["cpu"]
assert data["memory"]["usage"]["limit"] == 64 << 20 and data["memory"]["usage"]["usage"] > 0, data["memory"]
assert len(data["memory"]["raw"]) > 10, data["memory"]["raw"]
usage, cpuset = data["cpu"]["usage"], data["cpuset"]
assert cpuset["cpus"] == [0] and cpuset["mems"] == [0] and cpuset["cpu_exclusive"] == 0, cpuset
if "percpu" in usage:  # v1
    assert len(usage["percpu_kernel"]) == len(usage["percpu_user"]) == len(usage["percpu"]), usage
    assert 0 < usage["percpu_kernel"][0] + usage["percpu_user"][0] <= usage["total"] * 2, usage
    assert cpuset["sched_load_balance"] == 1 and cpuset["sched_relax_domain_level"] == -1, cpuset
assert data["pids"]["current"] >= 1 and data["pids"]["limit"] == 20, data["pids"]
assert isinstance(data["blkio"]["ioServiceBytesRecursive"], list) and isinstance(data["hugetlb"], dict)
PY
    timeout 60 "$DORY_BIN/dory-runtime" --root "$T/state" events --interval 20ms "$ID" >"$T/events" </dev/null 3>&- &
    follower=$!
    wait_for '[ "$(wc -l <"$T/events")" -ge 3 ]'
    rt kill "$ID" KILL
    wait "$follower"
    [ "$(grep -c '"type":"stats"' "$T/events")" = "$(wc -l <"$T/events")" ]
    for bad in 0s -1s x; do
        try events --interval "$bad" "$ID"
        [ "$status" = 1 ]
    done
    try events "$ID"
    [[ "$output" == *"container not running"* ]]
}

@test "events tells an OOM kill" {
    start_sleeper 'until [ -e /tmp/go ]; do usleep 10000; done; head -c 200m /dev/zero | tail >/dev/null; exec sleep 1000' "r['memory'] = {'limit': 16 << 20, 'swap': 16 << 20}"
    timeout 60 "$DORY_BIN/dory-runtime" --root "$T/state" events --interval 20ms "$ID" >"$T/events" </dev/null 3>&- &
    follower=$!
    wait_for 'grep -q stats "$T/events"' # it is watching
    touch "$ROOT/tmp/go"
    wait_for 'grep -q "\"type\":\"oom\"" "$T/events"'
    rt kill "$ID" KILL
    wait "$follower"
}

@test "checkpoint and restore without criu say so, and leave everything as it was" {
    start_sleeper
    try --criu "$T/nosuch" checkpoint --image-path "$T/images" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"checkpoint and restore need criu: $T/nosuch: not found"* ]]
    [ "$(status_of "$ID")" = running ]
    try checkpoint --image-path "$T/images" --manage-cgroups-mode nosuch "$ID"
    [[ "$output" == *'invalid manage-cgroups-mode value "nosuch"'* ]]
    try checkpoint --image-path "$T/images" --lazy-pages "$ID"
    [[ "$output" == *"--lazy-pages is not supported"* ]]
    try checkpoint --image-path "$T/images" --parent-path "$T" "$ID"
    [[ "$output" == *"--parent-path $T must be relative"* ]]
    try checkpoint --image-path "$T/images" --parent-path nosuch "$ID"
    [[ "$output" == *"invalid --parent-path nosuch: No such file"* ]]
    try --criu "$T/nosuch" restore --bundle "$T/bundle" --image-path "$T/images" "$ID-b"
    [ "$status" = 1 ]
    [[ "$output" == *"need criu"* ]]
    try restore --bundle "$T/bundle" --image-path "$T/none" "$ID-b"
    [ "$status" = 1 ]
    [[ "$output" == *"$T/none"* ]]
    [ "$(ls "$T/state")" = "$ID" ]
    rt pause "$ID"
    try checkpoint --image-path "$T/images" "$ID"
    [[ "$output" == *"cannot be checkpointed in paused state"* ]]
}

@test "restore into the cgroup of a running container is refused and does not touch it" {
    start_sleeper 'sleep 1000' "l['cgroupsPath'] = '/dory/$ID'; r['pids'] = {'limit': 77}"
    edit "r['pids'] = {'limit': 11}" # the restored one would have other limits
    mkdir "$T/images"
    echo '["/dev/null", "/dev/null", "/dev/null"]' >"$T/images/descriptors.json"
    printf '#!/bin/sh\nexec timeout 20 cat >/dev/null <&"$2"\n' >"$T/criu" # lives until it is let go of
    chmod +x "$T/criu"
    try --criu "$T/criu" restore -d --bundle "$T/bundle" --image-path "$T/images" "$ID-b"
    [ "$status" = 1 ]
    [[ "$output" == *"container's cgroup is not empty: dory/$ID"* ]]
    [ "$(status_of "$ID")" = running ]
    [ "$(cat "$(cgroup_file pids pids.max pids.max)")" = 77 ]
    [ "$(ls "$T/state")" = "$ID" ]
}

@test "features tells what is there, in the form of the spec" {
    rt features | python3 -c '
import json, sys
f = json.load(sys.stdin)
l = f["linux"]
assert f["ociVersionMin"] == "1.0.0" and f["ociVersionMax"].startswith("1."), f
assert set(f["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
assert {"ro", "rbind", "rro", "idmap", "tmpcopyup", "nosuid"} <= set(f["mountOptions"]), f["mountOptions"]
assert set(l["namespaces"]) == {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
assert {"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_BPF"} <= set(l["capabilities"])
assert l["cgroup"] == {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True}, l["cgroup"]
s = l["seccomp"]
assert s["enabled"] and {"SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO"} <= set(s["actions"]) and "SCMP_ARCH_X86_64" in s["archs"], s
assert {"SECCOMP_FILTER_FLAG_LOG"} <= set(s["supportedFlags"]) <= set(s["knownFlags"]), s
assert l["mountExtensions"]["idmap"]["enabled"] and l["apparmor"]["enabled"] and l["intelRdt"]["enabled"]
'
    # What features claims is what the parser takes.
    for part in '[:9]' '[9:]'; do # a profile has 16 at most, with the machine's own
        archs=$(rt features | python3 -c "import json, sys; print(json.load(sys.stdin)['linux']['seccomp']['archs']$part)")
        make_config true
        edit "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': $archs}"
        run_container
        [ "$status" = 0 ] || { echo "$output"; return 1; }
    done
}

@test "a debug log tells what was run and how it ended, in both formats" {
    mkdir -p "$T/state"; rt --debug --log "$T/log" --log-format json list -q
    python3 -c '
import json, sys
begin, end = [json.loads(line) for line in open(sys.argv[1])]
assert begin["level"] == end["level"] == "debug" and begin["msg"] == "begin of list -q" and end["msg"] == "end of list -q: status 0", (begin, end)' "$T/log"
    try --debug --log "$T/text" state "$ID"
    [ "$status" = 1 ]
    grep -q 'level=debug msg="end of state' "$T/text"
    grep -q 'level=error msg="container does not exist' "$T/text"
}

@test "spec writes a config that runs, and one for ordinary users" {
    rm "$T/bundle/config.json"
    rt spec --bundle "$T/bundle"
    try spec --bundle "$T/bundle"
    [ "$status" = 1 ]
    [[ "$output" == *"exists. Remove it first"* ]]
    edit "proc['terminal'] = False; proc['args'] = ['sh', '-c', 'hostname; id -u']; proc['env'] = ['PATH=/bin']"
    run_container
    [ "$status" = 0 ]
    [ "$output" = "dory
0" ]
    rm "$T/bundle/config.json"
    rt spec --rootless --bundle "$T/bundle"
    python3 - "$T/bundle/config.json" <<'PY'
import json, os, sys
c = json.load(open(sys.argv[1]))
types = {n["type"] for n in c["linux"]["namespaces"]}
assert "user" in types and "network" not in types, types
assert c["linux"]["uidMappings"] == [{"containerID": 0, "hostID": os.getuid(), "size": 1}], c["linux"]["uidMappings"]
assert "resources" not in c["linux"] or c["linux"]["resources"] == {}, c["linux"]["resources"]
assert not any(o.startswith("gid=") for m in c["mounts"] for o in m.get("options", []))
PY
}

@test "options may stand behind the container's id, and what is too much is refused" {
    start_sleeper
    rt update "$ID" --pids-limit 55
    [ "$(cat "$(cgroup_file pids pids.max pids.max)")" = 55 ]
    rt ps "$ID" -o pid | grep -q PID # here they are those of ps(1)
    for command in state pause update delete; do
        try $command "$ID" "$ID"
        [ "$status" = 1 ]
        [[ "$output" == *"\"$command\" requires exactly 1 argument(s)"* ]]
    done
    try kill "$ID" KILL KILL
    [ "$status" = 1 ]
    [[ "$output" == *"at most 2 argument(s)"* ]]
    [ "$(status_of "$ID")" = running ]
    rt delete "$ID" --force
}

@test "kill KILL ends everything in a container without a pid namespace of its own" {
    make_config sh -c 'sleep 1000 & sleep 1000 & echo started >/tmp/started; wait'
    edit "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'pid']; l['maskedPaths'] = []; l['readonlyPaths'] = []
l['cgroupsPath'] = '/dory/$ID'"
    rt run -d --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    wait_for '[ -e "$ROOT/tmp/started" ]'
    pids=$(rt ps --format json "$ID" | tr -d '[],' )
    [ "$(rt ps --format json "$ID" | tr ',' '\n' | wc -l)" = 3 ]
    kill -9 "$(cat "$T/pid")" # the two others stay
    wait_for '[ "$(status_of "$ID")" = stopped ]'
    rt kill "$ID" KILL
    file=$(cgroup_file pids cgroup.procs cgroup.procs)
    wait_for '[ -z "$(cat "$file")" ]'
    try kill "$ID" KILL
    [ "$status" = 1 ]
    [[ "$output" == *"container not running"* ]]
}

@test "list of a root that is asked for and not there is an error" {
    status=0
    output=$("$DORY_BIN/dory-runtime" --root "$T/nosuch" list 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ "$output" == *"$T/nosuch"* ]]
}

@test "a pidfd of the process goes to a socket" {
    cat >"$T/receive.py" <<'PY'
import array, os, select, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(2)
for _ in range(2):
    c, _ = s.accept()
    fds = array.array("i")
    _, ancillary, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
    fds.frombytes(ancillary[0][2][:4])
    print([l.split()[1] for l in open(f"/proc/self/fdinfo/{fds[0]}") if l.startswith("Pid:")][0], flush=True)
PY
    timeout 60 python3 "$T/receive.py" "$T/sock" >"$T/pids" </dev/null 3>&- &
    receiver=$!
    wait_for '[ -S "$T/sock" ]'
    make_config sleep 1000
    rt run -d --bundle "$T/bundle" --pidfd-socket "$T/sock" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
    rt exec -d --pidfd-socket "$T/sock" --pid-file "$T/pid2" "$ID" sleep 1000 </dev/null >/dev/null 2>&1
    wait "$receiver"
    [ "$(cat "$T/pids")" = "$(cat "$T/pid")
$(cat "$T/pid2")" ]
}
