# SPDX-License-Identifier: Apache-2.0
"""The tasks API: images made of what is at a URL, and all imports as an administrator sees them."""

import http.server
import os
import threading
import urllib.parse

import pytest

from tests.lib.image import fetching
from tests.lib.stack import free_ports, wait_until

SERVICES = ["identity", "image"]
PORT = free_ports(["web"])["web"]
SETTINGS = {"image": fetching(PORT)}
DATA = os.urandom(300_000)


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/disk" else 404)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{PORT}"
    server.shutdown()


def order(web, path="/disk", **properties):
    return {"type": "import", "input": {"import_from": web + path, "import_from_format": "raw", "image_properties": properties}}


def begin(stack, body):
    status, headers, task = stack.request("POST", "image", "/v2/tasks", body, token=stack.admin_token())
    assert status == 201, task
    assert headers["Location"] == f"/v2/tasks/{task['id']}" == task["self"]
    return task


def ended(stack, task):
    def now():
        return stack.call("GET", "image", task["self"], token=stack.admin_token())
    wait_until(lambda: now()["status"] != "processing", 20, "the task did not end")
    return now()


def test_a_task_makes_an_image_of_a_url(stack, web):
    task = begin(stack, order(web, name="of a task", container_format="bare", flavour="sweet"))
    assert (task["type"], task["schema"], task["result"]) == ("import", "/v2/schemas/task", None)
    assert task["input"]["import_from"] == web + "/disk"
    done = ended(stack, task)
    assert (done["status"], done["message"]) == ("success", "")
    assert done["expires_at"] > done["updated_at"]
    image = stack.call("GET", "image", f"/v2/images/{done['result']['image_id']}", token=stack.admin_token())
    assert (image["status"], image["name"], image["flavour"], image["disk_format"]) == ("active", "of a task", "sweet", "raw")
    assert image["size"] == len(DATA)


def test_a_task_that_fails_says_why_and_leaves_the_image_queued(stack, web):
    done = ended(stack, begin(stack, order(web, "/missing", container_format="bare")))
    assert (done["status"], done["result"]) == ("failure", None) and "404" in done["message"]
    assert stack.call("GET", "image", f"/v2/images/{done['image_id']}", token=stack.admin_token())["status"] == "queued"


@pytest.mark.parametrize("change, word", [
    ({"type": "export"}, "type"), ({"type": None}, "type"), ({"input": None}, "input"), ({"input": []}, "input"),
    ({"input": {}}, "import_from"), ({"input": {"import_from": "http://127.0.0.1/x"}}, "import_from_format"),
    ({"input": {"import_from": "http://127.0.0.1/x", "import_from_format": "raw"}}, "image_properties"),
    ({"input": {"import_from": "file:///etc/passwd", "import_from_format": "raw", "image_properties": {}}}, "URI"),
    ({"input": {"import_from": "http://127.0.0.1:1/x", "import_from_format": "raw", "image_properties": {}}}, "URI"),
    ({"input": {"import_from": "http://127.0.0.1/x", "import_from_format": "raw", "image_properties": {"min_disk": -1}}}, "min_disk"),
])
def test_what_a_task_lacks_is_named(stack, web, change, word):
    before = len(stack.sql("image", "SELECT id FROM image"))
    body = {k: v for k, v in {**order(web), **change}.items() if v is not None}
    status, _, error = stack.request("POST", "image", "/v2/tasks", body, token=stack.admin_token(), headers={"Accept": "application/json"})
    assert status == 400 and word in error["message"]
    assert len(stack.sql("image", "SELECT id FROM image")) == before


def test_a_task_over_the_quota_leaves_no_image(stack, web):
    project = stack.call("GET", "identity", "/v3/projects?name=admin", token=stack.admin_token())["projects"][0]["id"]
    before = stack.sql("image", "SELECT count(*) AS n FROM image WHERE status <> 'deleted'")
    stack.sql("image", "INSERT INTO quota_limit (project_id, resource, value, n) VALUES (%s, 'image_count_uploading', 0, 1)", project)
    status, _, _ = stack.request("POST", "image", "/v2/tasks", order(web), token=stack.admin_token())
    stack.sql("image", "DELETE FROM quota_limit WHERE project_id = %s", project)
    assert status == 413
    assert stack.sql("image", "SELECT count(*) AS n FROM image WHERE status <> 'deleted'") == before


def test_tasks_are_for_administrators(stack, web):
    person = stack.person()
    for method, path, body in (("GET", "/v2/tasks", None), ("POST", "/v2/tasks", order(web)), ("GET", "/v2/tasks/" + "0" * 8, None)):
        assert stack.request(method, "image", path, body, token=person.token)[0] == 403
        assert stack.request(method, "image", path, body)[0] == 401


def test_a_task_cannot_be_deleted(stack, web):
    task = begin(stack, order(web))
    status, headers, _ = stack.request("DELETE", "image", task["self"], token=stack.admin_token())
    assert (status, headers["Allow"]) == (405, "GET")
    ended(stack, task)


def test_tasks_are_listed_page_by_page(stack, web):
    made = [ended(stack, begin(stack, order(web)))["id"] for _ in range(3)]
    seen, path = [], "/v2/tasks?limit=2&sort_dir=desc&status=success"
    while path:
        page = stack.call("GET", "image", path, token=stack.admin_token())
        assert len(page["tasks"]) <= 2 and page["schema"] == "/v2/schemas/tasks"
        assert urllib.parse.parse_qs(page["first"].split("?")[1]) == {"limit": ["2"], "sort_dir": ["desc"], "status": ["success"]}
        seen += page["tasks"]
        path = page.get("next")
    assert [t["id"] for t in seen][:3] == made[::-1]
    assert len({t["id"] for t in seen}) == len(seen)
    assert all("input" not in t and "result" not in t and t["status"] == "success" for t in seen)
    up = stack.call("GET", "image", "/v2/tasks?sort_dir=asc&sort_key=updated_at&limit=1000", token=stack.admin_token())["tasks"]
    assert [t["id"] for t in up][-3:] == made
    assert all(t["type"] == "import" for t in stack.call("GET", "image", "/v2/tasks?type=import", token=stack.admin_token())["tasks"])


@pytest.mark.parametrize("query", ["status=odd", "type=odd", "limit=-1", "limit=x", "marker=x", "sort_dir=up", "sort_key=input",
                                   "marker=11111111-1111-4111-8111-111111111111"])
def test_a_query_that_means_nothing_is_refused(stack, query):
    assert stack.request("GET", "image", "/v2/tasks?" + query, token=stack.admin_token())[0] == 400


def test_imports_are_tasks_too(stack, web):
    person = stack.person()
    image = stack.call("POST", "image", "/v2/images", {"disk_format": "raw", "container_format": "bare"}, token=person.token)
    body = {"method": {"name": "web-download", "uri": web + "/disk"}}
    stack.call("POST", "image", f"/v2/images/{image['id']}/import", body, token=person.token)
    [task] = stack.call("GET", "image", f"/v2/images/{image['id']}/tasks", token=person.token)["tasks"]
    done = ended(stack, task)
    assert (done["type"], done["owner"], done["image_id"]) == ("api_image_import", person.project_id, image["id"])
    page = stack.call("GET", "image", f"/v2/tasks?image_id={image['id']}", token=stack.admin_token())
    assert [t["id"] for t in page["tasks"]] == [task["id"]]


def test_an_ended_task_is_forgotten_after_two_days(stack, web):
    task = ended(stack, begin(stack, order(web)))
    stack.sql("image", "UPDATE image_task SET updated_at = now() - interval '49 hours' WHERE id = %s", task["id"])
    wait_until(lambda: stack.request("GET", "image", task["self"], token=stack.admin_token())[0] == 404, 15, "the task stayed")


def test_tasks_have_schemas(stack):
    one = stack.call("GET", "image", "/v2/schemas/task", token=stack.admin_token())
    many = stack.call("GET", "image", "/v2/schemas/tasks", token=stack.admin_token())
    assert {"input", "result", "message"} <= set(one["properties"])
    assert set(one["properties"]) - set(many["properties"]["tasks"]["items"]["properties"]) == {"input", "result", "message"}
