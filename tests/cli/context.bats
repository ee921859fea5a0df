#!/usr/bin/env bats
# Contexts as docker keeps them, which daemon a command speaks to, ssh:// and dial-stdio. The statements on contexts hold
# for docker's CLI too (ENV_ENGINE=docker ENV_DOCKER=/path/of/a/docker-28).

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    export SOCKET=$DORY_HOST
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$BATS_FILE_TMPDIR/key.pem" -out "$BATS_FILE_TMPDIR/cert.pem" -days 30 \
        -subj /CN=x 2>/dev/null
}

teardown_file() {
    env_stop
}

setup() {
    export DOCKER_CONFIG=$BATS_TEST_TMPDIR/config
    mkdir "$DOCKER_CONFIG"
    unset DORY_HOST DOCKER_HOST DOCKER_CONTEXT
}

@test "contexts are made, listed, updated and removed" {
    run --separate-stderr dory context create one --description "first one" --docker host=tcp://1.2.3.4:2376,skip-tls-verify=true
    [ "$status" -eq 0 ]
    [ "$output" = one ]
    [ "$stderr" = 'Successfully created context "one"' ]
    id=$(printf one | sha256sum | cut -d' ' -f1)
    [ "$(cat "$DOCKER_CONFIG/contexts/meta/$id/meta.json")" = \
        '{"Name":"one","Metadata":{"Description":"first one"},"Endpoints":{"docker":{"Host":"tcp://1.2.3.4:2376","SkipTLSVerify":true}}}' ]
    dory context create two --from one --description second >/dev/null 2>&1
    [ "$(dory context ls -q)" = $'default\none\ntwo' ]
    run --separate-stderr dory context ls
    [[ ${lines[0]} =~ ^NAME\ +DESCRIPTION\ +DOCKER\ ENDPOINT\ +ERROR$ ]]
    [[ ${lines[1]} =~ ^default\ \*\ +Current ]]
    [[ ${lines[2]} =~ ^one\ +first\ one\ +tcp://1.2.3.4:2376\ *$ ]]
    [ "$(dory context ls --format '{{.Name}} {{.DockerEndpoint}} {{.Current}}' | tail -1)" = "two tcp://1.2.3.4:2376 false" ]
    run --separate-stderr dory context update one --description changed --docker host=unix:///y
    [ "$stderr" = 'Successfully updated context "one"' ]
    [ "$(dory context inspect one | jq -c '.[0].Metadata, .[0].Endpoints.docker')" = \
        $'{"Description":"changed"}\n{"Host":"unix:///y","SkipTLSVerify":false}' ]
    [ "$(dory context rm one two)" = $'one\ntwo' ]
    [ -z "$(find "$DOCKER_CONFIG/contexts" -type f)" ]
}

refused() { # "message" argument...
    local text=$1
    shift
    run --separate-stderr dory context "$@"
    echo "$stderr"
    [ "$status" -eq 1 ]
    [[ $stderr == $text ]]
}

@test "what cannot be is refused in docker's words" {
    dory context create one --docker host=unix:///x >/dev/null 2>&1
    refused 'context "one" already exists' create one --docker host=unix:///x
    refused '"default" is a reserved context name' create default
    refused 'context name "a b" is invalid, names are validated against regexp "^[[]a-zA-Z0-9][[]a-zA-Z0-9_.+-]+$"' create 'a b'
    refused 'unable to create docker endpoint config: unrecognized config key: foo' create three --docker foo=bar
    refused 'unable to create docker endpoint config: *unable to parse docker host `bogus`' create three --docker host=bogus
    refused 'unable to create docker endpoint config: open /nonexistent: no such file or directory' \
        create three --docker host=tcp://h:1,ca=/nonexistent
    refused 'context "nope": context not found: open *' create five --from nope
    refused 'context "nope": context not found: open *' use nope
    refused 'context "nope": context not found: open *' inspect nope
    refused 'context "nope": context not found: open *' export nope
    refused 'context "nope" does not exist' rm nope
    refused 'context "default" cannot be removed' rm default
    dory context rm -f nope
    run --separate-stderr dory context create three --docker host
    [ "$status" -eq 125 ]
    [ "$(dory context ls -q)" = $'default\none' ]
}

@test "the context in use comes from the flag, the environment and config.json, in this order" {
    dory context create one --docker host=unix:///x >/dev/null 2>&1
    dory context create two --docker host=unix:///y >/dev/null 2>&1
    run --separate-stderr dory context use one
    [ "$output" = one ]
    [ "$stderr" = 'Current context is now "one"' ]
    [ "$(jq -r .currentContext "$DOCKER_CONFIG/config.json")" = one ]
    [ "$(dory context show)" = one ]
    [ "$(DOCKER_CONTEXT=two dory context show)" = two ]
    [ "$(DOCKER_HOST=unix:///z dory context show)" = default ]
    [ "$(DOCKER_HOST=unix:///z dory -c two context show)" = two ]
    refused 'context "one" is in use, set -f flag to force remove' rm one
    run --separate-stderr env DOCKER_HOST=unix:///z "$ENV_CLI" context use two
    [[ $stderr == *'Warning: DOCKER_HOST environment variable overrides the active context. To use "two", either set the global --context flag, or unset DOCKER_HOST environment variable.' ]]
    run --separate-stderr dory -c one -H unix:///z ps
    [ "$status" -eq 1 ]
    [ "$stderr" = "conflicting options: cannot specify both --host and --context" ]
    run --separate-stderr dory -c nope ps
    [ "$status" -eq 1 ]
    [[ $stderr == *'unable to resolve docker endpoint: context "nope": context not found: open '* ]]
    dory context use default >/dev/null 2>&1
    [ "$(dory context show)" = default ]
}

@test "commands speak to the daemon of their context" {
    dory context create here --docker "host=$SOCKET" >/dev/null 2>&1
    [ "$(dory -c here version -f '{{.Server.Os}} {{.Client.Context}}')" = "linux here" ]
    dory context use here >/dev/null 2>&1
    [ "$(dory info -f '{{.OSType}}')" = linux ]
    run --separate-stderr env DOCKER_HOST=unix:///nonexistent.sock "$ENV_CLI" ps
    [ "$status" -eq 1 ]
    [[ $stderr == *"unix:///nonexistent.sock"* ]]
}

@test "TLS files are kept for their owner, and travel in an archive" {
    dory context create tls --docker "host=tcp://h:1,ca=$BATS_FILE_TMPDIR/cert.pem,cert=$BATS_FILE_TMPDIR/cert.pem,key=$BATS_FILE_TMPDIR/key.pem" \
        >/dev/null 2>&1
    [ "$(dory context inspect tls | jq -c '.[0].TLSMaterial.docker')" = '["ca.pem","cert.pem","key.pem"]' ]
    path=$(dory context inspect -f '{{.Storage.TLSPath}}' tls)
    cmp "$path/docker/key.pem" "$BATS_FILE_TMPDIR/key.pem"
    [ "$(stat -c %a "$path/docker/key.pem")" = 600 ]
    cd "$BATS_TEST_TMPDIR"
    run --separate-stderr dory context export tls
    [ "$stderr" = 'Written file "tls.dockercontext"' ]
    run --separate-stderr dory context export tls
    [ "$status" -eq 1 ]
    [ "$stderr" = "open tls.dockercontext: file exists" ]
    if [ "$ENV_ENGINE" = dory ]; then
        [ "$(tar tf tls.dockercontext)" = $'meta.json\ntls\ntls/docker\ntls/docker/ca.pem\ntls/docker/cert.pem\ntls/docker/key.pem' ]
        dory context export tls - | dory context import copy - >/dev/null 2>&1
        path=$(dory context inspect -f '{{.Storage.TLSPath}}' copy)
        cmp "$path/docker/key.pem" "$BATS_FILE_TMPDIR/key.pem"
    fi
    [ "$(dory context import again tls.dockercontext 2>/dev/null)" = again ]
    [ "$(dory context inspect -f '{{.Endpoints.docker.Host}}' again)" = tcp://h:1 ]
    refused 'context "again" already exists' import again tls.dockercontext
    refused '*' import broken /etc/hostname
    [ "$(dory context ls -q | grep -c broken)" -eq 0 ]
}

@test "a context is imported from a zip file, too" {
    cd "$BATS_TEST_TMPDIR"
    dory context create zipped --docker "host=tcp://h:2,ca=$BATS_FILE_TMPDIR/cert.pem,cert=$BATS_FILE_TMPDIR/cert.pem,key=$BATS_FILE_TMPDIR/key.pem" \
        >/dev/null 2>&1
    dory context export zipped >/dev/null 2>&1
    mkdir files
    tar xf zipped.dockercontext -C files
    head -c 2000000 /dev/zero >big
    /usr/bin/python3 - <<'P'
import os, zipfile
names = ["meta.json", "tls/docker/ca.pem", "tls/docker/cert.pem", "tls/docker/key.pem"]
def make(path, method, more=(), change=lambda data: data):
    with zipfile.ZipFile(path, "w", method) as z:
        z.comment = b"a comment"
        z.writestr("tls/docker/", "")
        for n in names:
            z.writestr(n, open("files/" + n, "rb").read())
        for name, data in more:
            z.writestr(name, data)
    data = change(open(path, "rb").read())
    open(path, "wb").write(data)
make("good.zip", zipfile.ZIP_DEFLATED)
make("stored.zip", zipfile.ZIP_STORED)
make("lzma.zip", zipfile.ZIP_LZMA)
make("odd.zip", zipfile.ZIP_STORED, [("tls/docker/../../../x", "y")])
make("big.zip", zipfile.ZIP_DEFLATED, [("tls/docker/big", open("big", "rb").read())])
make("cut.zip", zipfile.ZIP_DEFLATED, change=lambda data: data[:len(data) // 2])
make("bad.zip", zipfile.ZIP_STORED, change=lambda data: data.replace(b"BEGIN", b"BEGAN", 1))
P
    for name in good stored; do
        [ "$(dory context import "$name" "$name.zip" 2>/dev/null)" = "$name" ]
        [ "$(dory context inspect -f '{{.Endpoints.docker.Host}}' "$name")" = tcp://h:2 ]
        cmp "$(dory context inspect -f '{{.Storage.TLSPath}}' "$name")/docker/key.pem" "$BATS_FILE_TMPDIR/key.pem"
    done
    [ "$(dory context import piped - <good.zip 2>/dev/null)" = piped ]
    if [ "$ENV_ENGINE" = dory ]; then
        refused 'meta.json: it is packed in a way that is not known' import broken lzma.zip
        refused 'tls/docker/big: the file is too large' import broken big.zip
        refused 'tls/docker/ca.pem: the zip file is damaged' import broken bad.zip
        refused 'unexpected EOF' import broken cut.zip
    fi
    refused '*' import broken odd.zip
    [ "$(dory context ls -q | grep -c broken)" -eq 0 ]
    dory context rm zipped good stored piped >/dev/null
}

# The other machine is this one: an "ssh" that runs its command line here.
stand_in_ssh() {
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    cat >"$BATS_TEST_TMPDIR/bin/ssh" <<EOT
#!/bin/bash
echo "\$*" >>"$BATS_TEST_TMPDIR/ssh.log"
while [ "\$1" != -- ]; do shift; done
shift 2
export DORY_HOST=$SOCKET DOCKER_HOST=$SOCKET
exec "\$@"
EOT
    chmod +x "$BATS_TEST_TMPDIR/bin/ssh"
    PATH=$BATS_TEST_TMPDIR/bin:$(dirname "$ENV_CLI"):$PATH
}

@test "ssh:// hosts are reached through ssh and dial-stdio" {
    [ "$ENV_ENGINE" = dory ] || skip "docker's CLI starts docker on the other side"
    stand_in_ssh
    [ "$(dory -H ssh://me@host.example:2222 version -f '{{.Server.Os}}')" = linux ]
    [ "$(head -1 "$BATS_TEST_TMPDIR/ssh.log")" = \
        "-l me -p 2222 -o ConnectTimeout=30 -T -- host.example dory system dial-stdio" ]
    # Streams and what is sent go through it as well.
    DORY_HOST=$SOCKET env_images busybox
    [ "$(echo hello | dory -H ssh://host.example run -i --rm busybox cat)" = hello ]
    dory context create remote --docker host=ssh://host.example/run/other.sock >/dev/null 2>&1
    run --separate-stderr dory -c remote version -f '{{.Client.Os}}'
    [[ $(tail -1 "$BATS_TEST_TMPDIR/ssh.log") == *"-- host.example dory --host=unix:///run/other.sock system dial-stdio" ]]
}

@test "words that ssh would take for something else are refused" {
    [ "$ENV_ENGINE" = dory ] || skip "docker's words differ"
    stand_in_ssh
    for host in 'ssh://-oProxyCommand=x' 'ssh://a@-b' 'ssh://user:secret@host' 'ssh://host?x' 'ssh://h;reboot' 'ssh://h/p$(x)' 'ssh://@h' 'ssh://u@'; do
        run --separate-stderr dory -H "$host" ps
        [ "$status" -eq 1 ]
        [[ $stderr == "invalid SSH URL: $host: "* ]]
    done
    [ ! -e "$BATS_TEST_TMPDIR/ssh.log" ]
}

@test "dial-stdio relays and ends with the daemon's side" {
    answer=$(printf 'GET /_ping HTTP/1.0\r\nHost: d\r\n\r\n' | DORY_HOST=$SOCKET DOCKER_HOST=$SOCKET timeout 20 "$ENV_CLI" system dial-stdio)
    [[ $answer == "HTTP/1."*"200 OK"*OK ]]
}
