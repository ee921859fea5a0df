#!/usr/bin/env python3
"""Puts small images of any platform into a registry that speaks plain HTTP.

    registry_images.py HOST:PORT REPOSITORY:TAG=ARCHITECTURE[/VARIANT][+ARCHITECTURE...][,oci|,artifact|,attested]...

Several architectures make an index, whose images have no tags of their own. Each image has a file "platform" that says
which it is, and tag and kind in its config, so that others of these are other images."""
import gzip
import hashlib
import io
import json
import sys
import tarfile
import urllib.request

TYPES = {
    "docker": ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json",
               "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    "oci": ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar+gzip"),
    "artifact": ("application/vnd.oci.image.manifest.v1+json", "application/vnd.cncf.helm.config.v1+json",
                 "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
}

TYPES["attested"] = TYPES["oci"]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def request(url, method, data=None, media_type="application/octet-stream"):
    return urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers={"Content-Type": media_type}))


def put_blob(base, repository, data):
    where = request(f"{base}/v2/{repository}/blobs/uploads/", "POST", b"").headers["Location"]
    where = where if where.startswith("http") else base + where
    request(where + ("&" if "?" in where else "?") + "digest=" + digest(data), "PUT", data)
    return digest(data)


INDEXES = {"docker": "application/vnd.docker.distribution.manifest.list.v2+json",
           "oci": "application/vnd.oci.image.index.v1+json"}
INDEXES["attested"] = INDEXES["oci"]


def put_image(base, repository, tag, platform, kind, by_digest=False):
    architecture, _, variant = platform.partition("/")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("platform")
        info.size = len(platform)
        t.addfile(info, io.BytesIO(platform.encode()))
    layer = gzip.compress(out.getvalue(), mtime=0)
    config = {"architecture": architecture, "os": "linux", "config": {"Cmd": ["/" + tag, kind]},
              "rootfs": {"type": "layers", "diff_ids": [digest(out.getvalue())]}}
    if variant:
        config["variant"] = variant
    config = json.dumps(config).encode()
    media_type, config_type, layer_type = TYPES[kind]
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": media_type,
        "config": {"mediaType": config_type, "size": len(config), "digest": put_blob(base, repository, config)},
        "layers": [{"mediaType": layer_type, "size": len(layer), "digest": put_blob(base, repository, layer)}],
    }, indent=3).encode()
    name = digest(manifest) if by_digest else tag
    request(f"{base}/v2/{repository}/manifests/{name}", "PUT", manifest, media_type)
    platform = {"architecture": architecture, "os": "linux"}
    if variant:
        platform["variant"] = variant
    return {"mediaType": media_type, "digest": digest(manifest), "size": len(manifest), "platform": platform}


def put_index(base, repository, tag, platforms, kind):
    members = [put_image(base, repository, tag, platform, kind, by_digest=True) for platform in platforms]
    if kind == "attested":  # BuildKit's description of the first one, which is no image
        about = dict(put_image(base, repository, tag, "unknown", "artifact", by_digest=True))
        about["platform"] = {"architecture": "unknown", "os": "unknown"}
        about["annotations"] = {"vnd.docker.reference.type": "attestation-manifest",
                                "vnd.docker.reference.digest": members[0]["digest"]}
        members.append(about)
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEXES[kind], "manifests": members}, indent=2).encode()
    request(f"{base}/v2/{repository}/manifests/{tag}", "PUT", index, INDEXES[kind])


for argument in sys.argv[2:]:
    name, _, what = argument.partition("=")
    repository, _, tag = name.partition(":")
    platform, _, kind = what.partition(",")
    put = put_index if "+" in platform else put_image
    put("http://" + sys.argv[1], repository, tag, platform.split("+") if "+" in platform else platform, kind or "docker")
