"""Measures the CRM API over a store of a million contacts, beside a bare Hummingbird route and a bare
SQLite statement that do the same, while a sync runs.

usage: api.py TANDEM FLOOR [SCALE]      SCALE divides the number of contacts, for a quick look
"""
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TANDEM, FLOOR = (os.path.abspath(path) for path in sys.argv[1:3])
CONTACTS = 1_000_000 // (int(sys.argv[3]) if len(sys.argv) > 3 else 1)
COMPANIES, SECONDS, PORT, FLOOR_PORT = 2_000, 8, 8486, 8487
results = []


def tandem(*arguments, folder):
    return subprocess.run([TANDEM, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def make_store(folder):
    with open(f"{folder}/in.csv", "w") as file:
        file.write("email,firstname,lastname,phone,company,city,country\n")
        for i in range(CONTACTS):
            file.write(f"p{i}@example.com,Person{i % 5000},Last{i},+46 70 {i:07},Firm {i % 997},Oslo,Norway\n")
    os.makedirs(f"{folder}/sheets")
    change_sheet(folder, 0)
    with open(f"{folder}/tandem.yaml", "w") as file:
        file.write(f'poll: 1s\nhttp: {{listen: "127.0.0.1:{PORT}", rate-limit: 100000000}}\n'
                   "connections: {sheet: {app: csv, folder: sheets}}\n"
                   "syncs: {firms: {connection: sheet, object: companies}}\n")
    started = time.perf_counter()
    tandem("crm", "import", "contacts", "in.csv", folder=folder)
    results.append((f"import of {CONTACTS} contacts", f"{time.perf_counter() - started:.1f} s", "", "", ""))
    os.remove(f"{folder}/in.csv")


def change_sheet(folder, turn):
    """Somebody edits a tenth of the rows of the other app."""
    with open(f"{folder}/sheets/companies.new", "w") as file:
        file.write("id,Company name,Company Domain Name,Phone Number\n")
        for i in range(COMPANIES):
            file.write(f"{i},Firm {i},firm{i}.example,{turn if i % 10 == turn % 10 else 0}{i}\n")
    os.rename(f"{folder}/sheets/companies.new", f"{folder}/sheets/companies.csv")


def edit(folder, stop):
    turn = 1
    while not stop.wait(2):
        change_sheet(folder, turn)
        turn += 1


def wait_for(port):
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/record", timeout=5)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing listens on {port}")


def wrk(folder, port, script, connections):
    """Requests a second, and the 50th and 99th percentile of the time of one in ms."""
    with open(f"{folder}/wrk.lua", "w") as file:
        file.write(script)
    out = subprocess.run(
        ["wrk", "-t2" if connections > 1 else "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", f"{folder}/wrk.lua",
         f"http://127.0.0.1:{port}"], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"wrk met errors:\n{out}")
    unit = {"us": 0.001, "ms": 1, "s": 1000}
    times = [float(value) * unit[name] for value, name in re.findall(r"(?:50|99)%\s+([\d.]+)(us|ms|s)", out)]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), times


def script(method, path, body, token):
    return f"""
wrk.headers["Authorization"] = "Bearer {token}"
wrk.headers["Content-Type"] = "application/json"
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init() math.randomseed(number * 7919 + {random.randrange(1 << 30)}); count = 0 end
function request()
  count = count + 1
  local body = {body}
  return wrk.format("{method}", {path}, nil, body)
end
"""


def bare(database, sql, arguments, commits=False):
    """How often a second SQLite alone runs a statement."""
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS / 4:
        database.execute(sql, arguments()).fetchall()
        if commits:
            database.commit()
        done += 1
    return done / (time.perf_counter() - started)


def note(job, got, floor, statements, goal):
    results.append((job, f"{got[0]:.0f}/s p50 {got[1][0]:.1f} p99 {got[1][1]:.1f} ms", f"{floor:.0f}/s", f"{statements:.0f}/s", goal))


def measure(folder, token):
    database = sqlite3.connect(f"{folder}/tandem.db")
    floor_database = sqlite3.connect(f"{folder}/floor.db")
    floor_database.execute("PRAGMA journal_mode = WAL")
    floor_database.execute("PRAGMA synchronous = FULL")
    floor_database.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, email TEXT UNIQUE, properties TEXT)")
    pick = lambda: random.randint(1, CONTACTS)
    stamp = f"{time.time():.0f}"

    get = script("GET", f'"/crm/v3/objects/contacts/" .. math.random(1, {CONTACTS})', "nil", token)
    note("get by id", wrk(folder, PORT, get, 16),
         wrk(folder, FLOOR_PORT, script("GET", '"/record"', "nil", token), 16)[0],
         bare(database, "SELECT properties FROM record WHERE id = ?", lambda: (pick(),)), "over 3,000/s")

    ids = f"""(function() local ids = {{}} for i = 1, 100 do ids[i] = '{{"id":"' .. math.random(1, {CONTACTS}) .. '"}}' end
  return '{{"properties":["email","firstname","lastname","phone","company","city"],"inputs":[' .. table.concat(ids, ",") .. ']}}' end)()"""
    places = ",".join("?" * 100)
    note("batch/read of 100", wrk(folder, PORT, script("POST", '"/crm/v3/objects/contacts/batch/read"', ids, token), 16),
         wrk(folder, FLOOR_PORT, script("POST", '"/records"', ids, token), 16)[0],
         bare(database, f"SELECT properties FROM record WHERE id IN ({places})", lambda: [pick() for _ in range(100)]), "over 150/s")

    new = (f"""'{{"properties":{{"email":"new{stamp}-' .. number .. '-' .. count .. '@example.com","firstname":"New","lastname":"Person' .. count .. '"}}}}'""")
    numbers = iter(range(10**9))
    note("create, durable", wrk(folder, PORT, script("POST", '"/crm/v3/objects/contacts"', new, token), 32),
         wrk(folder, FLOOR_PORT, script("POST", '"/record"', new, token), 32)[0],
         bare(floor_database, "INSERT INTO record (email, properties) VALUES (?, ?)",
              lambda: (f"e{next(numbers)}@example.com", "x" * 200), commits=True), "over 800/s")

    for name, value, kind in [("email", f"'p' .. math.random(0, {CONTACTS - 1}) .. '@example.com'", "unique_key"),
                              ("lastname", f"'Last' .. math.random(0, {CONTACTS - 1})", "match_key")]:
        body = f"""'{{"filterGroups":[{{"filters":[{{"propertyName":"{name}","operator":"EQ","value":"' .. {value} .. '"}}]}}],"limit":10}}'"""
        sql = (f"SELECT properties FROM record WHERE id IN (SELECT record_id FROM {kind} WHERE object = 'contacts'"
               f" AND kind = ? AND value = ?)")
        arguments = (lambda: ("email", f"p{pick()}@example.com")) if name == "email" else (lambda: ("property:lastname", f"last{pick()}"))
        note(f"search by {name}, one at a time", wrk(folder, PORT, script("POST", '"/crm/v3/objects/contacts/search"', body, token), 1),
             wrk(folder, FLOOR_PORT, script("POST", '"/record"', body, token), 1)[0], bare(database, sql, arguments), "under 20 ms")
    status = json.loads(tandem("status", "--json", folder=folder))["syncs"][0]
    results.append(("the sync meanwhile", f"{status['in_sync']} in sync, {status['window']['kept']} changes kept in time",
                    "", "", f"{status['window']['missed']} missed"))


def duplicates(folder):
    started = time.perf_counter()
    process = subprocess.Popen([TANDEM, "crm", "duplicates", "contacts", "--json"], cwd=folder, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as file:
                mark = re.search(r"VmHWM:\s+(\d+) kB", file.read())
                peak = max(peak, int(mark.group(1)) if mark else 0)
        except OSError:
            pass
        time.sleep(0.02)
    results.append((f"likely duplicates among {CONTACTS}", f"{time.perf_counter() - started:.1f} s, {peak / 1024:.0f} MB", "", "", "under 60 s"))


folder = tempfile.mkdtemp(prefix="tandem-bench-")
servers = []
stop = threading.Event()
try:
    make_store(folder)
    duplicates(folder)
    token = tandem("token", "create", "--scope", "*", folder=folder).strip()
    servers.append(subprocess.Popen([TANDEM, "serve"], cwd=folder, stderr=open(f"{folder}/log", "w")))
    servers.append(subprocess.Popen([FLOOR, str(FLOOR_PORT)]))
    wait_for(PORT)
    wait_for(FLOOR_PORT)
    threading.Thread(target=edit, args=(folder, stop), daemon=True).start()
    time.sleep(4)
    measure(folder, token)
finally:
    stop.set()
    for server in servers:
        server.kill()
        server.wait()
    shutil.rmtree(folder)

print(f"{'job':36} {'tandem':34} {'bare route':>12} {'bare SQLite':>14}  goal")
for job, got, floor, statements, goal in results:
    print(f"{job:36} {got:34} {floor:>12} {statements:>14}  {goal}")
