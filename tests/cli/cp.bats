#!/usr/bin/env bats
# cp, export, diff: the rules of docker's documentation for SRC_PATH and DEST_PATH, ownership, links, streams, and
# containers that change their files meanwhile.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory create --name stopped -v named:/vol busybox sh >/dev/null
    dory run -d --name up -v named:/vol --tmpfs /scratch busybox sleep 3600 >/dev/null
    dory exec up true 2>/dev/null || true
}

teardown_file() {
    env_stop
}

setup() {
    W=$(mktemp -d "$ENV_DIR/cp.XXXXXX")
    cd "$W"
}

content_of() { # container path
    dory cp "$1:$2" - | tar -xO
}

names_of() { # container path
    dory cp "$1:$2" - | tar -t | LC_ALL=C sort | tr '\n' ' '
}

@test "files: to a name, into a directory, over a file, and back" {
    echo one >file
    for c in stopped up; do
        dory cp file $c:/root/name
        [ "$(content_of $c /root/name)" = one ]
        dory cp file $c:/root
        dory cp file $c:/root/
        [ "$(content_of $c /root/file)" = one ]
        echo two >other
        dory cp other $c:/root/name
        [ "$(content_of $c /root/name)" = two ]
        dory cp $c:/root/name back
        [ "$(cat back)" = two ]
        mkdir -p dir
        dory cp $c:/root/name dir
        [ "$(cat dir/name)" = two ]
        dory cp $c:/root/name dir/renamed
        [ "$(cat dir/renamed)" = two ]
        rm -r dir
    done
}

@test "directories: new name, into an existing one, contents with /." {
    mkdir -p src/sub
    echo a >src/a
    echo b >src/sub/b
    for c in stopped up; do
        dory cp src $c:/root/new
        [ "$(names_of $c /root/new)" = "new/ new/a new/sub/ new/sub/b " ]
        dory cp src $c:/root/new
        [ "$(content_of $c /root/new/src/sub/b)" = b ]
        dory cp src/. $c:/root/contents
        [ "$(names_of $c /root/contents)" = "contents/ contents/a contents/sub/ contents/sub/b " ]
        echo c >src/c
        dory cp src/. $c:/root/contents
        [ "$(content_of $c /root/contents/c)" = c ]
        dory cp $c:/root/contents out
        [ "$(cat out/sub/b)" = b ]
        dory cp $c:/root/contents out
        [ "$(cat out/contents/a)" = a ]
        dory cp $c:/root/contents/. out2
        [ "$(cat out2/a)" = a ]
        mkdir out3
        dory cp $c:/root/contents/. out3
        [ "$(cat out3/a)" = a ]
        rm -r out out2 out3 src/c
    done
}

@test "what does not fit is refused in docker's words and changes nothing" {
    echo x >file
    mkdir dir
    run -1 dory cp file stopped:/nodir/
    [ "$output" = "no such directory" ]
    run -1 dory cp dir stopped:/etc/passwd
    [ "$output" = "cannot copy directory" ]
    run -1 dory cp stopped:/etc file
    [ "$output" = "cannot copy directory" ]
    run -1 dory cp nosuch stopped:/x
    [ "$output" = "lstat $W/nosuch: no such file or directory" ]
    run -1 dory cp stopped:/a up:/b
    [ "$output" = "copying between containers is not supported" ]
    run -1 dory cp a b
    [ "$output" = "must specify at least one container source" ]
    run -1 dory cp - stopped:/etc/passwd </dev/null
    [ "$output" = 'destination "stopped:/etc/passwd" must be a directory' ]
    run -1 dory cp stopped:/etc/passwd nodir/
    [[ $output == *"no such directory"* || $output == *'directory "'*'" does not exist'* ]]
    run -1 dory cp stopped:/nosuch .
    [[ $output == *"/nosuch"* ]]
    run -1 dory cp nosuch-container:/x .
    [[ $output == *"o such container"* ]]
    mkdir passwd
    run -1 dory cp passwd stopped:/etc
    [[ $output == *"cannot overwrite non-directory"*"with directory"* ]]
    echo x >home
    run -1 dory cp home stopped:/
    [[ $output == *"cannot overwrite directory"*"with non-directory"* ]]
    [ "$(names_of stopped /home)" = "home/ " ]
    run -1 dory cp file
    [[ $output == *"requires exactly 2 arguments"* || $output == *"requires 2 arguments"* ]]
}

@test "symlinks: kept as they are, followed with -L, followed by a slash" {
    mkdir real
    echo t >real/f
    ln -s real link
    ln -s real/f flink
    ln -s nowhere dangling
    for c in stopped up; do
        dory cp flink $c:/root/
        [ "$(dory cp $c:/root/flink - | tar -tv | sed 's/.* //')" = real/f ]
        dory cp -L flink $c:/root/followed
        [ "$(content_of $c /root/followed)" = t ]
        dory cp -L flink $c:/tmp
        [ "$(content_of $c /tmp/flink)" = t ]
        dory cp link/ $c:/root/
        [ "$(names_of $c /root/link)" = "link/ link/f " ]
        run -1 dory cp -L dangling $c:/root
        dory cp dangling $c:/root/
        # in the container: a link that leads somewhere else inside
        mkdir -p tree
        ln -sfn /etc/passwd tree/absolute
        ln -sfn ../etc tree/etc
        dory cp tree $c:/tree
        dory cp $c:/tree/absolute .
        [ "$(readlink absolute)" = /etc/passwd ]
        rm absolute
        dory cp -L $c:/tree/absolute .
        grep -q ^www-data absolute
        rm absolute
        [[ $(names_of $c /tree/etc/) == "etc/ etc/group "* ]]
        dory cp real/f $c:/tree/etc
        [ "$(content_of $c /etc/f)" = t ]
        dory cp real/f $c:/tree/etc/through
        [ "$(content_of $c /etc/through)" = t ]
        rm -r tree
    done
    # a local destination that is a link is written through
    mkdir target
    ln -s target tlink
    dory cp stopped:/root/followed tlink
    [ "$(cat target/followed)" = t ]
    ln -s made-by-cp brokenlink
    dory cp stopped:/root/followed brokenlink
    [ "$(cat made-by-cp)" = t ]
}

@test "streams: tar in, tar out, several names of one file, modes, times, owners" {
    mkdir in
    echo x >in/x
    ln in/x in/y
    chown 12:34 in/x
    chmod 4751 in/x
    touch -d @1234567890 in/x
    for c in stopped up; do
        tar -C in -c . | dory cp - $c:/var/run
        run bash -c "'$ENV_CLI' cp $c:/var/run - | tar -tv --full-time --numeric-owner --utc"
        [ "$(tr -s ' ' <<<"${lines[1]}")" = "-rwsr-x--x 12/34 2 2009-02-13 23:31:30 run/x" ]
        dory cp $c:/var/run - | tar -tv | grep -q '^h.*run/y link to run/x'
        dory cp $c:/var/run/x back
        [ "$(stat -c '%a %u:%g' back)" = "4751 $(id -u):$(id -g)" ]
        rm back
        gzip -c <(tar -C in -c x) | dory cp - $c:/home
        [ "$(content_of $c /home/x)" = x ]
    done
}

@test "-a gives what is copied to the container's user" {
    echo x >mine
    chown 1234:1235 mine
    dory create --name as-www -u www-data busybox >/dev/null
    dory cp mine as-www:/kept
    dory cp -a mine as-www:/given
    [ "$(dory cp as-www:/kept - | tar -tv --numeric-owner | cut -d' ' -f2)" = 1234/1235 ]
    [ "$(dory cp as-www:/given - | tar -tv --numeric-owner | cut -d' ' -f2)" = 33/33 ]
    dory rm as-www
}

@test "volumes and mounts: written and read whether the container runs or not" {
    echo v >file
    dory cp file stopped:/vol/from-stopped
    [ "$(content_of up /vol/from-stopped)" = v ]
    dory cp file up:/vol/from-up
    [ "$(content_of stopped /vol/from-up)" = v ]
    mkdir bound
    echo b >bound/f
    dory create --name binder -v "$W/bound:/b/c:ro" --read-only busybox >/dev/null
    [ "$(content_of binder /b/c/f)" = b ]
    run -1 dory cp file binder:/b/c
    [[ $output == *"mounted volume is marked read-only"* ]]
    run -1 dory cp file binder:/etc
    [[ $output == *"container rootfs is marked read-only"* ]]
    [ "$(ls bound)" = f ]
    dory rm binder
    if [ "$ENV_ENGINE" = dory ]; then # docker sees tmpfs mounts of nobody
        dory cp file up:/scratch/t
        [ "$(content_of up /scratch/t)" = v ]
    fi
    [ "$(names_of up /proc)" = "proc/ " ]
}

@test "a container that was filled before its first start sees the files" {
    echo before >file
    dory create --name filled --rm busybox cat /root/file >/dev/null
    dory cp file filled:/root
    [ "$(dory start -a filled)" = before ]
}

@test "quiet by default without a terminal; sizes on one" {
    echo x >file
    touch -d @1 file
    run --separate-stderr dory cp file stopped:/tmp/q
    [ "$output$stderr" = "" ]
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 has no progress"
    run script -qec "$ENV_CLI cp file stopped:/tmp/q" /dev/null </dev/null
    [[ $output == "Successfully copied 2.05kB to stopped:/tmp/q"* ]]
    run script -qec "$ENV_CLI cp -q file stopped:/tmp/q" /dev/null </dev/null
    [ "$output" = "" ]
}

@test "docker's own client copies in and out" {
    [ "$ENV_ENGINE" = dory ] || skip "it is docker anyway"
    mkdir tree
    echo d >tree/f
    ln -s f tree/l
    /usr/bin/docker cp tree up:/root/by-docker
    [ "$(content_of up /root/by-docker/f)" = d ]
    /usr/bin/docker cp up:/root/by-docker back
    [ "$(readlink back/l)" = f ]
    /usr/bin/docker cp -L up:/root/by-docker/l plain
    [ "$(cat plain)" = d ]
    dd if=/dev/zero of=sparse bs=1 count=1 seek=50M status=none
    dory cp sparse up:/root/sparse
    /usr/bin/docker cp up:/root/sparse sparse-back
    cmp sparse sparse-back
}

@test "export: the whole root without what is mounted, links and holes as they are" {
    dory run --name ex -v named:/vol busybox sh -c 'echo 1 >/one; ln /one /two; ln -s one /sym; mkfifo /pipe;
        dd if=/dev/zero of=/sparse bs=1 count=1 seek=40M 2>/dev/null; rm /etc/group; chmod 1777 /home'
    dory export ex >ex.tar
    dory export -o ex2.tar ex
    cmp ex.tar ex2.tar
    [ "$(stat -c %a ex2.tar)" = 600 ]
    mkdir root
    tar -C root -xf ex.tar
    [ "$(cat root/two)" = 1 ]
    [ root/one -ef root/two ]
    [ "$(readlink root/sym)" = one ]
    [ -p root/pipe ]
    [ "$(stat -c %s root/sparse)" = 41943041 ]
    [ ! -e root/etc/group ]
    [ "$(stat -c %a root/home)" = 1777 ]
    [ -d root/vol ]
    [ -z "$(ls root/vol)" ]
    if [ "$ENV_ENGINE" = dory ]; then
        [ "$(stat -c %s ex.tar)" -lt 10000000 ]
        /usr/bin/python3 -c 'import sys, tarfile; t = tarfile.open(sys.argv[1]); assert t.getmember("sparse").size == 41943041' ex.tar
    fi
    run -1 dory export -o /nosuch/x ex
    [ "$output" = 'failed to export container: invalid output path: directory "/nosuch" does not exist' ]
    run -1 dory export nosuch
    [[ $output == *"No such container: nosuch"* ]]
    run script -qec "$ENV_CLI export ex" /dev/null </dev/null
    [[ $output == "cowardly refusing to save to a terminal. Use the -o flag or redirect"* ]]
    dory export up | tar -t | grep -qx bin/busybox
    # what was exported comes back as an image
    dory import ex.tar again:1 >/dev/null
    [ "$(dory run --rm again:1 cat /two)" = 1 ]
    dory rm ex
}

@test "diff: added, changed, deleted, of stopped and running containers" {
    dory run --name di busybox sh -c 'mkdir /d; echo 1 >/d/a; echo x >>/etc/passwd; rm /etc/group; rm -r /tmp; mkdir /tmp; echo n >/tmp/new; chmod 700 /home'
    run dory diff di
    [ "$(sort <<<"$output")" = "$(printf '%s\n' 'A /d' 'A /d/a' 'A /tmp/new' 'C /etc' 'C /etc/passwd' 'C /home' 'C /tmp' 'D /etc/group')" ]
    dory commit di di:1 >/dev/null 2>&1 || skip "commit is not there"
    dory run --name di2 di:1 sh -c 'rm -r /d; mkdir /d; echo 2 >/d/b; rm /tmp/new'
    run dory diff di2
    [ "$(sort <<<"$output")" = "$(printf '%s\n' 'A /d/b' 'C /d' 'C /tmp' 'D /d/a' 'D /tmp/new')" ]
    dory rm di di2
    dory rmi di:1
    run -1 dory diff nosuch
    [[ $output == *"No such container: nosuch"* ]]
}

@test "a container that swaps directories for symlinks leads nobody out (CVE-2018-15664)" {
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 is not what is tested here"
    mkdir host
    echo secret >host/secret
    # In the container /swap is a directory or a symlink to the host's path, by turns and as fast as it goes.
    dory run -d --name swapper busybox sh -c "mkdir -p /a/real; echo inside >/a/real/secret; cd /a; ln -s '$W/host' evil
        while :; do mv real swap; mv swap real; mv evil swap; mv swap evil; done" >/dev/null
    echo new >file
    for _ in $(seq 30); do
        dory cp swapper:/a/swap/secret got 2>/dev/null || true
        if [ -f got ]; then
            [ "$(cat got)" = inside ]
            rm got
        fi
        dory cp file swapper:/a/swap/dropped 2>/dev/null || true
        dory cp file swapper:/a/swap 2>/dev/null || true
        { dory cp swapper:/a - 2>/dev/null || true; } | { tar -xO 2>/dev/null || true; } | { ! grep -q secret; }
    done
    [ "$(ls host)" = secret ]
    [ "$(cat host/secret)" = secret ]
    dory rm -f swapper >/dev/null
}

@test "archives with hostile names change nothing outside" {
    [ "$ENV_ENGINE" = dory ] || skip "docker 20.10 is not what is tested here"
    /usr/bin/python3 - <<'PY'
import io, tarfile
def make(path, *members):
    with tarfile.open(path, "w") as t:
        for name, kind, link in members:
            i = tarfile.TarInfo(name); i.type = kind; i.linkname = link
            data = b"evil" if kind == tarfile.REGTYPE else b""
            i.size = len(data); t.addfile(i, io.BytesIO(data))
F, S, H = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
make("dots.tar", ("../../evil", F, ""))
make("link.tar", ("l", S, "/../../.."), ("l/evil-through-link", F, ""))
make("hard.tar", ("h", H, "../../etc/passwd"))
PY
    run -1 dory cp - stopped:/tmp <dots.tar
    [[ $output == *'"../../evil" is outside of the destination'* ]]
    dory cp - stopped:/tmp <link.tar
    [ "$(content_of stopped /evil-through-link)" = evil ]
    [ ! -e /evil-through-link ]
    run -1 dory cp - stopped:/tmp <hard.tar
    head -c 700 link.tar >cut.tar
    run -1 dory cp - stopped:/tmp <cut.tar
    [[ $output == *EOF* ]]
}
