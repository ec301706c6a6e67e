# SPDX-License-Identifier: Apache-2.0
"""The host agent with libvirt's own test hypervisor: images fetched, checked and shared, overlays, config drives, broken sources."""

import base64
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import uuid

import pytest

pika = pytest.importorskip("pika")

from tests.lib import stack as lib  # noqa: E402
from tests.service.test_hypervisor import Agent, Scheduler, order  # noqa: E402

SLOW_S = 0.5
MIB = 1 << 20


class Source(http.server.ThreadingHTTPServer):
    """An image service that counts, and misbehaves by path: /slow, /cut, /404."""

    def __init__(self, data):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.asked = data, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}?ticket=secret-ticket"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path == "/404":
            self.send_error(404)
            return
        data = self.server.data
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if path == "/slow":
            time.sleep(SLOW_S)
        self.wfile.write(data[: len(data) // 2] if path == "/cut" else data)

    def log_message(self, *_):
        pass


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "image"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "2G"], check=True)
    server = Source(path.read_bytes())
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def scheduler():
    bus = Scheduler(lib.infra().cloud)
    yield bus
    bus.close()


@pytest.fixture
def agent(tmp_path, scheduler):
    agent = Agent(lib.infra().cloud, tmp_path / "state",
                  {"agent": {"driver": "libvirt"}, "libvirt": {"uri": "test:///default"}}).start()
    scheduler.ready()
    yield agent
    if agent.process.poll() is None:
        assert agent.stop() == 0


def image(source, path="/image", **more):
    body = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, path)), "url": source.url(path), "size": len(source.data),
            "os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(source.data).hexdigest(), "disk_format": "qcow2"}
    return body | more


def info(path):
    return json.loads(subprocess.run(["qemu-img", "info", "--output=json", "-U", path], check=True, capture_output=True).stdout)


def test_ten_servers_share_one_fetch(agent, scheduler, source):
    servers = [str(uuid.uuid4()) for _ in range(10)]
    for server in servers:
        scheduler.order(server, 1, "running", image=image(source, "/slow"))
    left = set(servers)
    while left:
        body = scheduler.wait("server.state", lambda b: b["server_id"] in left)
        assert body["state"] == "running", body
        left.discard(body["server_id"])
    assert source.asked == ["/slow"]
    base = agent.home / "images" / image(source, "/slow")["id"]
    assert base.stat().st_mode & 0o777 == 0o444
    for server in servers:
        disk = info(agent.home / "instances" / server / "disk")
        assert disk["backing-filename"] == str(base) and disk["backing-filename-format"] == "qcow2"
        assert disk["virtual-size"] == 3 * 1024 * MIB  # the flavor's, which is more than the image's


def test_a_base_is_verified_by_the_algorithm_of_its_order(agent, scheduler, source):
    server, value = str(uuid.uuid4()), hashlib.sha256(source.data).hexdigest()
    scheduler.order(server, 1, "running", image=image(source, os_hash_algo="sha256", os_hash_value=value))
    scheduler.state(server, 1, "running")


def test_a_flavor_smaller_than_the_image_gets_the_images_size(agent, scheduler, source):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running", image=image(source), flavor={"vcpus": 1, "ram_mib": 64, "disk_gib": 0})
    scheduler.state(server, 1, "running")
    assert info(agent.home / "instances" / server / "disk")["virtual-size"] == 2048 * MIB


@pytest.mark.parametrize("path, more, said", [
    ("/image", {"os_hash_value": "0" * 128}, "sha512"),
    ("/image", {"os_hash_algo": "sha256", "os_hash_value": "0" * 64}, "sha256"),
    ("/image", {"size": 1000}, "longer"),
    ("/cut", {}, "cannot fetch"),
    ("/404", {}, "404"),
])
def test_a_wrong_image_is_an_error_and_leaves_nothing(agent, scheduler, source, path, more, said):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running", image=image(source, path, **more))
    body = scheduler.wait("server.state", lambda b: b["server_id"] == server)
    assert (body["state"], body["step"]) == ("error", "fetch_image") and said in body["message"]
    assert list((agent.home / "images").iterdir()) == []
    scheduler.order(server, 2, "absent")
    scheduler.state(server, 2, "absent")
    assert "secret-ticket" not in (agent.home / "agent.log").read_text()


def test_an_image_that_names_other_files_is_refused(agent, scheduler, source, tmp_path):
    path = tmp_path / "evil"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/shadow", path, "1G"], check=True)
    source.data = path.read_bytes()
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running", image=image(source, "/evil"))
    body = scheduler.wait("server.state", lambda b: b["server_id"] == server)
    assert (body["state"], body["step"]) == ("error", "make_overlay") and "other files" in body["message"]
    assert not (agent.home / "instances" / server / "disk").exists()


def test_a_config_drive_holds_the_metadata(agent, scheduler, source):
    server = str(uuid.uuid4())
    body = order(server, 1, "running", image=image(source), config_drive=True)
    body["metadata"] |= {"keys": [{"name": "mine", "type": "ssh", "data": "ssh-ed25519 AAAA"}],
                         "user_data": base64.b64encode(b"#!/bin/sh\n").decode()}
    scheduler.send("server.order", body)
    scheduler.state(server, 1, "running")
    drive = agent.home / "instances" / server / "config.iso"
    label = drive.read_bytes()[32808:32840].decode().strip()
    names = subprocess.run(["isoinfo", "-R", "-f", "-i", drive], check=True, capture_output=True, text=True).stdout.split()
    text = subprocess.run(["isoinfo", "-R", "-x", "/openstack/latest/meta_data.json", "-i", drive], check=True, capture_output=True).stdout
    assert label == "config-2"
    assert {"/openstack/latest/user_data", "/openstack/latest/network_data.json"} <= set(names)
    assert json.loads(text)["public_keys"] == {"mine": "ssh-ed25519 AAAA"}
    scheduler.order(server, 2, "absent")
    scheduler.state(server, 2, "absent")
    assert not (agent.home / "instances" / server).exists()


def test_a_server_taken_away_while_its_image_comes_leaves_nothing(agent, scheduler, source):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running", image=image(source, "/slow"))
    scheduler.order(server, 2, "absent")
    scheduler.state(server, 2, "absent")
    assert not (agent.home / "instances" / server).exists()


@pytest.fixture
def spied(tmp_path, monkeypatch):
    """Every call of qemu-img: (arguments, its limits as the shell tells them)."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "qemu-img.log"
    real = shutil.which("qemu-img")
    folder.joinpath("qemu-img").write_text(f'#!/bin/sh\necho "$(ulimit -v) $(ulimit -t) $(ulimit -f) $(ulimit -c) $(ulimit -s) $MALLOC_ARENA_MAX|$*" >> {log}\nexec {real} "$@"\n')
    folder.joinpath("qemu-img").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: [line.partition("|")[::2] for line in log.read_text().splitlines()]


def test_qemu_img_runs_with_an_explicit_format_and_limits(spied, agent, scheduler, source):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running", image=image(source))
    scheduler.state(server, 1, "running")
    calls = [call for call in spied() if str(agent.home) in call[1]]
    assert len(calls) == 2
    for limits, arguments in calls:
        address_space, seconds, blocks, core, stack, heaps = limits.split()
        assert (int(address_space), int(core)) == (1 << 20, 0) and int(seconds) <= 60 and int(blocks) > 0
        assert (int(stack), heaps) == (2048, "1"), "its threads would use up the address space by chance"
        assert " -f qcow2 " in arguments
    assert " -F qcow2 " in calls[1][1]


def test_another_format_is_converted_once(tmp_path, spied, agent, scheduler):
    path = tmp_path / "disk.vmdk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized", path, "1G"], check=True)
    server = Source(path.read_bytes())
    try:
        ordered = image(server, disk_format="vmdk")
        ids = [str(uuid.uuid4()) for _ in range(3)]
        for one in ids:
            scheduler.order(one, 1, "running", image=ordered)
        for one in ids:
            scheduler.wait("server.state", lambda b: b["server_id"] in ids and b["state"] == "running")
    finally:
        server.shutdown()
        server.server_close()
    assert [a for _, a in spied() if a.startswith("convert")] == [
        f"convert -q -f vmdk -O qcow2 {agent.home}/images/{ordered['id']}.qcow2.part {agent.home}/images/{ordered['id']}.qcow2.part.part"]
    assert [p.name for p in (agent.home / "images").iterdir()] == [f"{ordered['id']}.qcow2"]
    disk = info(agent.home / "instances" / ids[0] / "disk")
    assert disk["backing-filename-format"] == "qcow2" and disk["virtual-size"] == 3 * 1024 * MIB


def test_the_layers_of_a_disk_can_be_asked_for(agent, scheduler, source):
    server = str(uuid.uuid4())
    ordered = image(source)
    scheduler.order(server, 1, "running", image=ordered)
    scheduler.state(server, 1, "running")
    answer = scheduler.call("server.layers", {"server_id": server})["ok"]
    assert (answer["image_id"], answer["image_os_hash_algo"], answer["image_os_hash_value"], answer["image_disk_format"]) == (
        ordered["id"], "sha512", ordered["os_hash_value"], "qcow2")
    assert [(x["level"], x["file"], x["format"], x["virtual_bytes"]) for x in answer["layers"]] == [
        (0, "disk", "qcow2", 3 << 30), (1, ordered["id"], "qcow2", 2 << 30)]


def test_libvirt_pauses_and_saves(agent, scheduler, source):
    server = str(uuid.uuid4())
    ordered = image(source)
    for generation, wanted, power in [(1, "running", "running"), (2, "paused", "paused"), (3, "running", "running"), (4, "suspended", "shutdown"),
                                      (5, "running", "running"), (6, "paused", "paused")]:
        scheduler.order(server, generation, wanted, image=ordered)
        assert scheduler.state(server, generation, wanted)["power_state"] == power
    scheduler.order(server, 7, "absent")
    scheduler.state(server, 7, "absent")
