"""Runs HubSpot's own Python client, unmodified, against another server.

usage: official_client.py URL TOKEN [READONLY_TOKEN] [--only TEXT]

TOKEN may do everything; READONLY_TOKEN has the scope crm.objects.contacts.read and no other, and
without it the checks that need one are left out. Every check makes its own records, so the store
may hold anything else. --only runs the checks with TEXT in their names.
"""
import argparse
import socket
import sys
import traceback
import urllib.parse

from official import support

LIMIT_SECONDS = 30  # the client itself would wait for ever
LIMIT_CHARACTERS = 500


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("readonly", nargs="?")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    support.connect(options.url, options.token, options.readonly)
    socket.setdefaulttimeout(LIMIT_SECONDS)
    require_server(options.url)

    from official import (  # noqa: F401, each adds its checks to the list
        records, batches, search, merging, properties, pipelines, schemas, associations, lists,
        access, refusals, wire)

    passed = failed = 0
    for name, check in support.checks:
        if options.only not in name:
            continue
        problem = run(check)
        if problem is None:
            passed += 1
            print(f"ok {name}", flush=True)
        else:
            failed += 1
            print(f"FAILED {name}: {problem}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def require_server(url):
    address = urllib.parse.urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port or 80)).close()
    except OSError as error:
        sys.exit(f"nothing answers at {url}: {error}")


def run(check):
    """`None`, or what is wrong, in one line."""
    try:
        check()
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__)
                  if "/official/" in frame.filename and frame.filename != support.__file__]
        return f"{words(error)} (line {frames[-1].lineno}: {frames[-1].line})"
    return None


def words(error):
    if getattr(error, "body", None):
        text = f"{error.status} {error.body}"
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:LIMIT_CHARACTERS]


main()
