"""Measures Tandem beside the floor of each job, taken in the same run, and prints the ratios.

usage: bench.py TANDEM [SCALE]      SCALE divides the sizes, for a quick look
"""
import base64
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

import pycurl

TANDEM = os.path.abspath(sys.argv[1])
SCALE = int(sys.argv[2]) if len(sys.argv) > 2 else 1
CARDS, UPLOADS, ROWS = 20_000 // SCALE, 2_000 // SCALE, 100_000 // SCALE
PORT = 23_232
BOOK = f"http://127.0.0.1:{PORT}/me/book/"
results = []


def measure(arguments, folder):
    """Runs Tandem; gives seconds and peak memory in MB.

    The peak is the kernel's own high-water mark, read while the program runs: what wait4 gives also
    counts the memory of this script, from which the program was forked.
    """
    peak = 0
    started = time.perf_counter()
    process = subprocess.Popen([TANDEM, *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                mark = re.search(r"VmHWM:\s+(\d+) kB", status.read())
                peak = max(peak, int(mark.group(1)) if mark else 0)
        except OSError:
            pass
        time.sleep(0.005)
    if process.returncode != 0:
        sys.exit(f"tandem {' '.join(arguments)} failed with {process.returncode}")
    return time.perf_counter() - started, peak / 1024


def note(what, seconds, floor, goal, memory=None):
    ratio = seconds / floor if floor else None
    results.append((what, seconds, floor, ratio, goal, memory))


class Server:
    """A Radicale with cards on its disk."""

    def __init__(self, folder, cards):
        book = f"{folder}/data/collection-root/me/book"
        os.makedirs(book)
        with open(f"{book}/.Radicale.props", "w") as file:
            file.write('{"tag": "VADDRESSBOOK"}')
        for i in range(cards):
            with open(f"{book}/c{i}.vcf", "w", newline="") as file:
                file.write(card(f"c{i}", i))
        with open(f"{folder}/users", "w") as file:
            file.write("me:pw\n")
        with open(f"{folder}/config", "w") as file:
            file.write(f"""[server]\nhosts = 127.0.0.1:{PORT}\n[auth]\ntype = htpasswd
htpasswd_filename = {folder}/users\nhtpasswd_encryption = plain\ndelay = 0
[storage]\nfilesystem_folder = {folder}/data\n[logging]\nlevel = error\n""")
        program = os.path.join(os.path.dirname(sys.executable), "radicale")
        self.process = subprocess.Popen([program, "--config", f"{folder}/config"])
        for _ in range(300):
            try:
                request = urllib.request.Request(BOOK)
                request.add_header("Authorization", "Basic " + base64.b64encode(b"me:pw").decode())
                urllib.request.urlopen(request, timeout=60).read(1)
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)

    def stop(self):
        self.process.kill()
        self.process.wait()


def card(uid, i):
    return (f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:Person {i}\r\nN:Last{i};Person;;;\r\n"
            f"EMAIL;TYPE=INTERNET:p{i}@example.com\r\nTEL;TYPE=WORK:+46 {i}\r\nORG:Firm {i % 97}\r\n"
            f"ADR;TYPE=WORK:;;Street {i};Oslo;;0150;Norway\r\nEND:VCARD\r\n")


def exchange(requests, width):
    """The bare libcurl client: sends requests, `width` at a time, and keeps the answers."""
    multi, answers, waiting, free = pycurl.CurlMulti(), [None] * len(requests), list(enumerate(requests)), []
    handles = [pycurl.Curl() for _ in range(width)]
    free, running, left = list(handles), {}, len(requests)
    while left:
        while free and waiting:
            (place, (method, url, headers, body)), curl = waiting.pop(0), free.pop()
            chunks = []
            curl.setopt(pycurl.URL, url)
            curl.setopt(pycurl.CUSTOMREQUEST, method)
            curl.setopt(pycurl.USERPWD, "me:pw")
            curl.setopt(pycurl.HTTPHEADER, headers + ["Expect:"])
            curl.setopt(pycurl.POSTFIELDS, body)
            curl.setopt(pycurl.WRITEFUNCTION, chunks.append)
            running[curl] = (place, chunks)
            multi.add_handle(curl)
        multi.perform()
        _, done, failed = multi.info_read()
        if failed:
            sys.exit(f"the bare client failed: {failed}")
        for curl in done:
            place, chunks = running.pop(curl)
            answers[place] = b"".join(chunks)
            multi.remove_handle(curl)
            free.append(curl)
            left -= 1
        if not done:
            multi.select(0.1)
    return answers


def download():
    sync = ('<D:sync-collection xmlns:D="DAV:"><D:sync-token/><D:sync-level>1</D:sync-level>'
            '<D:prop><D:getetag/></D:prop></D:sync-collection>')
    xml = ["Depth: 1", "Content-Type: application/xml"]
    listing = exchange([("REPORT", BOOK, xml, sync)], 1)[0].decode()
    hrefs = re.findall(r"<(?:D:)?href>([^<]*\.vcf)</", listing)
    head = ('<C:addressbook-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">'
            '<D:prop><D:getetag/><C:address-data/></D:prop>')
    chunks = [hrefs[i:i + 100] for i in range(0, len(hrefs), 100)]
    exchange([("REPORT", BOOK, xml, head + "".join(f"<D:href>{h}</D:href>" for h in chunk)
               + "</C:addressbook-multiget>") for chunk in chunks], 4)
    return len(hrefs)


def unchanged():
    """The one request of a cycle with nothing to do."""
    body = ('<D:sync-collection xmlns:D="DAV:"><D:sync-token>{}</D:sync-token><D:sync-level>1</D:sync-level>'
            '<D:prop><D:getetag/></D:prop></D:sync-collection>')
    xml = ["Depth: 0", "Content-Type: application/xml"]
    listing = exchange([("REPORT", BOOK, xml, body.format(""))], 1)[0].decode()
    token = re.search(r"sync-token>([^<]+)<", listing).group(1)
    started = time.perf_counter()
    exchange([("REPORT", BOOK, xml, body.format(token))], 1)
    return time.perf_counter() - started


def carddav(folder):
    server = Server(folder, CARDS)
    try:
        with open(f"{folder}/tandem.yaml", "w") as file:
            file.write(f"connections: {{home: {{app: carddav, url: '{BOOK}', username: me, password: pw}}}}\n"
                       "syncs: {people: {connection: home, object: contacts}}\n")
        download()  # fills the server's cache, for both alike
        started = time.perf_counter()
        found = download()
        floor = time.perf_counter() - started
        assert found == CARDS, found
        seconds, memory = measure(["sync"], folder)
        note(f"first sync, {CARDS} cards down", seconds, floor, "at most 1.3", memory)
        seconds, memory = measure(["sync"], folder)
        floor = unchanged() + min(measure(["status"], folder)[0] for _ in range(3))
        note(f"cycle with nothing changed, {CARDS} cards, as a command", seconds, floor, "own part < 50 ms", memory)
    finally:
        server.stop()


def upload(folder):
    server = Server(folder, 0)
    try:
        puts = [("PUT", f"{BOOK}bare-{i}.vcf", ["Content-Type: text/vcard", "If-None-Match: *"], card(f"bare-{i}", i))
                for i in range(UPLOADS)]
        started = time.perf_counter()
        exchange(puts, 4)
        floor = time.perf_counter() - started
    finally:
        server.stop()
    shutil.rmtree(f"{folder}/data")
    server = Server(folder, 0)
    try:
        with open(f"{folder}/tandem.yaml", "w") as file:
            file.write(f"connections: {{home: {{app: carddav, url: '{BOOK}', username: me, password: pw}}}}\n"
                       "syncs: {people: {connection: home, object: contacts}}\n")
        rows(f"{folder}/in.csv", UPLOADS)
        measure(["crm", "import", "contacts", "in.csv"], folder)
        seconds, memory = measure(["sync"], folder)
        note(f"first sync, {UPLOADS} cards up", seconds, floor, "at most 1.3", memory)
    finally:
        server.stop()


def rows(path, count):
    with open(path, "w") as file:
        file.write("id,email,firstname,lastname,phone,company,city,country\n" if path.endswith("contacts.csv")
                   else "email,firstname,lastname,phone,company,city,country\n")
        for i in range(count):
            line = f"p{i}@example.com,Person,Last{i},+46 {i},Firm {i % 97},Oslo,Norway\n"
            file.write(f"{i},{line}" if path.endswith("contacts.csv") else line)


def csv(folder):
    os.makedirs(f"{folder}/sheets")
    rows(f"{folder}/sheets/contacts.csv", ROWS)
    with open(f"{folder}/tandem.yaml", "w") as file:
        file.write("connections: {sheet: {app: csv, folder: sheets}}\nsyncs: {people: {connection: sheet, object: contacts}}\n")
    lines = [line.rstrip("\n").split(",") for line in open(f"{folder}/sheets/contacts.csv")][1:]
    floor = float("inf")
    for attempt in range(3):
        database = sqlite3.connect(f"{folder}/floor-{attempt}.db")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE contact (id TEXT PRIMARY KEY, email TEXT, firstname TEXT, lastname TEXT,"
                         " phone TEXT, company TEXT, city TEXT, country TEXT)")
        started = time.perf_counter()
        with database:
            database.executemany("INSERT INTO contact VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)
        floor = min(floor, time.perf_counter() - started)
        database.close()
    seconds, memory = measure(["sync"], folder)
    note(f"first sync, {ROWS} pairs through CSV", seconds, floor, "at most 6; 150 MB", memory)
    seconds, memory = measure(["sync"], folder)
    seconds, memory = measure(["sync"], folder)
    note(f"cycle with nothing changed, {ROWS} CSV pairs", seconds, None, "", memory)
    os.rename(f"{folder}/sheets", f"{folder}/old-sheets")
    fresh = f"{folder}/import"
    os.makedirs(fresh)
    with open(f"{fresh}/tandem.yaml", "w") as file:
        file.write("store: tandem.db\n")
    rows(f"{fresh}/in.csv", ROWS)
    seconds, memory = measure(["crm", "import", "contacts", "in.csv"], fresh)
    note(f"import of {ROWS} rows", seconds, floor, "well under 60 s", memory)


class Postgres:
    """A PostgreSQL server of its own, reached by a socket in its folder."""

    PROGRAMS = "/usr/lib/postgresql/15/bin"

    def __init__(self, folder):
        self.folder = f"{folder}/pg"
        os.makedirs(self.folder)
        # The server refuses to run as root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres")
            os.chmod(folder, 0o755)
        data = f"{self.folder}/data"
        subprocess.run([*self.user, f"{self.PROGRAMS}/initdb", "-D", data, "-A", "trust", "-U", "postgres"],
                       check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen(
            [*self.user, f"{self.PROGRAMS}/postgres", "-D", data, "-k", self.folder, "-c", "listen_addresses="],
            stderr=subprocess.DEVNULL)
        while subprocess.run([f"{self.PROGRAMS}/pg_isready", "-h", self.folder], stdout=subprocess.DEVNULL).returncode:
            time.sleep(0.1)

    def sql(self, text, input=None):
        command = ["psql", "-X", "-q", "-h", self.folder, "-U", "postgres", "-c", text]
        return subprocess.run(command, check=True, input=input, capture_output=True).stdout

    def stop(self):
        subprocess.run([*self.user, f"{self.PROGRAMS}/pg_ctl", "-D", f"{self.folder}/data", "-m", "fast", "stop"],
                       check=True, stdout=subprocess.DEVNULL)
        self.process.wait()


def postgres(folder):
    """A first sync of a table into the CRM, and of the CRM into a table.

    The floor of both: COPY of the same rows out of or into the table, and plain inserts of them into SQLite.
    """
    server = Postgres(folder)
    try:
        columns = "email, firstname, lastname, phone, company, city"
        table = "(id bigserial PRIMARY KEY, email text, firstname text, lastname text, phone text, company text, city text)"
        server.sql(f"CREATE TABLE people {table}")
        server.sql(f"CREATE TABLE back {table}")
        server.sql(f"""INSERT INTO people ({columns}) SELECT 'p' || n || '@example.com', 'First' || n, 'Last' || n,
                       '+46 ' || n, 'Firm ' || n % 997, 'City ' || n % 97 FROM generate_series(1, {ROWS}) n""")
        started = time.perf_counter()
        copied = server.sql(f"COPY people ({columns}) TO STDOUT")
        out = time.perf_counter() - started
        lines = [line.split("\t") for line in copied.decode().splitlines()]
        database = sqlite3.connect(f"{folder}/floor.db")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE contact (email TEXT PRIMARY KEY, b TEXT, c TEXT, d TEXT, e TEXT, f TEXT)")
        started = time.perf_counter()
        with database:
            database.executemany("INSERT INTO contact VALUES (?, ?, ?, ?, ?, ?)", lines)
        inserts = time.perf_counter() - started
        server.sql(f"CREATE TABLE copied {table}")
        started = time.perf_counter()
        server.sql(f"COPY copied ({columns}) FROM STDIN", copied)
        into = time.perf_counter() - started
        for name in ("people", "back"):
            os.makedirs(f"{folder}/mappings/{name}")
            with open(f"{folder}/mappings/{name}/app.yaml", "w") as file:
                file.write("adapter: postgres\nsummary: a table\n")
            with open(f"{folder}/mappings/{name}/contacts.yaml", "w") as file:
                file.write(f"object: contacts\napp-object: {name}\nfields:\n")
                file.writelines(f"  - {{crm: {column}, app: {column}}}\n" for column in columns.split(", "))
        with open(f"{folder}/tandem.yaml", "w") as file:
            file.write("mappings: mappings\nconnections:\n")
            file.writelines(f"  {name}: {{app: {name}, url: 'postgres://postgres@/postgres?host={server.folder}'}}\n"
                            for name in ("people", "back"))
            file.write("syncs:\n")
            file.writelines(f"  {name}: {{connection: {name}, object: contacts}}\n" for name in ("people", "back"))
        for name, goal, floor in (("people", "from PostgreSQL into the CRM", out), ("back", "from the CRM into PostgreSQL", into)):
            seconds, memory = measure(["sync", name], folder)
            note(f"first sync, {ROWS} rows {goal}, {ROWS / seconds:.0f}/s", seconds, floor + inserts, "", memory)
        made = server.sql("SELECT count(*) FROM back").decode().split()[2]
        if int(made) != ROWS:
            sys.exit(f"{made} rows of {ROWS} arrived")
    finally:
        server.stop()


for job in (csv, carddav, upload, postgres):
    folder = tempfile.mkdtemp(prefix="tandem-bench-")
    try:
        job(folder)
    finally:
        shutil.rmtree(folder)

print(f"{'job':66} {'seconds':>8} {'floor':>8} {'ratio':>6} {'MB':>5}  goal")
for what, seconds, floor, ratio, goal, memory in results:
    print(f"{what:66} {seconds:8.2f} {floor or 0:8.2f} {ratio or 0:6.1f} {memory or 0:5.0f}  {goal}")
