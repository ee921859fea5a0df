"""A server for container logs: log_server.py gelf-udp|gelf-tcp|fluentd|fluentd-tls|fluentd-lossy|fluentd-silent|syslog-tls PORT|PATH FILE
[CERT KEY [CA]].

Writes every message as one line of JSON to FILE: GELF's objects as they are, with "chunks" and "packed" (the compression)
beside them; fluentd's as {"tag", "time", "record", "asked", "connection"}, where a time with nanoseconds is a list, asked being whether an
acknowledgement was asked for (which it gets) and connection a number; fluentd-lossy closes the first two connections after three messages
that it has not acknowledged, fluentd-silent never acknowledges anything; syslog's as {"text", "counted"},
counted being whether its length was in front. With CA clients need a certificate. FILE.port says where it listens;
PORT 0 is any."""
import gzip
import json
import os
import socket
import ssl
import struct
import sys
import zlib

KIND, WHERE, PATH = sys.argv[1:4]


def listen(kind):
    if WHERE.startswith("/"):
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(WHERE)
    else:
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", int(WHERE)))
    if kind == socket.SOCK_STREAM:
        s.listen(9)
    with open(PATH + ".new", "w") as f:
        f.write(str(s.getsockname()[1]) if not WHERE.startswith("/") else "up")
    os.rename(PATH + ".new", PATH + ".port")
    return s


def unpack(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data), "gzip"
    return (zlib.decompress(data), "zlib") if data[0] == 0x78 else (data, "none")


def gelf_udp(write):
    s, parts = listen(socket.SOCK_DGRAM), {}
    while True:
        data, count = s.recv(65536), 1
        if data[:2] == b"\x1e\x0f":
            count, mine = data[11], parts.setdefault(data[2:10], {})
            mine[data[10]] = data[12:]
            if len(mine) < count:
                continue
            data = b"".join(mine[i] for i in range(count))
        text, packed = unpack(data)
        write({**json.loads(text), "chunks": count, "packed": packed})


def connections():
    s = listen(socket.SOCK_STREAM)
    while True:
        yield s.accept()[0]


def gelf_tcp(write):
    for c in connections():
        rest = b""
        while data := c.recv(65536):
            *whole, rest = (rest + data).split(b"\0")
            for text in whole:
                write(json.loads(text))


def value(f):
    """One value of MessagePack, as far as fluentd's clients use it."""
    b = f.read(1)
    if not b:
        raise EOFError
    b = b[0]
    number = lambda size: int.from_bytes(f.read(size), "big")
    if b < 0x80:
        return b
    if b < 0x90 or b in (0xDE, 0xDF):
        count = b & 15 if b < 0x90 else number(2 if b == 0xDE else 4)
        return {value(f): value(f) for _ in range(count)}
    if b < 0xA0:
        return [value(f) for _ in range(b & 15)]
    if b < 0xC0:
        return f.read(b & 31).decode()
    if b == 0xC0:
        return None
    if b in (0xC4, 0xD9):
        return f.read(number(1)).decode()
    if b in (0xDA, 0xDB):
        return f.read(number(2 if b == 0xDA else 4)).decode()
    if b in (0xCE, 0xCF, 0xD2, 0xD3):
        return number(4 if b in (0xCE, 0xD2) else 8)
    if b == 0xD7:
        assert f.read(1) == b"\0"
        return list(struct.unpack(">II", f.read(8)))
    if b == 0xC7:
        assert f.read(2) == b"\x08\0"
        return list(struct.unpack(">II", f.read(8)))
    raise ValueError(hex(b))


def fluentd_connection(c, number, write, lossy, silent):
    f, count = c.makefile("rb"), 0
    while True:
        try:
            tag, time, record, *option = value(f)
        except (EOFError, ConnectionError):
            break
        write({"tag": tag, "time": time, "record": record, "asked": bool(option), "connection": number})
        count += 1
        if lossy and number < 2:
            if count == 3:
                break
        elif option and not silent:
            id = option[0]["chunk"].encode()
            c.sendall(b"\x81\xa3ack" + bytes([0xA0 | len(id)]) + id)
    f.close()
    c.close()


def fluentd(write, lossy=False, silent=False):
    for number, c in enumerate(connections()):
        fluentd_connection(c, number, write, lossy, silent)


def fluentd_tls(write):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    for number, c in enumerate(connections()):
        try:
            fluentd_connection(context.wrap_socket(c, server_side=True), number, write, False, False)
        except (ssl.SSLError, ConnectionError) as error:
            print(error, file=sys.stderr)


def syslog_tls(write):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    if len(sys.argv) > 6:
        context.load_verify_locations(sys.argv[6])
        context.verify_mode = ssl.CERT_REQUIRED
    for c in connections():
        try:
            f = context.wrap_socket(c, server_side=True).makefile("rb")
            while first := f.read(1):
                digits = b""
                while first.isdigit():
                    digits += first
                    first = f.read(1)
                text = f.read(int(digits)) if digits else first + f.readline()
                write({"text": text.decode().rstrip("\n"), "counted": bool(digits)})
        except (ssl.SSLError, ConnectionError) as error:
            print(error, file=sys.stderr)


with open(PATH, "a", buffering=1) as out:
    {
        "gelf-udp": gelf_udp,
        "gelf-tcp": gelf_tcp,
        "fluentd": fluentd,
        "fluentd-tls": fluentd_tls,
        "fluentd-lossy": lambda write: fluentd(write, lossy=True),
        "fluentd-silent": lambda write: fluentd(write, silent=True),
        "syslog-tls": syslog_tls,
    }[KIND](lambda m: out.write(json.dumps(m) + "\n"))
