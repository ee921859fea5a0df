"""A WebSocket client for attach: websocket.py SOCKET TARGET SEND. Sends the text (with \\n understood) in masked frames,
one of them fragmented, with a ping between, and prints what the frames of the answer carry until the close frame, whose
code comes last. SEND starting with "raw:" sends those hex bytes as they are."""
import base64
import hashlib
import os
import socket
import struct
import sys

path, target, text = sys.argv[1:4]
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(path)
key = base64.b64encode(os.urandom(16)).decode()
s.sendall((f"GET {target} HTTP/1.1\r\nHost: d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
data = b""
while b"\r\n\r\n" not in data:
    block = s.recv(4096)
    if not block:
        sys.exit(f"closed: {data!r}")
    data += block
head, _, data = data.partition(b"\r\n\r\n")
accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
if not head.startswith(b"HTTP/1.1 101") or b"Sec-WebSocket-Accept: " + accept not in head:
    sys.exit(f"no handshake: {head!r} {data!r}")


def frame(opcode, payload, final=True):
    mask = os.urandom(4)
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return bytes([opcode | (0x80 if final else 0)]) + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


payload = text.encode().decode("unicode_escape").encode()
if text.startswith("raw:"):
    s.sendall(bytes.fromhex(text[4:]))
elif payload:
    half = len(payload) // 2
    for b in frame(2, payload[:half], False) + frame(9, b"are you there") + frame(0, payload[half:]):
        s.sendall(bytes([b]))  # byte by byte: frames come in any pieces
out = sys.stdout.buffer
pong = False
while True:
    while len(data) < 2 or len(data) < 2 + {126: 2, 127: 8}.get(data[1], 0):
        block = s.recv(4096)
        if not block:
            sys.exit("closed without a close frame")
        data += block
    opcode, size, start = data[0] & 15, data[1], 2
    if size == 126:
        size, start = struct.unpack(">H", data[2:4])[0], 4
    elif size == 127:
        size, start = struct.unpack(">Q", data[2:10])[0], 10
    while len(data) < start + size:
        data += s.recv(4096)
    body, data = data[start : start + size], data[start + size :]
    if opcode == 8:
        out.write(f"closed {struct.unpack('>H', body)[0]}{' pong' if pong else ''}\n".encode())
        break
    pong = pong or (opcode == 10 and body == b"are you there")
    if opcode in (0, 1, 2):
        out.write(body)
