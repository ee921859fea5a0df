#!/usr/bin/env bats
# "hooks" of config.json and their place in the life cycle (runtime.md).
load helper

# hook_script: a program on the host, /hook in the container: says its name into a log and keeps its input, its environment
# and where it ran. Fails when told to by its environment.
hook_script() {
    mkdir -p "$T/hooks"
    cat >"$T/hook" <<SH
#!/bin/sh
echo "\$1" >>"\$DIR/order"
cat >"\$DIR/\$1.json"
env >"\$DIR/\$1.env"
for n in mnt net uts; do readlink /proc/self/ns/\$n; done >"\$DIR/\$1.ns"
ls /proc/self/fd | wc -l >"\$DIR/\$1.fds"
[ "\$FAIL" != yes ] || { echo "\$1 is broken"; exit 3; }
SH
    chmod +x "$T/hook"
    cp "$T/hook" "$ROOT/hook"
    mkdir -p "$ROOT/log"
    edit "
kinds = ('prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop')
inside = lambda n: n == 'startContainer'
c['hooks'] = {n: [{'path': '/hook' if inside(n) else '$T/hook', 'args': ['hook', n],
                   'env': ['PATH=/bin:/usr/bin', 'DIR=' + ('/log' if inside(n) else '$T/hooks')]}] for n in kinds}
c['annotations'] = {'org.example': 'value'}
mount('/log', 'bind', '$T/hooks', 'bind')"
}

@test "hooks of all kinds run in order, in their namespaces, with the state and their own environment" {
    make_config sleep 1000
    hook_script
    CANARY=bird rt create --bundle "$T/bundle" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>&1
    [ "$(tr '\n' ' ' <"$T/hooks/order")" = "prestart createRuntime createContainer " ]
    pid=$(cat "$T/pid")
    own=$(readlink "/proc/$pid/ns/mnt" "/proc/$pid/ns/net" "/proc/$pid/ns/uts")
    rt start "$ID"
    [ "$(tr '\n' ' ' <"$T/hooks/order")" = "prestart createRuntime createContainer startContainer poststart " ]
    rt delete --force "$ID"
    [ "$(tail -n1 "$T/hooks/order")" = poststop ]
    python3 - "$T/hooks" "$ID" "$pid" "$T/bundle" <<'PY'
import json, sys
folder, id, pid, bundle = sys.argv[1:]
status = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "startContainer": "created",
          "poststart": "running", "poststop": "stopped"}
for kind, want in status.items():
    state = json.load(open(f"{folder}/{kind}.json"))
    assert state["ociVersion"] == "1.0.2" and state["id"] == id and state["bundle"] == bundle, (kind, state)
    assert state["status"] == want, (kind, state)
    assert state["annotations"] == {"org.example": "value"}, (kind, state)
    assert state.get("pid", 0) == (0 if kind == "poststop" else int(pid)), (kind, state)
    assert "bird" not in open(f"{folder}/{kind}.env").read(), kind
    # 0, 1, 2 and the directory that ls reads.
    assert open(f"{folder}/{kind}.fds").read().strip() == "4", (kind, open(f"{folder}/{kind}.fds").read())
PY
    host=$(readlink /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/uts)
    for kind in prestart createRuntime poststart poststop; do
        [ "$(cat "$T/hooks/$kind.ns")" = "$host" ]
    done
    for kind in createContainer startContainer; do
        [ "$(cat "$T/hooks/$kind.ns")" = "$own" ]
    done
}

@test "a hook before the start that fails ends the container; poststop hooks run, nothing is left" {
    make_config sh -c 'echo ran'
    for kind in prestart createRuntime createContainer startContainer; do
        hook_script
        rm -f "$T/hooks/order"
        edit "c['hooks']['$kind'][0]['env'].append('FAIL=yes')"
        run_container
        [ "$status" = 1 ]
        [[ "$output" == *"error running $kind hook #0: "*"exit status 3"*"$kind is broken"* ]]
        [[ "$output" != *ran* ]]
        [ "$(tail -n1 "$T/hooks/order")" = poststop ]
        ! grep -q poststart "$T/hooks/order" || false
        [ -z "$(ls "$T/state")" ]
    done
}

@test "startContainer and poststart hooks that fail are errors of start, which stops the container" {
    make_config sleep 1000
    for kind in startContainer poststart; do
        hook_script
        edit "c['hooks']['$kind'][0]['env'].append('FAIL=yes')"
        rt create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
        run rt start "$ID"
        [ "$status" = 1 ]
        [[ "$output" == *"error running $kind hook #0: "*"$kind is broken"* ]]
        wait_for 'rt state "$ID" | grep -q "\"stopped\""'
        rt delete "$ID"
        [ "$(tail -n1 "$T/hooks/order")" = poststop ]
    done
    # In one go.
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"error running poststart hook #0: "* ]]
    [ -z "$(ls "$T/state")" ]
}

@test "config.json may change after create: what counts is what was read" {
    make_config sleep 1000
    hook_script
    rt create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    echo '{}' >"$T/bundle/config.json"
    rt start "$ID"
    grep -qx poststart "$T/hooks/order"
}

@test "a poststop hook that fails is a warning, and the others run" {
    make_config sleep 1000
    hook_script
    edit "
again = json.loads(json.dumps(c['hooks']['poststop'][0]))
c['hooks']['poststop'][0]['env'].append('FAIL=yes')
again['args'] = ['hook', 'second']
c['hooks']['poststop'].append(again)"
    rt create --bundle "$T/bundle" "$ID" </dev/null >/dev/null 2>&1
    run rt --log "$T/log" --log-format json delete --force "$ID"
    [ "$status" = 0 ]
    [[ "$output" == *"warning: error running poststop hook #0: "*"poststop is broken"* ]]
    [ "$(tail -n1 "$T/hooks/order")" = second ]
    python3 -c "
import json, sys
entry = json.loads(open(sys.argv[1]).readlines()[-1])
assert entry['level'] == 'warning' and 'poststop hook #0' in entry['msg'], entry" "$T/log"
    run rt state "$ID"
    [ "$status" = 1 ]
}

@test "a hook is killed at its timeout with what it started; one that is quick enough is not" {
    make_config sh -c 'echo ran'
    edit "c['hooks'] = {'createRuntime': [{'path': '/bin/sh', 'args': ['sh', '-c', 'sleep 1234 & echo \$! >$T/child; wait'], 'env': ['PATH=/bin:/usr/bin'], 'timeout': 1}]}"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"error running createRuntime hook #0: /bin/sh: hook ran past specified timeout of 1 s"* ]]
    wait_for '[ ! -e "/proc/$(cat "$T/child")" ] || grep -q "^State:.Z" "/proc/$(cat "$T/child")/status"'
    edit "c['hooks']['createRuntime'][0].update({'args': ['sh', '-c', 'true'], 'timeout': 30})"
    run_container
    [ "$output" = ran ]
}

@test "hooks that cannot be are refused with their place, before anything is made" {
    edit "c['hooks'] = {'poststop': [{'path': '/bin/true'}, {'path': 'bin/true'}]}"
    run_container
    [[ "$output" == *'hooks.poststop[1].path: "bin/true" is not absolute'* ]]
    for timeout in 0 -1; do
        edit "c['hooks'] = {'createContainer': [{'path': '/bin/true', 'timeout': $timeout}]}"
        run_container
        [[ "$output" == *"hooks.createContainer[0].timeout: $timeout is not greater than zero"* ]]
    done
    edit "c['hooks'] = {'createRuntime': [{'path': '/no/such/hook'}]}"
    run_container
    [ "$status" = 1 ]
    [[ "$output" == *"error running createRuntime hook #0: /no/such/hook"* ]]
    [ -z "$(ls "$T/state")" ]
}

@test "a hook that says nothing of its environment: the process's inside, the runtime's on the host, in the bundle" {
    make_config sh -c 'cat /tmp/start'
    edit "proc['env'] = ['PATH=/bin', 'ONE=two']; c['root']['readonly'] = False
hook = lambda path, text: [{'path': path, 'args': ['sh', '-c', text]}]
c['hooks'] = {'startContainer': hook('/bin/sh', 'echo \$ONE >/tmp/start'),
              'createRuntime': hook('/bin/sh', 'echo \$ONE \$PWD >$T/create'),
              'createContainer': hook('/bin/sh', 'ls proc/self/status $ROOT/proc/1/status; echo \$PWD >$T/inside'),
              'poststop': hook('/bin/sh', 'echo \$ONE >$T/stop')}"
    ONE=ours run_container
    echo "$output"
    [ "$status" = 0 ]
    [ "$output" = two ]
    [ "$(cat "$T/create")" = "ours $T/bundle" ]
    [ "$(cat "$T/inside")" = "$ROOT" ]
    [ "$(cat "$T/stop")" = ours ]
}

@test "a hook of the host finds the container's root in its mount namespace where root.path says" {
    make_config sh -c 'cat /given/file; ls /'
    mkdir -p "$T/given" "$ROOT/given"
    echo from the hook >"$T/given/file"
    for kind in prestart createRuntime; do
        for user in no yes; do
            edit "c['hooks'] = {'$kind': [{'path': '/bin/sh', 'env': ['PATH=/usr/bin:/bin'], 'args': ['sh', '-c',
    'pid=\$(tr -d \" \" | grep -o \'\"pid\":[0-9]*\' | cut -d: -f2); nsenter -t \$pid -m mount --bind $T/given $ROOT/given']}]}
l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'user'] + ([{'type': 'user'}] if '$user' == 'yes' else [])
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 65536}] if '$user' == 'yes' else []"
            run_container
            echo "$kind $user: $output"
            [ "$status" = 0 ]
            [ "${lines[0]}" = "from the hook" ]
            [ "$(ls "$ROOT/given")" = "" ]
        done
    done
}
