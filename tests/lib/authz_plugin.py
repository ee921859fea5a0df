"""An authorization plugin: authz_plugin.py SOCKET FILE. Writes each question as a line of JSON to FILE, with "call" and decoded bodies.

It denies requests whose path or body has "forbidden" in it, answers whose body has "secret" in it, and fails for "broken"."""
import base64
import http.server
import json
import os
import socketserver
import sys

SOCKET, PATH = sys.argv[1:3]
out = open(PATH, "a", buffering=1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = self.path.split(".")[-1]
        if call == "Activate":
            return self.reply({"Implements": ["authz"]})
        asked = json.loads(body)
        for key in ("RequestBody", "ResponseBody"):
            if key in asked:
                asked[key] = base64.b64decode(asked[key]).decode(errors="replace")
        out.write(json.dumps({"call": call, **asked}) + "\n")
        if "broken" in asked["RequestUri"]:
            return self.reply({"Err": "it is broken"})
        denied = ("forbidden" in asked["RequestUri"] or "forbidden" in asked.get("RequestBody", "")
                  or "secret" in asked.get("ResponseBody", ""))
        self.reply({"Allow": not denied, "Msg": "not this" if denied else ""})

    def reply(self, answer):
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.2+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def address_string(self):
        return "doryd"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
server = Server(SOCKET, Handler)
server.serve_forever()
