"""A site's login, as nginx's auth_request and Caddy's forward_auth ask it: the cookie `session` says who it is.

    login.py PORT PATH USER NAME EMAIL GROUPS

The last four are the headers in which it answers.
"""

import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, PATH, USER, NAME, EMAIL, GROUPS = sys.argv[1:]


class Login(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        visitor = cookie.value if cookie else ""
        if self.path != PATH:
            self.answer(404)
        elif visitor in ("", "ended"):
            # A login that is careless enough to name somebody in its refusal.
            self.answer(401, {USER: "mallory"} if visitor else {})
        elif visitor == "barred":
            self.answer(403)
        elif visitor == "broken":
            self.answer(500, {USER: "mallory"})
        elif visitor == "redirected":
            self.answer(302, {"Location": "/login"})
        else:
            self.answer(202, identity(visitor))

    def answer(self, status, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            # Proxies send UTF-8, and http.server writes Latin-1.
            self.send_header(name, value.encode().decode("latin-1"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def identity(visitor):
    headers = {
        USER: visitor,
        NAME: f"Zoë 王 {visitor}",
        EMAIL: f"{visitor}@example.org",
        GROUPS: "patients,staff",
    }
    if visitor == "renewed":
        headers["Set-Cookie"] = "session=renewed; Path=/; Secure; HttpOnly"
    return headers


ThreadingHTTPServer(("127.0.0.1", int(PORT)), Login).serve_forever()
