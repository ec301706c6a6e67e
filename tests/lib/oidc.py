# SPDX-License-Identifier: Apache-2.0
"""An OpenID provider on loopback: discovery document, keys, and tokens signed with them.

    with Issuer() as issuer:
        token = issuer.sign({"sub": "ann", "aud": "cloud"})          # RS256 with the first RSA key
        token = issuer.sign(claims, key="ec")                        # ES256
        issuer.rotate()                                              # another RSA key takes the first one's place
        issuer.answers["/jwks"] = lambda handler: …                  # answers otherwise
        issuer.asked                                                 # paths, in order

Its token endpoint takes the grants password and client_credentials (for the user "sub=groups").
"""

import base64
import http.server
import json
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


class Key:
    def __init__(self, kid, private):
        self.kid, self.private = kid, private

    def jwk(self):
        public = self.private.public_key().public_numbers()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return {"kty": "RSA", "kid": self.kid, "use": "sig", "n": number(public.n), "e": number(public.e)}
        return {"kty": "EC", "kid": self.kid, "crv": "P-256", "x": number(public.x, 32), "y": number(public.y, 32)}

    def alg(self):
        return "RS256" if isinstance(self.private, rsa.RSAPrivateKey) else "ES256"

    def signature(self, alg, data):
        if alg.startswith("RS"):
            return self.private.sign(data, padding.PKCS1v15(), getattr(hashes, "SHA" + alg[2:])())
        if alg.startswith("PS"):
            return self.private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def public_pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def new_rsa(kid, bits=2048):
    return Key(kid, rsa.generate_private_key(public_exponent=65537, key_size=bits))


class Issuer:
    def __init__(self):
        self.keys = {"rsa": new_rsa("rsa-1"), "ec": Key("ec-1", ec.generate_private_key(ec.SECP256R1()))}
        self.answers, self.asked, self.n_rotated = {}, [], 1

    def __enter__(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.answer(self)

            def do_POST(self):
                issuer.answer(self)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler):
        path = handler.path
        self.asked.append(path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        if path in self.answers:
            return self.answers[path](handler)
        if path == "/.well-known/openid-configuration":
            return reply(handler, {"issuer": self.url, "jwks_uri": self.url + "/jwks", "token_endpoint": self.url + "/token"})
        if path == "/jwks":
            return reply(handler, {"keys": [key.jwk() for key in self.keys.values()]})
        if path == "/token":
            form = dict(urllib.parse.parse_qsl(body))
            return reply(handler, {"access_token": self.sign({"sub": form.get("username", "robot"), "groups": ["builders"]}), "token_type": "Bearer"})
        handler.send_error(404)

    def rotate(self):
        self.n_rotated += 1
        self.keys["rsa"] = new_rsa(f"rsa-{self.n_rotated}")

    def sign(self, claims, key="rsa", header=None, signature=None):
        """Claims without iss, aud, iat and exp get good ones; None takes one away."""
        used = key if isinstance(key, Key) else self.keys[key]
        now = int(time.time())
        claims = {"iss": self.url, "aud": "cloud", "iat": now, "exp": now + 300, **claims}
        head = {"alg": used.alg(), "kid": used.kid, "typ": "JWT", **(header or {})}
        parts = [b64(json.dumps({k: v for k, v in part.items() if v is not None}).encode()) for part in (head, claims)]
        data = ".".join(parts).encode()
        return ".".join([*parts, b64(signature(data) if signature else used.signature(head["alg"], data))])


def reply(handler, document, status=200, headers=()):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
