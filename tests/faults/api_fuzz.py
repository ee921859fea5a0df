"""Malformed requests to every endpoint: python3 api_fuzz.py SOCKET SEED CONTAINER.

Every answer must be HTTP with a status between 100 and 599; from 400 on a JSON object with a message. The server may
close the connection on what is no HTTP. What the daemon does meanwhile is looked at by the caller."""
import base64
import io
import json
import random
import socket
import sys
import tarfile
import urllib.parse

SOCKET, SEED, CONTAINER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
rng = random.Random(SEED)
problems = []
answered = 0

CREATE = {
    "Image": "busybox", "Cmd": ["true"], "Env": ["A=b"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}},
    "Volumes": {}, "Entrypoint": None, "WorkingDir": "/", "User": "0:0", "StopSignal": "TERM", "StopTimeout": 1,
    "Hostname": "h", "Tty": False, "OpenStdin": False, "Healthcheck": {"Test": ["NONE"]},
    "HostConfig": {
        "Binds": [], "Mounts": [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 448}}],
        "PortBindings": {}, "Memory": 67108864, "MemorySwap": -1, "NanoCpus": 100000000, "CpusetCpus": "0",
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "LogConfig": {"Type": "json-file", "Config": {}},
        "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}], "Devices": [], "DeviceCgroupRules": ["c 1:3 rwm"],
        "CapAdd": ["NET_ADMIN"], "SecurityOpt": [], "Sysctls": {}, "Tmpfs": {"/t": "size=1m"}, "ExtraHosts": ["a:1.2.3.4"],
        "NetworkMode": "none", "IpcMode": "private", "ConsoleSize": [24, 80], "PidsLimit": 10, "Init": True,
        "MaskedPaths": None, "BlkioDeviceReadBps": [], "StorageOpt": {}, "Annotations": {"a": "b"}, "ShmSize": 65536,
    },
    "NetworkingConfig": {"EndpointsConfig": {"none": {}}},
}
EXEC = {
    "Cmd": ["true"], "AttachStdin": False, "AttachStdout": True, "AttachStderr": True, "Tty": False, "Env": ["A=b"], "User": "0:0",
    "WorkingDir": "/", "Privileged": False, "DetachKeys": "ctrl-p,q", "ConsoleSize": [24, 80],
}
NETWORK = {
    "Name": "fuzz", "Driver": "bridge", "Scope": "local", "Internal": True, "Attachable": False, "Ingress": False, "EnableIPv4": True,
    "EnableIPv6": False, "ConfigOnly": False, "ConfigFrom": {"Network": ""}, "Options": {"com.docker.network.bridge.enable_icc": "true"},
    "Labels": {"a": "b"}, "IPAM": {"Driver": "default", "Options": {}, "Config": [
        {"Subnet": "10.217.255.0/29", "IPRange": "10.217.255.0/30", "Gateway": "10.217.255.1", "AuxiliaryAddresses": {"a": "10.217.255.2"}}]},
}
ENDPOINT = {
    "Container": "nosuch", "EndpointConfig": {
        "IPAMConfig": {"IPv4Address": "10.217.255.3", "IPv6Address": "", "LinkLocalIPs": ["169.254.1.1"]}, "Links": ["a:b"],
        "Aliases": ["x"], "MacAddress": "02:00:00:00:00:01", "DriverOpts": {"a": "b"}, "GwPriority": 1, "NetworkID": "", "EndpointID": ""}}
VOLUME = {
    "Name": "fuzz", "Driver": "local", "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}, "Labels": {"a": "b"},
    "ClusterVolumeSpec": None,
}
UPDATE = {
    "Memory": 0, "MemorySwap": 0, "NanoCpus": 0, "CpuShares": 2, "CpuPeriod": 100000, "CpuQuota": 0, "CpusetCpus": "", "CpusetMems": "0",
    "BlkioWeight": 0, "PidsLimit": 100, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "Ulimits": [], "Devices": [],
}


def archive():
    """A context: Dockerfiles, paths that lead elsewhere, links, and members that are no files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in (("Dockerfile", b"FROM busybox\nARG A\nCOPY a /b\nENV A=${A:-x}\n"), ("a", b"x" * 3000),
                           ("../out", b"x"), ("/abs", b"x"), ("d/../../up", b"x"), ("\u00e4", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
        for name, kind, to in (("l", tarfile.SYMTYPE, "/etc/passwd"), ("h", tarfile.LNKTYPE, "../out"), ("n", tarfile.CHRTYPE, ""),
                               ("l/x", tarfile.REGTYPE, ""), ("f", tarfile.FIFOTYPE, "")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.devmajor, info.devminor = kind, to, 1, 3
            tar.addfile(info)
    return out.getvalue()


ARCHIVE = archive()
Q = urllib.parse.quote
BUILD = "/build?t=fuzz:1&q=1&rm=1&nocache=0&dockerfile=Dockerfile&memory=0&cpushares=0&cpusetcpus=0&shmsize=65536&networkmode=none&target=" \
    + "&extrahosts=a:1.2.3.4&platform=linux/amd64&version=1&remote=" + "".join(f"&{k}={Q(json.dumps(v))}" for k, v in (
        ("buildargs", {"A": "b"}), ("labels", {"a": "b"}), ("cachefrom", ["busybox"]), ("outputs", []),
        ("ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}])))
# Bodies that are no JSON: what they are is damaged, not mutated.
ENDPOINTS = [
    ("POST", BUILD, ARCHIVE), ("POST", BUILD, b"FROM busybox\nRUN true\n"), ("POST", "/build/cancel?id=x", None),
    ("POST", "/build/prune?all=1&keep-storage=1&reserved-space=1&max-used-space=1&min-free-space=1&filters={}", None),
    ("GET", "/dory/build/cache?id=x", None), ("PUT", "/dory/build/cache?id=x", ARCHIVE), ("POST", "/dory/build", {}), ("POST", "/grpc", None),
    ("PUT", "/containers/{id}/archive?path=/tmp&noOverwriteDirNonDir=1&copyUIDGID=1", ARCHIVE),
    ("POST", "/images/load?quiet=1&platform=linux/amd64", ARCHIVE), ("POST", "/images/create?fromSrc=-&changes=ENV%20A=b&message=m", ARCHIVE),
    ("GET", "/images/get?names=busybox&names=nosuch&platform=x", None), ("GET", "/images/nosuch/get", None),
    ("GET", "/images/search?term=x&limit=0&filters={%22stars%22:[%22x%22]}", None), ("POST", "/images/127.0.0.1:1/x/push?tag=1", None),
    ("POST", "/containers/{id}/exec", EXEC), ("POST", "/containers/{id}/update", UPDATE),
    ("POST", "/networks/create", NETWORK), ("POST", "/networks/bridge/connect", ENDPOINT), ("POST", "/networks/bridge/disconnect", ENDPOINT),
    ("POST", "/networks/prune?filters={}", None), ("DELETE", "/networks/fuzz", None), ("GET", "/networks/bridge?verbose=1&scope=local", None),
    ("POST", "/volumes/create", VOLUME), ("DELETE", "/volumes/fuzz?force=1", None),
    ("GET", "/events?until=1&filters=" + Q(json.dumps({"type": ["container"], "event": ["die"], "label": {"a=b": True}})), None),
    ("GET", "/distribution/127.0.0.1:1/x/json", None), ("GET", "/distribution/127.0.0.1:1/x/manifest?insecure=1", None),
    ("POST", "/distribution/127.0.0.1:1/x/manifest", {"MediaType": "x", "Raw": "e30=", "From": ""}), ("POST", "/system/check", None),
    ("GET", "/containers/{id}/checkpoints", None), ("POST", "/containers/{id}/checkpoints", {"CheckpointID": "x"}),
    ("POST", "/containers/nosuch/attach?stream=1&stdout=1&logs=1&detachKeys=ctrl-a", None), ("GET", "/containers/nosuch/attach/ws?stream=1", None),
    ("DELETE", "/containers/nosuch/alias?link=1", None), ("POST", "/containers/{id}/start?detachKeys=x&checkpoint=", None),
    ("POST", "/swarm/join", {}), ("POST", "/swarm/leave?force=1", None), ("POST", "/plugins/pull?remote=x", {}), ("GET", "/plugins/privileges?remote=x", None),
    ("GET", "/containers/json?all=1&limit=1&size=0&filters={}", None),
    ("POST", "/containers/create?name=", CREATE),
    ("GET", "/containers/{id}/json", None), ("GET", "/containers/{id}/top?ps_args=-ef", None),
    ("GET", "/containers/{id}/logs?stdout=1&tail=1", None), ("GET", "/containers/{id}/changes", None),
    ("GET", "/containers/{id}/stats?stream=0&one-shot=1", None), ("POST", "/containers/{id}/resize?h=1&w=1", None),
    ("POST", "/containers/{id}/stop?t=0", None), ("POST", "/containers/{id}/restart?t=x", None),
    ("POST", "/containers/{id}/kill?signal=0x1", None), ("POST", "/containers/{id}/rename?name=", None),
    ("POST", "/containers/{id}/pause", None), ("POST", "/containers/{id}/unpause", None),
    ("POST", "/containers/{id}/update", {"Memory": 0, "RestartPolicy": {"Name": "no"}, "CpusetCpus": ""}),
    ("POST", "/containers/{id}/wait?condition=x", None), ("DELETE", "/containers/{id}x?v=1", None),
    ("GET", "/containers/{id}/archive?path=/etc", None), ("HEAD", "/containers/{id}/archive?path=/etc", None),
    ("PUT", "/containers/{id}/archive?path=/tmp", {}), ("POST", "/containers/prune?filters={}", None),
    ("POST", "/containers/{id}/exec", {"Cmd": ["true"], "AttachStdout": True, "Env": [], "User": ""}),
    ("POST", "/exec/0123/start", {"Detach": True}), ("GET", "/exec/0123/json", None),
    ("POST", "/exec/0123/resize?h=1&w=1", None), ("POST", "/commit?container=nosuch", {"Labels": {}}),
    ("GET", "/images/json?all=1&filters={}", None), ("GET", "/images/busybox/json", None),
    ("GET", "/images/busybox/history", None), ("POST", "/images/busybox/tag?repo=fuzz&tag=1", None),
    ("DELETE", "/images/nosuch?force=1", None), ("POST", "/images/prune?filters={}", None),
    ("POST", "/images/create?fromSrc=-&repo=fuzz", {}), ("POST", "/images/load?quiet=1", {}),
    ("POST", "/images/create?fromImage=127.0.0.1:1/x&tag=1", None),
    ("GET", "/networks?filters={}", None), ("GET", "/networks/bridge", None),
    ("POST", "/networks/create", {"Name": "", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "x"}]}, "Labels": {}}),
    ("POST", "/networks/nosuch/connect", {"Container": "x", "EndpointConfig": {"IPAMConfig": {}}}),
    ("POST", "/networks/nosuch/disconnect", {"Container": "x", "Force": True}), ("DELETE", "/networks/nosuch", None),
    ("GET", "/volumes?filters={}", None), ("POST", "/volumes/create", {"Name": "", "Driver": "nosuch", "DriverOpts": {}, "Labels": {}}),
    ("GET", "/volumes/nosuch", None), ("DELETE", "/volumes/nosuch", None), ("POST", "/volumes/prune?filters={}", None),
    ("POST", "/volumes/nosuch/rename?name=x", None), ("PUT", "/volumes/nosuch?version=1", {}),
    ("GET", "/events?since=1&until=2&filters={}", None), ("GET", "/info", None), ("GET", "/version", None),
    ("GET", "/_ping", None), ("HEAD", "/_ping", None), ("GET", "/system/df?type=volume", None),
    ("POST", "/auth", {"username": "a", "password": "b", "serveraddress": "127.0.0.1:1"}),
    ("POST", "/swarm/init", {}), ("GET", "/swarm", None), ("GET", "/nodes", None), ("GET", "/services", None),
    ("GET", "/tasks", None), ("GET", "/secrets", None), ("GET", "/configs", None), ("GET", "/plugins", None),
    ("POST", "/session", None), ("GET", "/distribution/x/json", None), ("POST", "/build/prune", None),
    ("GET", "/nosuch", None), ("PATCH", "/containers/json", None),
]
ODD_VALUES = [
    None, True, False, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 2**64, 10**40, 1.5, -0.0, 1e308, "", "x", "\u0000", "\ud800",
    "%s%n", "../../../etc/passwd", "a" * 5000, [], [[]], {}, {"": ""}, [None], [{}], {"a": {"b": {"c": []}}}, "127.0.0.1",
]
ODD_SEGMENTS = [
    "", ".", "..", "../..", "%00", "%2e%2e", "%2F", "a%2Fb", "%", "%zz", "x" * 4000, "\u00e4", "%ff%fe", "{}", "a b", "-",
    "sha256:" + "0" * 64, "0" * 64, "busybox:latest", "*", "[", "\\", "'", '"', ";", "?", "#", "&&",
]


def mutate(value, depth=0):
    """One place of the tree becomes something else."""
    if isinstance(value, dict) and value and rng.random() < 0.8 and depth < 6:
        key = rng.choice(list(value))
        copy = dict(value)
        kind = rng.random()
        if kind < 0.1:
            copy[rng.choice(["Unknown", "", "x" * 300, key.lower()])] = rng.choice(ODD_VALUES)
        elif kind < 0.15:
            copy.pop(key)
        else:
            copy[key] = mutate(value[key], depth + 1)
        return copy
    if isinstance(value, list) and value and rng.random() < 0.7:
        copy = list(value)
        i = rng.randrange(len(copy))
        copy[i] = mutate(copy[i], depth + 1)
        return copy * rng.choice([1, 1, 1, 50])
    return rng.choice(ODD_VALUES)


def damaged(data):
    kind, i = rng.random(), rng.randrange(len(data))
    if kind < 0.4:
        return data
    if kind < 0.6:
        return data[:i]
    if kind < 0.9:
        return data[:i] + bytes(rng.randrange(256) for _ in range(rng.choice([1, 1, 8, 512]))) + data[i + 1:]
    return rng.choice([b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\0", b"PK\x03\x04"]) + data[i:]


def body_text(body):
    if body is None:
        return rng.choice([b"", b"", b"{}", b"null", b"[]", b"x"])
    if isinstance(body, bytes):
        return damaged(body)
    kind = rng.random()
    text = json.dumps(mutate(body) if kind < 0.85 else body).encode()
    if kind < 0.7:
        return text
    damage = rng.randrange(8)
    if damage == 0:
        return text[: rng.randrange(len(text) + 1)]
    if damage == 1:
        i = rng.randrange(len(text) + 1)
        return text[:i] + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8))) + text[i:]
    if damage == 2:
        return b"[" * rng.choice([10, 1000, 100000])
    if damage == 3:
        return b'{"a":' * rng.choice([10, 5000]) + b"1"
    if damage == 4:
        return text + text
    if damage == 5:
        return b"\xef\xbb\xbf" + text
    if damage == 6:
        return text.replace(b'"', b"'")
    return b'{"Image":"' + b"a" * rng.choice([70000, 5000000]) + b'"}'


def target(path):
    path = path.replace("{id}", CONTAINER)
    kind = rng.random()
    if kind < 0.5:
        return path
    name, _, query = path.partition("?")
    parts = name.split("/")
    if kind < 0.75:
        parts[rng.randrange(1, len(parts))] = rng.choice(ODD_SEGMENTS)
    elif kind < 0.8:
        parts.append(rng.choice(ODD_SEGMENTS))
    elif kind < 0.9 and query:
        key, _, _ = rng.choice(query.split("&")).partition("=")
        query += f"&{key}={rng.choice(ODD_SEGMENTS + ['%7B', '{%22label%22:{}}', '{%22a%22:[1]}', '[]', '{%22until%22:[%22x%22]}', '-1', '9' * 30])}"
    else:
        parts.insert(1, rng.choice(["v1.24", "v1.47", "v1.56", "v0.1", "v1.99", "v1", "v1.x", "v9999999999.1", ""]))
    text = "/".join(parts) + ("?" + query if query else "")
    return text.replace(" ", rng.choice(["%20", "+"])).replace("\r", "").replace("\n", "")


def auth():
    """Credentials, and what may stand in their place."""
    value = {"username": "u", "password": "p", "serveraddress": "127.0.0.1:1", "identitytoken": "t", "registrytoken": ""}
    return base64.b64encode(json.dumps(mutate(rng.choice([value, {"127.0.0.1:1": value}]))).encode())


def headers(body):
    lines = [b"Host: d"]
    kind = rng.random()
    if body or kind < 0.2:
        lines.append(b"Content-Type: " + rng.choice([b"application/json"] * 6 + [b"text/plain", b"application/x-tar", b"", b"\xff"]))
    size = str(len(body)).encode()
    if kind < 0.8:
        lines.append(b"Content-Length: " + size)
    elif kind < 0.83:
        lines += [b"Content-Length: " + size, b"Content-Length: " + rng.choice([size, b"7", b"-1"])]
    elif kind < 0.86:
        lines.append(b"Content-Length: " + rng.choice([b"99999999999999999999", b"-5", b"0x10", b"", b"1e3", size + b"0"]))
    elif kind < 0.92:
        return lines + [b"Transfer-Encoding: chunked"], rng.choice(
            [b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n" + body, b"zz\r\n" + body, b"5\r\nab", b"0\r\n\r\n"])
    else:
        lines += [b"Content-Length: " + size, rng.choice(
            [b"X-Long: " + b"a" * rng.choice([8000, 40000, 200000]), b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Connection: Upgrade",
             b"Upgrade: tcp\r\nConnection: Upgrade", b"X-Registry-Auth: " + rng.choice([b"e30=", b"!!!", b"a" * 9000, auth()]), b"X-Registry-Config: " + auth(), b": empty", b"no colon",
             b"\r\n".join(b"X-%d: y" % i for i in range(300)), b"X-Registry-Config: " + b"=" * 50])]
    return lines, body


def read_answer(s):
    data = b""
    while b"\r\n\r\n" not in data:
        block = s.recv(65536)
        if not block:
            return data
        data += block
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next((int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length:")), None)
    chunked = b"transfer-encoding: chunked" in head.lower()
    while (length is not None and len(rest) < length) or (chunked and not rest.endswith(b"0\r\n\r\n")):
        block = s.recv(65536)
        if not block:
            break
        rest += block
    return head + b"\r\n\r\n" + rest


def judge(request, method, data):
    global answered
    if not data:
        return  # the connection was closed: it was no HTTP
    answered += 1
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        if not head.startswith(b"HTTP/1.1 "):
            raise ValueError("no HTTP/1.1")
        status = int(head.split()[1])
        if status < 100 or status > 599:
            raise ValueError("no such status")
        if status >= 400 and method != "HEAD":
            if b"chunked" in head.lower():
                body = body.split(b"\r\n", 1)[1]
            if not head.lower().count(b"application/json") and status not in (400, 413, 414, 431, 501, 505):
                raise ValueError("no JSON")
            if head.lower().count(b"application/json") and not json.JSONDecoder().raw_decode(body.decode().strip())[0]["message"]:
                raise ValueError("no message")
    except (ValueError, IndexError, KeyError, TypeError) as error:
        problems.append(f"{error!r}: {request[:300]!r} -> {data[:300]!r}")


def one(method, path, body):
    text = body_text(body)
    lines, text = headers(text)
    method = method if rng.random() < 0.95 else rng.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "X", "get"])
    where = target(path)
    if method == "DELETE" and CONTAINER in where and where.rstrip("/").endswith(CONTAINER):
        method = "GET"  # it is needed until the end
    request = f"{method} {where} HTTP/1.{rng.choice('1111110')}\r\n".encode() + b"\r\n".join(lines) + b"\r\n\r\n" + text
    if rng.random() < 0.03:
        request = request[: rng.randrange(len(request))]
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(SOCKET)
        try:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough
        try:
            judge(request, method, read_answer(s))
        except socket.timeout:
            problems.append(f"no answer: {request[:300]!r}")
        except ConnectionResetError:
            pass


for _ in range(int(sys.argv[4]) if len(sys.argv) > 4 else 12):
    for method, path, body in ENDPOINTS:
        for _ in range(8 if "create" in path and isinstance(body, dict) else 1):
            one(method, path, body)
print(f"{answered} answers")
for p in problems[:10]:
    print(p)
sys.exit(1 if problems or answered == 0 else 0)
