#!/usr/bin/env python3
"""A registry that misbehaves. The repository's name says how; everything else about it is a correct small image.

    registry_faults.py PORTFILE LOGFILE [CERT KEY [CLIENT_CA]]

The first layer of repositories called gate... comes by 1000000 bytes until PORTFILE.gate exists.

Two servers on loopback: the registry, and "another origin" that redirects and foreign layers lead to. PORTFILE gets
"PORT OTHER_PORT" once both listen; LOGFILE gets one JSON line per request (server, method, path, the client's port, authorization,
range).
With CERT and KEY the registry speaks TLS, with CLIENT_CA it asks for a certificate by that authority. BIND is the
registry's address (127.0.0.1). With LOGIN set, /v2/ itself wants a bearer token, and the token server gives one that can
be kept to whoever asks for it. Only the standard library is used."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import random
import ssl
import sys
import tarfile
import threading
import time
import urllib.parse

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
USER, PASSWORD, IDENTITY = "someone", "secret word", "identity-token-1"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def config(diff_ids, **more):
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/big"]}, **more,
                       "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


class Repository:
    """What one repository serves: manifests by tag and digest, blobs by digest."""

    def __init__(self, name):
        self.name = name
        self.blobs, self.manifests = {}, {}
        # No two repositories share a layer, so that each has to be downloaded.
        tars = [tar([("bin/big", random.Random(name).randbytes(3_000_000))]),
                tar([("etc/two", name.encode())]), tar([("etc/three", name.encode())])]
        packed, ids = [gzip.compress(t, 1, mtime=0) for t in tars], [digest(t) for t in tars]
        layers, conf = list(packed), config(ids)
        if name == "diffid-lie":
            conf = config([ids[0], ids[2], ids[1]])
        if name == "windows":
            conf = config(ids, os="windows")
        if name == "twice":
            layers, conf = [packed[1], packed[0], packed[1]], config([ids[1], ids[0], ids[1]])
        if name == "not-gzip":
            bad = b"\x1f\x8b\x08\x00" + b"\x00" * 5000
            layers, conf = [bad], config([digest(bad)])
        if name == "escape":
            bad = tar([("../../../../tmp/dory-escaped", b"x")])
            layers, conf = [gzip.compress(bad)], config([digest(bad)])
        if name == "bomb":
            bad = tar([("zeros", bytes(40_000_000))])
            layers, conf = [packed[1], gzip.compress(bad, 9, mtime=0)], config([ids[1], digest(bad)])
        items = [descriptor(LAYER, data) for data in layers]
        for data in layers + [conf]:
            self.blobs[digest(data)] = ALL_BLOBS[digest(data)] = data
        if name == "size-lie":
            items[0]["size"] -= 1000
        if name == "size-lie-more":
            items[0]["size"] += 1000
        if name == "foreign":
            items[1] = descriptor(FOREIGN, packed[1], urls=["http://127.0.0.1:%d/nothing-here" % OTHER,
                                                            "http://127.0.0.1:%d/blob/%s" % (OTHER, digest(packed[1]))])
            del self.blobs[digest(packed[1])]
        if name == "layer-type":
            items[0]["mediaType"] = "application/vnd.example.layer"
        manifest = {"schemaVersion": 2, "mediaType": OCI, "config": descriptor(CONFIG, conf), "layers": items}
        if name == "artifact":
            manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
        if name == "both":
            manifest["manifests"] = []
        media_type = OCI
        if name == "media-type-lie":
            media_type = DOCKER
        text = json.dumps(manifest).encode()
        if name == "schema1":
            media_type, text = SCHEMA1, b'{"schemaVersion":1,"name":"x","tag":"latest","fsLayers":[],"history":[]}'
        self.put(text, media_type)
        if name in ("index", "index-lie", "index-other", "manifest-lie"):
            arch = "s390x" if name == "index-other" else "amd64"
            item = descriptor(OCI if name != "index-lie" else DOCKER, text, platform={"os": "linux", "architecture": arch})
            junk = descriptor(OCI, b"{}", platform={"os": "unknown", "architecture": "unknown"})
            media_type, text = OCI_INDEX, json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [junk, item]}).encode()
            self.put(text, media_type)
        self.manifests["latest"] = (media_type, text)
        self.layers = [digest(data) for data in layers]
        self.config = digest(conf)

    def put(self, text, media_type):
        self.manifests[digest(text)] = (media_type, text)


REPOSITORIES, ALL_BLOBS, COUNTS, LOCK = {}, {}, {}, threading.Lock()


def repository(name):
    with LOCK:
        if name not in REPOSITORIES:
            REPOSITORIES[name] = Repository(name)
        return REPOSITORIES[name]


def count(key):
    """How often this was asked for before."""
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key] - 1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_name = "registry"

    def log_message(self, *args):
        pass

    def record(self):
        with LOCK:
            LOG.write(json.dumps({"server": self.server_name, "method": self.command, "path": self.path,
                                  "peer": self.client_address[1],
                                  "authorization": self.headers.get("Authorization"), "range": self.headers.get("Range")}) + "\n")
            LOG.flush()

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, message, **headers):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(status, body, Content_Type="application/json", **headers)

    def cut(self, body, start, length, status=200, **headers):
        """Announces everything, sends a part and hangs up."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:start + length])
        self.wfile.flush()
        self.close_connection = True

    def do_GET(self):
        self.record()
        path = urllib.parse.urlparse(self.path)
        if path.path == "/token":
            return self.token(urllib.parse.parse_qs(path.query))
        parts = path.path.strip("/").split("/")
        if parts[0] != "v2":
            return self.answer(404)
        if len(parts) == 1:
            if os.environ.get("LOGIN") and self.headers.get("Authorization") != "Bearer good-?":
                return self.challenge("bearer")
            return self.answer(200, b"{}")
        if len(parts) != 4 or parts[2] not in ("manifests", "blobs"):
            return self.error(404, "NAME_UNKNOWN", "repository name not known to registry")
        name = parts[1]
        if not self.authorized(name):
            return self.challenge(name)
        return getattr(self, parts[2])(repository(name), parts[3])

    # ---- authentication ----

    def challenge(self, name):
        if name.startswith("bearer"):
            value = 'Bearer realm="http://127.0.0.1:%d/token",service="faults"' % PORT
            if name == "bearer-nowhere" and self.headers.get("Authorization"):
                value += ',scope="repository:bearer-nowhere:pull",error="insufficient_scope"'
        else:
            value = 'Basic realm="faults"'
        self.error(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=value)

    def authorized(self, name):
        header = self.headers.get("Authorization") or ""
        if name.startswith("bearer"):
            if name == "bearer-expires" and count("expires") == 2:
                return False
            return header == "Bearer good-%s" % name
        if name.startswith("basic"):
            return header == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return True

    def token(self, query):
        scope = query.get("scope", [""])[0]
        name = scope.split(":")[1] if scope.count(":") == 2 and scope.endswith(":pull") else "?"
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if name == "bearer-nowhere":
            return self.answer(200, b'{"token":"for-nothing"}')
        if name != "bearer-anonymous" and self.headers.get("Authorization") != basic:
            return self.answer(401, json.dumps({"details": "incorrect username or password"}).encode())
        if query.get("service") != ["faults"]:
            return self.answer(400)
        kept = {"refresh_token": IDENTITY} if query.get("offline_token") == ["true"] and query.get("client_id") else {}
        self.answer(200, json.dumps({"access_token": "good-" + name, "expires_in": 300, **kept}).encode())

    def do_POST(self):
        self.record()
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path != "/token" or form.get("grant_type") != ["refresh_token"] or form.get("refresh_token") != [IDENTITY]:
            return self.answer(401)
        name = form["scope"][0].split(":")[1]
        self.answer(200, json.dumps({"access_token": "good-" + name, "expires_in": 300}).encode())

    # ---- contents ----

    def manifests(self, repo, reference):
        if repo.name == "denied":
            return self.error(403, "DENIED", "requested access to the resource is denied")
        if repo.name == "limit":
            return self.error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.")
        if repo.name == "later" and count("later") == 0:
            return self.error(429, "TOOMANYREQUESTS", "slow down", Retry_After="1")
        if repo.name == "error-once" and count("error-once") == 0:
            return self.answer(500, b"oops")
        if repo.name == "error-always":
            return self.answer(500, b"oops")
        if repo.name == "loop":
            return self.answer(302, Location=self.path)
        if repo.name == "to-file":
            return self.answer(302, Location="file:///etc/passwd")
        if repo.name == "huge-manifest":
            return self.answer(200, b'{"schemaVersion":2,"x":"' + b"x" * 5_000_000 + b'"}', Content_Type=OCI)
        if reference not in repo.manifests:
            return self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, text = repo.manifests[reference]
        if repo.name == "manifest-lie" and reference.startswith("sha256:"):
            text += b" "
        self.answer(200, text, Content_Type=media_type)

    def blobs(self, repo, name):
        if name not in repo.blobs:
            return self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        body, first = repo.blobs[name], name == repo.layers[0]
        if name == repo.config and repo.name == "config-lie":
            body = body.replace(b"/bin/big", b"/bin/bad")
        if name == repo.config and repo.name == "config-gone":
            return self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if first and repo.name == "layer-lie":
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        if first and repo.name == "layer-truncated":
            body = body[:len(body) // 2]
        start = 0
        asked = self.headers.get("Range")
        if asked and repo.name != "cut-norange":
            start = int(asked.split("=")[1].rstrip("-"))
            if start >= len(body):
                return self.answer(416, b"", Content_Range="bytes */%d" % len(body))
        status = 206 if start else 200
        headers = {"Content_Range": "bytes %d-%d/%d" % (start, len(body) - 1, len(body))} if start else {}
        if repo.name == "range-lie" and start:
            headers = {"Content_Range": "bytes 0-%d/%d" % (len(body) - 1, len(body))}
        if first and repo.name in ("cut", "cut-norange", "range-lie") and count(repo.name) < 2:
            return self.cut(body, start, 1_000_000, status, **headers)
        if first and repo.name == "cut-always":
            return self.cut(body, start, 1000, status, **headers)
        if first and repo.name == "blob-error-once" and count(repo.name) == 0:
            return self.answer(503, b"", Retry_After="1")
        if first and repo.name == "stuck":
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:100_000])
            self.wfile.flush()
            time.sleep(20)
            self.close_connection = True
            return None
        if first and repo.name.startswith("gate") and not start:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            wrong = repo.name == "gate-poisoned" and count(repo.name) == 0
            self.wfile.write(body[:999_999] + bytes([body[999_999] ^ wrong]))
            self.wfile.flush()
            while not os.path.exists(sys.argv[1] + ".gate"):
                time.sleep(0.02)
            return self.wfile.write(body[1_000_000:])
        if first and repo.name in ("basic-redirect", "bearer-redirect", "redirect", "redirect-asks"):
            where = "asks" if repo.name == "redirect-asks" else "blob"
            return self.answer(307, Location="http://127.0.0.1:%d/%s/%s" % (OTHER, where, name))
        self.answer(status, body[start:], **headers)


class OtherHandler(Handler):
    server_name = "other"

    def do_GET(self):
        self.record()
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "asks":
            return self.answer(401, WWW_Authenticate='Basic realm="give me your password"')
        if kind != "blob" or name not in ALL_BLOBS:
            return self.answer(404)
        self.answer(200, ALL_BLOBS[name])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


LOG = open(sys.argv[2], "w")
other = Server(("127.0.0.1", 0), OtherHandler)
registry = Server((os.environ.get("BIND", "127.0.0.1"), 0), Handler)
PORT, OTHER = registry.server_address[1], other.server_address[1]
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    if len(sys.argv) > 5:
        context.load_verify_locations(sys.argv[5])
        context.verify_mode = ssl.CERT_REQUIRED
    registry.socket = context.wrap_socket(registry.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=other.serve_forever, daemon=True).start()
with open(sys.argv[1] + ".new", "w") as f:
    f.write("%d %d\n" % (PORT, OTHER))
os.rename(sys.argv[1] + ".new", sys.argv[1])
registry.serve_forever()
