#!/usr/bin/env python3
"""Trees of files with everything that an image can have in it.

    tree.py make DIRECTORY         the nastiest one (root)
    tree.py change DIRECTORY       what a second layer would change in it
    tree.py list DIRECTORY [SKIP]  one line for each entry, everything but the inode's number in it; SKIP: paths, "a,b/c"
"""
import hashlib
import os
import stat
import sys

# cap_net_raw=ep, as the kernel keeps it (version 2).
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
STAMP = 1_234_567_890_123_456_789
ODD_NAMES = [b"blank and\ttab", "a\u030a decomposed".encode(), "\u00e5 composed".encode(), b"not utf-8 \xff\xfe", b"-leading dash",
             b"back\\slash", b"new\nline", b"star*[x]?", b"trailing ", b"a" * 255]


def write(path, data, mode=0o644, uid=0, gid=0):
    with open(path, "wb") as f:
        f.write(data)
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def make(root):
    os.makedirs(root, exist_ok=True)
    os.chdir(root.encode())
    write(b"plain", b"plain contents\n")
    write(b"empty", b"")
    for name, mode in ((b"setuid", 0o4755), (b"setgid", 0o2755), (b"all", 0o7777), (b"none", 0o000), (b"odd", 0o4211)):
        write(name, name, mode, 1000, 1001)
    write(b"owner", b"x", 0o640, 3_000_000, 4_000_000)
    write(b"hard1", b"several names\n")
    for name in (b"hard2", b"hard3"):
        os.link(b"hard1", name)
    os.mkdir(b"names")
    for name in ODD_NAMES:
        write(b"names/" + name, name)
    deep = b"deep"
    for i in range(12):
        os.mkdir(deep)
        deep += b"/" + b"directory-%02d-" % i + b"x" * 40
    os.mkdir(deep)
    write(deep + b"/at the end", b"deep")
    os.link(deep + b"/at the end", b"deep link")
    for target in (b"plain", b"/etc/passwd", b"../../outside", b"nowhere", b"t" * 200):
        os.symlink(target, b"symlink-" + hashlib.md5(target).hexdigest()[:6].encode())
    os.mkdir(b"nodes")
    os.mkfifo(b"nodes/fifo", 0o620)
    os.mknod(b"nodes/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(b"nodes/loop", stat.S_IFBLK | 0o660, os.makedev(7, 300))
    os.chown(b"nodes/loop", 0, 6)
    write(b"capable", b"x", 0o755)
    os.setxattr(b"capable", "security.capability", CAPABILITY)
    write(b"attributes", b"x")
    os.setxattr(b"attributes", "user.text", b"value")
    os.setxattr(b"attributes", "user.binary", bytes(range(256)))
    os.mkdir(b"sticky")
    os.chmod(b"sticky", 0o1777)
    os.mkdir(b"guarded")
    os.chown(b"guarded", 12, 34)
    os.chmod(b"guarded", 0o2750)
    os.setxattr(b"guarded", "user.of-a-directory", b"yes")
    os.mkdir(b"replaced")
    write(b"replaced/old", b"old")
    os.mkdir(b"emptied")
    write(b"emptied/gone", b"gone")
    for name in (b"removed", b"becomes-directory", b"wh", b".hidden"):
        write(name, name)
    with open(b"holes", "wb") as f:
        f.truncate(3_000_000)
        f.seek(1_000_000)
        f.write(b"in the middle")
    stamp(b".")


def change(root):
    os.chdir(root.encode())
    os.unlink(b"removed")
    os.unlink(b"becomes-directory")
    os.mkdir(b"becomes-directory")
    write(b"becomes-directory/inside", b"inside")
    os.unlink(b"replaced/old")
    os.rmdir(b"replaced")
    os.mkdir(b"replaced")
    write(b"replaced/new", b"new")
    os.unlink(b"emptied/gone")
    write(b"plain", b"changed\n")
    write(b"added", b"added", 0o4711, 5, 6)
    os.setxattr(b"added", "security.capability", CAPABILITY)
    os.link(b"added", b"added too")
    os.chmod(b"sticky", 0o700)
    os.utime(b"empty", ns=(1, 1_000_000_001))
    for name in (b"plain", b"added", b"becomes-directory", b"replaced", b"emptied", b"sticky", b"replaced/new", b"becomes-directory/inside"):
        os.utime(name, ns=(STAMP, STAMP + 5))


def stamp(top):
    n = 0
    for directory, dirs, files in os.walk(top, topdown=False):
        for name in files + dirs:
            n += 1
            os.utime(os.path.join(directory, name), ns=(STAMP, STAMP + n), follow_symlinks=False)


def describe(path):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    row = [oct(st.st_mode), str(st.st_uid), str(st.st_gid), str(st.st_mtime_ns)]
    if kind == stat.S_IFREG:
        row += [str(st.st_nlink), str(st.st_size), hashlib.sha256(open(path, "rb").read()).hexdigest()[:16]]
    if kind == stat.S_IFLNK:
        row.append(repr(os.readlink(path)))
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        row.append("%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev)))
    if kind != stat.S_IFLNK:
        row += ["%s=%s" % (n, os.getxattr(path, n).hex()) for n in sorted(os.listxattr(path)) if not n.startswith("trusted.overlay.")]
    return row


def entries(root, skip):
    skip = {s.encode() for s in skip}
    os.chdir(root.encode())
    for directory, dirs, files in os.walk(b"."):
        for name in sorted(files + dirs):
            path = os.path.join(directory, name)[2:]
            if path in skip or any(path.startswith(s + b"/") for s in skip):
                continue
            yield "%r %s" % (path, " ".join(describe(path)))


if sys.argv[1] == "make":
    make(sys.argv[2])
elif sys.argv[1] == "change":
    change(sys.argv[2])
else:
    print("\n".join(sorted(entries(sys.argv[2], sys.argv[3].split(",") if len(sys.argv) > 3 else []))))
