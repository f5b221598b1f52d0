#!/usr/bin/env python3
"""Makes store-1.db and its folder store-1: a store as commit e91a9cd wrote it, with something of every kind pending.

    python3 make-store-1.py PATH-TO-THAT-TANDEM

Two syncs: people in a CSV file, firms in the program of that folder. Kept as that version left them: an edit that
waits on each side, a contact edited on both, a create whose answer was lost, a failed, an excluded and a deleted pair, a field
that was switched off, a merge. StoreUpgradeTests says what a later version must make of it.
"""
import os, pathlib, shutil, signal, subprocess, sys, time

tandem = os.path.abspath(sys.argv[1])
folder = pathlib.Path(__file__).resolve().parent / "store-1"
for name in ("store.db", "store.db-wal", "store.db-shm", "sheets", "firms.json", "tandem.yaml"):
    path = folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
(folder / "sheets").mkdir()
sheet = folder / "sheets" / "contacts.csv"

def configure(fields):
    (folder / "tandem.yaml").write_text(f"""store: store.db
connections:
  sheet: {{app: csv, folder: sheets}}
  firms: {{app: process, command: [python3, firms.py]}}
syncs:
  people: {{connection: sheet, object: contacts{fields}}}
  firms: {{connection: firms, object: companies}}
""")

def run(*words, ok=(0, 3), **options):
    done = subprocess.run([tandem, *words, "--config", "tandem.yaml"], cwd=folder, capture_output=True, text=True, **options)
    assert done.returncode in ok, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout.strip()

def rows(*lines):
    sheet.write_text("id,Email,First Name,Last Name,Phone Number,Job Title\n" + "".join(line + "\n" for line in lines))

ann, bo, carl = "1,ann@x.example,Ann,Lee,11 11,Boss", "2,bo@x.example,Bo,Moe,22 22,Clerk", "3,carl@x.example,Carl,Dahl,33 33,Cook"
dora, erik = "4,dora@x.example,Dora,Ek,44 44,Nurse", "5,erik@x.example,Erik,Fors,55 55,Guard"
twin, nobody = "6,ann@x.example,Anna,Lee,,", "7,,No,Mail,77 77,"
gro, hans = "8,gro@x.example,Gro,Haug,88 88,Chef", "9,hans@x.example,Hans,Igland,99 99,Smith"

configure("")
rows(ann, bo, carl, dora, erik, twin, nobody, gro, hans)
run("crm", "create", "contacts", "email=ann@x.example", "firstname=Ann-Marie", "lastname=Lee")
run("crm", "create", "companies", "name=Acme", "domain=acme.example")
run("sync")
run("crm", "merge", "gro@x.example", "hans@x.example")
ann = ann.replace("Ann,", "Ann-Marie,")
rows(ann, bo, carl, dora, twin, nobody, gro, hans)
run("sync", "--full")

# Without its job titles from now on.
configure(", fields: {jobtitle: off}")
run("sync")

# A firm whose create is carried out and never answered.
run("crm", "create", "companies", "name=Lost Answer AS", "domain=lost.example")
(folder / "hang").touch()
daemon = subprocess.Popen([tandem, "sync", "firms", "--config", "tandem.yaml"], cwd=folder, start_new_session=True)
while "lost.example" not in (folder / "firms.json").read_text():
    time.sleep(0.1)
os.killpg(daemon.pid, signal.SIGKILL)
daemon.wait()
(folder / "hang").unlink()

run("crm", "update", "contacts", "bo@x.example", "phone=22 23")
run("crm", "update", "contacts", "dora@x.example", "lastname=Ek-Crm")
rows(ann, bo, carl.replace("33 33", "33 34"), dora.replace("Ek", "Ek-Sheet"), twin, nobody, gro, hans)
shutil.move(folder / "store.db", folder.parent / "store-1.db")
