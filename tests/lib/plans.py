# SPDX-License-Identifier: Apache-2.0
"""What PostgreSQL did for a request: the plans of its statements with the pages and rows that each touched, by auto_explain.

    plans = Plans(stack)                       # restarts the stack's services so that their sessions load it
    work = plans.of(lambda: stack.call("GET", "identity", "/v3/users?limit=10", token=token))
    work.pages, work.rows, work.scans          # pages read, rows visited, tables read from end to end
    print(work.text())
"""

import json
import os
import re

from deploy.launch import postgres, process
from tests.lib.stack import infra

# What services ask by themselves, all the time.
BACKGROUND = re.compile(r"feed_event|FROM scope_change|catalog_version|signing_key|outbox|pg_advisory|FROM mail|leader|upload_until|"
                        r"lease|staged_at|deleted_at <|closing")
SETTINGS = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
            "auto_explain.log_buffers": "on", "auto_explain.log_timing": "off", "auto_explain.log_format": "json",
            "auto_explain.log_nested_statements": "on"}
SHOWN = os.environ.get("HANEUL_SCALE_PLANS", "")  # part of a request's name: its plans are printed


class Work:
    """The statements of one request."""

    def __init__(self, plans):
        self.plans = plans
        self.pages = sum(p["Plan"]["Shared Hit Blocks"] + p["Plan"]["Shared Read Blocks"] for p in plans)
        self.rows = 0
        self.scans = set()
        for plan in plans:
            self._walk(plan["Plan"])

    def _walk(self, node):
        if "Relation Name" in node:
            visited = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * max(node["Actual Loops"], 0)
            self.rows += visited
            if node["Node Type"] == "Seq Scan" and visited > 100:
                self.scans.add(node["Relation Name"])
        for child in node.get("Plans", ()):
            self._walk(child)

    def text(self):
        lines = []

        def walk(node, depth):
            what = " ".join(filter(None, [node["Node Type"], node.get("Relation Name"), node.get("Index Name")]))
            cond = node.get("Index Cond") or node.get("Recheck Cond") or ""
            gone = node.get("Rows Removed by Filter", 0)
            pages = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
            lines.append(f"{'  ' * depth}{what} {cond} rows={node['Actual Rows']}x{node['Actual Loops']} gone={gone} pages={pages}")
            for child in node.get("Plans", ()):
                walk(child, depth + 1)
        for plan in self.plans:
            lines.append(re.sub(r"\s+", " ", plan["Query Text"])[:300])
            walk(plan["Plan"], 1)
        return "\n".join(lines)


class Plans:
    def __init__(self, stack):
        self.log = process.log_path(infra().cloud, postgres.NAME)
        self.database = stack.database
        for name, value in SETTINGS.items():
            postgres.psql(infra().cloud, f"ALTER DATABASE {stack.database} SET {name} = '{value}'", "postgres")
        for name in stack.names:
            stack.stop(name)
            stack.start(name)

    def of(self, act):
        """Work of the statements that PostgreSQL finished while act() ran."""
        begin = self.log.stat().st_size
        act()
        with self.log.open(encoding="utf-8", errors="replace") as file:
            file.seek(begin)
            text = file.read()
        plans = []
        for entry in re.split(r"(?m)^(?=\S)", text):
            _, found, plan = entry.partition("plan:\n")
            if not found:
                continue
            try:
                plan = json.loads(plan)
            except ValueError:
                if text.endswith(entry):  # something in the background is being written just now
                    continue
                raise
            if not BACKGROUND.search(plan["Query Text"]):
                plans.append(plan)
        return Work(plans)


def grown(small, large, spare_pages, spare_rows):
    """Requests whose Work in the large database is more than twice that in the small one and a spare. small, large: Work by name."""
    bad = []
    print(f"\n{'pages':>8} {'x10':>8} {'rows':>8} {'x10':>8}  request")
    for name, few in small.items():
        many = large[name]
        print(f"{few.pages:8} {many.pages:8} {few.rows:8.0f} {many.rows:8.0f}  {name} {sorted(many.scans) or ''}")
        is_bad = many.pages > 2 * few.pages + spare_pages or many.rows > 2 * few.rows + spare_rows
        if is_bad or (SHOWN and SHOWN in name):
            print(many.text())
        if is_bad:
            bad.append(name)
    return bad
