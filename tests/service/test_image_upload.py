# SPDX-License-Identifier: Apache-2.0
"""Uploads that do not end well: refused content, broken connections, kill -9. Nothing half-made is left."""

import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.lib.image import STREAM, create, send
from tests.lib.stack import wait_until

SERVICES = ["identity", "image"]
# A lease of 20 s, swept every 5 s (services/image/image.h).
RECOVERY_S = 30


def status_of(stack, person, image):
    return stack.call("GET", "image", f"/v2/images/{image['id']}", token=person.token)["status"]


def eventually(condition, seconds):
    wait_until(condition, seconds, f"the condition did not hold within {seconds} s")


def temporary_files(stack):
    return sorted(p.name for p in Path(stack.cloud.dir("images"), "tmp").iterdir())


def blobs(stack):
    return sorted(p.name for p in Path(stack.cloud.dir("images"), "blobs").glob("*/*"))


class Dribble:
    """An upload that is begun, and stays open."""

    def __init__(self, stack, person, image, announced, first=b""):
        self.link = http.client.HTTPConnection(urlsplit(stack.url("image")).netloc, timeout=60)
        self.link.putrequest("PUT", f"/v2/images/{image['id']}/file")
        for name, value in {**STREAM, "X-Auth-Token": person.token, "Content-Length": str(announced)}.items():
            self.link.putheader(name, value)
        self.link.endheaders()
        self.link.send(first)

    def send(self, data):
        self.link.send(data)

    def answer(self):
        reply = self.link.getresponse()
        return reply.status, reply.read()

    def close(self):
        self.link.close()


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    """Real images by qemu-img: name → (path, disk_format)."""
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not installed")
    folder = tmp_path_factory.mktemp("disks")

    def make(name, fmt, *options, source=None):
        path = str(folder / name)
        base = ["qemu-img", "convert", "-q", "-f", "raw", "-O", fmt] if source else ["qemu-img", "create", "-q", "-f", fmt]
        subprocess.run([*base, *options, *([source] if source else []), path, *([] if source or "-b" in options else ["64M"])], check=True)
        return Path(path).read_bytes()

    raw = str(folder / "raw")
    Path(raw).write_bytes(os.urandom(1 << 20) + bytes(3 << 20))
    found = {"plain.qcow2": make("plain.qcow2", "qcow2", source=raw), "old.qcow2": make("old.qcow2", "qcow2", "-o", "compat=0.10", source=raw),
             "packed.qcow2": make("packed.qcow2", "qcow2", "-c", source=raw), "l2.qcow2": make("l2.qcow2", "qcow2", "-o", "extended_l2=on", source=raw),
             "stream.vmdk": make("stream.vmdk", "vmdk", "-o", "subformat=streamOptimized", source=raw), "sparse.vmdk": make("sparse.vmdk", "vmdk", source=raw),
             "a.vdi": make("a.vdi", "vdi", source=raw), "a.vhd": make("a.vhd", "vpc", source=raw), "fixed.vhd": make("fixed.vhd", "vpc", "-o", "subformat=fixed", source=raw),
             "a.vhdx": make("a.vhdx", "vhdx", source=raw), "backed.qcow2": make("backed.qcow2", "qcow2", "-b", str(folder / "plain.qcow2"), "-F", "qcow2"),
             "split.qcow2": make("split.qcow2", "qcow2", "-o", f"data_file={folder}/data"), "flat.vmdk": make("flat.vmdk", "vmdk", "-o", "subformat=monolithicFlat"),
             "a.qed": make("a.qed", "qed", source=raw), "cut.qcow2": b"QFI\xfb\0\0\0\3", "iso": bytes(32769) + b"CD001" + bytes(4096)}
    return found


@pytest.mark.parametrize("name, claim", [
    ("plain.qcow2", "qcow2"), ("old.qcow2", "qcow2"), ("packed.qcow2", "qcow2"), ("l2.qcow2", "qcow2"), ("stream.vmdk", "vmdk"), ("sparse.vmdk", "vmdk"),
    ("a.vdi", "vdi"), ("a.vhd", "vhd"), ("fixed.vhd", "vhd"), ("a.vhdx", "vhdx"), ("iso", "iso")])
def test_real_images_are_taken_with_their_virtual_size(stack, owner, disks, name, claim):
    image = create(stack, owner, disk_format=claim)
    assert send(stack, owner, image, disks[name])[0] == 204
    now = stack.call("GET", "image", f"/v2/images/{image['id']}", token=owner.token)
    assert now["status"] == "active" and now["checksum"] == hashlib.md5(disks[name]).hexdigest()
    # VHD rounds up to whole cylinders.
    assert now["virtual_size"] == (len(disks[name]) if name == "iso" else now["virtual_size"]) and (name == "iso" or 4 << 20 <= now["virtual_size"] < 5 << 20)


@pytest.mark.parametrize("name, claim, why", [
    ("backed.qcow2", "qcow2", "backing file"), ("split.qcow2", "qcow2", "data file"), ("flat.vmdk", "vmdk", "other files"), ("a.qed", "raw", "QED"),
    ("plain.qcow2", "raw", "disk_format is"), ("a.vdi", "qcow2", "disk_format is"), ("iso", "raw", "disk_format is"), ("cut.qcow2", "qcow2", "cut off"),
    ("backed.qcow2", "raw", "backing file")])
def test_dangerous_or_mislabelled_images_are_refused_and_may_be_tried_again(stack, owner, disks, name, claim, why):
    image = create(stack, owner, disk_format=claim)
    answer = send(stack, owner, image, disks[name])
    assert answer[0] == 400 and why in answer[2]
    assert status_of(stack, owner, image) == "queued"
    stack.call("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)


def test_a_refusal_comes_before_the_last_byte(stack, owner, disks):
    image = create(stack, owner, disk_format="qcow2")
    assert send(stack, owner, image, disks["backed.qcow2"] + bytes(40 << 20))[0] == 400
    assert status_of(stack, owner, image) == "queued"
    eventually(lambda: temporary_files(stack) == [], 15)


def test_what_the_record_lacks_is_named(stack, owner):
    image = stack.call("POST", "image", "/v2/images", {"name": "bare"}, token=owner.token)
    status, _, body = send(stack, owner, image, b"x")
    assert status == 400 and "disk_format, container_format" in body
    image = create(stack, owner)
    path = f"/v2/images/{image['id']}/file"
    assert stack.request("PUT", "image", path, data=b"x", token=owner.token, headers={"Content-Type": "application/json"})[0] == 415
    assert stack.request("PUT", "image", path, data=b"x", token=owner.token, headers={**STREAM, "X-Image-Meta-Store": "none"})[0] == 400


def test_the_same_bytes_are_stored_once_and_kept_while_named(stack, owner):
    data = os.urandom(100_000)
    first, second = create(stack, owner), create(stack, owner)
    assert send(stack, owner, first, data)[0] == send(stack, owner, second, data)[0] == 204
    name = hashlib.sha512(data).hexdigest()
    assert blobs(stack).count(name) == 1
    stack.call("DELETE", "image", f"/v2/images/{first['id']}", token=owner.token)
    # As if a minute had passed: the sweeper leaves young blobs alone.
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    # Two sweeps have run when a blob that nobody names is gone for the second time.
    for _ in range(2):
        stack.sql("image", "INSERT INTO blob (digest, size, created_at) VALUES (%s, 0, now() - interval '1 hour')", "0" * 128)
        eventually(lambda: not stack.sql("image", "SELECT 1 FROM blob WHERE digest = %s", "0" * 128), 15)
    assert name in blobs(stack)
    stack.call("DELETE", "image", f"/v2/images/{second['id']}", token=owner.token)
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    eventually(lambda: name not in blobs(stack), 15)
    assert stack.sql("image", "SELECT 1 FROM blob WHERE digest = %s", name) == []


def test_a_client_that_goes_away_leaves_the_image_queued(stack, owner):
    image = create(stack, owner)
    upload_ = Dribble(stack, owner, image, 10 << 20, b"x" * 100_000)
    eventually(lambda: status_of(stack, owner, image) == "saving", 10)
    assert send(stack, owner, image, b"y")[0] == 409
    upload_.close()
    eventually(lambda: status_of(stack, owner, image) == "queued", 10)
    eventually(lambda: temporary_files(stack) == [], 10)
    assert send(stack, owner, image, b"y")[0] == 204


def test_an_image_deleted_under_its_upload_is_gone(stack, owner):
    image = create(stack, owner)
    upload_ = Dribble(stack, owner, image, 200_000, b"x" * 100_000)
    eventually(lambda: status_of(stack, owner, image) == "saving", 10)
    stack.call("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)
    upload_.send(b"x" * 100_000)
    assert upload_.answer()[0] == 410
    eventually(lambda: temporary_files(stack) == [], 10)
    assert stack.sql("image", "SELECT 1 FROM usage_interval WHERE resource_id = %s", image["id"]) == []


def test_a_slow_upload_does_not_hold_up_others(stack, owner):
    slow = create(stack, owner)
    held = [Dribble(stack, owner, create(stack, owner), 1 << 20, b"x") for _ in range(8)]
    upload_ = Dribble(stack, owner, slow, 3, b"a")
    started = time.monotonic()
    for _ in range(5):
        image = create(stack, owner)
        assert send(stack, owner, image, os.urandom(1 << 20))[0] == 204
    assert time.monotonic() - started < 10
    upload_.send(b"bc")
    assert upload_.answer()[0] == 204
    for each in held:
        each.close()


def raw_upload(stack, person, image, head, pieces):
    """A request written by hand: its whole answer up to where the service closes, or what came within 30 s."""
    host, port = urlsplit(stack.url("image")).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as link:
        link.sendall(f"PUT /v2/images/{image['id']}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {person.token}\r\n"
                     f"Content-Type: application/octet-stream\r\n{head}\r\n\r\n".encode())
        if "Expect" in head:
            assert link.recv(65536).startswith(b"HTTP/1.1 100 ")
        for piece in pieces:
            link.sendall(piece)
        answer = b""
        while part := link.recv(65536):
            answer += part
            if b"close" not in answer.lower() and b"\r\n\r\n" in answer:
                break
    return answer.decode()


def in_pieces(data, size):
    return [data[i:i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("head, split, is_long", [
    ("Content-Length: {n}", 1 << 20, True), ("Content-Length: {n}\r\nExpect: 100-continue", 70_001, True),
    ("Transfer-Encoding: chunked", 500_000, False)])
def test_long_bodies_arrive_whole_by_either_path(stack, owner, head, split, is_long):
    image, data = create(stack, owner), os.urandom(7_654_321)
    pieces = in_pieces(data, split)
    if not is_long:
        pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    answer = raw_upload(stack, owner, image, head.format(n=len(data)), pieces)
    assert answer.startswith("HTTP/1.1 204 No Content\r\n") and "X-Openstack-Request-Id: req-" in answer and answer.endswith("\r\n\r\n")
    assert ("Connection: close" in answer) == is_long and "Content-Length" not in answer
    now = stack.call("GET", "image", f"/v2/images/{image['id']}", token=owner.token)
    assert (now["size"], now["checksum"], now["os_hash_value"]) == (len(data), hashlib.md5(data).hexdigest(), hashlib.sha512(data).hexdigest())


def test_a_long_body_that_is_refused_is_read_to_its_end_and_answered(stack, owner):
    image, data = create(stack, owner), b"LUKS\xba\xbe" + bytes(30 << 20)
    answer = raw_upload(stack, owner, image, f"Content-Length: {len(data)}", [data])
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n") and "LUKS" in answer and f"Content-Length: {len(answer.split(chr(13) + chr(10) + chr(13) + chr(10), 1)[1])}" in answer
    assert status_of(stack, owner, image) == "queued"


def test_a_long_body_may_come_slowly_and_break_off(stack, owner):
    image, data = create(stack, owner), os.urandom(3_000_000)
    slow = Dribble(stack, owner, image, len(data), data[:1_500_000])
    for piece in in_pieces(data[1_500_000:1_600_000], 20_000):  # less than the service wakes up for
        slow.send(piece)
        time.sleep(0.3)  # the pace is the case, not a wait
    slow.send(data[1_600_000:])
    assert slow.answer()[0] == 204
    image = create(stack, owner)
    broken = Dribble(stack, owner, image, 1 << 30, bytes(20 << 20))
    eventually(lambda: status_of(stack, owner, image) == "saving", 10)
    broken.close()
    eventually(lambda: status_of(stack, owner, image) == "queued", 10)
    eventually(lambda: temporary_files(stack) == [], 10)


def test_a_stop_breaks_off_long_bodies_and_is_quick(stack, owner):
    images = [create(stack, owner) for _ in range(4)]
    held = [Dribble(stack, owner, image, 1 << 30, bytes(8 << 20)) for image in images]
    eventually(lambda: all(status_of(stack, owner, image) == "saving" for image in images), 10)
    started = time.monotonic()
    stack.stop("image")
    assert time.monotonic() - started < 10
    for each in held:
        each.close()
    stack.start("image")
    eventually(lambda: stack.request("GET", "image", "/v2/images", token=owner.token)[0] == 200, 10)
    eventually(lambda: all(status_of(stack, owner, image) == "queued" for image in images), RECOVERY_S)
    eventually(lambda: temporary_files(stack) == [], 10)


def open_files(stack):
    return sum("/images/" in os.path.realpath(link) for link in Path(f"/proc/{stack.pid('image')}/fd").iterdir() if link.is_symlink())


def test_long_downloads_are_whole_slow_or_broken_off(stack, owner):
    image, data = create(stack, owner), os.urandom(20_000_003)
    assert send(stack, owner, image, data)[0] == 204
    netloc, path = urlsplit(stack.url("image")).netloc, f"/v2/images/{image['id']}/file"

    def get(headers=(), method="GET"):
        link = http.client.HTTPConnection(netloc, timeout=60)
        link.request(method, path, headers={"X-Auth-Token": owner.token, **dict(headers)})
        return link, link.getresponse()

    before = open_files(stack)
    for headers, status, first, last in (({}, 200, 0, 20_000_002), ({"Range": "bytes=5-19000000"}, 206, 5, 19_000_000), ({"Range": "bytes=-3000000"}, 206, 17_000_003, 20_000_002)):
        link, reply = get(headers)
        assert reply.status == status and int(reply.headers["Content-Length"]) == last + 1 - first and reply.headers["Content-MD5"] == hashlib.md5(data).hexdigest()
        assert reply.headers.get("Content-Range") == (None if status == 200 else f"bytes {first}-{last}/{len(data)}")
        time.sleep(0.2)  # a reader that is slower than what fits into the socket
        assert reply.read() == data[first:last + 1]
        link.close()
    link, reply = get(method="HEAD")
    assert reply.status == 200 and reply.read() == b""
    link.close()
    for _ in range(5):
        link, reply = get()
        assert reply.read(100_000) == data[:100_000]
        reply.close()
        link.close()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(get()[1].read() == data)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8
    eventually(lambda: open_files(stack) <= before, 10)


def test_uploads_at_once_do_not_mix(stack, owner):
    payloads = [os.urandom(3_000_000 + i) for i in range(6)]
    images = [create(stack, owner) for _ in payloads]
    answers = {}

    def run(i):
        answers[i] = send(stack, owner, images[i], payloads[i])[0]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(payloads))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers.values()) == {204}
    for image, data in zip(images, payloads):
        assert stack.call("GET", "image", f"/v2/images/{image['id']}", token=owner.token)["os_hash_value"] == hashlib.sha512(data).hexdigest()


def test_kill_9_in_an_upload_leaves_a_queued_image_and_no_file(stack, owner):
    image, done = create(stack, owner), create(stack, owner)
    assert send(stack, owner, done, b"kept" * 1000)[0] == 204
    upload_ = Dribble(stack, owner, image, 10 << 20, b"x" * 5_000_000)
    eventually(lambda: temporary_files(stack) != [], 10)
    stack.kill("image")
    upload_.close()
    started = time.monotonic()
    stack.start("image")
    eventually(lambda: stack.request("GET", "image", "/v2/images", token=owner.token)[0] == 200, 10)  # it knows identity's keys again
    eventually(lambda: status_of(stack, owner, image) == "queued", RECOVERY_S)
    assert time.monotonic() - started < RECOVERY_S
    eventually(lambda: temporary_files(stack) == [], 10)
    assert status_of(stack, owner, done) == "active"
    assert stack.request("GET", "image", done["file"], token=owner.token)[2] == "kept" * 1000
    assert send(stack, owner, image, b"again")[0] == 204
    rows = stack.sql("image", "SELECT count(*) AS n FROM usage_interval WHERE resource_id = %s AND to_us IS NULL", image["id"])
    assert rows[0]["n"] == 1


def test_a_blob_that_no_row_knows_is_swept(stack, owner):
    name = "ab" + "0" * 126
    path = Path(stack.cloud.dir("images"), "blobs", "ab", name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"left by a crash")
    stack.sql("image", "INSERT INTO blob (digest, size, created_at) VALUES (%s, 15, now() - interval '1 hour')", name)
    eventually(lambda: not path.exists(), 15)


def test_kill_9_at_any_moment_leaves_nothing_half_made(stack, owner):
    """Uploads of all sizes run while the service is killed again and again; then rows, files and usage must agree."""
    images, answers = [], []
    for round_ in range(6):
        batch = [create(stack, owner) for _ in range(4)]
        images += batch

        def run(image, size):
            try:
                answers.append((image["id"], send(stack, owner, image, os.urandom(size))[0]))
            except Exception:  # killed: the connection breaks
                pass

        threads = [threading.Thread(target=run, args=(image, size)) for image, size in zip(batch, (10, 200_000, 3_000_000, 20_000_000))]
        for thread in threads:
            thread.start()
        time.sleep(0.03 * round_ ** 2)  # the moment of the kill is the case, not a wait
        stack.kill("image")
        for thread in threads:
            thread.join()
        stack.start("image")
        eventually(lambda: stack.request("GET", "image", "/v2/images", token=owner.token)[0] == 200, 10)
    eventually(lambda: not stack.sql("image", "SELECT 1 FROM image WHERE status = 'saving'"), RECOVERY_S)
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    eventually(lambda: not stack.sql("image", "SELECT 1 FROM blob WHERE digest NOT IN (SELECT blob FROM image WHERE blob IS NOT NULL)"), 15)
    eventually(lambda: temporary_files(stack) == [], 10)
    rows = stack.sql("image", "SELECT id::text, status, blob, size FROM image WHERE id = ANY (%s::uuid[])", [image["id"] for image in images])
    for row in rows:
        assert row["status"] in ("queued", "active")
        usage = stack.sql("image", "SELECT quantity FROM usage_interval WHERE resource_id = %s AND to_us IS NULL", row["id"])
        assert [u["quantity"] for u in usage] == ([row["size"]] if row["status"] == "active" else [])
        if row["status"] == "active":
            path = Path(stack.cloud.dir("images"), "blobs", row["blob"][:2], row["blob"])
            assert hashlib.sha512(path.read_bytes()).hexdigest() == row["blob"]
    active = {row["id"] for row in rows if row["status"] == "active"}
    assert {image for image, status in answers if status == 204} <= active
    assert set(blobs(stack)) == {row["digest"] for row in stack.sql("image", "SELECT digest FROM blob")}
