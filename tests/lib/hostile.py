#!/usr/bin/env python3
"""Archives that no honest tool writes, for the tests of what the daemon does with them.

  hostile.py tar -o OUT [--base TAR] [--drop PATH]... ENTRY...
      ENTRY is KIND:NAME[:ARGUMENT], names are written as given, also `..` and absolute ones:
      file:NAME:TEXT  size:NAME:BYTES  exec:NAME:TEXT  dir:NAME[:MODE]  sym:NAME:TARGET  hard:NAME:TARGET
      fifo:NAME  char:NAME:MAJOR,MINOR  block:NAME:MAJOR,MINOR  xattr:NAME:KEY=VALUE  deep:NAME:LEVELS
      claim:NAME:SIZE (a header that promises SIZE bytes which do not follow)
  hostile.py save -o OUT --tag TAG [--diff-id ID]... [--config JSON] [--layer-name NAME]... LAYER.tar...
      a docker-archive; diff ids and layers' names are computed unless given
"""
import argparse
import hashlib
import io
import json
import sys
import tarfile


def entry(text):
    kind, _, rest = text.partition(":")
    name, _, argument = rest.partition(":")
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    data = b""
    if kind in ("file", "exec"):
        data = argument.encode()
        info.mode = 0o755 if kind == "exec" else 0o644
    elif kind == "size":
        data = b"x" * int(argument)
    elif kind == "dir":
        info.type, info.mode = tarfile.DIRTYPE, int(argument or "755", 8)
    elif kind == "sym":
        info.type, info.linkname = tarfile.SYMTYPE, argument
    elif kind == "hard":
        info.type, info.linkname = tarfile.LNKTYPE, argument
    elif kind == "fifo":
        info.type = tarfile.FIFOTYPE
    elif kind in ("char", "block"):
        info.type = tarfile.CHRTYPE if kind == "char" else tarfile.BLKTYPE
        info.devmajor, info.devminor = (int(n) for n in argument.split(","))
        info.mode = 0o666
    elif kind == "xattr":
        key, _, value = argument.partition("=")
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        info.pax_headers = {"SCHILY.xattr." + key: value}
    elif kind == "deep":
        info.name = "/".join([name] * int(argument))
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif kind != "claim":
        sys.exit("unknown kind of entry: " + kind)
    info.size = len(data)
    return kind, info, data, argument


def make_tar(options):
    with open(options.out, "wb") as out:
        claims = []
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            dropped = {d.strip("/") for d in options.drop}
            if options.base:
                with tarfile.open(options.base) as base:
                    for member in base:
                        name = member.name.removeprefix("./").strip("/")
                        if any(name == d or name.startswith(d + "/") for d in dropped):
                            continue
                        tar.addfile(member, base.extractfile(member) if member.isreg() else None)
            for text in options.entries:
                kind, info, data, argument = entry(text)
                if kind == "claim":
                    info.size = int(argument)
                    claims.append(info)
                else:
                    tar.addfile(info, io.BytesIO(data))
            if claims:
                out.write(claims[0].tobuf(tarfile.GNU_FORMAT) + b"short")
                sys.exit(out.close())


def make_save(options):
    layers, names, ids = [], [], []
    for i, path in enumerate(options.layers):
        with open(path, "rb") as f:
            layers.append(f.read())
        digest = hashlib.sha256(layers[-1]).hexdigest()
        ids.append(options.diff_id[i] if i < len(options.diff_id) else "sha256:" + digest)
        names.append(options.layer_name[i] if i < len(options.layer_name) else digest + "/layer.tar")
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
              "rootfs": {"type": "layers", "diff_ids": ids},
              "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "test"}] * len(ids)}
    config["config"].update(json.loads(options.config))
    text = json.dumps(config).encode()
    name = options.config_name or hashlib.sha256(text).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [options.tag], "Layers": names}]
    with tarfile.open(options.out, "w") as tar:
        def add(path, data):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if not options.config_name:
            add(name, text)
        for link in options.symlink:
            path, _, target = link.partition(":")
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        for i, data in enumerate(layers):
            if i >= len(options.layer_name):
                add(names[i], data)
        add("manifest.json", json.dumps(manifest).encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    tar = commands.add_parser("tar")
    tar.add_argument("-o", dest="out", required=True)
    tar.add_argument("--base")
    tar.add_argument("--drop", action="append", default=[])
    tar.add_argument("entries", nargs="*")
    tar.set_defaults(run=make_tar)
    save = commands.add_parser("save")
    save.add_argument("-o", dest="out", required=True)
    save.add_argument("--tag", default="hostile:latest")
    save.add_argument("--diff-id", action="append", default=[])
    save.add_argument("--config", default="{}")
    save.add_argument("--config-name", help="what manifest.json names as the config, which is then not written")
    save.add_argument("--layer-name", action="append", default=[], help="named by manifest.json, but not written")
    save.add_argument("--symlink", action="append", default=[], help="NAME:TARGET, an entry of the archive")
    save.add_argument("layers", nargs="*")
    save.set_defaults(run=make_save)
    options = parser.parse_args()
    options.run(options)


main()
