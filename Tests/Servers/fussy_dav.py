#!/usr/bin/env python3
"""A CardDAV server with the habits of servers that are hard to have.

    fussy_dav.py PORT HABIT...

One address book, /book/, for everybody. Habits:
    silent      gives no ETag after a write
    uppercases  keeps ORG in capital letters, whatever else Tandem writes
    renames     gives a new card a name and a UID of its own, and says where it is (Location)
    uids        refuses a new card because of its UID (403, no-uid-conflict)
    full        has no room left (507)
    propstat    says of a deleted card that its properties are not found, not that it is not
    digest      offers Digest, which it takes from nobody, and Basic; alice, secret
    vlist       has a list of SOGo's kind, list.vlf
"""
import base64, hashlib, http.server, re, sys
from xml.sax.saxutils import escape, unescape

PORT, HABITS = int(sys.argv[1]), set(sys.argv[2:])
SPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"'
cards, changes = {}, []


def etag(name):
    return f'"{hashlib.md5(cards[name].encode()).hexdigest()}"'


def keep(name, text, agent=""):
    if "uppercases" in HABITS and agent == "Tandem":
        text = re.sub(r"^ORG:.*$", lambda line: "ORG:" + line[0][4:].upper(), text, flags=re.M)
    cards[name] = text
    changes.append(name)


def response(name, data=False):
    """One element of a multistatus."""
    href = f"<D:href>/book/{name}</D:href>"
    if name in cards:
        text = f"<C:address-data>{escape(cards[name])}</C:address-data>" if data else ""
        found = f"<D:getetag>{escape(etag(name))}</D:getetag>{text}"
        status = f"<D:propstat><D:prop>{found}</D:prop><D:status>HTTP/1.1 200 OK</D:status>"
        return f"<D:response>{href}{status}</D:propstat></D:response>"
    gone = "<D:status>HTTP/1.1 404 Not Found</D:status>"
    if "propstat" in HABITS:
        gone = f"<D:propstat><D:prop><D:getetag/></D:prop>{gone}</D:propstat>"
    return f"<D:response>{href}{gone}</D:response>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): pass

    def reply(self, status, text="", **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items(): self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def multistatus(self, *parts):
        self.reply(207, f"<D:multistatus {SPACES}>{''.join(parts)}</D:multistatus>",
                   Content_Type="application/xml")

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if "digest" in HABITS:
            known = "Basic " + base64.b64encode(b"alice:secret").decode()
            if self.headers.get("Authorization") != known:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Digest realm="x", nonce="1", qop="auth"')
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                return self.end_headers()
        name = self.path.rsplit("/", 1)[-1]
        getattr(self, self.command.lower())(name, body)

    do_PROPFIND = do_REPORT = do_GET = do_PUT = do_DELETE = handle_request

    def propfind(self, name, body):
        if self.path.rstrip("/") != "/book": return self.reply(404)
        kind = "<D:resourcetype><D:collection/><C:addressbook/></D:resourcetype>"
        reports = ("<D:supported-report-set><D:supported-report><D:report><D:sync-collection/>"
                   "</D:report></D:supported-report></D:supported-report-set>")
        self.multistatus(
            f"<D:response><D:href>/book/</D:href><D:propstat><D:prop>{kind}{reports}</D:prop>"
            "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>")

    def report(self, name, body):
        if "sync-collection" in body:
            token = re.search(r"sync-token>(\d+)<", body)
            named = sorted(set(changes[int(token[1]):] if token else cards))
            self.multistatus(*map(response, named), f"<D:sync-token>{len(changes)}</D:sync-token>")
        else:
            names = re.findall(r"href>/book/([^<]+)<", body)
            self.multistatus(*(response(unescape(name), True) for name in names))

    def get(self, name, body):
        if name not in cards: return self.reply(404)
        self.reply(200, cards[name], ETag=etag(name))

    def put(self, name, body):
        isNew = name not in cards
        if self.headers.get("If-None-Match") == "*" and not isNew: return self.reply(412)
        if not isNew and self.headers.get("If-Match", etag(name)) != etag(name):
            return self.reply(412)
        if "full" in HABITS: return self.reply(507)
        if "uids" in HABITS and isNew:
            return self.reply(403, f"<D:error {SPACES}><C:no-uid-conflict/></D:error>")
        headers = {}
        if "renames" in HABITS and isNew:
            name = hashlib.md5(name.encode()).hexdigest() + ".vcf"
            body = re.sub(r"^UID:.*$", f"UID:{name}\r", body, flags=re.M)
            headers["Location"] = f"/book/{name}"
        keep(name, body, self.headers.get("User-Agent"))
        if "silent" not in HABITS: headers["ETag"] = etag(name)
        self.reply(201 if isNew else 204, **headers)

    def delete(self, name, body):
        if cards.pop(name, None) is None: return self.reply(404)
        changes.append(name)
        self.reply(204)


if "vlist" in HABITS: keep("list.vlf", "BEGIN:VLIST\r\nVERSION:1.0\r\nFN:All\r\nEND:VLIST\r\n")
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
