# SPDX-License-Identifier: Apache-2.0
"""A real SMTP server that delivers to nobody: each mail becomes a JSON file in a folder, whole or not at all."""

import argparse
import asyncio
import email
import email.policy
import json
import signal
import time
from pathlib import Path

from aiosmtpd.controller import UnthreadedController

MAX_MAIL = 1024 * 1024


class Sink:
    def __init__(self, folder):
        self.folder = Path(folder)

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_body(("plain", "html"))
        record = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": str(mail["subject"] or ""),
                  "text": body.get_content() if body else "", "received": time.time()}
        path = self.folder / f"{time.time_ns():020d}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
        new.rename(path)
        return "250 OK"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--dir", required=True)
    chosen = options.parse_args()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    controller = UnthreadedController(Sink(chosen.dir), hostname="127.0.0.1", port=chosen.port, loop=loop,
                                      data_size_limit=MAX_MAIL)
    controller.begin()
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    loop.run_forever()
    controller.end()


if __name__ == "__main__":
    main()
