#!/usr/bin/env python3
"""Checks a JSON document on standard input against what the OCI runtime spec says of config.json, of the state and of the
features document: schemas.py config|state|features. Members that the spec does not have are errors in a config; the
other two may have more."""
import json
import re
import sys


def words(text):
    return set(text.split())


# A shape is a type, a set of words, a regular expression, a range of integers, [shape] for a list, {name: shape} for an
# object (a name that ends in "!" is required), or ("map", shape) for an object whose names are data.
VERSION = re.compile(r"1\.\d+\.\d+(-[0-9A-Za-z.+-]+)?")
UINT32 = range(0, 2**32)
UINT64 = range(0, 2**64)
INT64 = range(-(2**63), 2**63)
ABSOLUTE = re.compile(r"/.*")
CAPABILITY = re.compile(r"CAP_[A-Z_]+")
STRINGS = [str]
ANNOTATIONS = ("map", str)
MAPPINGS = [{"containerID!": UINT32, "hostID!": UINT32, "size!": UINT32}]
NAMESPACES = words("mount pid network uts ipc user cgroup time")
ACTIONS = {"SCMP_ACT_" + w for w in words("KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY")}
OPERATORS = {"SCMP_CMP_" + w for w in words("NE LT LE EQ GE GT MASKED_EQ")}
ARCHS = re.compile(r"SCMP_ARCH_[A-Z0-9_]+")
FLAGS = {"SECCOMP_FILTER_FLAG_" + w for w in words("TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV")}

HOOKS = [{"path!": ABSOLUTE, "args": STRINGS, "env": STRINGS, "timeout": range(1, 2**31)}]
PROCESS = {
    "terminal": bool,
    "consoleSize": {"height!": UINT64, "width!": UINT64},
    "cwd!": ABSOLUTE,
    "env": STRINGS,
    "args": STRINGS,
    "rlimits": [{"type!": re.compile("RLIMIT_[A-Z]+"), "soft!": UINT64, "hard!": UINT64}],
    "apparmorProfile": str,
    "capabilities": {k: [CAPABILITY] for k in words("bounding effective inheritable permitted ambient")},
    "noNewPrivileges": bool,
    "oomScoreAdj": range(-1000, 1001),
    "selinuxLabel": str,
    "user": {"uid": UINT32, "gid": UINT32, "umask": UINT32, "additionalGids": [UINT32]},
}
RESOURCES = {
    "devices": [{"allow!": bool, "type": words("a c b u p"), "major": INT64, "minor": INT64, "access": str}],
    "memory": dict,
    "cpu": dict,
    "pids": {"limit!": INT64},
    "blockIO": dict,
    "hugepageLimits": list,
    "network": dict,
    "rdma": dict,
    "unified": ("map", str),
}
CONFIG = {
    "ociVersion!": VERSION,
    "process": PROCESS,
    "root": {"path!": str, "readonly": bool},
    "hostname": str,
    "domainname": str,
    "mounts": [{"destination!": str, "source": str, "type": str, "options": STRINGS, "uidMappings": MAPPINGS,
                "gidMappings": MAPPINGS}],
    "hooks": {k: HOOKS for k in words("prestart createRuntime createContainer startContainer poststart poststop")},
    "annotations": ANNOTATIONS,
    "linux": {
        "devices": [{"type!": words("c b u p"), "path!": ABSOLUTE, "major": INT64, "minor": INT64, "fileMode": UINT32,
                     "uid": UINT32, "gid": UINT32}],
        "uidMappings": MAPPINGS,
        "gidMappings": MAPPINGS,
        "namespaces": [{"type!": NAMESPACES, "path": ABSOLUTE}],
        "cgroupsPath": str,
        "resources": RESOURCES,
        "maskedPaths": STRINGS,
        "readonlyPaths": STRINGS,
        "sysctl": ("map", str),
        "rootfsPropagation": words("private shared slave unbindable rprivate rshared rslave runbindable"),
        "mountLabel": str,
        "seccomp": dict,
    },
}
STATE = {
    "ociVersion!": VERSION,
    "id!": str,
    "status!": words("creating created running stopped"),
    "pid": range(0, 2**31),
    "bundle!": ABSOLUTE,
    "annotations": ANNOTATIONS,
}
ENABLED = {"enabled": bool}
FEATURES = {
    "ociVersionMin!": VERSION,
    "ociVersionMax!": VERSION,
    "hooks": [words("prestart createRuntime createContainer startContainer poststart poststop")],
    "mountOptions": STRINGS,
    "annotations": ANNOTATIONS,
    "potentiallyUnsafeConfigAnnotations": STRINGS,
    "linux": {
        "namespaces": [NAMESPACES],
        "capabilities": [CAPABILITY],
        "cgroup": {k: bool for k in words("v1 v2 systemd systemdUser rdma")},
        "seccomp": {"enabled": bool, "actions": [ACTIONS], "operators": [OPERATORS], "archs": [ARCHS],
                    "knownFlags": [FLAGS], "supportedFlags": [FLAGS]},
        "apparmor": ENABLED,
        "selinux": ENABLED,
        "intelRdt": ENABLED,
        "mountExtensions": {"idmap": ENABLED},
        "netDevices": ENABLED,
        "memoryPolicy": dict,
    },
}


def check(value, shape, path, strict):
    def bad(why):
        sys.exit(f"{path or 'document'}: {why}: {json.dumps(value)[:200]}")

    if isinstance(shape, dict):
        if not isinstance(value, dict):
            bad("no object")
        members = {name.rstrip("!"): inner for name, inner in shape.items()}
        for name in shape:
            if name.endswith("!") and name[:-1] not in value:
                bad(f"{name[:-1]} is missing")
        for name, member in value.items():
            if name in members:
                check(member, members[name], f"{path}.{name}".lstrip("."), strict)
            elif strict:
                bad(f"{name} is not of the spec")
    elif isinstance(shape, tuple):
        if not isinstance(value, dict):
            bad("no object")
        for name, member in value.items():
            check(member, shape[1], f"{path}.{name}", strict)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            bad("no list")
        for i, member in enumerate(value):
            check(member, shape[0], f"{path}[{i}]", strict)
    elif isinstance(shape, range):
        if isinstance(value, bool) or not isinstance(value, int) or value not in shape:
            bad(f"not a number of {shape}")
    elif isinstance(shape, set):
        if value not in shape:
            bad("not one of " + ", ".join(sorted(shape)))
    elif isinstance(shape, re.Pattern):
        if not isinstance(value, str) or not shape.fullmatch(value):
            bad(f"does not match {shape.pattern}")
    elif not isinstance(value, shape):
        bad(f"no {shape.__name__}")


kinds = {"config": (CONFIG, True), "state": (STATE, False), "features": (FEATURES, False)}
shape, strict = kinds[sys.argv[1]]
check(json.load(sys.stdin), shape, "", strict)
