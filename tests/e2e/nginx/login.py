"""A site's login, as nginx's auth_request asks it: the cookie `session` says who it is."""

import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Login(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        visitor = cookie.value if cookie else ""
        if self.path != "/oauth2/auth":
            self.answer(404)
        elif visitor in ("", "ended"):
            # A login that is careless enough to name somebody in its refusal.
            self.answer(401, {"X-Auth-Request-User": "mallory"} if visitor else {})
        elif visitor == "barred":
            self.answer(403)
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
        "X-Auth-Request-User": visitor,
        "X-Auth-Request-Preferred-Username": f"Zoë 王 {visitor}",
        "X-Auth-Request-Email": f"{visitor}@example.org",
        "X-Auth-Request-Groups": "patients,staff",
    }
    if visitor == "renewed":
        headers["Set-Cookie"] = "session=renewed; Path=/; Secure; HttpOnly"
    return headers


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Login).serve_forever()
