"""Writes an OCI layout with one five-layer image of about 500 MB (gzip): python3 make-image.py DIRECTORY [MEGABYTES]

The content is made, not copied: many small text-like files, some large binary-like ones, so that gzip brings it to
roughly 40 % as it does a distribution's files."""
import gzip
import hashlib
import io
import json
import os
import random
import sys
import tarfile
import zlib

directory, total = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500
blobs = os.path.join(directory, "blobs", "sha256")
os.makedirs(blobs, exist_ok=True)
rng = random.Random(20240601)
words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz_", k=rng.randint(2, 11))) for _ in range(4000)]


def text(size):
    out = io.BytesIO()
    while out.tell() < size:
        out.write(b" ".join(rng.choices(words, k=12)) + b"\n")
    return out.getvalue()[:size]


# Blocks to build files from: making 1.3 GB of fresh text in Python would take minutes.
text_blocks = [text(65536) for _ in range(64)]
random_blocks = [rng.randbytes(65536) for _ in range(64)]


def content(size):
    out = bytearray()
    while len(out) < size:
        block = rng.choice(random_blocks) if rng.random() < 0.17 else rng.choice(text_blocks)
        start = rng.randrange(0, 32768)
        piece = bytearray(block[start:start + min(size - len(out), 65536 - start)])
        for _ in range(len(piece) // 512 + 1):  # no two files alike
            piece[rng.randrange(len(piece))] = rng.randrange(256)
        out += piece
    return bytes(out)


def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(blobs, digest), "wb") as f:
        f.write(data)
    return digest


class Sink:
    """Compresses and hashes what tarfile writes."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.z = zlib.compressobj(6, zlib.DEFLATED, 31)
        self.diff, self.digest, self.size = hashlib.sha256(), hashlib.sha256(), 0

    def put(self, data):
        self.digest.update(data)
        self.size += len(data)
        self.file.write(data)

    def write(self, data):
        self.diff.update(data)
        self.put(self.z.compress(data))
        return len(data)

    def close(self):
        self.put(self.z.flush())
        self.file.close()


layers, diff_ids = [], []
for n in range(5):
    path = os.path.join(directory, f"layer{n}")
    sink = Sink(path)
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        count = 0
        while sink.size < total * 1000000 // 5:
            folder = f"usr/layer{n}/d{count // 60}"
            if count % 60 == 0:
                info = tarfile.TarInfo(folder)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            size = min(int(rng.paretovariate(0.75) * 3000), 8000000)
            info = tarfile.TarInfo(f"{folder}/file{count}")
            info.size, info.mode, info.mtime = size, 0o644, 1700000000 + count
            tar.addfile(info, io.BytesIO(content(size)))
            count += 1
    sink.close()
    os.rename(path, os.path.join(blobs, sink.digest.hexdigest()))
    layers.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + sink.digest.hexdigest(),
                   "size": sink.size})
    diff_ids.append("sha256:" + sink.diff.hexdigest())
    print(f"layer {n}: {count} files, {sink.size / 1e6:.0f} MB", file=sys.stderr)

config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
                     "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + blob(config),
                                  "size": len(config)}, "layers": layers}).encode()
index = {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                                            "digest": "sha256:" + blob(manifest), "size": len(manifest),
                                            "annotations": {"org.opencontainers.image.ref.name": "latest"}}]}
with open(os.path.join(directory, "index.json"), "w") as f:
    json.dump(index, f)
with open(os.path.join(directory, "oci-layout"), "w") as f:
    f.write('{"imageLayoutVersion":"1.0.0"}')
