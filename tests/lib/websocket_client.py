"""A WebSocket client for attach: websocket.py SOCKET TARGET SEND. Sends the text (with \\n understood) in masked frames,
one of them fragmented, with a ping between, and prints what the frames of the answer carry until the close frame, whose
code comes last. SEND starting with "raw:" sends those hex bytes as they are; "echo:N" sends a line and N bytes (even),
reads only while it cannot send, skips NULs, prints "echoed N" when the same bytes came back, and closes."""
import base64
import hashlib
import os
import select
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


def take_frame():
    """The opcode and the payload of the first frame in data, or None while it is not whole."""
    global data
    if len(data) < 2 or len(data) < 2 + {126: 2, 127: 8}.get(data[1], 0):
        return None
    opcode, size, start = data[0] & 15, data[1], 2
    if size == 126:
        size, start = struct.unpack(">H", data[2:4])[0], 4
    elif size == 127:
        size, start = struct.unpack(">Q", data[2:10])[0], 10
    if len(data) < start + size:
        return None
    body, data = data[start : start + size], data[start + size :]
    return opcode, body


def next_frame():
    global data
    while (found := take_frame()) is None:
        block = s.recv(65536)
        if not block:
            sys.exit("closed without a close frame")
        data += block
    return found


def echo(size):
    global data
    sent = os.urandom(size // 2).hex().encode()  # without keys that detach
    unsent = memoryview(frame(2, b"go\n") + b"".join(frame(2, sent[i : i + 30000]) for i in range(0, size, 30000)))
    came = bytearray()
    while len(came) < size:
        readable, writable, _ = select.select([s], [s] if unsent else [], [], 30)
        if writable:
            unsent = unsent[s.send(unsent[:65536], socket.MSG_DONTWAIT) :]
        elif readable:
            block = s.recv(65536)
            if not block:
                sys.exit(f"closed after {len(came)} bytes")
            data += block
            while found := take_frame():
                if found[0] != 2:
                    sys.exit(f"a frame of opcode {found[0]}: {found[1]!r}")
                came += found[1].lstrip(b"\0") if not came else found[1]
        else:
            sys.exit(f"nothing moves: {len(unsent)} bytes are not sent, {len(came)} came back")
    print(f"echoed {size}" if came == sent else "other bytes came back", flush=True)
    s.sendall(frame(8, struct.pack(">H", 1000)))


payload = text.encode().decode("unicode_escape").encode()
if text.startswith("raw:"):
    s.sendall(bytes.fromhex(text[4:]))
elif text.startswith("echo:"):
    echo(int(text[5:]))
elif payload:
    half = len(payload) // 2
    for b in frame(2, payload[:half], False) + frame(9, b"are you there") + frame(0, payload[half:]):
        s.sendall(bytes([b]))  # byte by byte: frames come in any pieces
out = sys.stdout.buffer
pong = False
while True:
    opcode, body = next_frame()
    if opcode == 8:
        out.write(f"closed {struct.unpack('>H', body)[0]}{' pong' if pong else ''}\n".encode())
        break
    pong = pong or (opcode == 10 and body == b"are you there")
    if opcode in (0, 1, 2):
        out.write(body)
