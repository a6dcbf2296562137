"""A web server on this machine that misbehaves as it is told to, for the tests of downloads."""

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = b"".join(b"%07d\n" % i for i in range(25_000))  # 200,000 bytes, no two parts alike


@dataclass
class Reply:
    """How to answer one request."""

    content: bytes = CONTENT
    etag: str = '"one"'
    status: int = 200
    drop_after: int | None = None  # bytes of the body; -1: not even a status line
    ranges: bool = True
    length: int | None = None  # a lie about the size
    stall: bool = False  # sends the body ten seconds late


@dataclass
class Site:
    """``plan`` holds the replies to the next requests; ``usual`` answers all later ones."""

    usual: Reply = field(default_factory=Reply)
    plan: list[Reply] = field(default_factory=list)
    linked: str | None = None  # X-Linked-Etag of the redirect from /linked to /file
    asked: list[str | None] = field(default_factory=list)  # the Range of every request for the file
    closed: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    @property
    def url(self) -> str:
        return f"{self.address}/file"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        if self.path == "/linked":
            self.send_response(302)
            self.send_header("Location", site.url)
            if site.linked:
                self.send_header("X-Linked-Etag", site.linked)
            return self.end_headers()
        site.asked.append(self.headers.get("Range"))
        self.answer(site.plan.pop(0) if site.plan else site.usual)

    def answer(self, reply: Reply):
        if reply.drop_after == -1:
            return
        start = int(re.findall(r"\d+", self.headers.get("Range", "0") if reply.ranges else "0")[0])
        status = reply.status
        if status == 200 and start:
            status = 206 if start < len(reply.content) else 416
        self.send_response(status)
        if status in (200, 206):
            body = reply.content[start:]
            self.send_header("Content-Length", str(reply.length or len(body)))
            self.send_header("ETag", reply.etag)
            if status == 206:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(reply.content) - 1}/{len(reply.content)}"
                )
            self.end_headers()
            if reply.stall:
                self.server.site.closed.wait(10)
            self.wfile.write(body[: reply.drop_after])
        else:
            self.end_headers()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the test


def serve():
    """A generator for a fixture: yields the ``Site``, closes the server."""
    site = Site()
    with Server(("127.0.0.1", 0), Handler) as server:
        server.site, site.address = site, f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        site.closed.set()
        server.shutdown()
        thread.join()
