"""A DNS client and a DNS server for the tests.

dns.py ask [--tcp] SERVER NAME [TYPE]   prints the answer's code, then each address or name, one per line
dns.py raw SERVER HEX...                sends the bytes by UDP and TCP and expects nothing
dns.py serve ADDRESS LOG                answers every A question with 192.0.2.53, every other with nothing, by UDP and
                                        TCP; writes "udp NAME" or "tcp NAME" to LOG; prints "ready"
"""
import socket
import struct
import sys
import threading

TYPES = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28}
CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP"}


def encode(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def decode(data, at):
    parts = []
    while data[at]:
        if data[at] >= 0xC0:
            rest, _ = decode(data, struct.unpack_from(">H", data, at)[0] & 0x3FFF)
            return ".".join(parts + [rest]), at + 2
        parts.append(data[at + 1 : at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(parts), at + 1


def receive(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def exchange(server, query, tcp):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    connection.settimeout(20)
    connection.connect((server, 53))
    if not tcp:
        connection.send(query)
        return connection.recv(65535)
    connection.sendall(struct.pack(">H", len(query)) + query)
    return receive(connection, struct.unpack(">H", receive(connection, 2))[0])


def ask(server, name, kind, tcp):
    query = struct.pack(">HHHHHH", 4711, 0x100, 1, 0, 0, 0) + encode(name) + struct.pack(">HH", TYPES[kind], 1)
    data = exchange(server, query, tcp)
    id, flags, _, count, _, _ = struct.unpack_from(">HHHHHH", data)
    assert id == 4711 and flags & 0x8000, data
    print(CODES.get(flags & 15, flags & 15))
    at = decode(data, 12)[1] + 4
    for _ in range(count):
        at = decode(data, at)[1]
        kind, _, _, size = struct.unpack_from(">HHIH", data, at)
        at += 10
        if kind == 12:
            print(decode(data, at)[0])
        else:
            print(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data[at : at + size]))
        at += size


def raw(server, messages):
    for message in messages:
        data = bytes.fromhex(message)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.connect((server, 53))
        udp.send(data)
        udp.close()
        tcp = socket.create_connection((server, 53), 20)
        tcp.sendall(struct.pack(">H", len(data)) + data)
        assert tcp.recv(1) == b"", "an answer to " + message
        tcp.close()


def reply(query, how, log):
    name, end = decode(query, 12)
    with open(log, "a") as file:
        file.write("%s %s\n" % (how, name))
    found = struct.unpack_from(">H", query, end)[0] == TYPES["A"]
    answer = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton("192.0.2.53") if found else b""
    return query[:2] + struct.pack(">HHHHH", 0x8180, 1, found, 0, 0) + query[12 : end + 4] + answer


def serve_tcp(listener, log):
    while True:
        connection, _ = listener.accept()
        query = receive(connection, struct.unpack(">H", receive(connection, 2))[0])
        data = reply(query, "tcp", log)
        connection.sendall(struct.pack(">H", len(data)) + data)
        connection.close()


def serve(address, log):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, 53))
    listener = socket.create_server((address, 53))
    threading.Thread(target=serve_tcp, args=(listener, log), daemon=True).start()
    print("ready", flush=True)
    while True:
        query, peer = udp.recvfrom(65535)
        udp.sendto(reply(query, "udp", log), peer)


def main(arguments):
    tcp = "--tcp" in arguments
    arguments = [a for a in arguments if a != "--tcp"]
    if arguments[0] == "ask":
        ask(arguments[1], arguments[2], arguments[3] if len(arguments) > 3 else "A", tcp)
    elif arguments[0] == "raw":
        raw(arguments[1], arguments[2:])
    else:
        serve(arguments[1], arguments[2])


main(sys.argv[1:])
