"""Writes one bundle configuration per test of guest.sh into the directory given."""
import json
import os
import sys

CAPS = ["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_SETGID", "CAP_SETUID", "CAP_KILL"]
MB = 1 << 20


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def config(name, command, writable_cgroup=False, own_network=True, cgroups_path=None, user=None, **resources):
    resources["devices"] = [{"allow": False, "access": "rwm"}] + resources.get("devices", [])
    ids = [] if user is None else [{"containerID": 0, "hostID": user, "size": 1}]
    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh", "-c", command], "env": ["PATH=/bin"], "cwd": "/",
                    "capabilities": {"bounding": CAPS, "effective": CAPS, "permitted": CAPS}},
        "root": {"path": "/tests/rootfs"}, "hostname": "guest",
        "mounts": [
            mount("/proc", "proc", "proc"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755"),
            mount("/dev/pts", "devpts", "devpts", "newinstance", "ptmxmode=0666"),
            mount("/sys", "sysfs", "sysfs", "ro"),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw" if writable_cgroup else "ro")],
        "linux": {
            "namespaces": [{"type": t} for t in ("mount", "uts", "ipc", "pid", "network", "cgroup")
                           if own_network or t != "network"] + [{"type": "user"} for _ in ids],
            "uidMappings": ids, "gidMappings": ids,
            "cgroupsPath": cgroups_path or "/dory/" + name,
            "resources": resources,
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys"]}}


COUNT = "i=0; while :; do i=$((i+1)); echo $i >/tmp/count; usleep 20000; done"
RAM0 = {"devices": [{"allow": True, "type": "b", "major": 1, "minor": 0, "access": "rwm"}]}


def timed(command):
    """Prints how many hundredths of a second it took, and io.max and io.stat."""
    return (f"mknod /tmp/ram0 b 1 0; now() {{ tr -d . </proc/uptime | cut -d' ' -f1; }}; begin=$(now); {command} 2>/dev/null "
            "|| echo failed; echo $(($(now) - begin)); cat /sys/fs/cgroup/io.max /sys/fs/cgroup/io.stat; rm /tmp/ram0")


CONFIGS = {
    "view": ("cat /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x", {}),
    "memory": ("head -c 100m /dev/zero | tail | wc -c", {"memory": {"limit": 24 * MB, "swap": 24 * MB}}),
    "pids": ("for i in 1 2 3 4 5 6 7 8 9; do sleep 3 & done; echo all", {"pids": {"limit": 5}}),
    "cpu": ("timeout 1 sh -c 'while :; do :; done'; cat /sys/fs/cgroup/cpu.stat", {"cpu": {"quota": 20000, "period": 100000}}),
    "cpuset": ("grep Cpus_allowed_list /proc/self/status", {"cpu": {"cpus": "1", "mems": "0"}}),
    "device": ("mknod /tmp/mem c 1 1; cat /tmp/mem; echo x >/dev/null && echo null; cat /dev/random | head -c 1 | wc -c", {}),
    "files": ("cd /sys/fs/cgroup; cat memory.max memory.low memory.swap.max pids.max cpu.weight cpu.max memory.high",
              {"memory": {"limit": 64 * MB, "reservation": 32 * MB, "swap": 96 * MB}, "pids": {"limit": 77},
               "cpu": {"shares": 512, "quota": 50000, "period": 100000}, "unified": {"memory.high": str(48 * MB)}}),
    "sub": ("mkdir /sys/fs/cgroup/inner && sleep 1000 & sleep 1000; true", {"writable_cgroup": True}),
    "high": ("head -c 24m /dev/zero | tail | wc -c; sleep 1000", {"unified": {"memory.high": str(12 * MB)}}),
    "oom": ("tail /dev/zero; echo still here; sleep 1000", {"memory": {"limit": 16 * MB, "swap": 16 * MB}}),
    "small": ("true", {"memory": {"limit": MB // 2}}),
    "hugepages": ("cat /sys/fs/cgroup/hugetlb.2MB.max", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MB}]}),
    "idle": ("cat /sys/fs/cgroup/cpu.idle", {"cpu": {"idle": 1}}),
    "burst": ("cat /sys/fs/cgroup/cpu.max.burst", {"cpu": {"quota": 50000, "period": 100000, "burst": 20000}}),
    "network": ("true", {"network": {"classID": 1}}),
    "wildcard": ("mknod /tmp/k c 1 11; mknod /tmp/z c 1 5; (: >/tmp/z) && echo zero; (: >/tmp/k) && echo kmsg; true",
                 {"devices": [{"allow": False, "access": "rwm"},
                              {"allow": True, "type": "c", "major": 1, "minor": -1, "access": "rwm"},
                              {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "w"}]}),
    # /dev/ram0, a block device of the guest, read past the page cache: 2 MB at half a MB a second, 60 requests at 20.
    "read": (timed("dd if=/tmp/ram0 of=/dev/null bs=64k count=32 iflag=direct"), {**RAM0, "blockIO": {
        "throttleReadBpsDevice": [{"major": 1, "minor": 0, "rate": MB // 2}]}}),
    "write": (timed("dd if=/dev/zero of=/tmp/ram0 bs=64k count=32 oflag=direct"), {**RAM0, "blockIO": {
        "throttleWriteBpsDevice": [{"major": 1, "minor": 0, "rate": MB // 2}]}}),
    "requests": (timed("dd if=/tmp/ram0 of=/dev/null bs=4k count=60 iflag=direct"), {**RAM0, "blockIO": {
        "throttleReadIOPSDevice": [{"major": 1, "minor": 0, "rate": 20}],
        "throttleWriteIOPSDevice": [{"major": 1, "minor": 0, "rate": 30}]}}),
    "lines": ("cat /sys/fs/cgroup/io.max", {"unified": {"io.max": "1:0 riops=33\n1:1 wiops=44\n"}}),
    "weight": ("cat /sys/fs/cgroup/io.bfq.weight", {"blockIO": {"weight": 300}}),
    "leafweight": ("true", {"blockIO": {"leafWeight": 300}}),
    # 36 MB in 24 of memory: with 40 of swap, and with none.
    "swap": ("head -c 36m /dev/zero | tail | wc -c; cat /sys/fs/cgroup/memory.swap.max",
             {"memory": {"limit": 24 * MB, "swap": 64 * MB}}),
    "noswap": ("head -c 36m /dev/zero | tail | wc -c", {"memory": {"limit": 24 * MB, "swap": 24 * MB}}),
    "swapfull": ("head -c 60m /dev/zero | tail | wc -c",
                 {"memory": {"limit": 24 * MB, "swap": 40 * MB}}),
    "network_counter": ("ip link set lo up; ip addr add 10.9.8.7/32 dev lo; ip route add blackhole 10.1.0.0/16; " + COUNT, {}),
    "locks": ("flock /tmp/lock sleep 100000 & " + COUNT, {}),
    "tcp": ("ip link set lo up; sleep 1000000 | nc -l -p 99 >/tmp/said & "
            "while :; do while usleep 100000 && date; do :; done | nc 127.0.0.1 99; usleep 100000; done & " + COUNT, {}),
    "counter": (COUNT, {"pids": {"limit": 55}, "own_network": False}),
    # guest_systemd.sh
    "scope": ("sleep 100000", {"cgroups_path": "dorytest-sub.slice:dory:scope", "pids": {"limit": 33},
                               "memory": {"limit": 64 * MB, "swap": 64 * MB},
                               "cpu": {"quota": 12345, "period": 100000, "cpus": "0", "mems": "0", "shares": 1024},
                               "devices": [{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}]}),
    "user_scope": ("sleep 100000", {"user": 1000, "cgroups_path": "user.slice:user:scope", "pids": {"limit": 33},
                                    "memory": {"limit": 64 * MB}}),
    "user_inner": ("cat /sys/fs/cgroup/pids.max", {"user": 0, "cgroups_path": ":user:inner", "pids": {"limit": 33}}),
    "fails": ("tail /dev/zero", {"cgroups_path": "system.slice:dory:fails", "memory": {"limit": 16 * MB, "swap": 16 * MB}}),
    "swappiness": ("true", {"memory": {"limit": 64 * MB, "swappiness": 10}}),
}

for name, (command, extra) in CONFIGS.items():
    directory = os.path.join(sys.argv[1], name)
    os.makedirs(directory)
    with open(os.path.join(directory, "config.json"), "w") as out:
        json.dump(config(name, command, **extra), out)
