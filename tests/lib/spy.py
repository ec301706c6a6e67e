# SPDX-License-Identifier: Apache-2.0
"""What goes over the bus, for tests that count it."""

import json
import threading

import pika


class Spy(threading.Thread):
    """Hears every message on the exchange, by an anonymous queue of the broker user in `bus`."""

    def __init__(self, bus):
        super().__init__(daemon=True)
        self.link = pika.BlockingConnection(pika.ConnectionParameters(
            bus["host"], int(bus["port"]), bus["vhost"], pika.PlainCredentials(bus["user"], bus["password"])))
        self.channel = self.link.channel()
        queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(queue, "haneul", "#")
        self.heard = []
        self.channel.basic_consume(queue, lambda _c, method, properties, body: self.heard.append((method.routing_key, json.loads(body))), auto_ack=True)
        self.start()

    def run(self):
        try:
            self.channel.start_consuming()
        except (pika.exceptions.AMQPError, OSError):
            pass

    def about(self, server_id):
        """Messages of one server's life; host.report is the hosts' own heartbeat."""
        return [(key, text["type"]) for key, text in list(self.heard) if text["type"] != "host.report" and server_id in json.dumps(text)]
