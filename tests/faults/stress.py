"""Requests against each other over the API, each loop on a connection of its own. Usage: stress.py SOCKET LOOP...
where LOOP is create:IMAGE, remove:IMAGE, list, volumes or prune. Exit status 1 when a request is not answered within
a minute or a loop saw an answer that it cannot explain."""
import http.client
import io
import json
import socket
import sys
import tarfile
import threading
import time

SOCKET, LOOPS = sys.argv[1], sys.argv[2:]
ROUNDS = 150
failures = []


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(SOCKET)


class Client:
    def __init__(self):
        self.http = Connection("d")

    def call(self, method, path, body=None, allowed=()):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        self.http.request(method, path, data, {"Content-Type": "application/json"})
        answer = self.http.getresponse()
        data = answer.read()
        if answer.status >= 400 and answer.status not in allowed:
            failures.append(f"{method} {path}: {answer.status} {data[:300]!r}")
        return answer.status, json.loads(data) if data.strip() else None


def create(client, i, image):
    status, made = client.call("POST", "/containers/create", {"Image": image, "Cmd": ["true"]}, (404, 409))
    if status == 201:
        client.call("DELETE", f"/containers/{made['Id']}")


def remove(client, i, image):
    """An image of its own, with one name: removing it has to ask for containers that use it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as t:
        t.addfile(tarfile.TarInfo(f"file-{threading.get_ident()}-{i}"))
    client.call("POST", f"/images/create?fromSrc=-&repo={image}&tag=latest", tar.getvalue())
    client.call("DELETE", f"/images/{image}?force={i % 2}", allowed=(404, 409))


def look(client, i):
    for c in client.call("GET", "/containers/json?all=1")[1]:
        client.call("GET", f"/containers/{c['Id']}/json", allowed=(404,))


def volumes(client, i):
    """A container with anonymous volumes and a named one never finds one of them missing."""
    body = {"Image": "busybox", "Cmd": ["true"], "Volumes": {"/a": {}, "/b": {}}, "HostConfig": {"Binds": [f"shared{i % 3}:/c"]}}
    made = client.call("POST", "/containers/create", body)[1]
    if made is None or "Id" not in made:
        return
    for m in client.call("GET", f"/containers/{made['Id']}/json")[1]["Mounts"]:
        client.call("GET", f"/volumes/{m['Name']}")
    client.call("DELETE", f"/containers/{made['Id']}?v={i % 2}")


def prune(client, i):
    client.call("POST", "/volumes/prune?filters=" + '{"all":["true"]}')
    client.call("DELETE", f"/volumes/shared{i % 3}", allowed=(404, 409))


def run(spec):
    name, _, argument = spec.partition(":")
    loop = {"create": create, "remove": remove, "list": look, "volumes": volumes, "prune": prune}[name]
    client = Client()
    try:
        for i in range(ROUNDS):
            loop(client, i, *([argument] if argument else []))
    except Exception as error:  # a timeout is what this is about
        failures.append(f"{spec}: {error!r}")


threads = [threading.Thread(target=run, args=(spec,), daemon=True) for spec in LOOPS]
began = time.time()
for t in threads:
    t.start()
for t in threads:
    t.join(180)
    if t.is_alive():
        failures.append("a loop did not come to its end")
for f in failures[:20]:
    print(f)
sys.exit(1 if failures else 0)
