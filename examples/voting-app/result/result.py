"""The page that shows the result while it changes.

One thread counts the rows of the table `votes` whenever the worker says (NOTIFY votes) that one has come; each open page
holds a stream of server-sent events, which tells it the counts: {"a": 3, "b": 5}, or null while the database is away.

Environment: OPTION_A and OPTION_B (what is voted on), DB_HOST (db), POSTGRES_USER (postgres), POSTGRES_DB (the user's
name), POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, PORT (80).

`result.py --healthy` asks the running server whether it reaches the database; exit status 0 when it does.
"""

import html
import http.server
import json
import os
import select
import signal
import string
import sys
import threading
import time
import urllib.parse
import urllib.request

import psycopg2
import psycopg2.errors

OPTIONS = {"a": os.environ.get("OPTION_A", "Cats"), "b": os.environ.get("OPTION_B", "Dogs")}
PORT = int(os.environ.get("PORT", "80"))
FILES = {"/style.css": "text/css", "/live.js": "text/javascript", "/icon.svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
BEAT = 15  # seconds after which a silent stream says that it is alive

with open("page.html", encoding="utf-8") as file:
    PAGE = string.Template(file.read()).substitute({key: html.escape(name) for key, name in OPTIONS.items()}).encode()


class Counts:
    """The newest counts; threads wait for their next change."""

    def __init__(self):
        self.changed = threading.Condition()
        self.value = None
        self.version = 0

    def set(self, value):
        with self.changed:
            if value != self.value or self.version == 0:
                self.value = value
                self.version += 1
                self.changed.notify_all()

    def after(self, version, timeout):
        """(version, value) as soon as the version is not the given one, or after `timeout` seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.version != version, timeout)
            return self.version, self.value


counts = Counts()


def connect():
    password_file = os.environ.get("POSTGRES_PASSWORD_FILE")
    if password_file:
        with open(password_file, encoding="utf-8") as file:
            password = file.read().rstrip("\n")
    else:
        password = os.environ.get("POSTGRES_PASSWORD")
    user = os.environ.get("POSTGRES_USER", "postgres")
    database = psycopg2.connect(
        host=os.environ.get("DB_HOST", "db"),
        user=user,
        dbname=os.environ.get("POSTGRES_DB", user),
        password=password,
        connect_timeout=3,
        tcp_user_timeout=10000,  # milliseconds: a database that went without a word
        keepalives_idle=5,
    )
    database.autocommit = True
    return database


def count(cursor):
    try:
        cursor.execute("SELECT vote, count(*) FROM votes GROUP BY vote")
    except psycopg2.errors.UndefinedTable:  # the worker makes it when it starts
        return {"a": 0, "b": 0}
    return {"a": 0, "b": 0, **dict(cursor.fetchall())}


def watch():
    """Keeps `counts` true, for ever."""
    said = None
    while True:
        try:
            database = connect()
            cursor = database.cursor()
            cursor.execute("LISTEN votes")
            print("following the votes", file=sys.stderr, flush=True)
            said = None
            while True:
                counts.set(count(cursor))
                # Looks again now and then: the other side may have gone without a word.
                select.select([database], [], [], BEAT)
                database.poll()
                database.notifies.clear()
        except (psycopg2.Error, OSError) as error:
            counts.set(None)
            if str(error) != said:
                said = str(error)
                print(f"no database yet: {said.strip()}", file=sys.stderr, flush=True)
            time.sleep(0.5)


class Handler(http.server.BaseHTTPRequestHandler):
    server_version = "result"
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds of a client's silence

    def begin(self, status, kind, **more):
        self.send_response(status)
        for name, value in {**HEADERS, **more}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)

    def answer(self, status, body, kind="text/html; charset=utf-8", **more):
        self.begin(status, kind, **more)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream(self):
        self.close_connection = True
        self.begin(200, "text/event-stream", Cache_Control="no-store", Connection="close")
        self.end_headers()
        if self.command == "HEAD":
            return
        version = -1
        try:
            while True:
                newer, value = counts.after(version, BEAT)
                self.wfile.write(b": alive\n\n" if newer == version else f"data: {json.dumps(value)}\n\n".encode())
                version = newer
        except OSError:  # the page was closed
            pass

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/":
            self.answer(200, PAGE, Cache_Control="no-store")
        elif path == "/events":
            self.stream()
        elif path == "/counts":
            self.answer(200, json.dumps(counts.value).encode() + b"\n", "application/json", Cache_Control="no-store")
        elif path in FILES:
            with open(path[1:], "rb") as file:
                self.answer(200, file.read(), FILES[path], Cache_Control="max-age=300")
        elif path == "/healthz":
            reached = counts.value is not None
            self.answer(200 if reached else 503, b"ok\n" if reached else b"no database\n", "text/plain")
        else:
            self.answer(404, b"not found\n", "text/plain")

    do_HEAD = do_GET

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":
            super().log_request(code, size)


if sys.argv[1:] == ["--healthy"]:
    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=3)
    sys.exit()
# As the first process of a container it would otherwise not be ended by the signal.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
threading.Thread(target=watch, daemon=True).start()
http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer(("", PORT), Handler).serve_forever()
