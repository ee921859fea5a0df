#!/usr/bin/env bats
# userns-remap: containers whose root is an ordinary user of the host. ENV_ENGINE=docker runs what docker has.

bats_require_minimum_version 1.5.0
load ../lib/env

UID0=231072
GID0=331072

kernel_can() {
    [ "$ENV_ENGINE" != dory ] || [ "$(printf '6.15\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.15 ]
}

# The daemon sees a user and ranges of ours in /etc, in a mount namespace of its own; nobody else does.
setup_file() {
    kernel_can || return 0
    export ETC
    ETC=$(mktemp -d "${TMPDIR:-/tmp}/dory-etc.XXXXXX")
    chmod 755 "$ETC"
    cp -a /etc/. "$ETC"
    sed -i /^dockremap:/d "$ETC"/{passwd,shadow,group,gshadow} # of a dockerd on this host
    echo tester:x:4321:4321::/:/bin/false >>"$ETC/passwd"
    printf '%s\n' tester:x:4321: others:x:4322: >>"$ETC/group"
    echo "tester:$UID0:65536" >"$ETC/subuid"
    printf '%s\n' "tester:$GID0:65536" "others:$GID0:65536" >"$ETC/subgid"
    cat >"$ETC/launch" <<'L'
#!/bin/sh
# Through unshare -m: the mount is nobody else's.
mount --bind "$ETC" /etc || exit
chmod 755 "$ENV_DIR" # dockerd wants the way to its data open
exec "$@"
L
    env_crun "$ETC/crun"
    ENV_LAUNCH=(unshare -m sh "$ETC/launch")
    ENV_CONFIG='{"userns-remap": "tester", "runtimes": {"runc": {"path": "runc"}, "crun": {"path": "'$ETC'/crun"}, "second": {"path": "'$DORY_BIN'/dory-runtime"}}}' env_start
    env_images busybox
    export ROOT=$ENV_DIR/data/$UID0.$GID0
    chmod 755 "$ENV_DIR"
    mkdir -m 755 "$ENV_DIR/shared"
    echo secret >"$ENV_DIR/shared/secret"
    chmod 600 "$ENV_DIR/shared/secret"
    echo readable >"$ENV_DIR/shared/readable"
    chown "$UID0:$GID0" "$ENV_DIR/shared/readable"
}

teardown_file() {
    env_stop
    [ -z "${ETC:-}" ] || rm -rf "$ETC"
}

setup() {
    kernel_can || skip "userns-remap needs Linux 6.15, this is $(uname -r)"
    ENV_LAUNCH=(unshare -m sh "$ETC/launch")
}

teardown() {
    kernel_can || return 0
    local ids
    ids=$(dory ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || dory rm -f -v $ids >/dev/null
}

ours() {
    [ "$ENV_ENGINE" = dory ] || skip "dory's own"
}

api() { # path [curl option...]: status, then the body
    local path=$1
    shift
    curl -s -w '\n%{http_code}' --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/json' "$@" "http://d/v1.41$path"
}

# docker's cp hands the host's ids out, which its own cp then takes for the container's.
owned_by() { # container path uid/gid
    [ "$ENV_ENGINE" = dory ] || return 0
    dory cp "$1:$2" - | tar tvn --numeric-owner | grep -q " $3 "
}

@test "containers have a user namespace with the subordinate ids, and the daemon says so" {
    run -0 dory run --rm busybox sh -c 'id -u; cat /proc/self/uid_map /proc/self/gid_map | tr -s " "'
    [ "$output" = "0
 0 $UID0 65536
 0 $GID0 65536" ]
    dory info -f '{{json .SecurityOptions}}' | grep -q '"name=userns"'
    [ "$(dory info -f '{{.DockerRootDir}}')" = "$ROOT" ]
    dory create --name plain busybox
    [ "$(dory inspect -f '{{.HostConfig.UsernsMode}}' plain)" = "" ]
}

@test "every container has a user namespace of its own" {
    local first second
    first=$(dory run --rm busybox readlink /proc/self/ns/user)
    second=$(dory run -d --name other busybox sleep 1000)
    second=$(dory exec other readlink /proc/self/ns/user)
    [ "$(dory run --rm busybox readlink /proc/self/ns/user)" != "$second" ]
    [ "$first" != "$(readlink /proc/self/ns/user)" ]
    [ "$second" != "$(readlink /proc/self/ns/user)" ]
}

@test "processes of the container are the subordinate user's on the host, and top shows them so" {
    dory run -d --name app busybox sleep 1000
    local pid
    pid=$(dory inspect -f '{{.State.Pid}}' app)
    [ "$(stat -c %u:%g "/proc/$pid")" = "$UID0:$GID0" ]
    dory top app -o uid,pid | grep -q "^$UID0 *$pid"
}

@test "files of the image keep their ids inside, also what a layer gives to user 33" {
    mkdir "$ENV_DIR/image"
    echo web >"$ENV_DIR/image/web"
    chown 33:34 "$ENV_DIR/image/web"
    tar -C "$ENV_DIR/image" --numeric-owner -c . | dory import - layer33
    printf '%s\n' 'FROM busybox' 'COPY --from=layer33 /web /web' >"$ENV_DIR/Dockerfile.33"
    dory run --rm busybox stat -c '%u:%g' / /bin /tmp /etc/hosts | sort -u >"$ENV_DIR/owners"
    [ "$(cat "$ENV_DIR/owners")" = 0:0 ]
    dory create --name c33 layer33 /web
    dory export c33 | tar tvn --numeric-owner | grep -q '33/34 .* web'
    owned_by c33 /web 33/34
}

@test "what the container writes is root's inside and in its image, whoever it was written by" {
    dory run --name writer busybox sh -c 'echo a >/a; mkdir /d; echo b >/d/b; chown 5:6 /d/b; rm /bin/wget; chmod 4755 /a'
    dory commit writer written >/dev/null
    run -0 dory run --rm written stat -c '%n %u:%g %a' /a /d /d/b
    [ "$output" = "/a 0:0 4755
/d 0:0 755
/d/b 5:6 644" ]
    run ! dory run --rm written test -e /bin/wget
    dory export writer | tar tvn --numeric-owner >"$ENV_DIR/exported"
    grep -q '^-rwsr-xr-x 0/0 .* a$' "$ENV_DIR/exported"
    grep -q ' 5/6 .* d/b$' "$ENV_DIR/exported"
    dory save written | tar -xO --wildcards '*.tar' '*/layer.tar' 2>/dev/null | tar -tvn -i >"$ENV_DIR/saved" || true
    dory diff writer | grep -qx 'D /bin/wget'
}

@test "nothing of the host's root can be read or written through a bind mount" {
    run -1 dory run --rm -v "$ENV_DIR/shared:/s" busybox cat /s/secret
    [[ $output == *"Permission denied"* ]]
    run -1 dory run --rm -v "$ENV_DIR/shared:/s" busybox touch /s/new
    run -1 dory run --rm -v "$ENV_DIR/shared:/s" busybox chown 0 /s/secret
    [ "$(dory run --rm -v "$ENV_DIR/shared:/s" busybox cat /s/readable)" = readable ]
    [ "$(dory run --rm -v "$ENV_DIR/shared:/s" busybox stat -c %u:%g /s/secret /s/readable | xargs)" = "65534:65534 0:0" ]
    dory run --rm -v "$ENV_DIR/shared:/s" busybox sh -c 'echo more >>/s/readable'
    [ "$(xargs <"$ENV_DIR/shared/readable")" = "readable more" ]
    [ "$(stat -c %u:%a "$ENV_DIR/shared/secret")" = 0:600 ]
}

@test "a volume belongs to the container's root, and is filled from the image with the image's owners" {
    dory volume create data >/dev/null
    [ "$(stat -c %u:%g "$ROOT/volumes/data/_data")" = "$UID0:$GID0" ]
    dory run --rm -v data:/data busybox sh -c 'touch /data/f && chown 7:8 /data/f'
    [ "$(stat -c %u:%g "$ROOT/volumes/data/_data/f")" = "$((UID0 + 7)):$((GID0 + 8))" ]
    dory run --name filler busybox sh -c 'mkdir /content && touch /content/g && chown 9:9 /content/g'
    dory commit filler filled >/dev/null
    dory run --rm -v fresh:/content filled true
    [ "$(stat -c %u:%g "$ROOT/volumes/fresh/_data/g")" = "$((UID0 + 9)):$((GID0 + 9))" ]
    [ "$(dory run --rm -v fresh:/content filled stat -c %u:%g /content/g /content | xargs)" = "9:9 0:0" ]
    dory volume rm data fresh >/dev/null
}

@test "cp translates owners in both directions, running or not" {
    echo x >"$ENV_DIR/file"
    chown 33:33 "$ENV_DIR/file"
    dory create --name target busybox sleep 1000
    local state
    for state in stopped running; do
        [ $state = stopped ] || dory start target
        tar -C "$ENV_DIR" --numeric-owner -c file | dory cp -a - target:/tmp
        owned_by target /tmp/file 33/33
        tar -C "$ENV_DIR" --numeric-owner --transform "s,^,$state/deep/," -c file | dory cp -a - target:/tmp
    done
    [ "$(dory exec target stat -c %u:%g /tmp/file /tmp/running/deep/file /tmp/running/deep /tmp/stopped | xargs)" = \
        "33:33 33:33 0:0 0:0" ]
    dory exec target sh -c 'echo y >/tmp/out && chown 44:45 /tmp/out'
    owned_by target /tmp/out 44/45
}

@test "an archive with an owner that the namespace does not have is refused" {
    echo x >"$ENV_DIR/big"
    chown 70000:0 "$ENV_DIR/big"
    dory create --name bigtarget busybox
    tar -C "$ENV_DIR" --numeric-owner -cf "$ENV_DIR/big.tar" big
    run -1 dory cp -a - bigtarget:/tmp <"$ENV_DIR/big.tar"
    [[ $output == *"Container ID 70000 cannot be mapped to a host ID"* ]]
}

@test "exec, its user, its streams and health checks are inside the namespace" {
    dory run -d --name app --health-cmd 'test $(id -u) = 0 && touch /healthy' --health-interval 1s busybox sleep 1000
    [ "$(dory exec app id -u)" = 0 ]
    [ "$(dory exec -u 5:6 app id | cut -d' ' -f1,2)" = "uid=5 gid=6(tty)" ] || [ "$(dory exec -u 5:6 app id -u)" = 5 ]
    [ "$(dory exec app sh -c 'echo said >/dev/stdout')" = said ]
    [ "$(dory exec -u 5 app sh -c 'echo said >/dev/stdout')" = said ]
    local pid i
    dory exec -d app sleep 2000
    for ((i = 0; i < 1500; i++)); do
        pid=$(dory top app -o pid,args | awk '/sleep 2000/ {print $1}')
        [ -z "$pid" ] || break
        sleep 0.02
    done
    [ "$(stat -c %u "/proc/$pid")" = "$UID0" ]
    for ((i = 0; i < 3000; i++)); do
        [ "$(dory inspect -f '{{.State.Health.Status}}' app)" != healthy ] || break
        sleep 0.02
    done
    [ "$(dory inspect -f '{{.State.Health.Status}}' app)" = healthy ]
    dory exec --privileged app cat /proc/self/uid_map | grep -q "$UID0"
}

@test "the process may reopen its streams, as root and as another user, and logs have it" {
    dory run --name app busybox sh -c 'echo out >/dev/stdout; echo err >/dev/stderr'
    [ "$(dory logs app 2>/dev/null)" = out ]
    [ "$(dory logs app 2>&1 >/dev/null)" = err ]
    [ "$(dory run --rm -u 33 busybox sh -c 'echo out >/dev/stdout')" = out ]
}

@test "memory file systems, devices and the files in /etc are the container root's" {
    run -0 dory run --rm --tmpfs /scratch busybox stat -c '%n %u:%g' /scratch /dev/shm /dev /etc/hosts /etc/hostname /etc/resolv.conf
    [ -z "$(grep -v ' 0:0$' <<<"$output")" ]
    dory run --rm busybox sh -c 'echo 127.0.0.9 nine >>/etc/hosts && touch /dev/shm/x && echo x >/dev/null && head -c 1 /dev/urandom >/dev/zero'
    # docker's runtime looks for the device by its name in the container
    [ "$ENV_ENGINE" = docker ] || run -0 dory run --rm --device /dev/null:/dev/mine busybox sh -c 'echo x >/dev/mine && test -c /dev/mine'
    # A node that the container's root makes, if it can, leads nowhere.
    run -1 dory run --rm busybox sh -c 'mknod /dev/disk b 1 0 && cat /dev/disk'
}

@test "the network is the container's own: addresses, names, ping, and rights over it alone" {
    dory network create inner >/dev/null
    dory run -d --name server --network inner busybox httpd -f -p 80 -h /etc
    dory run --rm --network inner busybox sh -c 'ping -c 1 -W 10 server >/dev/null && wget -q -O- http://server/hostname' >/dev/null
    dory run --rm --cap-add NET_ADMIN busybox ip link set eth0 mtu 1400
    dory run --rm --network none busybox ip link show lo | grep -q LOOPBACK
    dory run --rm --sysctl net.ipv4.ip_forward=1 busybox grep -qx 1 /proc/sys/net/ipv4/ip_forward
    dory run --rm --network container:server busybox wget -q -O- http://127.0.0.1/hostname >/dev/null
    dory rm -f server >/dev/null
    dory network rm inner >/dev/null
}

@test "what needs the host's namespaces is refused with docker's words, and --userns=host allows it" {
    run -125 dory run --rm --privileged busybox true
    [[ $output == *"privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"* ]]
    run -125 dory run --rm --network host busybox true
    [[ $output == *"cannot share the host's network namespace when user namespaces are enabled"* ]]
    run -125 dory run --rm --pid host busybox true
    [[ $output == *"cannot share the host PID namespace when user namespaces are enabled"* ]]
    [ -z "$(dory ps -aq)" ]
    [ "$ENV_ENGINE" = docker ] || dory run --rm --userns host --privileged busybox true # needs every capability there
    dory run --rm --userns host --network host busybox true
    dory run --rm --userns host --pid host busybox true
}

@test "--userns=host is the host's user namespace, with the same files and network" {
    run -0 dory run --name native --userns host busybox sh -c 'readlink /proc/self/ns/user; ip addr show eth0 >/dev/null; echo x >/x'
    [ "$output" = "$(readlink /proc/self/ns/user)" ]
    [ "$(dory inspect -f '{{.HostConfig.UsernsMode}}' native)" = host ]
    owned_by native /x 0/0
    run -0 dory run --rm --userns host -v "$ENV_DIR/shared:/s" busybox cat /s/secret
    [ "$output" = secret ]
}

@test "docker's --userns=host sees the image as root's, which docker cannot" {
    ours
    [ "$(dory run --rm --userns host busybox stat -c %u:%g / /bin | sort -u)" = 0:0 ]
}

@test "a container that shares another one's IPC, processes or network is in its user namespace" {
    dory run -d --name peer --ipc shareable busybox sh -c 'echo shared >/dev/shm/x; sleep 1000'
    dory run -d --name alone --ipc shareable busybox sleep 1000
    local peer kind
    peer=$(dory exec peer readlink /proc/self/ns/user)
    for kind in ipc pid network; do
        [ "$(dory run --rm --$kind container:peer busybox readlink /proc/self/ns/user)" = "$peer" ]
    done
    [ "$(dory run --rm --ipc container:peer busybox cat /dev/shm/x)" = shared ]
    dory run --rm --pid container:peer busybox ps | grep -q 'sleep 1000'
    [ "$(dory run --rm --ipc container:peer --pid container:peer --network container:peer busybox readlink /proc/self/ns/user)" = "$peer" ]
    # Its network namespace is its own, and it has the rights of a root over it.
    dory run --rm --ipc container:peer --cap-add NET_ADMIN busybox sh -c 'ip addr show eth0 | grep -q inet && ip link set eth0 mtu 1400'
    dory run --rm --pid container:peer --network none busybox ip addr show lo | grep -q 127.0.0.1
    dory run --rm --pid container:peer busybox grep -qx 0 /proc/sys/net/ipv4/ip_unprivileged_port_start
}

@test "namespaces of two user namespaces do not go together, nor the host's with another" {
    ours
    dory run -d --name peer --ipc shareable busybox sleep 1000
    dory run -d --name other --ipc shareable busybox sleep 1000
    dory run -d --name native --userns host --ipc shareable busybox sleep 1000
    dory run -d --name onhost --userns host --network host busybox sleep 1000
    run -125 dory run --rm --ipc container:peer --pid container:other busybox true
    [[ $output == *"cannot share namespaces of several containers: each has a user namespace of its own"* ]]
    run -125 dory run --rm --ipc container:peer --network container:other busybox true
    [[ $output == *"cannot share namespaces of several containers: each has a user namespace of its own"* ]]
    run -125 dory run --rm --pid container:native busybox true
    [[ $output == *"cannot share the PID namespace of container "*", which is in the host's user namespace"* ]]
    run -125 dory run --rm --network container:onhost busybox true
    [[ $output == *"cannot share the network of a container that has the host's"* ]]
    dory run --rm --userns host --pid container:peer --ipc container:peer busybox ps | grep -q 'sleep 1000'
}

@test "a mount into a running container, and its place, are the container root's" {
    ours
    dory run -d --name late busybox sleep 1000
    run -0 api /containers/late/update -d '{"MountsAdd": [{"Type": "tmpfs", "Target": "/late/one"}, {"Type": "volume", "Source": "latevol", "Target": "/late/two"},
        {"Type": "tmpfs", "Target": "/late/three", "TmpfsOptions": {"Options": [["uid", "7"]]}}]}'
    [ "${output##*$'\n'}" = 200 ]
    run -0 dory exec late stat -c '%n %u:%g' /late /late/one /late/two /late/three
    [ "$output" = "/late 0:0
/late/one 0:0
/late/two 0:0
/late/three 7:0" ]
    run -0 api /containers/late/update -d '{"MountsAdd": [{"Type": "tmpfs", "Target": "/late/four", "TmpfsOptions": {"Options": [["uid", "70000"]]}}]}'
    [[ $output == *"uid=70000 is no id of the container's"*400 ]]
}

@test "what the daemon makes in a container's root for a mount belongs to the container's root" {
    dory create --name places -v "$ENV_DIR/shared:/deep/er/place" busybox
    echo x >"$ENV_DIR/toput"
    dory cp "$ENV_DIR/toput" places:/tmp
    dory commit places placed >/dev/null
    dory export places | tar tvn --numeric-owner >"$ENV_DIR/places"
    run ! grep -v ' 0/0 ' "$ENV_DIR/places"
    [ "$(dory run --rm placed stat -c %u:%g /tmp/toput | sort -u)" = 0:0 ]
}

@test "containers of other runtimes have the mapping, and what goes with it" {
    ours
    for runtime in runc crun second; do
        echo "# $runtime"
        run -0 dory run --rm --runtime $runtime busybox sh -c 'echo $(cat /proc/self/uid_map /proc/self/gid_map); stat -c %u:%g / /etc/hosts; touch /mine; stat -c %u:%g /mine'
        [ "${lines[0]}" = "0 $UID0 65536 0 $GID0 65536" ]
        [ "$(printf '%s\n' "${lines[@]:1}" | sort -u)" = 0:0 ]
        run -0 dory run --rm --runtime $runtime -v "$ENV_DIR/shared:/shared" busybox sh -c 'cat /shared/readable; cat /shared/secret || echo denied'
        [[ $output == readable*denied ]]
        dory volume create "vol-$runtime" >/dev/null
        dory run --rm --runtime $runtime -v "vol-$runtime:/vol" -u 12:13 --tmpfs /scratch:uid=12 busybox sh -c '[ $(stat -c %u /vol /scratch | paste -sd,) = 0,12 ] && touch /scratch/x'
        dory run --rm --runtime $runtime -v "vol-$runtime:/vol" busybox touch /vol/made
        [ "$(stat -c %u:%g "$ROOT/volumes/vol-$runtime/_data/made")" = "$UID0:$GID0" ]
        dory run -d --name "all-$runtime" --runtime $runtime -m 64m --pids-limit 50 --init --device /dev/full:/dev/other -w /work/deep \
            --health-cmd 'test -e /healthy' --health-interval 100ms --health-retries 1000 -p 127.0.0.1::8000 busybox \
            sh -c 'touch /healthy; exec httpd -f -p 8000 -h /etc' >/dev/null
        [ "$(dory wait --condition healthy "all-$runtime")" = 0 ]
        [ "$(curl -sf --retry 20 --retry-connrefused "http://$(dory port "all-$runtime" 8000)/hostname")" = "$(dory inspect -f '{{.Config.Hostname}}' "all-$runtime")" ]
        [ "$(stat -c %u "/proc/$(dory inspect -f '{{.State.Pid}}' "all-$runtime")")" = $UID0 ]
        [ "$(dory exec -u 7:8 "all-$runtime" sh -c 'echo $(id -u):$(id -g) $PWD $(cat /proc/1/comm)')" = "7:8 /work/deep docker-init" ]
        [ "$(dory exec -t "all-$runtime" sh -c 'tty >/dev/null && stat -c %u /dev/pts/0' | tr -d '\r')" = 0 ]
        run -1 dory exec "all-$runtime" sh -c 'echo x >/dev/other'
        [[ $output == *"No space left"* ]]
        dory update -m 80m --memory-swap 80m "all-$runtime" >/dev/null
        [[ $(dory stats --no-stream --format '{{.MemUsage}}' "all-$runtime") == *" / 80MiB" ]]
        dory pause "all-$runtime"
        dory unpause "all-$runtime"
        [[ $(dory top "all-$runtime" -o uid,comm) == *"$UID0"*httpd* ]]
        env_daemon_kill
        env_daemon_start
        dory exec "all-$runtime" true
        # Those who share its namespaces are in its user namespace.
        [ "$(dory run --rm --runtime $runtime --network "container:all-$runtime" --pid "container:all-$runtime" busybox sh -c 'wget -qO- http://127.0.0.1:8000/hostname; ls /sys/class/net')" = \
            "$(dory inspect -f '{{.Config.Hostname}}' "all-$runtime")"$'\neth0\nlo' ]
        dory stop -t 20 "all-$runtime"
        [ "$(dory inspect -f '{{.State.ExitCode}}' "all-$runtime")" = 143 ]
        run -1 dory run --rm --runtime $runtime --network none busybox sh -c 'ls /sys/class/net; mknod /node c 1 3'
        echo "$output"
        [[ $output == lo*"Operation not permitted"* ]]
        [ "$(dory run --rm --runtime $runtime --userns host busybox cat /proc/self/uid_map | tr -s ' ')" = " 0 0 4294967295" ]
    done
}

@test "RUN is mapped, and the image has the ids of the container" {
    mkdir "$ENV_DIR/ctx"
    echo c >"$ENV_DIR/ctx/copied"
    chown 12:12 "$ENV_DIR/ctx/copied"
    cat >"$ENV_DIR/ctx/Dockerfile" <<'D'
FROM busybox
COPY copied /copied
COPY --chown=3:4 copied /owned
WORKDIR /made/here
RUN cat /proc/self/uid_map >/map && touch /run-made && chown 5:5 /owned && stat -c %u:%g /copied . >/seen
USER 33
RUN id -u >/tmp/user
D
    dory build -q -t built "$ENV_DIR/ctx" >/dev/null
    run -0 dory run --rm -u 0 built stat -c '%n %u:%g' /copied /owned /made/here /run-made /tmp/user
    [ "$output" = "/copied 0:0
/owned 5:5
/made/here 0:0
/run-made 0:0
/tmp/user 33:0" ] || [ "$(tail -1 <<<"$output")" = "/tmp/user 33:33" ]
    [ "$(dory run --rm built cat /seen | xargs)" = "0:0 0:0" ]
    dory run --rm built cat /map | grep -q "$UID0"
}

@test "what RUN mounts has the owners that it has in its source, and secrets, scripts and caches are its root's" {
    ours
    echo hidden >"$ENV_DIR/hidden"
    cat >"$ENV_DIR/ctx/Dockerfile.mounts" <<'D'
FROM busybox
RUN --mount=type=secret,id=s --mount=type=cache,target=/cache <<EOF
set -e
cat /run/secrets/s >/got
touch /cache/x
stat -c %u:%g /cache /run/secrets/s >/owners
EOF
D
    dory build -q -t mounted --secret "id=s,src=$ENV_DIR/hidden" -f "$ENV_DIR/ctx/Dockerfile.mounts" "$ENV_DIR/ctx" >/dev/null
    [ "$(dory run --rm mounted cat /got)" = hidden ]
    [ "$(dory run --rm mounted cat /owners | xargs)" = "0:0 0:0" ]
    cat >"$ENV_DIR/ctx/Dockerfile.bind" <<'D'
FROM busybox AS source
RUN mkdir /src && echo x >/src/private && chmod 600 /src/private && echo y >/src/other && chown 8:9 /src/other
FROM busybox
RUN --mount=type=bind,from=source,source=/src,target=/b --mount=type=bind,target=/c \
    --mount=type=bind,from=source,source=/src,target=/w,rw \
    --mount=type=cache,from=source,source=/src,target=/cache,id=seeded \
    set -e; cat /b/private; cat /c/copied >/dev/null; echo new >/w/new; chown 5 /w/other; cat /cache/private; \
    stat -c '%n %u:%g' /b /b/private /b/other /w /w/new /w/other /cache /cache/private /cache/other >/owners; \
    ! touch /b/new && ! touch /c/new
D
    dory build -q -t bound -f "$ENV_DIR/ctx/Dockerfile.bind" "$ENV_DIR/ctx" >/dev/null
    run -0 dory run --rm bound cat /owners
    [ "$output" = "/b 0:0
/b/private 0:0
/b/other 8:9
/w 0:0
/w/new 0:0
/w/other 5:9
/cache 0:0
/cache/private 0:0
/cache/other 8:9" ]
    printf '%s\n' 'FROM scratch AS empty' 'FROM busybox' 'RUN --mount=type=bind,from=empty,target=/e test -z "$(ls /e)"' \
        >"$ENV_DIR/ctx/Dockerfile.empty"
    dory build -q -f "$ENV_DIR/ctx/Dockerfile.empty" "$ENV_DIR/ctx" >/dev/null
}

@test "the subordinate user owns nothing in the data root and reaches none of it" {
    ours
    dory run -d --name app busybox sh -c 'echo x >/x; sleep 1000'
    [ -z "$(find "$ROOT" \( -path "$ROOT/volumes" -o -path "$ROOT/build/mounts" \) -prune -o \( -uid "$UID0" -o -gid "$GID0" \) -print)" ]
    run ! setpriv --reuid "$UID0" --regid "$GID0" --clear-groups ls "$ROOT"
    run ! setpriv --reuid "$UID0" --regid "$GID0" --clear-groups touch "$ROOT/overlay/x"
}

@test "images as mounts and copied-up directories show the image's owners" {
    ours
    dory run --name writer busybox sh -c 'mkdir /img && touch /img/f && chown 21:22 /img/f'
    dory commit writer pictures >/dev/null
    [ "$(dory run --rm --mount type=image,src=pictures,dst=/i busybox stat -c %u:%g /i/img/f /i/bin | xargs)" = "21:22 0:0" ]
    dory run --rm pictures sh -c 'touch /img/new /bin/new && stat -c %u:%g /img /bin /img/new | sort -u' | grep -qx 0:0
}

@test ":U and idmap= mean the container's user" {
    ours
    mkdir "$ENV_DIR/given"
    touch "$ENV_DIR/given/f"
    dory run --rm -u 40:41 -v "$ENV_DIR/given:/g:U" busybox touch /g/new
    [ "$(stat -c %u:%g "$ENV_DIR/given/f" "$ENV_DIR/given/new" | sort -u)" = "$((UID0 + 40)):$((GID0 + 41))" ]
    mkdir "$ENV_DIR/taken"
    chown 1234:1235 "$ENV_DIR/taken"
    dory run --rm -v "$ENV_DIR/taken:/t:idmap=1234:1235" busybox touch /t/new
    [ "$(stat -c %u:%g "$ENV_DIR/taken/new")" = 1234:1235 ]
}

@test "limits, stats, pause and update work on a container in a namespace" {
    dory run -d --name app -m 64m --ulimit nofile=2000:3000 busybox sleep 1000
    [ "$(dory exec app awk '/open files/ {print $4, $5}' /proc/1/limits)" = "2000 3000" ]
    dory stats --no-stream --format '{{.MemUsage}}' app | grep -q '64MiB'
    dory update -m 128m --memory-swap 128m app >/dev/null
    dory pause app >/dev/null
    dory unpause app >/dev/null
    dory stop -t 0 app >/dev/null
    dory start app >/dev/null
    [ "$(dory exec app id -u)" = 0 ]
}

@test "a capability that was added counts in the namespace and not on the host" {
    # A file system that a user namespace may mount, and one that it may not.
    dory run --rm --cap-add SYS_ADMIN --security-opt seccomp=unconfined busybox mount -t tmpfs none /home
    run ! dory run --rm --cap-add SYS_ADMIN --security-opt seccomp=unconfined busybox mount -t debugfs none /home
    [[ $output == *ermi* ]]
    run ! dory run --rm --cap-add SYS_ADMIN --security-opt seccomp=unconfined busybox chown 65536 /bin
}

@test "a daemon that was killed finds its containers again, and new ones are mapped" {
    ours
    dory run -d --name app busybox sh -c 'echo x >/x; sleep 1000'
    env_daemon_kill
    env_daemon_start
    [ "$(dory inspect -f '{{.State.Running}}' app)" = true ]
    [ "$(dory exec app sh -c 'id -u && stat -c %u:%g /x' | xargs)" = "0 0:0" ]
    owned_by app /x 0/0
    dory restart -t 0 app >/dev/null
    [ "$(dory exec app cat /proc/self/uid_map | xargs)" = "0 $UID0 65536" ]
}

@test "default is the user dockremap, who is made with ranges behind those that others have" {
    ours
    env_daemon_kill TERM
    rm "$ETC/subgid"
    run ! grep -q dockremap "$ETC/passwd"
    echo '{"userns-remap": "default"}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    grep -q '^dockremap:.*/bin/false$' "$ETC/passwd"
    [ "$(grep dockremap "$ETC/subuid" "$ETC/subgid" | cut -d: -f2- | xargs)" = "dockremap:$((UID0 + 65536)):65536 dockremap:100000:65536" ]
    [ "$(dory info -f '{{.DockerRootDir}}')" = "$ENV_DIR/data/$((UID0 + 65536)).100000" ]
    env_images busybox
    [ "$(dory run --rm busybox sh -c 'cat /proc/self/uid_map /proc/self/gid_map' | xargs)" = "0 $((UID0 + 65536)) 65536 0 100000 65536" ]
    env_daemon_kill TERM
    env_daemon_start # they are there by now
    [ "$(grep -c dockremap "$ETC/subuid")" = 1 ]
    env_daemon_kill TERM
    printf '%s\n' "tester:$GID0:65536" "others:$GID0:65536" >"$ETC/subgid"
    echo '{"userns-remap": "tester"}' >"$ENV_DIR/daemon.json"
    env_daemon_start
}

@test "a daemon with other ids has a data root of its own, and one that cannot have them says why" {
    ours
    env_daemon_kill TERM
    local config
    for config in nobody:nobody others tester:unknown a:b:c; do
        echo "{\"userns-remap\": \"$config\"}" >"$ENV_DIR/daemon.json"
        run ! env_daemon_start
        [[ $output == *"userns-remap: "* ]]
    done
    [[ $output == *'userns-remap: "a:b:c" is not of the form user[:group]'* ]]
    echo '{"userns-remap": "4321:others"}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    [ "$(dory info -f '{{.DockerRootDir}}')" = "$ROOT" ]
    env_daemon_kill TERM
    echo '{}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    [ "$(dory info -f '{{.DockerRootDir}}')" = "$ENV_DIR/data" ]
    [ -z "$(dory images -q)" ]
    [[ $(dory info -f '{{json .SecurityOptions}}') != *userns* ]]
    env_daemon_kill TERM
    echo '{"userns-remap": "tester"}' >"$ENV_DIR/daemon.json"
    env_daemon_start
    [ "$(dory images -q busybox | wc -l)" = 1 ]
}
