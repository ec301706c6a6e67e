# SPDX-License-Identifier: Apache-2.0
"""[image] os_hash_algo: data keeps the hash that it was made with when the setting changes, and blobs of both live together."""

import hashlib
import subprocess
import urllib.request

from deploy.launch import services
from tests.lib import hostile
from tests.lib.image import STREAM
from tests.lib.stack import wait_until

SERVICES = ["identity", "image"]
SETTINGS = {"image": {"scrub": {"age": "2"}, "image": {"os_hash_algo": "sha256"}, "stores": {"enabled": "local:file, spare:file"}}}
DATA = b"the same bytes" * 30000


def set_algo(stack, algo):
    path = services.config_path(stack.cloud, "image")
    text = path.read_text()
    assert "os_hash_algo = " in text
    path.write_text("\n".join(f"os_hash_algo = {algo}" if line.startswith("os_hash_algo") else line for line in text.splitlines()) + "\n")


def eventually(true, seconds=20):
    wait_until(true, seconds, "what should have happened by now has not")


def restart(stack, algo):
    stack.stop("image")
    set_algo(stack, algo)
    stack.start("image")


def create(stack, person):
    return stack.call("POST", "image", "/v2/images", {"disk_format": "raw", "container_format": "bare"}, person.token)["id"]


def show(stack, person, image):
    return stack.call("GET", "image", f"/v2/images/{image}", token=person.token)


def send(stack, person, image, kind="file"):
    assert stack.request("PUT", "image", f"/v2/images/{image}/{kind}", data=DATA, token=person.token, headers=STREAM)[0] == 204


def hash_of(image):
    return image["os_hash_algo"], image["os_hash_value"], image["checksum"]


def expected(algo):
    return algo, hashlib.new(algo, DATA).hexdigest(), hashlib.md5(DATA).hexdigest()


def downloaded(stack, url, token=None):
    status, _, body = stack.request("GET", "image", url.removeprefix(stack.url("image")), token=token)
    return status == 200 and (body if isinstance(body, bytes) else body.encode()) == DATA


def do_import(stack, person, image, body):
    token = stack.admin_token() if body["method"]["name"] == "copy-image" else person.token
    stack.call("POST", "image", f"/v2/images/{image}/import", body, token)
    eventually(lambda: show(stack, person, image)["status"] == "active")


def test_the_setting_is_for_new_data_and_changes_nothing_that_is_there(stack):
    person, made = stack.person(), {}
    staged = create(stack, person)
    send(stack, person, staged, "stage")
    for algo in ("sha256", "sha512", "sha384"):
        restart(stack, algo)
        made[algo] = create(stack, person)
        send(stack, person, made[algo])
    do_import(stack, person, staged, {"method": {"name": "glance-direct"}})
    made_of = {staged: "sha256", **{image: algo for algo, image in made.items()}}
    do_import(stack, person, made["sha256"], {"method": {"name": "copy-image"}, "stores": ["spare"]})
    eventually(lambda: "spare" in show(stack, person, made["sha256"])["stores"], 20)
    for image, algo in made_of.items():
        assert hash_of(show(stack, person, image)) == expected(algo)
        ticket = stack.call("POST", "image", f"/internal/v1/images/{image}/ticket", {"project_id": person.project_id}, stack.service_token())
        assert (ticket["os_hash_algo"], ticket["os_hash_value"]) == expected(algo)[:2]
        assert downloaded(stack, ticket["url"])
    rows = stack.sql("image", "SELECT digest, store FROM blob_location WHERE state = 'present'")
    assert sorted((row["store"], len(row["digest"])) for row in rows) == [("local", 64), ("local", 96), ("local", 128), ("spare", 64)]


def test_blobs_of_every_hash_are_verified_and_go_with_their_last_image(stack):
    stack.sql("image", "UPDATE blob_location SET verified_at = now() - interval '1 hour'")
    eventually(lambda: not stack.sql("image", "SELECT 1 FROM blob_location WHERE verified_at < now() - interval '30 minutes'"), 30)
    assert {row["state"] for row in stack.sql("image", "SELECT state FROM blob_location")} == {"present"}
    assert stack.sql("image", "SELECT 1 FROM image WHERE properties ? 'os_glance_corrupt_stores'") == []
    for row in stack.sql("image", "SELECT id FROM image WHERE status = 'active'"):
        stack.call("DELETE", "image", f"/v2/images/{row['id']}", token=stack.admin_token())
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    stack.sql("image", "UPDATE blob_location SET changed_at = now() - interval '1 hour'")
    eventually(lambda: stack.sql("image", "SELECT 1 FROM blob") == [], 30)


def test_an_algorithm_that_nobody_knows_is_refused_at_the_start(stack):
    stack.stop("image")
    try:
        set_algo(stack, "sha1")
        started = subprocess.run([stack.cloud.program("image"), "--config", services.config_path(stack.cloud, "image")], capture_output=True, text=True, timeout=20)
        assert started.returncode == 1 and "os_hash_algo" in started.stderr + started.stdout
    finally:
        set_algo(stack, "sha512")
        stack.start("image")


def test_the_layers_of_an_archive_are_known_by_the_hash_that_it_is_known_by(stack):
    restart(stack, "sha256")
    person, base = stack.person(), hostile.tar([hostile.member("base", b"bytes" * 50_000)])
    for data in (hostile.docker([base, hostile.LAYERS[0]]), hostile.docker([base, hostile.LAYERS[1]])):
        image = stack.call("POST", "image", "/v2/images", {"disk_format": "raw", "container_format": "docker"}, person.token)["id"]
        assert stack.request("PUT", "image", f"/v2/images/{image}/file", data=data, token=person.token, headers=STREAM)[0] == 204
        with urllib.request.urlopen(urllib.request.Request(f"{stack.url('image')}/v2/images/{image}/file", headers={"X-Auth-Token": person.token})) as reply:
            assert reply.read() == data
    parts = stack.sql("image", "SELECT part, count(DISTINCT digest) AS n FROM blob_part GROUP BY part")
    assert {len(row["part"]) for row in parts} == {64}
    assert [row["part"] for row in parts if row["n"] == 2] == [hashlib.sha256(base).hexdigest()]
