#!/usr/bin/env bats
# Malformed and hostile config.json: an error that names the place, and nothing left behind.
load helper

# refused 'what the error has to say' 'python statements on c': the good config with that change
refused() {
    cp "$T/good.json" "$T/bundle/config.json"
    edit "$2"
    run_container
    [ "$status" = 1 ] || { echo "$2: exit status $status: $output"; return 1; }
    [[ "$output" == *"$1"* ]] || { echo "$2: \"$1\" is not in: $output"; return 1; }
    [ -z "$(ls "$T/state" 2>/dev/null)" ] || { echo "$2 left a state"; return 1; }
    [ -z "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$ID")" ] || { echo "$2 left a cgroup"; return 1; }
}

@test "documents that are no config.json" {
    for text in '' '{' '[]' 'null' '"x"' '{}' '{"ociVersion":1}' '{"ociVersion":"1.0.2","process":[]}' $'\xff\xfe' '{"ociVersion":"1.0.2"} x'; do
        printf '%s' "$text" >"$T/bundle/config.json"
        run_container
        [ "$status" = 1 ]
        [[ "$output" == *config.json* || "$output" == *ociVersion* ]]
    done
    python3 -c "print('{\"ociVersion\":' + '[' * 100000 + ']' * 100000 + '}')" >"$T/bundle/config.json"
    run_container
    [ "$status" = 1 ]
    rm "$T/bundle/config.json"
    run_container
    [[ "$output" == *config.json*"No such file"* ]]
    mkfifo "$T/bundle/config.json"
    run timeout 20 "$DORY_BIN/dory-runtime" --root "$T/state" run --bundle "$T/bundle" "$ID" </dev/null
    [ "$status" = 1 ]
    rm "$T/bundle/config.json" && truncate -s 17M "$T/bundle/config.json"
    run_container
    [ "$status" = 1 ]
    [ -z "$(ls "$T/state" 2>/dev/null)" ]
}

@test "members of a wrong type are named by their path" {
    cp "$T/bundle/config.json" "$T/good.json"
    refused process.user.uid "proc['user']['uid'] = 'root'"
    refused process.args "proc['args'] = 'sh'"
    refused process.args "proc['args'] = [1]"
    refused process.rlimits "proc['rlimits'] = [{'type': 'RLIMIT_CORE', 'soft': -1, 'hard': 0}]"
    refused "rlimits[0].hard" "proc['rlimits'] = [{'type': 'RLIMIT_CORE', 'soft': 1}]"
    refused process.scheduler "proc['scheduler'] = 7"
    refused process.scheduler.policy "proc['scheduler'] = {}"
    refused "mounts[0].options" "c['mounts'][0]['options'] = 'ro'"
    refused "mounts[1].destination" "del c['mounts'][1]['destination']"
    refused "linux.uidMappings[0].size" "l['uidMappings'] = [{'containerID': 0, 'hostID': 0}]"
    refused "linux.namespaces[0].type" "l['namespaces'][0] = {}"
    refused linux.timeOffsets.boottime.secs "l['timeOffsets'] = {'boottime': {'secs': 'x'}}"
    refused hooks.prestart "c['hooks'] = {'prestart': [{}]}"
    refused annotations "c['annotations'] = {'a': 1}"
    refused 'linux.sysctl: "kernel.domainname" conflicts' "c['domainname'] = 'a'; l['sysctl'] = {'kernel.domainname': 'b'}"
    refused linux.sysctl "l['sysctl'] = {'net.ipv4.ip_forward': 1}"
    refused root.path "c['root'] = {}"
}

@test "ids that setuid would take for \"as it is\", and others that are none (CVE-2024-40635)" {
    cp "$T/bundle/config.json" "$T/good.json"
    refused "process.user.uid: 4294967295 is not an id" "proc['user']['uid'] = 4294967295"
    refused "process.user.gid: 4294967295 is not an id" "proc['user']['gid'] = 4294967295"
    refused "process.user.additionalGids[1]: 4294967295 is not an id" "proc['user']['additionalGids'] = [1, 4294967295]"
    for id in 4294967296 -1 1.5 '"0"' '"0x0"' '""' 1e20; do
        refused process.user.uid "proc['user']['uid'] = $id"
        refused process.user.additionalGids "proc['user']['additionalGids'] = [$id]"
    done
    refused process.user.umask "proc['user']['umask'] = 0o1000"
}

@test "paths: relative, empty, too long" {
    cp "$T/bundle/config.json" "$T/good.json"
    refused "Cwd must be an absolute path" "proc['cwd'] = 'x'"
    refused "process.cwd" "proc['cwd'] = ''"
    refused "process.cwd: longer than" "proc['cwd'] = '/' + 'a' * 4096"
    refused "root.path must not be empty" "c['root']['path'] = ''"
    refused "root.path: longer than" "c['root']['path'] = 'a' * 4096"
    refused "/no/such/root" "c['root']['path'] = '/no/such/root'"
    refused "mounts[7].destination: must not be empty" "mount('', 'tmpfs', 'tmpfs')"
    refused "mounts[7].destination: longer than" "mount('/' + 'a' * 4096, 'tmpfs', 'tmpfs')"
    refused "mounts[7].source: longer than" "mount('/a', 'bind', '/' + 'a' * 4096, 'bind')"
    refused "a bind mount needs a source" "mount('/a', 'bind', '', 'bind')"
    refused "linux.maskedPaths[0]" "l['maskedPaths'] = ['proc/kcore']"
    refused "linux.readonlyPaths[1]" "l['readonlyPaths'] = ['/proc', '']"
    refused "linux.devices[0].path" "l['devices'] = [{'path': 'dev/x', 'type': 'c', 'major': 1, 'minor': 1}]"
}

@test "lists and numbers beyond their limits" {
    cp "$T/bundle/config.json" "$T/good.json"
    refused "process.args must not be empty" "proc['args'] = []"
    refused "process.args[1]: longer than" "proc['args'] = ['true', 'x' * 131072]"
    refused "process.env: more than" "proc['env'] = ['A=1'] * 100001"
    refused "mounts: more than" "c['mounts'] += [c['mounts'][0]] * 10001"
    refused "linux.uidMappings: more than 340" "l['namespaces'].append({'type': 'user'}); l['uidMappings'] = l['gidMappings'] = [{'containerID': i, 'hostID': i, 'size': 1} for i in range(341)]"
    refused "linux.uidMappings[0]: a size of 0" "l['namespaces'].append({'type': 'user'}); l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 0}]"
    refused "linux.gidMappings[0]: a size of 2" "l['namespaces'].append({'type': 'user'}); l['uidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 1}]; l['gidMappings'] = [{'containerID': 0, 'hostID': 4294967295, 'size': 2}]"
    refused "linux.devices[0]: there is no device 4096:0" "l['devices'] = [{'path': '/dev/x', 'type': 'b', 'major': 4096, 'minor': 0}]"
    refused "linux.devices[0]: there is no device 1:-1" "l['devices'] = [{'path': '/dev/x', 'type': 'c', 'major': 1, 'minor': -1}]"
    refused "linux.devices[0].type" "l['devices'] = [{'path': '/dev/x', 'type': 'cc', 'major': 1, 'minor': 1}]"
    refused "linux.devices[0].fileMode" "l['devices'] = [{'path': '/dev/x', 'type': 'p', 'fileMode': -1}]"
    refused "process.consoleSize" "proc['terminal'] = True; proc['consoleSize'] = {'height': 65536, 'width': 1}"
    refused "hooks.poststart: more than" "c['hooks'] = {'poststart': [{'path': '/bin/true'}] * 1001}"
    refused "annotations: a key must not be empty" "c['annotations'] = {'': 'x'}"
    refused "hostname: longer than 64" "c['hostname'] = 'x' * 65"
}

@test "names that do not exist, versions that are not ours, members that are not supported" {
    cp "$T/bundle/config.json" "$T/good.json"
    for version in 2.0.0 0.9 1 1. 1.0 1.x 1.0.2x '' 1.-1.0 '1. 0.2'; do
        refused "ociVersion: \"$version\" is not supported" "c['ociVersion'] = '$version'"
    done
    refused 'linux.namespaces[0].type: namespace "nonsense"' "l['namespaces'][0] = {'type': 'nonsense'}"
    refused 'linux.namespaces[1].type: duplicated ns "mount"' "l['namespaces'][1] = {'type': 'mount'}"
    refused "linux.rootfsPropagation" "l['rootfsPropagation'] = 'sometimes'"
    refused "process.rlimits[0].type: invalid rlimit type: RLIMIT_X" "proc['rlimits'] = [{'type': 'RLIMIT_X', 'soft': 1, 'hard': 1}]"
    refused "linux.intelRdt.closID" "l['intelRdt'] = {'closID': '../x'}"
    refused "process.scheduler.policy" "proc['scheduler'] = {'policy': 'SCHED_NONE'}"
    refused "process.ioPriority.class" "proc['ioPriority'] = {'class': 'x', 'priority': 1}"
    refused "process.ioPriority.priority" "proc['ioPriority'] = {'class': 'IOPRIO_CLASS_RT', 'priority': 8}"
    refused "process.execCPUAffinity.initial" "proc['execCPUAffinity'] = {'initial': '3-1'}"
    refused "linux.personality.domain" "l['personality'] = {'domain': 'SUNOS'}"
    refused "linux.personality.flags[0]" "l['personality'] = {'domain': 'LINUX', 'flags': ['x']}"
    refused "linux.memoryPolicy.mode" "l['memoryPolicy'] = {'mode': 'x'}"
    refused "linux.memoryPolicy.flags[0]" "l['memoryPolicy'] = {'mode': 'MPOL_DEFAULT', 'flags': ['x']}"
}

@test "sysctls of the host are refused, however they are written and wherever the namespace comes from" {
    cp "$T/bundle/config.json" "$T/good.json"
    for name in kernel.core_pattern vm.overcommit_memory net/../kernel/core_pattern kernel/msgmax/../core_pattern \
        fs.mqueue/../../kernel/core_pattern kernel.hostname user.max_user_namespaces; do
        refused "linux.sysctl: \"$name\"" "l['sysctl'] = {'$name': '1'}"
    done
    refused 'linux.sysctl: "net.ipv4.ip_forward" is not allowed in host network namespace' \
        "l['sysctl'] = {'net.ipv4.ip_forward': '1'}; l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'network']"
    refused 'linux.sysctl: "net.ipv4.ip_forward" is not allowed in host network namespace' \
        "l['sysctl'] = {'net.ipv4.ip_forward': '1'}
for n in l['namespaces']:
    if n['type'] == 'network': n['path'] = '/proc/self/ns/net'"
    refused 'net.ipv4.no_such_thing' "l['sysctl'] = {'net.ipv4.no_such_thing': '1'}"
    refused 'linux.sysctl: "net.' "l['sysctl'] = {'net.' + 'a' * 5000: '1'}"
}
