"""The scenario of the API through docker-py, unmodified; each check is one TAP line."""
import os
import sys
import docker

client = docker.DockerClient(base_url=os.environ["DOCKER_HOST"])
api = client.api
tests = []


def test(fn):
    tests.append(fn)
    return fn


def equal(a, b):
    assert a == b, f"{a!r} != {b!r}"


@test
def ping_and_version():
    assert client.ping()
    equal(client.version()["Os"], "linux")
    equal(client.info()["OSType"], "linux")


@test
def run_returns_the_output():
    equal(client.containers.run("busybox", ["echo", "hi"], remove=True), b"hi\n")


@test
def a_failing_command_raises_with_its_status():
    try:
        client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 4"], remove=True)
    except docker.errors.ContainerError as e:
        equal(e.exit_status, 4)
        assert b"bad" in e.stderr
    else:
        raise AssertionError("no error")


@test
def detached_life_cycle():
    c = client.containers.run("busybox", ["sh", "-c", "echo one; echo two >&2; sleep 100"], detach=True, name="py1",
                              labels={"k": "v"}, environment={"A": "b"}, ports={"80/tcp": ("127.0.0.1", None)})
    c.reload()
    equal(c.status, "running")
    equal(c.labels, {"k": "v"})
    assert c.attrs["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"].isdigit()
    equal([x.name for x in client.containers.list(filters={"label": "k=v"})], ["py1"])
    stream = c.logs(stream=True, follow=True)
    equal(sorted([next(stream), next(stream)]), [b"one\n", b"two\n"])
    c.pause()
    c.reload()
    equal(c.status, "paused")
    c.unpause()
    stats = c.stats(stream=False)
    assert stats["memory_stats"]["usage"] > 0, stats
    assert any("sleep 100" in " ".join(p) for p in c.top()["Processes"])
    c.stop(timeout=0)
    equal(c.wait()["StatusCode"], 137)
    c.remove()
    try:
        client.containers.get("py1")
    except docker.errors.NotFound as e:
        equal(e.explanation, "No such container: py1")
    else:
        raise AssertionError("still there")


@test
def attach_streams_both():
    c = client.containers.create("busybox", ["sh", "-c", "echo out; echo err >&2"])
    stream = c.attach(stream=True, demux=True)
    c.start()
    out, err = b"", b""
    for o, e in stream:
        out, err = out + (o or b""), err + (e or b"")
    equal((out, err), (b"out\n", b"err\n"))
    c.wait()  # the streams end a moment before the container is known to have ended
    c.remove()


@test
def attach_socket_feeds_standard_input():
    c = client.containers.create("busybox", ["cat"], stdin_open=True, tty=False)
    s = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    c.start()
    s._sock.sendall(b"typed\n")
    header = s.read(8)
    equal(s.read(header[7]), b"typed\n")
    s.close()
    c.remove(force=True)


@test
def exec_in_a_container():
    c = client.containers.run("busybox", ["sleep", "1000"], detach=True)
    equal(tuple(c.exec_run(["sh", "-c", "echo hi; exit 3"])), (3, b"hi\n"))
    equal(tuple(c.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)), (0, (b"o\n", b"e\n")))
    equal(c.exec_run("id -u", user="33").output, b"33\n")
    equal(c.exec_run("pwd", workdir="/etc").output, b"/etc\n")
    equal(c.exec_run(["sh", "-c", "echo $A"], environment={"A": "b"}).output, b"b\n")
    assert c.exec_run("tty", tty=True).output.startswith(b"/dev/pts/")
    equal(b"".join(c.exec_run(["sh", "-c", "echo 1; echo 2"], stream=True).output), b"1\n2\n")
    code, out = c.exec_run("nosuch")
    assert code in (126, 127) and b"executable file not found" in out, (code, out)
    e = api.exec_create(c.id, ["cat"], stdin=True)
    s = api.exec_start(e["Id"], socket=True)
    s._sock.sendall(b"typed\n")
    header = s.read(8)
    equal(s.read(header[7]), b"typed\n")
    assert api.exec_inspect(e["Id"])["Running"]
    import socket
    s._sock.shutdown(socket.SHUT_WR)
    equal(s.read(1), b"")
    s.close()
    info = api.exec_inspect(e["Id"])
    equal((info["Running"], info["ExitCode"], info["OpenStdin"], info["ContainerID"]), (False, 0, True, c.id))
    for call, status in ((lambda: api.exec_start(e["Id"], detach=True), 409), (lambda: api.exec_inspect("nosuch"), 404)):
        try:
            call()
        except docker.errors.APIError as error:
            equal(error.response.status_code, status)
        else:
            raise AssertionError("no error")
    c.remove(force=True)


@test
def health_and_its_log():
    import time
    c = client.containers.run("busybox", ["sleep", "1000"], detach=True,
                              healthcheck={"test": ["CMD", "echo", "well"], "interval": 100 * 1000000})
    for _ in range(600):
        c.reload()
        if c.attrs["State"]["Health"]["Status"] == "healthy":
            break
        time.sleep(0.05)
    health = c.attrs["State"]["Health"]
    equal((health["Status"], health["FailingStreak"]), ("healthy", 0))
    equal((health["Log"][0]["ExitCode"], health["Log"][0]["Output"]), (0, "well\n"))
    c.remove(force=True)


@test
def images():
    image = client.images.get("busybox")
    assert image.id.startswith("sha256:")
    assert image.tag("py/tagged", "v1")
    equal(sorted(client.images.get("py/tagged:v1").tags), ["busybox:latest", "py/tagged:v1"])
    client.images.remove("py/tagged:v1")
    try:
        client.images.get("py/tagged:v1")
    except docker.errors.ImageNotFound:
        pass
    else:
        raise AssertionError("still there")


@test
def volumes():
    v = client.volumes.create("pyvol", labels={"a": "b"})
    client.containers.run("busybox", ["sh", "-c", "echo kept >/v/f"], volumes={"pyvol": {"bind": "/v"}}, remove=True)
    equal(client.containers.run("busybox", ["cat", "/v/f"], volumes={"pyvol": {"bind": "/v", "mode": "ro"}}, remove=True), b"kept\n")
    equal([x.name for x in client.volumes.list()], ["pyvol"])
    v.remove()


@test
def events_tell_of_a_container():
    import time
    since = int(time.time())
    client.containers.run("busybox", ["true"], name="pyev", remove=True)
    actions = [e["Action"] for e in client.events(since=since, until=int(time.time()) + 1, decode=True,
                                                  filters={"container": "pyev"})]
    equal([a for a in actions if a in ("create", "start", "die", "destroy")], ["create", "start", "die", "destroy"])


@test
def errors_have_dockers_status():
    for call, status in ((lambda: api.inspect_container("nosuch"), 404), (lambda: api.start("nosuch"), 404),
                         (lambda: api.create_container("nosuchimage"), 404),
                         (lambda: api.create_container("busybox", "true", name="bad name"), 400)):
        try:
            call()
        except docker.errors.APIError as e:
            equal(e.response.status_code, status)
        else:
            raise AssertionError("no error")


print(f"1..{len(tests)}")
failed = 0
for n, fn in enumerate(tests, 1):
    name = fn.__name__.replace("_", " ")
    try:
        fn()
        print(f"ok {n} python sdk: {name}", flush=True)
    except Exception as e:  # every failure is one line of the report
        failed += 1
        print(f"not ok {n} python sdk: {name}\n# {type(e).__name__}: {e}", flush=True)
sys.exit(failed != 0)
