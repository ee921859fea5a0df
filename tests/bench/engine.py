"""Figures of an engine over its API: engine.py SOCKET NAME PART [SCALE] prints one "key value" per line, as soon as it is
known. PART is exec, competing, parallel or listing.

Everything that is measured goes over raw HTTP on the Unix socket, the same bytes for every engine, so that no client's
speed is measured. SCALE (1.0) shrinks the counts. Needs an image busybox:latest."""
import json
import socket
import statistics
import sys
import threading
import time

path, name, part = sys.argv[1], sys.argv[2], sys.argv[3]
scale = float(sys.argv[4]) if len(sys.argv) > 4 else 1.0
sys.stdout.reconfigure(line_buffering=True)


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(120)
    s.connect(path)
    return s


def read_head(s, buffer):
    while b"\r\n\r\n" not in buffer:
        piece = s.recv(65536)
        if not piece:
            raise OSError("closed")
        buffer += piece
    head, rest = buffer.split(b"\r\n\r\n", 1)
    headers = {k.strip().lower(): v.strip() for k, v in (l.split(b":", 1) for l in head.split(b"\r\n")[1:])}
    return int(head.split()[1]), headers, rest


class Connection:
    def __init__(self):
        self.s, self.rest = connect(), b""

    def exchange(self, method, target, body=None):
        """The answer's bytes: reading them as JSON would be the client's time."""
        data = json.dumps(body).encode() if body is not None else b""
        self.s.sendall(f"{method} {target} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                       f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        status, headers, rest = read_head(self.s, self.rest)
        if headers.get(b"transfer-encoding") == b"chunked":
            out = b""
            while True:
                while b"\r\n" not in rest:
                    rest += self.s.recv(65536)
                size, rest = rest.split(b"\r\n", 1)
                n = int(size, 16)
                while len(rest) < n + 2:
                    rest += self.s.recv(1 << 20)
                out, rest = out + rest[:n], rest[n + 2:]
                if n == 0:
                    break
        else:
            n = 0 if status in (204, 304) else int(headers.get(b"content-length", b"0"))
            out, rest = bytearray(rest[:n]), rest[n:]
            while len(out) < n:
                out += self.s.recv(n - len(out))
        self.rest = rest
        if status >= 400:
            raise RuntimeError(f"{method} {target}: {status} {out[:200]!r}")
        return out

    def call(self, method, target, body=None):
        out = self.exchange(method, target, body)
        return json.loads(out) if out.strip().startswith((b"{", b"[")) else None


def create(c, command, **config):
    body = {"Image": "busybox:latest", "Cmd": command, "Labels": {"bench": name}, "HostConfig": {"NetworkMode": "none"}}
    body.update(config)
    return c.call("POST", "/containers/create", body)["Id"]


def each(count, workers, fn):
    """fn(connection, i) for all i < count by some threads; the first error is raised."""
    errors, numbers, lock = [], iter(range(count)), threading.Lock()

    def work():
        c = Connection()
        while not errors:
            with lock:
                i = next(numbers, None)
            if i is None:
                return
            try:
                fn(c, i)
            except Exception as e:  # the main thread tells it
                errors.append(e)
    threads = [threading.Thread(target=work) for _ in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def remove_all():
    c = Connection()
    filters = json.dumps({"label": ["bench=" + name]}).replace('"', "%22").replace(" ", "%20")
    ids = [x["Id"] for x in c.call("GET", "/containers/json?all=1&filters=" + filters)]
    each(len(ids), 8, lambda c, i: c.call("DELETE", f"/containers/{ids[i]}?force=1&v=1"))


def exec_true(c, container):
    body = {"AttachStdout": True, "AttachStderr": True, "Cmd": ["true"]}
    e = c.call("POST", f"/containers/{container}/exec", body)["Id"]
    s = connect()
    data = b'{"Detach":false,"Tty":false}'
    s.sendall(f"POST /exec/{e}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nConnection: Upgrade\r\n"
              f"Upgrade: tcp\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    while s.recv(65536):
        pass
    s.close()


def execs(c):
    container = create(c, ["sleep", "10000"])
    c.call("POST", f"/containers/{container}/start")
    exec_true(c, container)
    count, began = 0, time.monotonic()
    while time.monotonic() - began < 4 * scale:
        exec_true(c, container)
        count += 1
    print("exec_rate", round(count / (time.monotonic() - began), 1))


def listing(c, count):
    each(count, 8, lambda c, i: create(c, ["true"]))
    times = []
    for _ in range(15):
        began = time.monotonic()
        answer = c.exchange("GET", "/containers/json?all=1")
        times.append((time.monotonic() - began) * 1000)
    print("list_count", len(json.loads(answer)))
    print("list_ms", round(statistics.median(times), 2))


def parallel(c, count):
    ids = [create(c, ["sleep", "10000"]) for _ in range(count)]
    began = time.monotonic()
    each(count, count, lambda c, i: c.call("POST", f"/containers/{ids[i]}/start"))
    print("start_together", count)
    print("start_together_ms", round((time.monotonic() - began) * 1000, 1))
    times = []
    for _ in range(3):
        began = time.monotonic()
        each(count, 16, lambda c, i: c.call("GET", f"/containers/{ids[i]}/stats?stream=0&one-shot=1"))
        times.append((time.monotonic() - began) * 1000)
    print("stats_api_ms", round(min(times), 1))


def start_once(c):
    container = create(c, ["true"])
    began = time.monotonic()
    c.call("POST", f"/containers/{container}/start")
    took = (time.monotonic() - began) * 1000
    c.call("DELETE", f"/containers/{container}?force=1")
    return took


def competing(c):
    idle = statistics.median(start_once(c) for _ in range(int(20 * scale) or 3))
    print("start_idle_ms", round(idle, 2))
    stop = threading.Event()

    def noise():
        c = Connection()
        while not stop.is_set():
            start_once(c)
    threads = [threading.Thread(target=noise) for _ in range(32)]
    for t in threads:
        t.start()
    time.sleep(1)  # until they all run; nothing depends on how long it takes
    busy = statistics.median(start_once(c) for _ in range(int(9 * scale) or 3))
    stop.set()
    for t in threads:
        t.join()
    print("start_busy_ms", round(busy, 2))


c = Connection()
try:
    if part == "exec":
        execs(c)
    elif part == "competing":
        competing(c)
    elif part == "parallel":
        parallel(c, int(100 * scale) or 4)
    elif part == "listing":
        listing(c, int((1000 if name == "dory" else 300) * scale) or 10)
    else:
        sys.exit(f"engine.py: there is no part {part!r}")
finally:
    remove_all()
