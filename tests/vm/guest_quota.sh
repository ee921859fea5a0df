# Part of guest.sh: doryd on ext4 with project quotas, on a disk in the guest's memory (guest_io.sh makes it).
/bin/mke2fs -q -t ext4 -O project,quota -I 256 /dev/ram2
mkdir -p /run/quota
mount -t ext4 -o prjquota /dev/ram2 /run/quota
echo '{"iptables": false}' >/run/daemon.json
daemon() {
    doryd --data-root /run/quota/dory --exec-root /run/dory -H unix:///run/dory.sock --pidfile /run/doryd.pid \
        --config-file /run/daemon.json --bridge none --cgroup-parent /doryd >>/run/doryd.log 2>&1 &
    daemon=$!
    for i in $(seq 1500); do dory version >/dev/null 2>&1 && return; usleep 20000; done
    cat /run/doryd.log
}
export DORY_HOST=unix:///run/dory.sock
daemon
tar -C /tests/rootfs -c . | dory import - box >/dev/null

out=$(dory run --name small --storage-opt size=8m box dd if=/dev/zero of=/file bs=1M count=16 2>&1)
check "a container's layer has no more bytes than --storage-opt size" has "exceeded"
out=$(dory start -a small 2>&1)
check "nor after another start" has "exceeded"
out=$(dory run --rm --storage-opt size=8m box sh -c 'dd if=/dev/zero of=/file bs=1M count=4 && df -k / | tail -1' 2>&1)
check "what fits is written, and df shows the limit" has " 8192 "
out=$(dory run --rm box dd if=/dev/zero of=/file bs=1M count=16 2>&1)
check "without the option there is no limit" has "16+0 records out"

kill $daemon
wait $daemon
daemon
out=$(dory start -a small 2>&1)
check "a limit outlives the daemon" has "exceeded"
head -c 16777216 /dev/zero >/run/big
out=$(dory cp /run/big small:/big 2>&1)
check "cp into the container is limited, too" has "exceeded"
rm /run/big
out=$(dory commit small grown 2>&1 && dory run --rm grown dd if=/dev/zero of=/more bs=1M count=16 2>&1)
check "an image of it has no limit" has "16+0 records out"
upper=$(dory inspect -f '{{.GraphDriver.Data.UpperDir}}' small)
gone() { # first it is moved to tmp/, then deleted there
    [ ! -e "$upper" ] && [ -z "$(ls -A /run/quota/dory/tmp)" ]
}
check "its layer is where inspect says" [ -e "$upper/file" ]
out=$(dory rm small 2>&1)
check "it is removed with its limit" has small
for i in $(seq 1500); do gone && break; usleep 20000; done
check "and nothing of it is left" gone
out=$(dory run --storage-opt size=much box true 2>&1)
check "a wrong size is refused" has "invalid size: 'much'"
dory volume create -o size=4m little >/dev/null
out=$(dory run --rm -v little:/v box dd if=/dev/zero of=/v/file bs=1M count=8 2>&1)
check "a volume has no more bytes than its size option" has "exceeded"
kill $daemon
wait $daemon
daemon
dory volume rename little other >/dev/null
out=$(dory run --rm -v other:/v box sh -c 'rm /v/file; dd if=/dev/zero of=/v/file bs=1M count=8; rm /v/file; dd if=/dev/zero of=/v/file bs=1M count=3' 2>&1)
check "nor after the daemon's restart and under another name" has "exceeded"
check "what fits in it is written" has "3+0 records out"
out=$(dory volume rm other 2>&1 && dory run --rm -v other:/v box dd if=/dev/zero of=/v/file bs=1M count=8 2>&1)
check "a volume of the same name has no limit afterwards" has "8+0 records out"
out=$(dory volume create -o size=much big 2>&1)
check "a wrong size of a volume is refused" has "invalid size: 'much'"

kill $daemon
wait $daemon
sqlite3 /run/quota/dory/dory.db "CREATE TRIGGER refuse BEFORE INSERT ON volumes WHEN NEW.name = 'lost' BEGIN SELECT RAISE(ABORT, 'refused for a test'); END"
echo '{"iptables": false, "storage-opts": ["overlay2.size=6m"]}' >/run/daemon.json
daemon
out=$(dory volume create -o size=4m lost 2>&1)
check "a volume with a size that gets no row is an error" has "refused for a test"
check "and leaves nothing behind" [ ! -e /run/quota/dory/volumes/lost ]
out=$(dory run --rm box dd if=/dev/zero of=/file bs=1M count=8 2>&1)
check "the daemon's overlay2.size limits containers that do not say" has "exceeded"
out=$(dory run --rm --storage-opt size=12m box dd if=/dev/zero of=/file bs=1M count=8 2>&1)
check "and not those that do" has "8+0 records out"

kill $daemon
wait $daemon

# Overlayfs takes layers whose ids are mapped since Linux 6.15.
case $(uname -r) in
[2-5].* | 6.[0-9].* | 6.1[0-4].*)
    mkdir -p /etc
    echo mapped:x:1000:1000::/:/bin/sh >/etc/passwd
    echo mapped:x:1000: >/etc/group
    echo mapped:100000:65536 >/etc/subuid
    cp /etc/subuid /etc/subgid
    echo '{"iptables": false, "userns-remap": "mapped"}' >/run/daemon.json
    out=$(timeout 300 doryd --data-root /run/quota/mapped --exec-root /run/mapped -H unix:///run/mapped.sock --pidfile /run/mapped.pid \
        --config-file /run/daemon.json --bridge none --cgroup-parent /doryd 2>&1)
    check "userns-remap is refused by a kernel before 6.15, in words" has "roots with mapped ids need overlayfs of Linux 6.15 or later"
    ;;
esac
umount /run/quota
