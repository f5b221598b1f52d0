#!/usr/bin/env python3
"""A small OAuth 2 authorization server with a protected API, for tests. Everything lives in memory.

Built on Authlib's Flask integration. Grants: authorization_code with PKCE (S256 only), refresh_token
(rotating), client_credentials, device_code. Prints `ready http://127.0.0.1:PORT` once it
listens, then one line per token request. Clients: `tandem` (SECRET) and `tandem-public` (no secret).
"""
import argparse, logging, time
from urllib.parse import urlsplit
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, InvalidRequestError, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

cli = argparse.ArgumentParser()
cli.add_argument("--port", type=int, default=0, help="0 picks a free port")
cli.add_argument("--expires", type=int, default=3600, help="seconds an access token lives")
cli.add_argument("--consent", choices=("auto", "form"), default="auto")
cli.add_argument("--device-polls", type=int, default=1, help="pending answers before a device is auto-approved")
opt = cli.parse_args()

SECRET, USER = "tandem-test-secret-of-32-bytes-ok", "ann"
SCOPES = ["contacts.read", "contacts.write"]
DEVICE = DeviceCodeGrant.GRANT_TYPE
ANY_CLIENT = ["client_secret_basic", "client_secret_post", "none"]
CONTACTS = [{"id": i, "name": f"Person {i}", "email": f"p{i}@example.com"} for i in range(1, 8)]
FORM = "<form method=post>{} <button name=answer value=yes>Allow</button><button name=answer>Deny</button></form>"
codes, tokens, devices = {}, [], {}
app = Flask(__name__)

class Client(ClientMixin):
    def __init__(self, client_id, secret):
        self.client_id, self.secret = client_id, secret
    def get_client_id(self): return self.client_id
    def get_default_redirect_uri(self): return None
    def get_allowed_scope(self, scope):
        return " ".join(s for s in (scope or SCOPES[0]).split() if s in SCOPES)
    def check_redirect_uri(self, uri):  # any port on the loopback, as RFC 8252 asks
        return urlsplit(uri).scheme == "http" and urlsplit(uri).hostname in ("127.0.0.1", "localhost", "::1")
    def check_client_secret(self, secret): return self.secret is not None and secret == self.secret
    def check_endpoint_auth_method(self, method, endpoint): return (method == "none") == (self.secret is None)
    def check_response_type(self, response_type): return response_type == "code"
    def check_grant_type(self, grant_type):
        return self.secret is not None or grant_type in ("authorization_code", "refresh_token", DEVICE)

class Record(dict, AuthorizationCodeMixin, TokenMixin):
    """An authorization code or a token; its fields are also attributes."""
    __getattr__ = dict.get
    def get_redirect_uri(self): return self["redirect_uri"]
    def get_scope(self): return self.get("scope", "")
    def check_client(self, client): return self["client_id"] == client.client_id
    def is_expired(self): return time.time() >= self["expires_at"]
    def is_revoked(self): return self["revoked"]

def save_token(token, req):
    tokens.append(Record(token, client_id=req.client.client_id, user=req.user, revoked=False,
                         expires_at=time.time() + token["expires_in"]))

def find_token(kind, value):
    return next((t for t in tokens if t.get(kind) == value), None)

class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ANY_CLIENT
    def save_authorization_code(self, code, req):
        challenge = {k: req.payload.data.get(k) for k in ("code_challenge", "code_challenge_method")}
        codes[code] = Record(challenge, code=code, client_id=req.client.client_id, scope=req.scope, user=req.user,
                             redirect_uri=req.payload.redirect_uri, expires_at=time.time() + 60)
    def query_authorization_code(self, code, client):
        found = codes.get(code)
        return found if found and found.check_client(client) and not found.is_expired() else None
    def delete_authorization_code(self, code):
        codes.pop(code.code, None)
    def authenticate_user(self, code): return code.user

class S256Only(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]
    def validate_code_challenge(self, grant, redirect_uri):
        super().validate_code_challenge(grant, redirect_uri)
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with code_challenge_method=S256 is required")

class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ANY_CLIENT
    INCLUDE_NEW_REFRESH_TOKEN = True
    def authenticate_refresh_token(self, value):
        token = find_token("refresh_token", value)
        return token if token and not token.revoked else None
    def authenticate_user(self, token): return token.user
    def revoke_old_credential(self, token):  # ends the old access token with it
        token["revoked"] = True

class ClientGrant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ANY_CLIENT[:2]

class DeviceEndpoint(DeviceAuthorizationEndpoint):
    EXPIRES_IN, INTERVAL = 60, 1
    def get_verification_uri(self): return request.host_url + "device"
    def save_device_credential(self, client_id, scope, data):
        devices[data["device_code"]] = DeviceCredentialDict(
            data, client_id=client_id, scope=scope, polls=0, last=0, answer=None, expires_at=time.time() + 60)

class DeviceGrant(DeviceCodeGrant):
    def query_device_credential(self, device_code): return devices.get(device_code)
    def query_user_grant(self, user_code):
        device = next(d for d in devices.values() if d["user_code"] == user_code)
        if device["answer"] is None and opt.consent == "auto" and device["polls"] >= opt.device_polls:
            device["answer"] = True
        return None if device["answer"] is None else (USER, device["answer"])
    def should_slow_down(self, device):
        last, device["last"], device["polls"] = device["last"], time.time(), device["polls"] + 1
        return device["last"] - last < 0.9 * device["interval"]
    def create_token_response(self):
        devices.pop(self.request.credential["device_code"])
        return super().create_token_response()

class BearerValidator(BearerTokenValidator):
    def authenticate_token(self, value): return find_token("access_token", value)

CLIENTS = {"tandem": Client("tandem", SECRET), "tandem-public": Client("tandem-public", None)}
GRANTS = ("authorization_code", "refresh_token", "client_credentials", DEVICE)
app.config.update(OAUTH2_SCOPES_SUPPORTED=SCOPES, OAUTH2_REFRESH_TOKEN_GENERATOR=True,
                  OAUTH2_TOKEN_EXPIRES_IN=dict.fromkeys(GRANTS, opt.expires))
server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
server.register_grant(CodeGrant, [S256Only(required=True)])
for grant_class in (RefreshGrant, ClientGrant, DeviceGrant):
    server.register_grant(grant_class)
server.register_endpoint(DeviceEndpoint)
require_oauth = ResourceProtector()
require_oauth.register_token_validator(BearerValidator())

@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    try:
        grant = server.get_consent_grant(end_user=USER)
    except OAuth2Error as error:
        return server.handle_error_response(request, error)
    if request.method == "GET" and opt.consent == "form":
        return FORM.format("Let %s use %s?" % (grant.request.client.client_id, grant.request.scope))
    allowed = opt.consent == "auto" or request.form.get("answer") == "yes"
    return server.create_authorization_response(grant=grant, grant_user=USER if allowed else None)

@app.post("/token")
def token():
    answer, form = server.create_token_response(), request.form
    client = form.get("client_id") or (request.authorization.username if request.authorization else "-")
    print("token grant=%s client=%s status=%d error=%s" % (form.get("grant_type"), client, answer.status_code,
          answer.get_json(force=True).get("error", "-")), flush=True)
    return answer

@app.post("/device_authorization")
def device_authorization():
    return server.create_endpoint_response(DeviceEndpoint.ENDPOINT_NAME)

@app.route("/device", methods=["GET", "POST"])
def device():
    found = [d for d in devices.values() if d["user_code"] == request.values.get("user_code")]
    if found and request.method == "POST":
        found[0]["answer"] = request.form.get("answer") == "yes"
    return FORM.format("Code " + found[0]["user_code"]) if found else ("unknown code", 404)

@app.post("/revoke-all")  # for tests: the user takes every grant back
def revoke_all():
    tokens.clear()
    return "", 204

@app.get("/me")
@require_oauth("contacts.read")
def me():
    return jsonify(user=current_token.user, client=current_token.client_id, scope=current_token.get_scope())

@app.get("/contacts")
@require_oauth("contacts.read")
def contacts():
    start, size = request.args.get("offset", 0, int), request.args.get("limit", 3, int)
    return jsonify(contacts=CONTACTS[start:start + size], next=start + size if start + size < len(CONTACTS) else None)

@app.get("/contacts/<int:number>")
@require_oauth("contacts.read")
def contact(number):
    found = [one for one in CONTACTS if one["id"] == number]
    return jsonify(found[0]) if found else (jsonify(error="not_found"), 404)

logging.getLogger("werkzeug").setLevel(logging.ERROR)
http = make_server("127.0.0.1", opt.port, app, threaded=True)
print(f"ready http://127.0.0.1:{http.port}", flush=True)
http.serve_forever()
