"""A CardDAV server of an older kind: Radicale 1, which has no sync-collection, behind digest
authentication (RFC 7616) by Twisted.

usage: old_carddav.py PORT FOLDER USER PASSWORD
"""
import configparser
import sys

# Radicale 1 asks for a class that Python has renamed since.
configparser.SafeConfigParser = getattr(configparser, "SafeConfigParser", configparser.ConfigParser)

import radicale
from radicale import config
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.web.guard import DigestCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.resource import IResource
from twisted.web.server import Site
from twisted.web.wsgi import WSGIResource
from zope.interface import implementer

port, folder, user, password = sys.argv[1:]
config.set("auth", "type", "None")
config.set("rights", "type", "None")
config.set("storage", "filesystem_folder", folder)
application = radicale.Application()


def anonymous(environ, start_response):
    """Whoever got here has shown the password already."""
    environ.pop("HTTP_AUTHORIZATION", None)
    return application(environ, start_response)


@implementer(IRealm)
class Books:
    def requestAvatar(self, avatar, mind, *interfaces):
        return IResource, WSGIResource(reactor, reactor.getThreadPool(), anonymous), lambda: None


users = InMemoryUsernamePasswordDatabaseDontUse(**{user: password.encode()})
guarded = HTTPAuthSessionWrapper(Portal(Books(), [users]), [DigestCredentialFactory(b"md5", b"books")])
# Radicale 1 keeps a book in one file, without a lock: one request at a time.
reactor.suggestThreadPoolSize(1)
reactor.listenTCP(int(port), Site(guarded), interface="127.0.0.1")
reactor.run()
