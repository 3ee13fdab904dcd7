# Tornado, as `ws-floor.ts` is for Node: /echo sends back what comes, /publish passes it to all that came to /subscribe.
# Prints {"port": N} when it listens.
import asyncio
import json
import signal
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

subscribers = set()


class Plain(WebSocketHandler):
    def check_origin(self, origin):
        return True

    def open(self):
        self.set_nodelay(True)

    def on_message(self, message):
        pass


class Echo(Plain):
    def on_message(self, message):
        self.write_message(message)


class Publish(Plain):
    def on_message(self, message):
        for subscriber in subscribers:
            subscriber.write_message(message)


class Subscribe(Plain):
    def open(self):
        super().open()
        subscribers.add(self)

    def on_close(self):
        subscribers.discard(self)


async def main():
    sockets = bind_sockets(0, "127.0.0.1", backlog=4096)
    server = HTTPServer(Application([("/echo", Echo), ("/publish", Publish), ("/subscribe", Subscribe)]))
    server.add_sockets(sockets)
    print(json.dumps({"port": sockets[0].getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
asyncio.run(main())
