"""The site's own session endpoint: the cookie says who it is."""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        known = re.fullmatch("session=([a-z0-9]+)", self.headers.get("Cookie") or "")
        visitor = known and known[1]
        body = json.dumps({"sub": visitor, "name": f"Zoë 王 {visitor}"}).encode() if visitor else b""
        self.send_response(200 if visitor else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Site).serve_forever()
