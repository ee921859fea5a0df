#!/usr/bin/env bats
# RUN: a container over the layers so far. Its environment, mounts, network and limits; what is in the layer and what is
# not; secrets stay out of everything.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export DORY_TEST_CANARY=canary-of-the-daemon
    env_start
    env_images busybox
}

teardown_file() {
    [ ! -s "$ENV_DIR/agent.pid" ] || kill "$(cat "$ENV_DIR/agent.pid")" 2>/dev/null || true
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

build() { # DOCKERFILE [option...]
    printf '%s\n' "$1" >"$C/Dockerfile"
    shift
    dory build --progress plain -t t "$@" "$C"
}

# Paths in the image's own layers above the base.
layer_paths() {
    dory save t >"$C/saved.tar"
    rm -rf "$C/saved"
    mkdir "$C/saved"
    tar -C "$C/saved" -xf "$C/saved.tar"
    python3 - "$C/saved" <<'PY'
import json, sys, tarfile
root = sys.argv[1]
manifest = json.load(open(root + '/manifest.json'))[0]
for layer in manifest['Layers'][1:]:
    for m in tarfile.open(root + '/' + layer):
        print(m.name)
PY
}

@test "layers hold what the steps wrote and nothing of what a container needs" {
    build 'FROM busybox
ENV A=1
USER 5:6
WORKDIR /w
USER 0
RUN echo $A-$B-$HOME >/out; id -u >>/out; pwd >>/out; echo gone >>/etc/hosts; cat /proc/mounts >/dev/null; test -c /dev/null
USER 7
RUN id -u >/tmp/seven; touch /tmp/seven
USER 0
RUN rm /bin/yes && mv /tmp/seven /moved
RUN true'
    [ "$(dory run --rm -u 0 t cat /out /moved)" = $'1--/root\n0\n/w\n7' ]
    paths=$(layer_paths | sort -u | tr '\n' ' ')
    [ "$paths" = "bin bin/.wh.yes moved out tmp tmp/.wh.seven tmp/seven w " ] || { echo "$paths"; false; }
    # A step without a change has no layer.
    [ "$(dory inspect -f '{{len .RootFS.Layers}}' t)" = 5 ]
    run dory history --no-trunc --format '{{.CreatedBy}}' t
    [ "${lines[0]}" = "/bin/sh -c true" ]
    [ -z "$(dory ps -aq)" ]
}

@test "the environment is the step's and not the daemon's" {
    run build 'FROM busybox
ARG X=dflt
ARG Y
RUN env | sort' --build-arg Y=given --build-arg http_proxy=http://p --build-arg Z=unused
    [ "$status" -eq 0 ]
    [[ $output == *" X=dflt"* && $output == *" Y=given"* && $output == *" http_proxy=http://p"* ]]
    [[ $output != *canary-of-the-daemon* ]]
    [[ $output == *"[Warning] One or more build-args [Z] were not consumed"* ]]
    run dory history --no-trunc --format '{{.CreatedBy}}' t
    [ "${lines[0]}" = "|2 X=dflt Y=given /bin/sh -c env | sort" ]
    run dory inspect t
    [[ $output != *given/* && $output != *http_proxy* ]]
}

@test "a command that fails: its code, its words, and nothing left" {
    run build 'FROM busybox
RUN echo out; echo err >&2; exit 42'
    [ "$status" -eq 42 ]
    [[ $output == *" out"* && $output == *" err"* ]]
    [[ $output == *"The command '/bin/sh -c echo out; echo err >&2; exit 42' returned a non-zero code: 42"* ]]
    run build 'FROM busybox
RUN ["/no/such/program"]'
    [ "$status" -ne 0 ]
    [[ $output == *"/no/such/program"* && $output == *"no such file or directory"* ]]
    [ -z "$(dory ps -aq)" ]
    run -1 grep -q "$ENV_DIR" /proc/self/mountinfo
}

@test "heredocs, also with an interpreter" {
    run build 'FROM busybox
RUN <<E
echo one
false || echo two
E
RUN <<E
#!/bin/cat
printed
E
RUN <<E cat >/file
text
E'
    [ "$status" -eq 0 ]
    [[ $output == *" one"* && $output == *" two"* && $output == *" printed"* ]]
    [ "$(dory run --rm t cat /file)" = text ]
    [ -z "$(layer_paths | grep pipes)" ]
}

@test "bind mounts: context, stage, image; writes are thrown away; sources stay in their root" {
    mkdir "$C/d"
    echo ctx >"$C/d/f"
    ln -s /etc "$C/etc"
    echo text-of-a-stranger >"$ENV_DIR/outside"
    ln -s "$ENV_DIR" "$C/out"
    run build 'FROM busybox AS one
RUN mkdir /data && echo stage >/data/s
FROM busybox
RUN --mount=target=/ctx cat /ctx/d/f && ! touch /ctx/x
RUN --mount=type=bind,source=d,target=/a/b/c,rw echo more >>/a/b/c/f; echo w >/a/b/c/new; cat /a/b/c/f
RUN --mount=type=bind,source=d,target=/mnt ls /mnt; cat /mnt/f
RUN --mount=type=bind,from=one,source=/data,target=/s,rw cat /s/s; echo no >/s/s
RUN --mount=type=bind,from=one,source=/data/s,target=/file cat /file
RUN --mount=type=bind,from=busybox,source=/bin,target=/b ls /b/busybox
RUN test ! -e /ctx && test ! -e /a && test ! -e /s && test ! -e /file'
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [[ $output == *" ctx"* && $output == *" more"* && $output == *" stage"* && $output == *"/b/busybox"* ]]
    [ "$(cat "$C/d/f")" = ctx ]
    [ -z "$(layer_paths | grep -v ^data)" ]
    for source in etc out out/outside ../outside; do
        run build "FROM busybox
RUN --mount=type=bind,source=$source,target=/m cat /m /m/*"
        [ "$status" -ne 0 ]
        [[ $output != *stranger* ]]
    done
}

@test "tmpfs mounts" {
    run build 'FROM busybox
RUN --mount=type=tmpfs,target=/t,size=1m echo x >/t/x; grep " /t tmpfs" /proc/mounts; ! dd if=/dev/zero of=/t/y bs=1M count=2 2>/dev/null
RUN test ! -e /t'
    [ "$status" -eq 0 ]
    [[ $output == *"size=1024k"* ]]
}

@test "cache mounts last, are locked or private where asked, and are in no layer" {
    run build 'FROM busybox
RUN --mount=type=cache,target=/c,id=lasting,mode=0700,uid=3 stat -c %u:%a /c; echo one >>/c/log'
    [ "$status" -eq 0 ]
    [[ $output == *" 3:700"* ]]
    run build 'FROM busybox
RUN --mount=type=cache,target=/other,id=lasting echo two >>/other/log; cat /other/log'
    [[ $output == *" one"* && $output == *" two"* ]]
    [ -z "$(layer_paths)" ]
    # Two stages at once: one after the other with locked, each its own with private.
    run build 'FROM busybox AS a
RUN --mount=type=cache,target=/c,id=lock,sharing=locked test ! -e /c/in && touch /c/in && sleep 0.3 && rm /c/in && echo a >/done
FROM busybox AS b
RUN --mount=type=cache,target=/c,id=lock,sharing=locked test ! -e /c/in && touch /c/in && sleep 0.3 && rm /c/in && echo b >/done
FROM busybox
COPY --from=a /done /a
COPY --from=b /done /b'
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    run build 'FROM busybox AS seed
RUN mkdir /s && echo seeded >/s/f
FROM busybox
RUN --mount=type=cache,target=/c,id=seed,from=seed,source=/s cat /c/f
RUN --mount=type=cache,target=/c,id=seed,readonly ! touch /c/x'
    [ "$status" -eq 0 ]
    [[ $output == *" seeded"* ]]
}

@test "secrets: in the step, and nowhere else" {
    echo -n top-secret-value >"$C/../secret.txt"
    run build 'FROM busybox
RUN --mount=type=secret,id=s cut -c 5- /run/secrets/s; stat -c %a:%u /run/secrets/s; grep -q "/run/secrets/s tmpfs" /proc/mounts
RUN --mount=type=secret,id=s,target=/etc/pass,mode=0440,uid=3 stat -c %a:%u /etc/pass
RUN --mount=type=secret,id=s,env=TOKEN test ! -e /run/secrets/s; echo ${TOKEN#top-}
RUN --mount=type=secret,id=none ls /run/secrets/none 2>&1 | grep -c No
RUN test ! -e /run/secrets && test ! -e /etc/pass && test -z "$TOKEN"' --secret "id=s,src=$C/../secret.txt"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [[ $output == *" secret-value"* && $output == *" 400:0"* && $output == *" 440:3"* ]]
    [ -z "$(layer_paths)" ]
    # Neither in layers, configs and rows nor in the daemon's log.
    run -1 grep -rlF top-secret-value "$ENV_DIR/data" "$ENV_DIR/doryd.log"
    run build 'FROM busybox
RUN --mount=type=secret,id=missing,required cat /run/secrets/missing'
    [ "$status" -ne 0 ]
    [[ $output == *"secret missing: not found"* ]]
}

@test "a step without a network has a loopback device alone, and nobody answers it" {
    run build 'FROM busybox
RUN --network=none ls /sys/class/net >/net; ip addr show up >/up; ip route >/route; ! ping -c 1 -W 5 '"$ENV_SUBNET.1"' >/dev/null 2>/ping
RUN ls /sys/class/net >/other; ping -c 1 -W 30 '"$ENV_SUBNET.1"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(dory run --rm t cat /net)" = lo ]
    [ -z "$(dory run --rm t cat /route)" ]
    run -1 dory run --rm t grep "inet.*eth" /up
    [[ $(dory run --rm t cat /ping) == *unreachable* ]]
    [[ $(dory run --rm t cat /other) == *eth0* ]]
}

@test "networks, hosts and limits" {
    run build 'FROM busybox
RUN cat /etc/hosts; grep -c . /etc/resolv.conf; ulimit -n; df -h /dev/shm' --add-host "there:1.2.3.4" --ulimit nofile=77:77 --shm-size 3m
    [ "$status" -eq 0 ]
    [[ $output == *"1.2.3.4"*there* && $output == *" 77"* && $output == *"3.0M"* ]]
    run build 'FROM busybox
RUN --security=insecure id'
    [ "$status" -ne 0 ]
    [[ $output == *"security=insecure is not allowed"* ]]
}

@test "names that BuildKit has for a host and for cache mounts" {
    run build 'FROM busybox
RUN hostname; cat /etc/hostname' --build-arg BUILDKIT_SANDBOX_HOSTNAME=box
    [ "$(grep -c ' box$' <<<"$output")" -eq 2 ]
    file='FROM busybox
RUN --mount=type=cache,id=spaced,target=/c echo $NUMBER >>/c/f; cp /c/f /f
ARG NUMBER'
    build "$file"
    build "${file/NUMBER >>/NUMBER-b >>}" --build-arg BUILDKIT_CACHE_MOUNT_NS=b
    [ "$(dory run --rm t cat /f)" = -b ]
    dory builder export b/spaced | tar -xO f
}

@test "FROM scratch" {
    run build 'FROM scratch
COPY --from=busybox /bin /bin
RUN ["/bin/busybox", "sh", "-c", "echo hi >/file"]'
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    layer_paths >/dev/null
    [ "$(python3 -c "
import json,tarfile
m=json.load(open('$C/saved/manifest.json'))[0]
print([x.name for x in tarfile.open('$C/saved/'+m['Layers'][-1])])")" = "['file']" ]
    [ "$(dory run --rm t cat /file)" = hi ]
}

@test "triggers of the base run, and are not handed on" {
    build 'FROM busybox
ONBUILD COPY f /brought
ONBUILD RUN echo triggered >>/brought'
    dory tag t trigger-base
    echo f >"$C/f"
    build 'FROM trigger-base
RUN echo after >>/brought'
    [ "$(dory run --rm t cat /brought)" = $'f\ntriggered\nafter' ]
    [ "$(dory inspect -f '{{len .Config.OnBuild}}' t)" = 0 ]
}

@test "--squash: one layer above the base that does what all of them did" {
    file='FROM busybox
RUN mkdir -p /d/e && echo 1 >/d/a && echo 2 >/d/e/b && ln /d/a /d/hard
RUN rm -r /d/e && mkdir /d/e && echo 3 >/d/e/c && rm /bin/yes
RUN rm -r /bin/cal || true; echo x >/d/a2; rm -r /d/e; echo file >/d/e
CMD ["sh"]'
    build "$file" >/dev/null
    plain=$(dory run --rm t sh -c 'cd /d; find . | sort; stat -c %a:%i . e | cut -d: -f1; ls /bin | wc -l; cat /d/e')
    run build "$file" --squash
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(dory inspect -f '{{len .RootFS.Layers}}' t)" = 2 ]
    [ "$(dory run --rm t sh -c 'cd /d; find . | sort; stat -c %a:%i . e | cut -d: -f1; ls /bin | wc -l; cat /d/e')" = "$plain" ]
    [ "$(dory inspect -f '{{json .Config.Cmd}}' t)" = '["sh"]' ]
    [ "$(layer_paths | grep -c yes)" -eq 1 ]
}

@test "a trigger takes from a stage that nothing else needs, and that stage from others" {
    build 'FROM busybox
ONBUILD COPY --from=b /made /brought
ONBUILD RUN --mount=from=b,target=/b cat /b/made >>/brought'
    dory tag t trigger-from
    run -0 timeout 120 "$ENV_CLI" build --progress plain -t t - <<'END'
FROM busybox AS a
RUN echo first >/made
FROM busybox AS b
COPY --from=a /made /made
RUN echo second >>/made
FROM trigger-from
RUN echo last >>/brought
END
    [ "$(dory run --rm t cat /brought)" = $'first\nsecond\nfirst\nsecond\nlast' ]
    run -7 timeout 120 "$ENV_CLI" build --progress plain - <<'END'
FROM busybox AS b
RUN exit 7
FROM trigger-from
END
}

@test "cache mounts that stages meet at before they are made, that a step has twice, and whose orders cross" {
    local i
    for i in 1 2 3; do
        cat >"$C/Dockerfile" <<END
FROM busybox AS seed
RUN mkdir /s && echo seed >/s/f && seq 2000 >/s/g
FROM busybox AS a
RUN --mount=type=cache,id=cold$i,target=/c,from=seed,source=/s cat /c/f >/a
RUN --mount=type=cache,id=p$i,target=/p,sharing=locked --mount=type=cache,id=q$i,target=/q,sharing=locked echo a >>/p/f
FROM busybox AS b
RUN --mount=type=cache,id=cold$i,target=/c,from=seed,source=/s cat /c/f >/b
RUN --mount=type=cache,id=q$i,target=/q,sharing=locked --mount=type=cache,id=p$i,target=/p,sharing=locked echo b >>/p/f
FROM busybox
COPY --from=a /a /
COPY --from=b /b /
RUN --mount=type=cache,id=p$i,target=/p --mount=type=cache,id=p$i,target=/p2,sharing=locked cat /p/f >/p.out; cp /p2/f /p2.out
RUN --mount=type=cache,id=p$i,target=/x,sharing=private --mount=type=cache,id=p$i,target=/y,sharing=private echo x >/x/only; ls /y >/y.out
END
        run -0 timeout 120 "$ENV_CLI" build --progress plain -t t "$C"
    done
    run -0 dory run --rm t sh -c 'cat /a /b; sort /p.out /p2.out; cat /y.out'
    [ "$output" = $'seed\nseed\na\na\nb\nb' ]
}

@test "the images that a build works with may be removed meanwhile" {
    local i
    dory build -q -t base-gone - <<<$'FROM busybox\nRUN echo base >/base' >/dev/null
    dory build -q -t files-gone - <<<$'FROM busybox\nRUN mkdir /d && seq 100 >/d/f' >/dev/null
    dory builder prune -af >/dev/null
    cat >"$C/Dockerfile" <<'END'
FROM base-gone AS early
WORKDIR /w
FROM busybox AS gate
COPY --from=early /base /b
RUN --mount=type=cache,id=gate,target=/g --mount=from=files-gone,source=/d,target=/d echo here >/g/started; i=0; while [ ! -e /g/go ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; cp /d/f /f
FROM early
COPY --from=gate /f /f
RUN echo more >>/base
END
    "$ENV_CLI" build --progress plain -t t "$C" >"$C.log" 2>&1 3>&- &
    for ((i = 0; i < 300; i++)); do
        gate=$(find "$ENV_DIR/data/build/mounts" -name started -printf '%h') && [ -n "$gate" ] && break
        sleep 0.1
    done
    dory rmi base-gone files-gone >/dev/null
    touch "$gate/go"
    wait $! || { cat "$C.log"; false; }
    [ "$(dory run --rm t sh -c 'cat /base; wc -l </f')" = $'base\nmore\n100' ]
}
