# SPDX-License-Identifier: Apache-2.0
"""OAuth 1.0a consumers."""

SERVICES = ["identity"]
PATH = "/v3/OS-OAUTH1/consumers"


def test_life(stack):
    admin = stack.admin_token()

    def call(method, path="", body=None, token=admin):
        status, _, answer = stack.request(method, "identity", PATH + path, body, token=token)
        return status, answer
    status, made = call("POST", "", {"consumer": {"description": "d", "secret": "mine"}})
    made = made["consumer"]
    secret, path = made.pop("secret"), "/" + made["id"]
    assert status == 201 and len(secret) >= 32 and made["links"]["self"].endswith(PATH + path)
    assert stack.sql("identity", "SELECT secret FROM consumer WHERE id = %s", made["id"]) == [{"secret": None}]
    assert call("GET", path) == (200, {"consumer": made})
    assert made in call("GET")[1]["consumers"]
    assert call("PATCH", path, {"consumer": {"description": "e"}})[1]["consumer"]["description"] == "e"
    assert call("PATCH", path, {"consumer": {"secret": "x"}})[0] == 400
    assert call("POST", "", {"consumer": 5})[0] == 400
    assert call("GET", path, token=stack.person().token)[0] == 403
    assert call("DELETE", path)[0] == 204 and call("GET", path)[0] == 404
