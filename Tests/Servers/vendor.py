#!/usr/bin/env python3
"""A vendor's interface, as strict as its documents: what they do not name is refused and noted.

    vendor.py NAME PORT READY

serves the module NAME of this folder on loopback, and writes the file READY when it listens. Below
`/-/` the test sees and does what people do in the vendor's own pages:

    GET  /-/OBJECT        every record, whole             POST /-/OBJECT/ID   an edit
    GET  /-/violations    what was asked wrongly          DELETE /-/OBJECT/ID a deletion
    GET  /-/calls         how many requests came
    POST /-/forget        cursors and tokens that were given count no more
"""
import base64, email.utils, hashlib, http.server, importlib, json, os, subprocess, sys, tempfile
import threading, time, urllib.parse


class Refused(Exception):
    """An answer that says no; `headers` come with it."""

    def __init__(self, status, body, **headers):
        self.status, self.body, self.headers = status, body, headers


class Violation(Exception):
    """Something that the vendor's documents do not know."""


class Ask:
    def __init__(self, method, target, headers, body):
        parts = urllib.parse.urlsplit(target)
        self.method, self.path, self.headers, self.raw = method, parts.path, headers, body
        self.parts = [urllib.parse.unquote(part) for part in parts.path.split("/")[1:]]
        self.lists = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        self.query = {name: values[0] for name, values in self.lists.items()}

    @property
    def json(self):
        if self.headers.get_content_type() != "application/json":
            raise Violation(f"{self.path} with a body of {self.headers.get('Content-Type')}")
        return json.loads(self.raw)

    @property
    def form(self):
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            raise Violation(f"{self.path} with a body of {self.headers.get('Content-Type')}")
        return {name: values[0] for name, values in urllib.parse.parse_qs(self.raw.decode()).items()}

    def only(self, *known, needed=()):
        """The query, which may have these parameters and no others."""
        known_or_odd(self.query, [*known, *needed], f"{self.method} {self.path}: the parameter")
        for name in needed:
            if name not in self.query:
                raise Violation(f"{self.method} {self.path}: {name} is missing")
        return self.query


def known_or_odd(given, known, what):
    for name in given:
        if name not in known:
            raise Violation(f"{what} {name} is not known")


class Vendor:
    """What the servers share: a clock that no two writes see alike, tokens, records."""

    objects = ()
    #: How many requests one token is good for.
    calls_per_token = 60
    #: Members of the answer that brings a token.
    token_members = {}
    scheme = "Bearer"
    #: More requests at a time than these are refused.
    concurrency = 64
    #: Where the test leaves `key.pub`, the key of a service account, in PEM.
    folder = None

    def __init__(self, url):
        self.url, self.time, self.count = url, int(time.time()), 0
        self.records = {name: {} for name in self.objects}
        self.last_id, self.token, self.used, self.codes, self.refresh = 1000, None, 0, {}, set()

    # MARK: Time

    def now(self):
        """The vendor's clock, in seconds."""
        self.time = max(self.time, int(time.time()))
        return self.time

    def tick(self):
        """A moment that no write had before."""
        self.time = max(self.time + 1, int(time.time()))
        return self.time

    def moment(self, form, seconds=None):
        return time.strftime(form, time.gmtime(self.now() if seconds is None else seconds))

    def new_id(self):
        self.last_id += 1
        return self.last_id

    # MARK: Tokens

    def issue(self, refresh=True, **more):
        self.token, self.used = f"token-{self.new_id()}", 0
        answer = {"access_token": self.token, "token_type": self.scheme, **self.token_members, **more}
        if refresh:
            kept = f"refresh-{self.new_id()}"
            self.refresh.add(kept)
            answer["refresh_token"] = kept
        return answer

    def oauth(self, ask, client, secret):
        """Grants: the code with PKCE, refreshing, client credentials, a service account."""
        if ask.path.endswith("/authorize"):
            code = f"code-{self.new_id()}"
            self.codes[code] = ask.query
            if ask.query["client_id"] != client:
                raise Violation("another client asks for consent")
            where = ask.query["redirect_uri"]
            answer = urllib.parse.urlencode({"code": code, "state": ask.query["state"]})
            raise Refused(302, None, Location=f"{where}?{answer}")
        form = ask.form
        grant = form.get("grant_type")
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self.issue(refresh=False, **self.assertion(form["assertion"]))
        if form.get("client_id") != client or form.get("client_secret", "") != secret:
            raise Refused(401, {"error": "invalid_client"})
        if grant == "authorization_code":
            asked = self.codes.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if not asked or asked["code_challenge"] != challenge:
                raise Refused(400, {"error": "invalid_grant"})
            return self.issue()
        if grant == "refresh_token":
            if form["refresh_token"] not in self.refresh:
                raise Refused(400, {"error": "invalid_grant"})
            return self.issue(refresh=False)
        if grant == "client_credentials":
            return self.issue(refresh=False)
        raise Refused(400, {"error": "unsupported_grant_type"})

    def assertion(self, text):
        """Checks a service account's claims and its signature (RFC 7515, RS256)."""
        head, claims, signature = text.split(".")
        def bytes_of(part): return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes_of(signature))
            file.flush()
            check = ["openssl", "dgst", "-sha256", "-verify", f"{self.folder}/key.pub", "-signature", file.name]
            if subprocess.run(check, input=f"{head}.{claims}".encode(), capture_output=True).returncode != 0:
                raise Refused(400, {"error": "invalid_grant", "error_description": "signature"})
        self.claims(json.loads(bytes_of(claims)))
        return {}

    def claims(self, claims):
        raise Violation("this vendor has no service accounts")

    def admit(self, ask):
        """Lets a request in whose token is good, and raises `denied()` for others."""
        self.used += 1
        held = ask.headers.get("Authorization")
        if not self.token or held != f"{self.scheme} {self.token}" or self.used > self.calls_per_token:
            raise self.denied()

    # MARK: Answers

    def denied(self):
        return Refused(401, {"error": "denied"})

    def wrong(self, text):
        """How the vendor answers what it does not know."""
        return Refused(400, {"error": text})

    def answer(self, ask):
        """`(status, body)` or a body; the body is JSON, and nothing if `None`."""
        raise NotImplementedError

    def headers(self):
        """What every answer has besides the usual."""
        return {}

    # MARK: People at the vendor's own pages

    def edit(self, name, key, members):
        record = self.records[name][key]
        for member, value in members.items():
            record[member] = {**record[member], **value} if isinstance(value, dict) else value
        self.touch(name, record)

    def touch(self, name, record):
        """Gives a record that changed a new time and version."""
        raise NotImplementedError

    def remove(self, name, key):
        self.records[name].pop(key, None)

    def forget(self):
        """Takes no cursor any more that was given before, where there are such."""


class Versioned(Vendor):
    """A vendor that counts every change, and tells what came after a count that it still knows."""

    def __init__(self, url):
        super().__init__(url)
        self.version, self.gone, self.oldest = 0, {}, 0

    def remove(self, name, key):
        self.version += 1
        del self.records[name][key]
        self.gone[key] = self.version

    def forget(self):
        self.version += 1
        self.oldest = self.version


def serve(vendor, port, ready):
    lock, inside, violations = threading.Lock(), [0], []

    def control(ask):
        if ask.parts[1] == "violations": return violations
        if ask.parts[1] == "calls": return vendor.count
        if ask.parts[1] == "forget":
            vendor.token = None
            vendor.forget()
            return {}
        name = ask.parts[1]
        if ask.method == "GET": return list(vendor.records[name].values())
        key = "/".join(ask.parts[2:])
        if ask.method == "POST": vendor.edit(name, key, ask.json)
        else: vendor.remove(name, key)
        return {}

    def answered(ask):
        try:
            if ask.parts[0] == "-": return 200, control(ask), {}
            vendor.count += 1
            given = vendor.answer(ask)
            status, body = given if isinstance(given, tuple) else (200, given)
            return status, body, {}
        except Refused as no:
            return no.status, no.body, no.headers
        except Violation as odd:
            violations.append(f"{ask.method} {ask.path}: {odd}")
            no = vendor.wrong(str(odd))
            return no.status, no.body, no.headers
        except Exception as error:
            violations.append(f"{ask.method} {ask.path}: {type(error).__name__} {error} {ask.raw[:200]}")
            raise

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            ask = Ask(self.command, self.path, self.headers, body)
            inside[0] += 1
            try:
                with lock:
                    if inside[0] > vendor.concurrency:
                        violations.append(f"{inside[0]} requests at a time")
                    status, body, headers = answered(ask)
            finally:
                inside[0] -= 1
            data = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **vendor.headers(), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            if status not in (204, 304): self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if status not in (204, 304): self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

        def date_time_string(self, timestamp=None):
            return email.utils.formatdate(vendor.now(), usegmt=True)

        def log_message(self, *_): pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    vendor.folder = os.path.dirname(ready)
    open(ready, "w").close()
    server.serve_forever()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    name, port, ready = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    # The module imports this file under its own name: only one of them may be at work.
    import vendor as shared
    shared.serve(importlib.import_module(name).server(f"http://127.0.0.1:{port}"), port, ready)
