#!/usr/bin/env python3
"""CardDAV servers that people run, from Debian's packages, in a folder of their own on loopback.

    carddav.py cyrus|davical|sogo FOLDER

makes accounts for alice and bob, says in one line of JSON where their books are, and serves until
its input ends or it is told to end (SIGTERM). It needs root and an empty folder.

Whatever it starts lives in namespaces of its own. There the folder is /srv, which the users that
the servers run as can enter and which all settings name, and all processes end with the first one,
which ends with this program, however that ends.
"""
import base64, ctypes, http.client, json, os, pathlib, random, select, shutil, signal, socket
import subprocess, sys, time

PASSWORD = "secret"
POSTGRES = "/usr/lib/postgresql/15/bin"
FILES = pathlib.Path(__file__).with_suffix("").iterdir()
TEMPLATES = {file.name: file.read_text() for file in FILES}
ENVIRONMENT = {"PATH": f"{POSTGRES}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
               "HOME": "/srv", "PGHOST": "/srv/postgres", "PGUSER": "postgres"}
#: For unshare(2): mounts, shared memory and processes apart from those of everybody else.
APART = 0x00020000 | 0x08000000 | 0x20000000
#: For prctl(2): the signal that comes when the parent ends.
PARENT_ENDS = 1


class Failed(Exception):
    """Why there is no server, and what to do about it."""


def run(*command, input=None, user=None):
    """Runs a program that ends by itself."""
    done = subprocess.run(command, input=input, user=user, env=ENVIRONMENT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")


def free_port():
    """A port below those that the system gives to connections."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket() as probe:
            try: probe.bind(("127.0.0.1", port))
            except OSError: continue
        return port


class Server:
    """What the servers share; the folder is the current one."""

    def __init__(self, folder):
        self.logs, self.port, self.programs = f"{folder}/log", free_port(), {}

    def spawn(self, *command, user=None, group=None):
        """Starts a program that goes on, and keeps what it says."""
        groups = [group] if group else None
        with open(f"log/{os.path.basename(command[0])}.out", "w") as log:
            started = subprocess.Popen(command, user=user, group=group, extra_groups=groups,
                                       env=ENVIRONMENT, stdout=log, stderr=log)
        self.programs[started.pid] = started

    def folders(self, user, *names):
        for name in names:
            os.mkdir(name)
            shutil.chown(name, user)

    def template(self, name):
        with open(name, "w") as file:
            file.write(TEMPLATES[name].replace("@PORT@", str(self.port)))
        return f"/srv/{name}"

    def until(self, true, what):
        """Waits, but not for a program that has ended."""
        end = time.monotonic() + 60
        while not true():
            for program in self.programs.values():
                if program.poll() is not None: raise self.ended(program, program.returncode)
            if time.monotonic() > end: raise Failed(f"{what}; see {self.logs}.")
            time.sleep(0.05)

    def ended(self, program, code):
        return Failed(f"{program.args[0]} ended with {code}; see {self.logs}.")

    def postgres(self):
        """A PostgreSQL server that is reached through a socket only."""
        self.folders("postgres", "postgres")
        run("initdb", "-D", "/srv/postgres/data", "-A", "trust", "--no-sync", user="postgres")
        self.spawn(f"{POSTGRES}/postgres", "-D", "/srv/postgres/data", "-k", "/srv/postgres",
                   "-c", "listen_addresses=", "-c", "fsync=off", user="postgres", group="postgres")
        ready = ["pg_isready", "-q"]
        self.until(lambda: subprocess.run(ready, env=ENVIRONMENT).returncode == 0,
                   "PostgreSQL does not answer")

    def sql(self, text, database):
        run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-", input=text)

    def shows(self, user):
        """Whether somebody is shown the own book."""
        known = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("PROPFIND", self.home.format(user) + self.book,
                               headers={"Depth": "0", "Authorization": f"Basic {known}"})
            return connection.getresponse().status == 207
        except (OSError, http.client.HTTPException): return False


class Cyrus(Server):
    title, home, book = "Cyrus", "/dav/addressbooks/user/{}/", "Default/"
    packages = {"cyrus-caldav": "/usr/lib/cyrus/bin/httpd",
                "cyrus-imapd": "/usr/lib/cyrus/bin/imapd", "sasl2-bin": "/usr/sbin/saslpasswd2"}

    def start(self):
        self.folders("cyrus", "conf", "conf/db", "conf/lock", "conf/proc", "conf/socket", "spool")
        for user in ("alice", "bob"):
            run("saslpasswd2", "-c", "-p", "-f", "sasldb2", "-u", "localhost", user, input=PASSWORD)
        shutil.chown("sasldb2", "cyrus")
        self.spawn("/usr/sbin/cyrmaster", "-D", "-p", "/srv/conf/pid",
                   "-C", self.template("imapd.conf"), "-M", self.template("cyrus.conf"),
                   user="cyrus", group="mail")
        self.until(lambda: os.path.exists("conf/socket/imap"), "Cyrus does not answer")
        for user in ("alice", "bob"):
            with socket.socket(socket.AF_UNIX) as imap:
                imap.connect("conf/socket/imap")
                imap.sendall(f". LOGIN {user} {PASSWORD}\r\n. LOGOUT\r\n".encode())
                while imap.recv(4096): pass


class DAViCal(Server):
    title, home, book = "DAViCal", "/caldav.php/{}/", "addresses/"
    packages = {"davical": "/usr/share/davical/htdocs/caldav.php", "nginx": "/usr/sbin/nginx",
                "php8.2-fpm": "/usr/sbin/php-fpm8.2", "postgresql-15": f"{POSTGRES}/postgres"}

    def start(self):
        self.postgres()
        run("/usr/share/davical/dba/create-database.sh", "davical", PASSWORD)
        self.sql(TEMPLATES["davical.sql"], "davical")
        run("mount", "--bind", self.template("davical.php"), "/etc/davical/config.php")
        self.folders("www-data", "nginx")
        self.spawn("/usr/sbin/php-fpm8.2", "-F", "-y", self.template("fpm.conf"))
        self.spawn("/usr/sbin/nginx", "-c", self.template("nginx.conf"))


class SOGo(Server):
    title, home, book = "SOGo", "/SOGo/dav/{}/Contacts/", "personal/"
    packages = {"sogo": "/usr/sbin/sogod", "memcached": "/usr/bin/memcached",
                "postgresql-15": f"{POSTGRES}/postgres"}

    def start(self):
        self.postgres()
        self.sql("CREATE USER sogo", "postgres")
        self.sql("CREATE DATABASE sogo OWNER sogo", "postgres")
        self.sql("SET ROLE sogo;\n" + TEMPLATES["sogo.sql"], "sogo")
        self.folders("memcache", "memcached")
        self.spawn("/usr/bin/memcached", "-s", "/srv/memcached/socket", "-a", "0666",
                   user="memcache", group="memcache")
        run("mount", "--bind", self.template("sogo.conf"), "/etc/sogo/sogo.conf")
        self.folders("sogo", "sogo")
        self.spawn("/usr/sbin/sogod", user="sogo", group="sogo")


SERVERS = {"cyrus": Cyrus, "davical": DAViCal, "sogo": SOGo}


def serve(kind, folder):
    """Sets the server up as the first process of its namespace, and stays."""
    run("mount", "--make-rprivate", "/")
    run("mount", "--bind", folder, "/srv")
    run("mount", "-t", "proc", "proc", "/proc")
    os.chdir("/srv")
    os.chmod(".", 0o755)
    os.umask(0o022)
    os.mkdir("log")
    server = kind(folder)
    server.start()
    for user in ("alice", "bob"):
        server.until(lambda: server.shows(user), f"{kind.title} does not show the book of {user}")
    version = subprocess.check_output(
        ["dpkg-query", "-W", "-f", "${Version}", next(iter(kind.packages))], text=True)
    root = f"http://127.0.0.1:{server.port}"
    home, other = (root + kind.home.format(user) for user in ("alice", "bob"))
    print(json.dumps({
        "url": home + kind.book, "root": root + "/", "home": home, "other": other + kind.book,
        "username": "alice", "password": PASSWORD,
        "server": f"{kind.title} {version.split('-')[0]} (Debian {version})"}), flush=True)
    while True:
        pid, status = os.wait()
        if pid in server.programs:
            raise server.ended(server.programs[pid], os.waitstatus_to_exitcode(status))


def main(name, folder):
    kind, folder = SERVERS[name], os.path.abspath(folder)
    if os.geteuid(): raise Failed("Run it as root: the servers run as users of their own.")
    missing = [name for name, file in kind.packages.items() if not os.path.exists(file)]
    if missing: raise Failed(f"{kind.title} is missing: apt-get install {' '.join(missing)}")
    os.makedirs(folder, exist_ok=True)
    if os.listdir(folder): raise Failed(f"{folder} is not empty; name one that is.")
    # A child of a test inherits blocked signals.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(APART):
        raise Failed(f"No namespaces can be made here: {os.strerror(ctypes.get_errno())}.")
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        libc.prctl(PARENT_ENDS, signal.SIGKILL)
        ours.close()
        # Had the parent ended before it was asked for the signal, none would come.
        if select.select([theirs], [], [], 0)[0]: sys.exit()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.setsid()
        serve(kind, folder)
    theirs.close()
    try:
        while ours not in (ready := select.select([0, ours], [], [])[0]) and os.read(0, 4096): pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code if ours in ready else 0)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SERVERS: sys.exit(__doc__)
    try: main(*sys.argv[1:])
    except Failed as why: sys.exit(str(why))
