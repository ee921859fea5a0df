"""A client of the Kubernetes CRI (runtime.v1) by hand: messages are written as {field number: value}, because Debian has no
generated classes for them. Values: int (varint), str or bytes, dict (a message), list (repeated)."""
import sys
import time

import grpc


def varint(n):
    out = bytearray()
    while True:
        n, low = n >> 7, n & 127
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def encode(message):
    out = b""
    for number, value in message.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                out += varint(number << 3) + varint(item)
            else:
                data = encode(item) if isinstance(item, dict) else item.encode() if isinstance(item, str) else item
                out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def decode(data):
    """{field number: [values]}; messages stay bytes."""
    fields, at = {}, 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = take()
        if key & 7 == 0:
            value = take()
        elif key & 7 == 2:
            size = take()
            value = data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {key & 7}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


class Cri:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix:" + socket)

    def call(self, method, request):
        stub = self.channel.unary_unary("/runtime.v1.RuntimeService/" + method, request_serializer=encode, response_deserializer=decode)
        return stub(request, timeout=60, wait_for_ready=True)


RUNNING, EXITED = 1, 2  # ContainerState


def container_state(cri, container):
    status = decode(cri.call("ContainerStatus", {1: container})[1][0])
    return status.get(3, [0])[0], status.get(7, [0])[0]  # state, exit_code


def wait_state(cri, container, wanted):
    for _ in range(300):
        state, code = container_state(cri, container)
        if state == wanted:
            return code
        time.sleep(0.1)
    raise AssertionError(f"container is in state {state}, not {wanted}")


def make_container(cri, pod, sandbox, name, attempt, command, resources):
    # The last is linux: the resources, and the namespaces: network of the node (2), pid of the container (1).
    config = {1: {1: name, 2: attempt}, 2: {1: "localhost/busybox:test"}, 3: command, 11: f"{name}_{attempt}.log",
              15: {1: resources, 2: {3: {1: 2, 2: 1}}}}
    return cri.call("CreateContainer", {1: pod, 2: config, 3: sandbox})[1][0].decode()


def main(socket, logs):
    cri = Cri(socket)
    # Network of the node (2): no network plugin is needed.
    sandbox = {1: {1: "pod", 2: "uid-1", 3: "default", 4: 0}, 3: logs,
               8: {1: "/dory-cri", 2: {1: {1: 2, 2: 1}}}}
    pod = cri.call("RunPodSandbox", {1: sandbox})[1][0].decode()
    memory = {4: 64 * 1024 * 1024}  # memory_limit_in_bytes
    container = make_container(cri, pod, sandbox, "main", 0, ["sh", "-c", "trap 'exit 6' TERM; echo logged; while :; do sleep 0.1; done"], memory)
    cri.call("StartContainer", {1: container})
    wait_state(cri, container, RUNNING)
    answer = cri.call("ExecSync", {1: container, 2: ["sh", "-c", "echo out; echo err >&2; exit 4"], 3: 30})
    assert (answer[1][0], answer[2][0], answer[3][0]) == (b"out\n", b"err\n", 4), answer
    cri.call("UpdateContainerResources", {1: container, 2: {4: 48 * 1024 * 1024}})
    cri.call("StopContainer", {1: container, 2: 20})
    code = wait_state(cri, container, EXITED)
    assert code == 6, code
    # What Kubernetes calls a restart: another container of the same name, one attempt later.
    again = make_container(cri, pod, sandbox, "main", 1, ["sh", "-c", "echo once more"], memory)
    cri.call("StartContainer", {1: again})
    code = wait_state(cri, again, EXITED)
    assert code == 0, code
    greedy = make_container(cri, pod, sandbox, "greedy", 0, ["dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"], {4: 24 * 1024 * 1024})
    cri.call("StartContainer", {1: greedy})
    code = wait_state(cri, greedy, EXITED)
    assert code == 137, code
    for at in (container, again, greedy):
        cri.call("RemoveContainer", {1: at})
    cri.call("StopPodSandbox", {1: pod})
    cri.call("RemovePodSandbox", {1: pod})
    print("ok")


main(*sys.argv[1:])
