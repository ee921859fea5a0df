"""The page on which one votes.

A vote is one entry at the end of the list `votes` in redis: {"voter": ID, "vote": "a" or "b"}. The voter is known by a
cookie; who votes again changes their vote. The worker takes the entries from there.

Environment: OPTION_A and OPTION_B (what is voted on), REDIS_HOST (redis), PORT (80).

`vote.py --healthy` asks the running server whether it reaches redis; exit status 0 when it does.
"""

import html
import http.cookies
import http.server
import json
import os
import re
import secrets
import signal
import string
import sys
import urllib.parse
import urllib.request

import redis

OPTIONS = {"a": os.environ.get("OPTION_A", "Cats"), "b": os.environ.get("OPTION_B", "Dogs")}
PORT = int(os.environ.get("PORT", "80"))
FILES = {"/style.css": "text/css", "/icon.svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
LARGEST_FORM = 1024  # bytes

queue = redis.Redis(os.environ.get("REDIS_HOST", "redis"), socket_connect_timeout=2, socket_timeout=2)
with open("page.html", encoding="utf-8") as file:
    PAGE = string.Template(file.read())


def page(vote=None, error=None):
    """The page as bytes; `vote` is the choice made so far."""
    if error:
        notice = f'<p class="notice error" role="alert">{html.escape(error)}</p>'
    elif vote:
        notice = f'<p class="notice" role="status">You voted for <strong>{html.escape(OPTIONS[vote])}</strong>. Changed your mind? Vote again.</p>'
    else:
        notice = '<p class="notice" role="status">One vote each. You can change it later.</p>'
    fields = {"notice": notice, "host": html.escape(os.uname().nodename)}
    for key, name in OPTIONS.items():
        fields[key] = html.escape(name)
        fields[f"pressed_{key}"] = "true" if key == vote else "false"
    return PAGE.substitute(fields).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    server_version = "vote"
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds of a client's silence

    def answer(self, status, body=b"", kind="text/html; charset=utf-8", **more):
        self.send_response(status)
        for name, value in {**HEADERS, **more}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cookie(self, name, pattern):
        """The cookie's value where it looks as we made it, else None."""
        try:
            value = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))[name].value
        except (KeyError, http.cookies.CookieError):
            return None
        return value if re.fullmatch(pattern, value) else None

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/":
            self.answer(200, page(self.cookie("vote", "[ab]")), Cache_Control="no-store")
        elif path in FILES:
            with open(path[1:], "rb") as file:
                self.answer(200, file.read(), FILES[path], Cache_Control="max-age=300")
        elif path == "/healthz":
            try:
                queue.ping()
                self.answer(200, b"ok\n", "text/plain")
            except redis.RedisError as error:
                self.answer(503, f"{error}\n".encode(), "text/plain")
        else:
            self.answer(404, b"not found\n", "text/plain")

    do_HEAD = do_GET

    def do_POST(self):
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= LARGEST_FORM:
            self.close_connection = True
            self.answer(400, page(error="That was no vote."))
            return
        form = urllib.parse.parse_qs(self.rfile.read(length).decode("ascii", "replace"))
        vote = form.get("vote", [""])[0]
        if self.path != "/" or vote not in OPTIONS:
            self.answer(400, page(error="That was no vote."))
            return
        voter = self.cookie("voter", "[0-9a-f]{32}") or secrets.token_hex(16)
        try:
            queue.rpush("votes", json.dumps({"voter": voter, "vote": vote}))
        except redis.RedisError as error:
            self.log_error("the vote was not taken: %s", error)
            self.answer(503, page(error="Your vote could not be taken just now. Please try again in a moment."))
            return
        self.send_response(303)
        for cookie in (f"voter={voter}; Max-Age=31536000; HttpOnly", f"vote={vote}; Max-Age=31536000; HttpOnly"):
            self.send_header("Set-Cookie", f"{cookie}; SameSite=Lax; Path=/")
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":
            super().log_request(code, size)


if sys.argv[1:] == ["--healthy"]:
    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=3)
    sys.exit()
# As the first process of a container it would otherwise not be ended by the signal.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer(("", PORT), Handler).serve_forever()
