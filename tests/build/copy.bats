#!/usr/bin/env bats
# COPY and ADD: what comes where, with which owners, modes and times; and that nothing outside of a root is reached.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    mkdir -p "$ENV_DIR/www"
    echo downloaded >"$ENV_DIR/www/file"
    local port
    port=$(free_port)
    (cd "$ENV_DIR/www" && exec python3 -m http.server --bind 127.0.0.1 "$port" >/dev/null 2>&1 3>&- 4>&-) &
    echo $! >"$ENV_DIR/www.pid"
    disown
    export WWW=http://127.0.0.1:$port
    for _ in $(seq 500); do curl -sf "$WWW/file" >/dev/null && break; sleep 0.05; done
}

teardown_file() {
    [ ! -s "$ENV_DIR/www.pid" ] || kill "$(cat "$ENV_DIR/www.pid")" 2>/dev/null || true
    env_stop
}

setup() {
    C=$(mktemp -d "$ENV_DIR/context.XXXXXX")
}

# build DOCKERFILE [option...]: builds image t from $C.
build() {
    printf '%s\n' "$1" >"$C/Dockerfile"
    shift
    dory build -q -t t "$@" "$C"
}

@test "files and directories, names and slashes" {
    mkdir -p "$C/dir/sub"
    echo a >"$C/a"; echo b >"$C/b"; echo f >"$C/dir/f"; echo g >"$C/dir/sub/g"; ln -s f "$C/dir/link"
    build 'FROM busybox
COPY a /as-file
COPY a /in/
COPY a b /two/
COPY dir /contents
COPY dir/ /contents2/
COPY [ab] /matched/
COPY d*/f /star
WORKDIR /work
COPY a rel/
COPY --parents dir/sub/g /parents/
COPY --parents dir/./sub/g /pivot/
COPY --exclude=sub --exclude=**/link dir /excluded/
COPY <<one <<"two" /here/
$HOME
one
$HOME
two'
    run dory run --rm t sh -c 'cat /as-file /in/a /two/b /star rel/a /here/one /here/two; find /contents /contents2 /matched /parents /pivot /excluded | sort; readlink /contents/link'
    [ "$output" = "a
a
b
f
a

\$HOME
/contents
/contents/f
/contents/link
/contents/sub
/contents/sub/g
/contents2
/contents2/f
/contents2/link
/contents2/sub
/contents2/sub/g
/excluded
/excluded/f
/matched
/matched/a
/matched/b
/parents
/parents/dir
/parents/dir/sub
/parents/dir/sub/g
/pivot
/pivot/sub
/pivot/sub/g
f" ]
}

@test "--parents with ** goes through any number of directories" {
    mkdir -p "$C/src/x/y" "$C/other"
    for f in src/a.txt src/x/b.txt src/x/y/c.txt src/x/y/d.md other/e.txt; do echo "$f" >"$C/$f"; done
    ln -s .. "$C/src/x/up"
    build 'FROM busybox
COPY --parents ./src/**/*.txt /parents/
COPY --parents **/b.txt **/y/**/c.txt /several/
COPY --parents src/./**/y/* /pivot/
COPY --parents src/x/** /all/
RUN find /parents /several /pivot /all ! -type d | sort >/list'
    [ "$(dory run --rm t cat /list)" = "/all/src/x/b.txt
/all/src/x/up
/all/src/x/y/c.txt
/all/src/x/y/d.md
/parents/src/a.txt
/parents/src/x/b.txt
/parents/src/x/y/c.txt
/pivot/x/y/c.txt
/pivot/x/y/d.md
/several/src/x/b.txt
/several/src/x/y/c.txt" ]
    run -1 build 'FROM busybox
COPY --parents **/none /x/'
    [[ $output == *"stat **/none: file does not exist"* ]]
    run -1 build 'FROM busybox
ARG F=busybox
COPY --from=$F /bin /x/'
    [[ $output == *"variable expansion is not supported for --from"* ]]
}

@test "owners, modes, times and attributes" {
    mkdir "$C/dir"
    echo a >"$C/a"; echo f >"$C/dir/f"
    chmod 640 "$C/a"; chmod 4755 "$C/dir/f"; chmod 750 "$C/dir"; chown 33:44 "$C/a"
    touch -d 2001-02-03T04:05:06Z "$C/a"
    build 'FROM busybox AS owned
RUN mkdir /o && echo x >/o/x && chown -R 12:34 /o
FROM busybox
RUN mkdir -p /etc && echo "joe:x:77:88::/:/bin/sh" >>/etc/passwd && echo "team:x:99:" >>/etc/group
COPY a /a
COPY dir /dir/d
COPY --chown=5:6 --chmod=0444 a /n/a
COPY --chown=joe a /joe
COPY --chown=joe:team --chmod=u=rw,go= dir /jt/
COPY --from=owned /o /o
COPY --from=owned --chown=1 /o /o1'
    run dory run --rm t stat -c '%n %u:%g %a %Y' /a /dir/d/f /n /n/a /joe /jt/f /o/x /o1/x
    [ "$(awk '{print $1, $2, $3}' <<<"$output")" = "/a 0:0 640
/dir/d/f 0:0 4755
/n 5:6 755
/n/a 5:6 444
/joe 77:88 640
/jt/f 77:99 600
/o/x 12:34 644
/o1/x 1:1 644" ]
    [[ ${lines[0]} == *" 981173106" ]]
    run build 'FROM busybox
COPY --chown=nobody-there Dockerfile /x'
    [ "$status" -eq 1 ]
    [[ $output == *"unable to find user nobody-there"* ]]
}

@test "modes are the steps' and the files', whatever the umask of the daemon" {
    echo f >"$C/f"
    mkdir -p "$C/unpacked/open"
    echo f >"$C/unpacked/open/f"
    chmod 777 "$C/unpacked/open" && chmod 666 "$C/unpacked/open/f"
    tar -C "$C/unpacked" -cf "$C/a.tar" open
    env_daemon_kill TERM
    (umask 0077 && env_daemon_start)
    build 'FROM busybox
COPY f /made/for/f
WORKDIR /work/dir
RUN touch /touched && mkdir /directory
ADD a.tar /unpacked/
RUN stat -c "%a %n" /made /made/for /made/for/f /work /work/dir /touched /directory /unpacked /unpacked/open /unpacked/open/f >/modes'
    [ "$(dory run --rm t cat /modes)" = "755 /made
755 /made/for
644 /made/for/f
755 /work
755 /work/dir
644 /touched
755 /directory
755 /unpacked
777 /unpacked/open
666 /unpacked/open/f" ]
}

@test "ADD unpacks archives of the context, and not what it downloads" {
    mkdir "$C/dir"
    echo f >"$C/dir/f"
    tar -C "$C" --owner=7 --group=8 -czf "$C/a.tgz" dir
    tar -C "$C" --owner=7 --group=8 -cJf "$C/a.txz" dir
    head -c 100 /dev/zero >"$C/zeros"
    cp "$C/a.tgz" "$ENV_DIR/www/a.tgz"
    sum=$(sha256sum "$ENV_DIR/www/file" | cut -d' ' -f1)
    build "FROM busybox
ADD a.tgz a.txz zeros /u/
COPY a.tgz /not/
ADD --unpack=false a.tgz /kept/
ADD $WWW/file /w/
ADD --checksum=sha256:$sum $WWW/file /w/renamed
ADD $WWW/a.tgz /w/
ADD --unpack=true $WWW/a.tgz /x/"
    run dory run --rm t sh -c 'find /u /not /kept /w /x -type f | sort; stat -c %u:%g /u/dir/f; cat /w/renamed; stat -c %a /w/file'
    [ "$output" = "/kept/a.tgz
/not/a.tgz
/u/dir/f
/u/zeros
/w/a.tgz
/w/file
/w/renamed
/x/dir/f
7:8
downloaded
600" ]
    run build "FROM busybox
ADD --checksum=sha256:$(printf '%064d' 0) $WWW/file /w/"
    [ "$status" -ne 0 ]
    [[ $output == *"digest mismatch sha256:$sum"* ]]
    run build "FROM busybox
ADD $WWW/missing /w/"
    [ "$status" -ne 0 ]
    [[ $output == *"/missing with status 404"* ]]
}

@test "what is there: files are replaced, directories merged, symlinks of the image stay inside" {
    mkdir -p "$C/root/etc" "$C/d"
    echo new >"$C/root/etc/x"; echo f >"$C/f"; echo in >"$C/d/in"
    build 'FROM busybox
RUN mkdir -p /etc /real && chmod 700 /etc && echo old >/etc/x && echo keep >/etc/y && ln -s /real /abs && ln -s ../../../real /up && echo t >/target && ln -s target /tolink
COPY root /
COPY f /abs/
COPY d /up
COPY f /tolink'
    run dory run --rm t sh -c 'cat /etc/x /etc/y; stat -c %a /etc; ls /real; readlink /abs; cat /target; readlink /tolink'
    [ "$output" = "new
keep
700
f
in
/real
f
target" ]
    run build 'FROM busybox
RUN mkdir -p /x/f
COPY f /x/'
    [ "$status" -ne 0 ]
    [[ $output == *"cannot copy f to directory: f"* ]]
    run build 'FROM busybox
RUN echo >/file
COPY f /file/'
    [ "$status" -ne 0 ]
    [[ $output == *"cannot copy to non-directory: /file"* ]]
}

@test "sources do not leave their root, whatever symlinks say" {
    echo secret >"$ENV_DIR/secret"
    ln -s "$ENV_DIR/secret" "$C/abs"
    ln -s ../secret "$C/up"
    mkdir "$C/d"
    ln -s ../../secret "$C/d/up"
    ln -s "$ENV_DIR" "$C/dir"
    for source in abs up dir/secret ../secret /../../secret; do
        run build "FROM busybox
COPY $source /x/"
        [ "$status" -ne 0 ]
        [[ $output == *"COPY failed"* ]]
    done
    # Links inside of directories are copied as links.
    build 'FROM busybox
COPY d /d'
    [ "$(dory run --rm t readlink /d/up)" = ../../secret ]
    # The same for stages (CVE-2024-9407, CVE-2024-1753): links lead where they lead in the stage.
    build 'FROM busybox AS evil
RUN ln -s / /root-link; ln -s /etc/hostname /host; ln -s ../../../../../../etc/hostname /host2; mkdir /etc2; echo stage >/etc/stage
FROM busybox
COPY --from=evil /root-link/etc/stage /stage'
    [ "$(dory run --rm t cat /stage)" = stage ]
    run build 'FROM busybox AS evil
RUN ln -s /proc/self/root/etc/passwd /p
FROM busybox
COPY --from=evil /p /p'
    [ "$status" -ne 0 ]
    [[ $output == *"COPY failed"* ]]
}

@test "missing things are named" {
    run build 'FROM busybox
COPY nothing /x'
    [ "$status" -ne 0 ]
    [[ $output == *"COPY failed: file not found in build context or excluded by .dockerignore: stat nothing: file does not exist"* ]]
    run build 'FROM busybox
COPY no* /x'
    [ "$status" -ne 0 ]
    [[ $output == *"stat no*: file does not exist"* ]]
    run build 'FROM busybox AS one
FROM busybox
COPY --from=one /nothing /x'
    [ "$status" -ne 0 ]
    [[ $output == *"COPY failed: stat nothing: file does not exist"* ]]
    run build 'FROM scratch AS empty
FROM busybox
COPY --from=empty /nothing /x'
    [ "$status" -ne 0 ]
    [[ $output == *"stat nothing: file does not exist"* ]]
}

@test "--link is a layer of its own, and found again above another base" {
    echo a >"$C/a"
    build 'FROM busybox
RUN echo one >/one
COPY --link a /l/a'
    first=$(dory inspect -f '{{index .RootFS.Layers 2}}' t)
    printf 'FROM busybox\nRUN echo two >/two\nCOPY --link a /l/a\n' >"$C/Dockerfile"
    run dory build --progress plain -t t "$C"
    [ "$(grep -c CACHED <<<"$output")" -eq 1 ]
    [ "$(dory inspect -f '{{index .RootFS.Layers 2}}' t)" = "$first" ]
    [ "$(dory run --rm t cat /two /l/a)" = $'two\na' ]
}

# Names of the files of the image's last layer that other layers have, too.
linked() { # image
    local id
    id=$(/usr/bin/python3 -c "import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute('SELECT dir FROM layer WHERE diff_id = ?', (sys.argv[2],)).fetchone()[0])" \
        "$(ls "$ENV_DIR"/data/*.db)" "$(dory inspect -f '{{range .RootFS.Layers}}{{.}} {{end}}' "$1" | awk '{print $NF}')")
    (cd "$ENV_DIR/data/overlay/$id/diff" && find . -type f -links +1 | sort | tr '\n' ' ')
}

# Paths, modes, owners, contents and times of the files below /c.
listed() { # image
    dory run --rm "$1" sh -c 'cd /c && find . ! -type d | sort | while read -r f; do stat -c "%n %a %u %g %s %Y" "$f"; done; find . -type d | sort; find . -type f | sort | xargs sha256sum'
}

@test "files that the former result has are not copied again, and are right all the same" {
    mkdir -p "$C/sub/deep"
    for f in a b sub/c sub/deep/d sub/deep/e; do head -c 700000 /dev/urandom >"$C/$f"; done
    echo small >"$C/small"
    file='FROM busybox
RUN mkdir -p /real/c && ln -s real/c /c && echo under >/c/b
COPY . /c/'
    build "$file"
    dory tag t first
    [ -z "$(linked t)" ]
    before=$(listed t)
    echo other >"$C/small"
    build "$file"
    [ "$(linked t)" = "./real/c/a ./real/c/b ./real/c/sub/c ./real/c/sub/deep/d ./real/c/sub/deep/e " ]
    dory tag t second
    [ "$(dory run --rm t cat /c/small)" = other ]
    [ "$(dory run --rm t stat -c %Y /c/sub/deep)" = "$(stat -c %Y "$C/sub/deep")" ]
    # What has changed in any way is copied, also when time and size are as they were.
    stamp=$(stat -c %y "$C/a")
    head -c 700000 /dev/urandom >"$C/a"
    touch -d "$stamp" "$C/a"
    chmod 640 "$C/b"
    touch -d 2001-01-01 "$C/sub/c"
    mv "$C/sub/deep/e" "$C/sub/deep/f"
    build "$file"
    [ "$(linked t)" = "./real/c/sub/deep/d " ]
    dory build -q --no-cache -t fresh "$C"
    [ -z "$(linked fresh)" ]
    [ "$(listed t)" = "$(listed fresh)" ]
    [ "$(dory run --rm t sha256sum /c/a | cut -c 1-64)" = "$(sha256sum "$C/a" | cut -c 1-64)" ]
    # Nobody else sees what a container writes, and layers do not need the ones that they were made from.
    dory run --name writer second sh -c 'echo mine >/c/sub/deep/d; chmod 600 /c/sub/c'
    [ "$(dory export writer | tar -xO real/c/sub/deep/d)" = mine ]
    dory rm writer
    [ "$(listed first)" = "$before" ]
    dory rmi first second
    dory builder prune -af >/dev/null
    [ "$(listed t)" = "$(listed fresh)" ]
    # In an archive it is as if each was the file's only name.
    dory save t >"$C.tar"
    mkdir "$C.saved"
    tar -C "$C.saved" -xf "$C.tar"
    run /usr/bin/python3 -c "import json, sys, tarfile
root = sys.argv[1]
for m in tarfile.open(root + '/' + json.load(open(root + '/manifest.json'))[0]['Layers'][-1]):
    print(m.name, m.islnk(), sorted(m.pax_headers))" "$C.saved"
    [[ $output == *"real/c/sub/deep/d False"* && $output != *True* && $output != *dory* ]]
}
