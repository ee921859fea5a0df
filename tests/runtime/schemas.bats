#!/usr/bin/env bats
# What dory-runtime writes, against the structure that the runtime spec gives the documents (schemas.py).
load helper

conforms() {
    python3 "$BATS_TEST_DIRNAME/schemas.py" "$1"
}

@test "the checker refuses what is wrong" {
    for text in '{}' '{"ociVersion":"x"}' '{"ociVersion":"1.0.0","nonsense":1}' '{"ociVersion":"1.0.0","process":{"cwd":"x"}}' \
        '{"ociVersion":"1.0.0","linux":{"namespaces":[{"type":"net"}]}}' '{"ociVersion":"1.0.0","root":{"readonly":true}}'; do
        run conforms config <<<"$text"
        [ "$status" = 1 ]
    done
    run conforms state <<<'{"ociVersion":"1.0.0","id":"x","status":"paused","bundle":"/x"}'
    [ "$status" = 1 ]
    run conforms features <<<'{"ociVersionMin":"1.0.0","ociVersionMax":"1.0.0","linux":{"seccomp":{"actions":["ALLOW"]}}}'
    [ "$status" = 1 ]
    conforms config <"$T/bundle/config.json"
}

@test "spec and spec --rootless write a config.json of the spec" {
    for option in "" --rootless; do
        rm -f "$T/bundle/config.json"
        (cd "$T/bundle" && rt spec $option)
        conforms config <"$T/bundle/config.json"
    done
    python3 -c "
import json, sys
c = json.load(open(sys.argv[1]))
kinds = [n['type'] for n in c['linux']['namespaces']]
assert 'user' in kinds and c['linux']['uidMappings'] and c['linux']['gidMappings'], c['linux']" "$T/bundle/config.json"
}

@test "state conforms in every status, list and the hooks' input too" {
    make_config sleep 1000
    edit "
c['annotations'] = {'org.example': 'value'}
c['hooks'] = {n: [{'path': '/bin/sh', 'args': ['sh', '-c', 'cat >$T/' + n], 'env': ['PATH=/bin:/usr/bin']}] for n in ('createRuntime', 'poststart', 'poststop')}"
    rt create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    rt state "$ID" | tee "$T/created" | conforms state
    rt start "$ID"
    rt state "$ID" | tee "$T/running" | conforms state
    rt list --format json | python3 -c "import json, sys; print(json.dumps(json.load(sys.stdin)[0]))" | conforms state
    rt kill "$ID" KILL
    wait_for 'rt state "$ID" | grep -q "\"stopped\""'
    rt state "$ID" | tee "$T/stopped" | conforms state
    rt delete "$ID"
    for n in createRuntime poststart poststop; do
        conforms state <"$T/$n"
    done
    for n in created running stopped; do
        grep -q "\"status\":\"$n\"" "$T/$n"
        grep -q '"org.example":"value"' "$T/$n"
    done
}

@test "features conforms, and what it says is so" {
    rt features | tee "$T/features" | conforms features
    python3 - "$T/features" <<'PY'
import json, sys
f = json.load(open(sys.argv[1]))
# config.md, "Linux mount options": what a runtime must know, and what it should.
must = """async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime noexec noiversion
nolazytime norelatime nostrictatime nosuid private rbind relatime remount ro rprivate rshared rslave runbindable rw shared
silent slave strictatime suid sync unbindable""".split()
should = """nosymfollow symfollow ratime rdev rdiratime rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime
rnosuid rnosymfollow rrelatime rro rrw rstrictatime rsuid rsymfollow tmpcopyup idmap ridmap""".split()
missing = [o for o in must + should if o not in f["mountOptions"]]
assert not missing, missing
assert set(f["linux"]["namespaces"]) == set("cgroup ipc mount network pid time user uts".split()), f["linux"]["namespaces"]
assert f["linux"]["mountExtensions"]["idmap"]["enabled"] and f["linux"]["netDevices"]["enabled"]
assert f["linux"]["intelRdt"]["enabled"]
assert f["ociVersionMax"].startswith("1.3."), f["ociVersionMax"]
assert len(f["hooks"]) == 6
assert "SCMP_ACT_NOTIFY" in f["linux"]["seccomp"]["actions"]
PY
}
