"""A daemon of which only POST /auth is there, for login: the password "good" is right, "token" gets an identity token,
another one is refused. Usage: auth_daemon.py SOCKET LOG; each body is appended to LOG."""
import http.server
import json
import os
import socketserver
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.47")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.answer(200, {})

    do_GET = do_HEAD

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(sys.argv[2], "ab") as log:
            log.write(body.strip() + b"\n")
        auth = json.loads(body)
        if auth.get("password") == "good":
            self.answer(200, {"Status": "Login Succeeded", "IdentityToken": ""})
        elif auth.get("password") == "token":
            self.answer(200, {"Status": "Login Succeeded", "IdentityToken": "identity"})
        else:
            self.answer(401, {"message": "unauthorized: incorrect username or password"})

    def address_string(self):
        return "client"

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


server = Server(sys.argv[1] + ".new", Handler)
os.rename(sys.argv[1] + ".new", sys.argv[1])  # it is there when it answers
server.serve_forever()
