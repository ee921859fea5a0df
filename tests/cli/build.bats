#!/usr/bin/env bats
# dory build: where the context comes from, what travels of it, flags, displays, outputs and failures. The language and
# the builder have tests of their own in tests/build.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    http_start
}

teardown_file() {
    umount "$ENV_DIR/data/build-contexts" 2>/dev/null || true
    http_stop
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

teardown() {
    [ ! -s "$ENV_DIR/agent.pid" ] || kill "$(cat "$ENV_DIR/agent.pid")" 2>/dev/null || true
    rm -f "$ENV_DIR/agent.pid"
}

# A directory on loopback: HTTP is its address, ENV_DIR/www its files.
http_start() {
    mkdir -p "$ENV_DIR/www"
    local port
    port=$(free_port)
    /usr/bin/python3 -m http.server --bind 127.0.0.1 -d "$ENV_DIR/www" "$port" 3>&- 4>&- >/dev/null 2>&1 &
    echo $! >"$ENV_DIR/http.pid"
    disown $! 2>/dev/null || true
    export HTTP=http://127.0.0.1:$port
    wait_until curl -sf -o /dev/null "$HTTP/"
}

http_stop() {
    [ ! -s "$ENV_DIR/http.pid" ] || kill "$(cat "$ENV_DIR/http.pid")" 2>/dev/null || true
}

# command...: until it succeeds, at most 30 seconds.
wait_until() {
    local i
    for ((i = 0; i < 600; i++)); do
        "$@" && return 0
        sleep 0.05
    done
    echo "in vain: $*" >&2
    return 1
}

in_image() { # image command...
    dory run --rm --network none "$@"
}

no_leftovers() { # of contexts that only one build needs
    [ -z "$(find "$ENV_DIR/data/build-contexts" -maxdepth 1 -name 'tmp-*')" ] && [ -z "$(dory ps -aq)" ]
}

@test "names, arguments, labels, target, cache, and the files that tell of the image" {
    cat >"$C/Dockerfile" <<'EOF'
FROM busybox AS base
ARG WHO=nobody
ARG FROM_ENV
RUN echo "$WHO $FROM_ENV" >/who
FROM base AS other
RUN echo never >/other
FROM base
COPY file /copied
EOF
    echo text >"$C/file"
    FROM_ENV=outside run -0 --separate-stderr dory build -t bld:1 -t bld --build-arg WHO=me --build-arg FROM_ENV --label a=b \
        --iidfile "$C.iid" --metadata-file "$C.json" "$C"
    [ -z "$output" ]
    [[ $stderr == *"RUN echo"* ]]
    [[ $stderr != *"never"* ]]
    [ "$(in_image bld:1 cat /who /copied)" = $'me outside\ntext' ]
    id=$(dory image inspect -f '{{.Id}}' bld:latest)
    [ "$(cat "$C.iid")" = "$id" ]
    grep -q "\"containerimage.config.digest\":\"$id\"" "$C.json"
    [ "$(dory image inspect -f '{{index .Config.Labels "a"}}' bld:1)" = b ]
    # Again: everything is there, and -q shows the id alone.
    FROM_ENV=outside run -0 dory build --progress plain --build-arg WHO=me --build-arg FROM_ENV --label a=b "$C"
    [ "$(grep -c CACHED <<<"$output")" -ge 3 ]
    FROM_ENV=outside run -0 --separate-stderr dory image build -q --build-arg WHO=me --build-arg FROM_ENV --label a=b "$C"
    [ "$output" = "$id" ]
    [ -z "$stderr" ]
    run -0 dory builder build --progress plain --no-cache --target other "$C"
    [[ $output == *"echo never"* && $output != *CACHED* ]]
    run -0 dory build --progress plain --no-cache-filter other --target other "$C"
    [[ $output == *CACHED* ]]
}

@test "what is ignored stays behind, and so does .git unless the Dockerfile speaks of it" {
    mkdir -p "$C/sub/deep" "$C/hidden/in" "$C/.git" "$C/only"
    touch "$C/a" "$C/b.tmp" "$C/sub/deep/x" "$C/hidden/no" "$C/hidden/in/yes" "$C/only/no" "$C/.git/HEAD"
    printf 'hidden\n!hidden/in/yes\n**/*.tmp\nonly\nDockerfile\n' >"$C/.dockerignore"
    printf 'FROM busybox\nCOPY . /c\n' >"$C/Dockerfile"
    dory build -q -t ignored "$C"
    run -0 in_image ignored sh -c 'cd /c && find . | sort'
    [ "$output" = $'.\n./.dockerignore\n./a\n./hidden\n./hidden/in\n./hidden/in/yes\n./sub\n./sub/deep\n./sub/deep/x' ]
    # A Dockerfile's own file of patterns comes first.
    printf 'FROM busybox\nCOPY . /c\nCOPY .git/HEAD /head\n' >"$C/x.Dockerfile"
    printf '*\n!a\n!.git\n' >"$C/x.Dockerfile.dockerignore"
    dory build -q -t ignored -f "$C/x.Dockerfile" "$C"
    run -0 in_image ignored sh -c 'cd /c && find . | sort; ls /head'
    [ "$output" = $'.\n./.git\n./.git/HEAD\n./a\n/head' ]
}

@test "a Dockerfile from elsewhere, from standard input, and a context from there" {
    echo one >"$C/file"
    printf 'FROM busybox\nCOPY file /f\n' >"$C.Dockerfile"
    dory build -q -t else -f "$C.Dockerfile" "$C"
    [ "$(in_image else cat /f)" = one ]
    echo two >"$C/file"
    dory build -q -t else -f - "$C" <"$C.Dockerfile"
    [ "$(in_image else cat /f)" = two ]
    cp "$C.Dockerfile" "$C/Named"
    for compress in cat gzip bzip2 xz zstd; do
        echo "$compress" >"$C/file"
        tar -C "$C" -c . | $compress >"$C.tar"
        dory build -q -t else -f Named - <"$C.tar"
        [ "$(in_image else cat /f)" = "$compress" ]
    done
    printf 'FROM busybox\nRUN echo alone >/f\n' | dory build -q -t else -
    [ "$(in_image else cat /f)" = alone ]
    run -1 dory build -f - - </dev/null
    [ "$output" = "invalid argument: can't use stdin for both build context and dockerfile" ]
}

@test "contexts that the daemon fetches: archives, Dockerfiles, git repositories with a reference and a directory" {
    printf 'FROM busybox\nRUN echo from-url >/f\n' >"$ENV_DIR/www/Dockerfile.txt"
    dory build -q -t remote "$HTTP/Dockerfile.txt"
    [ "$(in_image remote cat /f)" = from-url ]
    # A URL of a Dockerfile is no context in which a name would say which.
    run curl -s --unix-socket "$ENV_DIR/dory.sock" -X POST "http://d/build?dockerfile=Named&t=named&remote=$HTTP/Dockerfile.txt"
    [[ $output == *"Successfully tagged named:latest"* ]]
    [ "$(in_image named cat /f)" = from-url ]
    printf 'FROM busybox\nCOPY file /f\n' >"$C/Dockerfile"
    echo archived >"$C/file"
    tar -C "$C" -czf "$ENV_DIR/www/context.tar.gz" .
    run curl -s --unix-socket "$ENV_DIR/dory.sock" -X POST "http://d/build?dockerfile=Named&remote=$HTTP/context.tar.gz"
    [[ $output == *"Cannot locate specified Dockerfile: Named"* ]]
    dory build -q -t remote "$HTTP/context.tar.gz"
    [ "$(in_image remote cat /f)" = archived ]
    dory build -q -t remote -f "$HTTP/Dockerfile.txt" "$C"
    [ "$(in_image remote cat /f)" = from-url ]

    git init -q -b main "$C.git"
    mkdir "$C.git/sub"
    cp "$C/Dockerfile" "$C.git/sub/"
    echo in-git >"$C.git/sub/file"
    printf 'FROM busybox\nCOPY --from=n f /f\n' >"$C.git/sub/Dockerfile.besides"
    ln -s / "$C.git/away"
    commit() { git -C "$C.git" -c user.name=t -c user.email=t@t "$@"; }
    commit add -A
    commit commit -qm one
    commit tag v1
    echo later >"$C.git/sub/file"
    commit commit -qam two
    git clone -q --bare "$C.git" "$ENV_DIR/www/r.git"
    git -C "$ENV_DIR/www/r.git" update-server-info
    printf 'FROM busybox\nADD %s /g/\nRUN stat -c "%%a %%n" /g /g/sub /g/sub/file >/modes\n' "$HTTP/r.git" | dory build -q -t added -
    [ "$(in_image added cat /modes)" = $'755 /g\n755 /g/sub\n644 /g/sub/file' ]
    touch -d '2020-02-03 04:05:06Z' "$ENV_DIR/www/timed"
    printf 'FROM busybox\nADD %s /t\nRUN stat -c "%%Y %%a" /t >/time\n' "$HTTP/timed" | dory build -q -t added -
    [ "$(in_image added cat /time)" = "1580702706 600" ]
    dory build -q -t remote "$HTTP/r.git#:sub"
    [ "$(in_image remote cat /f)" = later ]
    dory build -q -t remote "$HTTP/r.git#v1:sub"
    [ "$(in_image remote cat /f)" = in-git ]
    commit=$(git -C "$C.git" rev-parse v1^{commit})
    dory build -q -t remote "$HTTP/r.git?tag=v1&subdir=sub&checksum=${commit:0:9}"
    [ "$(in_image remote cat /f)" = in-git ]
    dory build -q -t remote "$HTTP/r.git?branch=main&subdir=sub"
    [ "$(in_image remote cat /f)" = later ]
    run -1 dory build "$HTTP/r.git?branch=main&checksum=$commit"
    [[ $output == *"expected checksum to match $commit, got "* ]]
    run -1 dory build "$HTTP/r.git?depth=1"
    [[ $output == *'unexpected option "depth"'* ]]
    printf 'FROM busybox\nADD --checksum=%s %s /g/\nADD %s /k/\nRUN cat /g/file >/f; ls -a /k >>/f\n' "${commit:0:3}" "$HTTP/r.git?tag=v1&subdir=sub" "$HTTP/r.git?keep-git-dir=true" | dory build -q -t added -
    [[ $(in_image added cat /f) == in-git*.git* ]]
    # A directory of the client's besides: its list of files arrives while git runs, and is no end of the client.
    mkdir "$C.besides"
    echo besides >"$C.besides/f"
    dory build -q -t remote -f Dockerfile.besides --build-context n="$C.besides" "$HTTP/r.git#v1:sub"
    [ "$(in_image remote cat /f)" = besides ]
    # A directory that leads out of the repository leads nowhere, and no other transport is spoken.
    run -1 dory build "$HTTP/r.git#v1:away/etc"
    [[ $output == *"subdirectory away/etc"* ]]
    run -1 dory build "$HTTP/r.git#nothing"
    [[ $output == *"git fetch failed"* ]]
    run -1 dory build "git://-oProxyCommand=id/x"
    [[ $output == *"invalid host"* ]]
    run -1 dory build "$HTTP/nothing.tar"
    [[ $output == *"error downloading remote context $HTTP/nothing.tar"*404* ]]
    wait_until no_leftovers
}

# "137B" of "transferring context: 137B".
transferred() {
    sed -n 's/.*transferring context: \([^ ]*\).*/\1/p' <<<"$output"
}

@test "of a directory that was built before only what has changed travels, and the rest is right" {
    printf 'FROM busybox\nCOPY . /c\n' >"$C/Dockerfile"
    mkdir -p "$C/dir/sub" "$C/turns"
    head -c 3000000 /dev/zero >"$C/large"
    echo 1 >"$C/dir/sub/changes"
    echo 1 >"$C/dir/goes"
    echo 1 >"$C/turns/in"
    ln -s large "$C/link"
    chmod 755 "$C/dir/goes"
    touch -d '2001-02-03 04:05:06' "$C/large" "$C/dir"
    sleep 0.2 # what has changed this lately would be sent once more: its times may not tell of a further change
    run -0 dory build --progress plain -t again "$C"
    [[ $(transferred) == 3*MB ]]
    in_image again sh -c 'test -x /c/dir/goes && test "$(readlink /c/link)" = large && test "$(stat -c %Y /c/large)" = "$(date -d "2001-02-03 04:05:06" +%s)"'
    echo two >"$C/dir/sub/changes"
    rm "$C/dir/goes" && rm -r "$C/turns" && echo file >"$C/turns"
    ln -sfn dir "$C/link"
    echo new >"$C/new"
    run -0 dory build --progress plain -t again "$C"
    [[ $(transferred) =~ ^[0-9]+B$ ]]
    run -0 in_image again sh -c 'cd /c; find . | sort; cat dir/sub/changes turns new; readlink link; stat -c %s large'
    [ "$output" = $'.\n./Dockerfile\n./dir\n./dir/sub\n./dir/sub/changes\n./large\n./link\n./new\n./turns\ntwo\nfile\nnew\ndir\n3000000' ]
    # The same seconds, the same size: still another content.
    stamp=$(stat -c %y "$C/new")
    echo NEW >"$C/new"
    touch -d "$stamp" "$C/new"
    dory build -q -t again "$C"
    [ "$(in_image again cat /c/new)" = NEW ]
    # A daemon that is killed meanwhile knows the rest.
    env_daemon_kill
    env_daemon_start
    echo three >"$C/new"
    run -0 dory build --progress plain -t again "$C"
    [[ $(transferred) =~ ^[0-9]+B$ ]]
    [ "$(in_image again cat /c/new)" = three ]
}

@test "two builds of a directory at once, with changes in between, each see their own" {
    printf 'FROM busybox\nCOPY file /f\nRUN --network=none --mount=type=cache,target=/w sh -c "touch /w/$(cat /f); until [ -e /w/go ]; do sleep 0.05; done"\n' >"$C/Dockerfile"
    echo first >"$C/file"
    dory build -q -t twice:1 "$C" 3>&- &
    first=$!
    wait_until sh -c "dory() { '$ENV_CLI' \"\$@\"; }; find '$ENV_DIR/data' -name first | grep -q ."
    echo second >"$C/file"
    dory build -q -t twice:2 "$C" 3>&- &
    second=$!
    wait_until sh -c "find '$ENV_DIR/data' -name second | grep -q ."
    touch "$(dirname "$(find "$ENV_DIR/data" -name second | head -1)")/go"
    wait "$first"
    wait "$second"
    [ "$(in_image twice:1 cat /f)" = first ]
    [ "$(in_image twice:2 cat /f)" = second ]
}

@test "what ADD fetches may need secrets of the build, which go to that host alone" {
    mkdir "$C.files" "$C.git"
    echo behind >"$C.files/file"
    git init -q -b main "$C.git"
    echo in-git >"$C.git/f"
    git -C "$C.git" add .
    git -C "$C.git" -c user.name=t -c user.email=t@t commit -qm first
    git clone -q --bare "$C.git" "$C.files/r.git"
    git -C "$C.files/r.git" update-server-info
    # Asks for a header below its own name, sends on from /away to another name, and says what it was sent there.
    port=$(free_port)
    /usr/bin/python3 - "$port" "$C.files" "$C.seen" 3>&- 4>&- >/dev/null 2>&1 <<'EOF' &
import http.server, sys, base64, functools
port, root, seen = sys.argv[1:]
wanted = ("Bearer web-token", "Basic " + base64.b64encode(b"x-access-token:git-token").decode(), "Custom git-header")
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        given = self.headers.get("Authorization")
        if not self.headers["Host"].startswith("127.0.0.1"):
            open(seen, "a").write("%s %s\n" % (self.path, given))
            return super().do_GET()
        if self.path == "/ready":
            return self.send_error(404)
        if given not in wanted:
            return self.send_error(401)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://localhost:%s/file" % port)
            return self.end_headers()
        super().do_GET()
http.server.ThreadingHTTPServer(("", int(port)), functools.partial(Handler, directory=root)).serve_forever()
EOF
    echo $! >"$ENV_DIR/agent.pid"
    wait_until sh -c "curl -s -o /dev/null http://127.0.0.1:$port/ready"
    printf 'FROM busybox\nADD http://127.0.0.1:%s/file /file\nADD http://127.0.0.1:%s/away /away\nADD http://127.0.0.1:%s/r.git /git/\n' "$port" "$port" "$port" >"$C/Dockerfile"
    run -1 dory build "$C"
    [[ $output == *"status 401"* ]]
    echo web-token >"$C.web"
    echo git-token >"$C.token"
    echo "Custom git-header" >"$C.header"
    dory build -q -t fetched --secret id=HTTP_AUTH_TOKEN_127.0.0.1,src="$C.web" --secret id=GIT_AUTH_TOKEN,src="$C.token" "$C"
    [ "$(in_image fetched cat /file /away /git/f)" = $'behind\nbehind\nin-git' ]
    [ "$(cat "$C.seen")" = "/file None" ]
    echo "Bearer web-token" >"$C.bearer"
    dory build -q --no-cache --secret id=HTTP_AUTH_HEADER_127.0.0.1,src="$C.bearer" --secret id=GIT_AUTH_HEADER.127.0.0.1:"$port",src="$C.header" "$C"
    run -1 dory build "http://127.0.0.1:$port/r.git"
    echo FROM busybox >"$C.git/Dockerfile"
    git -C "$C.git" add .
    git -C "$C.git" -c user.name=t -c user.email=t@t commit -qm second
    git -C "$C.git" push -q "$C.files/r.git" main
    git -C "$C.files/r.git" update-server-info
    dory build -q --secret id=GIT_AUTH_TOKEN,src="$C.token" "http://127.0.0.1:$port/r.git"
    run -1 grep -rlE "web-token|git-token|git-header|$(printf x-access-token:git-token | base64)" "$ENV_DIR/data" "$ENV_DIR/doryd.log"
}

@test "ADD of a repository over ssh asks the build's agent" {
    git init -q -b main "$C.git"
    echo in-git >"$C.git/f"
    git -C "$C.git" add .
    git -C "$C.git" -c user.name=t -c user.email=t@t commit -qm first
    # In place of ssh: shows what the agent says and runs the other side here.
    mkdir "$C.bin"
    cat >"$C.bin/ssh" <<EOF
#!/bin/sh
/usr/bin/python3 -c "import os, socket
s = socket.socket(socket.AF_UNIX); s.connect(os.environ['SSH_AUTH_SOCK']); s.sendall(b'key'); print(s.recv(100).decode())" >>"$C.agent" 2>&1 || exit 1
exec git-upload-pack "$C.git"
EOF
    chmod +x "$C.bin/ssh"
    /usr/bin/python3 - "$C.sock" 3>&- 4>&- >/dev/null <<'EOF' &
import socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
def serve(c):
    while True:
        data = c.recv(4096)
        if not data: break
        c.sendall(b"echo:" + data)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
EOF
    echo $! >"$ENV_DIR/agent.pid"
    wait_until test -S "$C.sock"
    env_daemon_kill TERM
    (PATH=$C.bin:$PATH && env_daemon_start)
    printf 'FROM busybox\nADD git@somewhere:r.git /g/\n' >"$C/Dockerfile"
    run -1 dory build "$C"
    dory build -q -t by-ssh --ssh "default=$C.sock" "$C"
    [ "$(in_image by-ssh cat /g/f)" = in-git ]
    grep -q '^echo:key$' "$C.agent"
    # Keys in files: an agent for this build, which is gone afterwards.
    ssh-keygen -q -t ed25519 -N '' -C key-of-a-file -f "$C.key"
    printf '#!/bin/sh\nssh-add -l >>"%s" 2>&1\nexec git-upload-pack "%s"\n' "$C.agent" "$C.git" >"$C.bin/ssh"
    export TMPDIR=$C.tmp
    mkdir "$TMPDIR"
    dory build -q --no-cache --ssh "default=$C.key" "$C"
    grep -q key-of-a-file "$C.agent"
    [ -z "$(ls "$TMPDIR")" ]
    run -1 pgrep -f "ssh-agent -a $TMPDIR"
    unset TMPDIR
    env_daemon_kill TERM
    env_daemon_start
}

@test "secrets reach a step and nothing else; an agent's socket; named contexts" {
    printf 'FROM busybox\nRUN --mount=type=secret,id=file,required=true --mount=type=secret,id=VAR,env=IT test "$(cut -c 6- /run/secrets/file)" = file && test "$IT" = from-env\n' >"$C/Dockerfile"
    echo from-file >"$C.secret"
    VAR=from-env run -0 dory build --progress plain -t secret --secret id=file,src="$C.secret" --secret id=VAR "$C"
    [[ $output != *from-file* ]]
    [ -z "$(grep -rla from-file "$ENV_DIR/data")" ]
    cp "$C.secret" "$C.type=env,x"
    VAR=from-env dory build --no-cache -q --secret "id=file,\"src=$C.type=env,x\"" --secret type=env,id=VAR "$C"
    run -1 dory build --secret id=VAR,env=NOT_THERE "$C"
    [[ $output == *"the environment has no NOT_THERE"* ]]
    run -1 dory build --secret src= "$C"

    /usr/bin/python3 - "$C.sock" 3>&- >/dev/null <<'EOF' &
import socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
def serve(c):
    while True:
        data = c.recv(4096)
        if not data: break
        c.sendall(b"echo:" + data)
    c.close()
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
EOF
    echo $! >"$ENV_DIR/agent.pid"
    wait_until test -S "$C.sock"
    cat >"$C.c" <<'EOF'
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char answer[64] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(a.sun_path, getenv("SSH_AUTH_SOCK"), sizeof(a.sun_path) - 1);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || write(fd, "hello", 5) != 5)
        return 1;
    for (size_t n = 0; n < 10;) {
        ssize_t got = read(fd, answer + n, 10 - n);
        if (got <= 0)
            return 2;
        n += (size_t)got;
    }
    return strcmp(answer, "echo:hello") != 0;
}
EOF
    gcc -static -o "$C/ask" "$C.c"
    # More connections, one after the other, than may be open at once.
    printf 'FROM busybox\nCOPY ask /\nRUN --mount=type=ssh for i in $(seq 70); do /ask || exit 1; done\n' >"$C/Dockerfile"
    dory build -q --ssh default="$C.sock" "$C"
    run -1 dory build --ssh default="$C/Dockerfile" "$C"
    [[ $output == *"ssh-add cannot use the key"* ]]
    run -1 dory build --ssh default="$C.sock,$C/Dockerfile" "$C"
    [[ $output == *"only a single socket"* ]]

    mkdir "$C.named"
    echo named >"$C.named/file"
    printf 'FROM base AS b\nCOPY --from=dir file /f\n' >"$C/Dockerfile"
    dory build -q -t named --build-context dir="$C.named" --build-context base=docker-image://busybox "$C"
    [ "$(in_image named cat /f)" = named ]
    run -1 dory build --build-context dir=oci-layout:///x "$C"
    [[ $output == *"oci-layout:///x is not supported"* ]]
}

@test "the files of the result: a directory, a tar, an archive of the image" {
    printf 'FROM scratch\nCOPY . /out/\n' >"$C/Dockerfile"
    echo content >"$C/file"
    before=$(dory images -aq | wc -l)
    chmod 666 "$C/file"
    dory build -q -o "$C.out" "$C"
    [ "$(cat "$C.out/out/file")" = content ]
    [ "$(stat -c %a "$C.out/out/file")" = 666 ]
    dory build -q -o - "$C" | tar -tf - | grep -q '^out/file$'
    dory build -q --output type=tar,dest="$C.tar" "$C"
    [ "$(tar -xOf "$C.tar" out/file)" = content ]
    [ "$(dory images -aq | wc -l)" -eq "$before" ]
    dory build -q -t archived --output type=oci,dest="$C.oci" "$C" >/dev/null
    tar -tf "$C.oci" | grep -q '^index.json$'
    dory build -q -t archived --output type=docker,dest="$C.docker" "$C" >/dev/null
    dory rmi archived
    dory load -i "$C.docker" | grep -q 'archived:latest'
    # Names of an output are the image's; --load makes one beside the files.
    dory build -q -t result:tag -o 'type=image,"name=result:one,result:two"' "$C"
    [ "$(dory images --format '{{.Tag}}' result | sort | xargs)" = 'one tag two' ]
    [ "$(dory images -q result | sort -u | wc -l)" -eq 1 ]
    dory rmi result:tag result:one result:two
    dory build -q -o type=docker,name=result:three,dest="$C.named" "$C"
    dory rmi result:three
    dory load -i "$C.named" | grep -q result:three
    dory rmi result:three
    id=$(dory build -q --load -o "$C.loaded" "$C")
    [ "$(cat "$C.loaded/out/file")" = content ]
    dory rmi "$id"
    run -1 dory build -o type=local,dest=x,name=y "$C"
    [[ $output == *"name is not for type local" ]]
    run -1 dory build -o type=tar,dest=x,push=true "$C"
    [[ $output == *"push is not for type tar" ]]
    run -1 dory build -o type=image,dest=x "$C"
    [[ $output == *"dest is not for type image" ]]
    run -1 dory build -o type=local "$C"
    [[ $output == *"dest is required"* ]]
    run -1 dory build -o type=strange,dest=x "$C"
    [[ $output == *"type strange is not supported"* ]]
}

@test "steps are on the network that is asked for" {
    printf 'FROM busybox\nRUN readlink /proc/self/ns/net >/net; ls /sys/class/net >/links\n' >"$C/Dockerfile"
    dory build -q --no-cache --network host -t net:host "$C"
    [ "$(in_image net:host cat /net)" = "$(readlink /proc/self/ns/net)" ]
    dory build -q --no-cache --network none -t net:none "$C"
    [ "$(in_image net:none cat /links)" = lo ]
    dory build -q --no-cache --add-host some.host:10.9.8.7 -t net:hosts - <<<$'FROM busybox\nRUN grep some.host /etc/hosts >/found'
    [[ $(in_image net:hosts cat /found) == 10.9.8.7*some.host ]]
}

@test "a failing step's status is the build's, and what it said is shown" {
    printf 'FROM busybox\n\nRUN echo said; exit 42\n' >"$C/Dockerfile"
    run -42 dory build "$C"
    [[ $output == *said* ]]
    [[ $output == *"   3 | >>> RUN echo said; exit 42"* ]]
    [[ $output == *"The command '/bin/sh -c echo said; exit 42' returned a non-zero code: 42" ]]
    run -42 --separate-stderr dory build -q "$C"
    [ -z "$output" ]
    [[ $stderr == *said* ]]
    wait_until no_leftovers
}

@test "what is shown: lines, JSON, a list on a terminal" {
    printf 'FROM busybox\nRUN echo out; echo err >&2\n' >"$C/Dockerfile"
    run -0 dory build --progress plain --no-cache "$C"
    [[ $output == *"#2 [2/2] RUN echo out; echo err >&2"*"#2 "*" out"*"#2 DONE "* ]]
    dory build --progress rawjson --no-cache "$C" 2>"$C.raw"
    /usr/bin/python3 - "$C.raw" <<'EOF'
import base64, json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
logs = b"".join(base64.b64decode(l["data"]) for line in lines for l in line.get("logs", []))
assert b"out\n" in logs and b"err\n" in logs, logs
done = [v for line in lines for v in line.get("vertexes", []) if "completed" in v]
assert len(done) == 2 and done[1]["name"].startswith("[2/2] RUN"), done
EOF
    run -0 script -qec "stty cols 60; '$ENV_CLI' build --no-cache '$C'" /dev/null </dev/null
    [[ $output == *" => [2/2] RUN echo out"*s* ]]
    [[ $output == *"writing image sha256:"* ]]
}

@test "what is wrong is refused by name, and changes nothing" {
    before=$(dory images -aq | wc -l)
    run -1 dory build "$C"
    [ "$output" = "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat $C/Dockerfile: no such file or directory" ]
    run -1 dory build "$C/none"
    [ "$output" = "unable to prepare context: path \"$C/none\" not found" ]
    printf 'FROM busybox\nCOPY none /\n' >"$C/Dockerfile"
    run -1 dory build "$C"
    [[ $output == *none* ]]
    run -1 dory build "$C/Dockerfile"
    [[ $output == *"context must be a directory"* ]]
    printf 'FROM busybox\nRUNN x\n' >"$C/Dockerfile"
    run -1 dory build "$C"
    [[ $output == *"unknown instruction: RUNN"* ]]
    run -1 dory build -t UPPER "$C"
    [[ $output == *"must be lowercase"* ]]
    printf 'neither\0this\1nor that' >"$C.broken"
    run -1 dory build - <"$C.broken"
    [[ $output == *"has a NUL in it"* ]]
    run -22 curl -sSf --unix-socket "$ENV_DIR/dory.sock" -H 'Content-Type: application/x-tar' --data-binary @"$C.broken" http://d/build
    [[ $output == *400* ]]
    tar -C "$DORY_BIN" -c dory | head -c 20000 >"$C.cut"
    run -1 dory build - <"$C.cut"
    [[ $output == *"build context"* ]]
    run -1 dory build --cache-to type=gha,x=y "$C"
    [[ $output == *"--cache-to type=gha,x=y"*"not supported"* ]]
    run -125 dory build --progress fancy "$C"
    run -125 dory build --sbom true "$C"
    [[ $output == *"--sbom is not supported"* ]]
    run -1 dory build --push "$C"
    [ "$output" = "tag is needed when pushing to registry" ]
    [ "$(dory images -aq | wc -l)" -eq "$before" ]
    wait_until no_leftovers
}

@test "a cache mount travels with its modes, and whoever is slow about it keeps no step from it" {
    printf 'FROM busybox\nRUN --mount=type=cache,id=slow,target=/k,mode=0750,uid=7 umask 0; echo a >/k/a; mkdir /k/open; head -c 20000000 /dev/zero >/k/large\n' >"$C/Dockerfile"
    dory build -q "$C"
    printf 'FROM busybox\nRUN --mount=type=cache,id=slow,target=/k,mode=0750,uid=7 stat -c "%%a %%u %%n" /k /k/* >/list\n' >"$C/Dockerfile"
    # One who takes only the beginning, and one who has not brought the end yet.
    mkfifo "$C.out" "$C.in"
    dory builder export slow >"$C.out" 3>&- &
    reader=$!
    exec 5<"$C.out"
    head -c 512 <&5 >/dev/null
    mkdir "$C.new"
    (umask 0 && echo b >"$C.new/b" && mkdir "$C.new/open" && chmod 4777 "$C.new/b")
    tar -C "$C.new" -cf "$C.tar" b open
    dory builder import slow - <"$C.in" 3>&- 5<&- &
    writer=$!
    exec 6>"$C.in"
    head -c 512 "$C.tar" >&6
    dory build -q -t slow "$C" 5<&- 6>&-
    [ "$(in_image slow cat /list)" = $'750 7 /k\n666 0 /k/a\n666 0 /k/large\n777 0 /k/open' ]
    tail -c +513 "$C.tar" >&6
    exec 6>&-
    wait "$writer"
    cat <&5 >/dev/null
    exec 5<&-
    wait "$reader"
    dory build -q --no-cache -t slow "$C"
    [ "$(in_image slow cat /list)" = $'750 7 /k\n4777 0 /k/b\n777 0 /k/open' ]
}

@test "caches are images, by name or as buildx writes them; a result may stay in the cache alone" {
    printf 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/x\n' >"$C/Dockerfile"
    dory build -q -t cache:1 "$C"
    first=$(in_image cache:1 cat /x)
    dory builder prune -af >/dev/null
    dory build -q -t cache:2 --cache-from type=registry,ref=cache:1 "$C"
    [ "$(in_image cache:2 cat /x)" = "$first" ]
    for other in type=local,src=/tmp type=gha type=registry type=registry,ref=cache:1,mode=max; do
        run -1 dory build --cache-from "$other" "$C"
        [[ $output == *"--cache-from $other"* ]]
    done
    printf 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/y\n' >"$C/Dockerfile"
    run -0 dory build -q -o type=cacheonly -t cache:3 "$C"
    [ -z "$output" ]
    run -1 dory inspect cache:3
    run -0 dory build --progress plain -t cache:3 "$C"
    [[ $output == *CACHED* ]]
    run -1 dory build -o type=cacheonly,dest=/tmp/x "$C"
}

@test "--progress tty is refused without a terminal" {
    printf 'FROM busybox\n' >"$C/Dockerfile"
    run -1 dory build --progress tty "$C"
    [[ $output == *"failed to get console: provided file is not a console"* ]]
    run -0 script -qec "'$ENV_CLI' build --progress tty '$C'" /dev/null
}

@test "what the cache takes is listed and pruned; a cache mount's files travel" {
    printf 'FROM busybox\nRUN --mount=type=cache,id=mine,target=/k echo kept >>/k/file\nRUN head -c 200000 /dev/zero >/z\n' >"$C/Dockerfile"
    dory build -q "$C"
    run -0 dory builder du
    [[ $output == *RECLAIMABLE*"Total:"* ]]
    run -0 dory builder du --verbose
    [[ $output == *"exec.cachemount"* && $output == *"source.local"* ]]
    run -0 dory system df
    [[ $output == *"Build Cache"* ]]
    run -0 dory system df -v
    [[ $output =~ regular\ +200kB\ +[A-Za-z0-9\ ]+\ ago\ +[A-Za-z0-9\ ]+\ ago\ +1\ +(true|false) && $output != *0001-01-01* ]]
    dory builder export -o "$C.tar" mine
    [ "$(tar -xOf "$C.tar" file || tar -xOf "$C.tar" ./file)" = kept ]
    mkdir "$C.new"
    echo brought >"$C.new/file"
    tar -C "$C.new" -c file | dory builder import mine -
    printf 'FROM busybox\nRUN --mount=type=cache,id=mine,target=/k cp /k/file /f\n' >"$C/Dockerfile"
    dory build -q -t brought "$C"
    [ "$(in_image brought cat /f)" = brought ]
    run -1 dory builder export -o "$C.none" nothing
    [ ! -e "$C.none" ]
    run -0 dory builder prune -af
    [[ $output == *"Deleted build cache objects:"*contexts*"Total reclaimed space:"* ]]
    run -0 dory builder du
    [[ $output != *contexts* ]]
    [ "$(in_image brought cat /f)" = brought ]
}

prune_cache() { # query
    curl -sSf -X POST --unix-socket "$ENV_DIR/dory.sock" "http://d/build/prune?all=1&$1"
}

cache_size() { # of all but contexts, in bytes
    curl -sSf --unix-socket "$ENV_DIR/dory.sock" 'http://d/system/df?type=build-cache' | /usr/bin/python3 -c '
import json, sys
print(sum(r["Size"] for r in json.load(sys.stdin)["BuildCache"] if r["Type"] != "source.local"))'
}

@test "pruning stops at the room that the cache may have, and goes on until the disk has what is asked for" {
    printf 'FROM busybox\nRUN head -c 200000 /dev/zero >/a\nRUN head -c 300000 /dev/zero >/b\n' >"$C/Dockerfile"
    dory build -q "$C"
    before=$(cache_size)
    [ "$before" -ge 500000 ]
    [[ $(prune_cache min-free-space=1) == *'"CachesDeleted":null'* ]]
    [[ $(prune_cache max-used-space=1\&reserved-space="$before") == *'"CachesDeleted":null'* ]]
    [[ $(prune_cache max-used-space="$before") == *'"CachesDeleted":null'* ]]
    dory builder prune -af --keep-storage "$((before - 1))"
    kept=$(cache_size)
    [ "$kept" -lt "$before" ]
    [ "$kept" -gt 0 ]
    prune_cache max-used-space="$((kept - 1))"
    [ "$(cache_size)" -lt "$kept" ]
    dory build -q "$C"
    [ "$(cache_size)" -ge 500000 ]
    [[ $(prune_cache min-free-space=$((1 << 60))) == *'"CachesDeleted":["'* ]]
    [ "$(cache_size)" -eq 0 ]
    run -22 prune_cache max-used-space=much
}

@test "a full disk is an error that says so, and leaves nothing" {
    wait_until no_leftovers
    mount -t tmpfs -o size=1m none "$ENV_DIR/data/build-contexts"
    printf 'FROM busybox\nCOPY . /c\n' >"$C/Dockerfile"
    head -c 4000000 /dev/zero >"$C/large"
    run -1 dory build "$C"
    [[ ${output,,} == *"no space left on device"* ]]
    tar -C "$C" -cf "$C.tar" .
    run -1 dory build - <"$C.tar"
    [[ ${output,,} == *"no space left on device"* ]]
    wait_until sh -c "! find '$ENV_DIR/data/build-contexts' -name large 2>/dev/null | grep -q ."
    rm "$C/large"
    dory build -q "$C"
    wait_until no_leftovers
    umount "$ENV_DIR/data/build-contexts"
}

@test "a client that goes cancels its build" {
    local seconds=8$BASHPID # nobody else sleeps for so long
    printf 'FROM busybox\nRUN --network=none sleep %s\n' "$seconds" >"$C/Dockerfile"
    "$ENV_CLI" build "$C" >"$C.log" 2>&1 3>&- &
    cli=$!
    wait_until pgrep -f "slee[p] $seconds" >/dev/null
    kill "$cli"
    wait_until bash -c "! pgrep -f 'slee[p] $seconds' >/dev/null"
    wait_until no_leftovers
}
