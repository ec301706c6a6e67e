# SPDX-License-Identifier: Apache-2.0
"""What must hold of images whatever broke: nothing is in a store, on the disk or in a row that no image wants, and quota and usage
are the sum of the rows."""

import time
import urllib.request
from pathlib import Path

from tests.lib.stack import wait_until

SWEEP_S = 90  # a removal that was claimed just before a kill is claimed again after a minute


def age(stack):
    """As if a lease and an hour had passed."""
    stack.sql("image", "UPDATE image SET upload_until = now() - interval '1 s' WHERE upload_id IS NOT NULL")
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    stack.sql("image", "UPDATE blob_location SET changed_at = now() - interval '1 hour'")


def settle(stack, owner):
    """The same, and the service's first sweep has run."""
    age(stack)
    stack.kill("image")
    stack.start("image")
    wait_until(lambda: stack.request("GET", "image", "/v2/images", token=owner.token)[0] == 200, 20, "the service does not serve")


def leftovers(stack, stores):
    """Everything that is and should not be, or is not and should; {} when all is well. stores: each name's directory, or S3."""
    base = Path(stack.more.get("image", {}).get("store", {}).get("path", stack.cloud.dir("images")))
    folders = {name: Path(store) for name, store in stores.items() if not hasattr(store, "objects")}
    remotes = {name: store for name, store in stores.items() if name not in folders}
    rows = stack.sql("image", "SELECT i.blob, l.store, COALESCE(p.part, i.blob) AS part FROM image i JOIN image_location l ON l.image_id = i.id "
                              "LEFT JOIN blob_part p ON p.digest = i.blob WHERE i.blob IS NOT NULL")
    staged = {r["f"] for r in stack.sql("image", "SELECT staged_file::text AS f FROM image WHERE staged_file IS NOT NULL")}
    held = {name: {p.name for p in (path / "blobs").glob("*/*")} for name, path in folders.items()}
    held.update({name: set(store.objects) for name, store in remotes.items()})
    found = {
        **{name: held[name] ^ {r["part"] for r in rows if r["store"] == name} for name in stores},
        "parts": {p.name for path in folders.values() for p in (path / "part").iterdir()} | {key for store in remotes.values() for key in store.uploads},
        "temps": {p.name for p in (base / "tmp").iterdir()} ^ staged,
        "rows": {(r["digest"], r["store"]) for r in stack.sql("image", "SELECT digest, store FROM blob_location WHERE state = 'present'")}
                ^ {(r[which], r["store"]) for r in rows for which in ("blob", "part")},
        "blobs": {r["digest"] for r in stack.sql("image", "SELECT digest FROM blob")} ^ {r[which] for r in rows for which in ("blob", "part")},
        "others": {r["state"] for r in stack.sql("image", "SELECT state FROM blob_location WHERE state <> 'present'")},
        "leases": {r["s"] for r in stack.sql("image", "SELECT status AS s FROM image WHERE upload_id IS NOT NULL OR status IN ('saving', 'importing')")},
        "urls": {r["id"] for r in stack.sql("image", "SELECT image_id::text AS id FROM image_url")}
                ^ {r["id"] for r in stack.sql("image", "SELECT id::text FROM image WHERE is_located AND blob IS NOT NULL")},
        "tasks": {r["s"] for r in stack.sql("image", "SELECT status AS s FROM image_task WHERE status = 'processing'")},
    }
    return {k: v for k, v in found.items() if v}


def check_nothing_left(stack, stores, seconds=SWEEP_S):
    end = time.monotonic() + seconds
    while (left := leftovers(stack, stores)) and time.monotonic() < end:
        time.sleep(0.2)
    assert not left


def download(stack, owner, image):
    """The bytes of the image with this id."""
    request = urllib.request.Request(f"{stack.url('image')}/v2/images/{image}/file", headers={"X-Auth-Token": owner.token})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read()


def check_sums(stack, owner):
    usage = stack.call("GET", "image", "/v2/info/usage", token=owner.token)["usage"]
    images = stack.call("GET", "image", "/v2/images?limit=1000", token=owner.token)["images"]
    total = sum((i["size"] or 0) * len(i["stores"].split(",")) for i in images if "stores" in i)
    staged = stack.sql("image", "SELECT COALESCE(sum(staged_size), 0)::bigint AS n FROM image")[0]["n"]
    n_staged = sum(i["status"] == "uploading" for i in images)
    assert usage["image_size_total"]["usage"] == total >> 20 and usage["image_stage_total"]["usage"] == staged >> 20
    assert usage["image_count_total"]["usage"] == len(images) and usage["image_count_uploading"]["usage"] == n_staged
    opened = stack.sql("image", "SELECT resource_id, quantity FROM usage_interval WHERE to_us IS NULL AND project_id = %s", owner.project_id)
    assert {(o["resource_id"], o["quantity"]) for o in opened} == {(i["id"], i["size"]) for i in images if i["status"] == "active"}
