"""Ask a server for a file, or for the rest of one; and tell errors that pass from errors that stay."""

from __future__ import annotations

import re
import socket
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

CHUNK = 1 << 16
SHA256 = re.compile(r"[0-9a-f]{64}")
TEMPORARY = {408, 425, 429, 500, 502, 503, 504}  # the server says: not now


class FetchFailed(RuntimeError):
    """There is no file; the message is one sentence for the user, with the way out."""

    exit_code = 1


class Dropped(Exception):
    """This attempt failed, the next may not."""


class Shorter(Dropped):
    """The file on the server has fewer bytes than were asked to be skipped."""


class Offline(Dropped):
    """The server's name is unknown, as it is on a machine without a network."""


class Remote(NamedTuple):
    """One version of one file on a server."""

    url: str
    size: int | None
    version: str  # changes when the file does; "" if the server does not tell
    sha256: str | None  # as the server publishes it


class Redirects(HTTPRedirectHandler):
    """Follows them, and keeps what the Hugging Face Hub says on the way: X-Linked-Etag is the sha256
    of a large file, wherever it is then sent from."""

    linked: str | None = None

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        self.linked = headers.get("X-Linked-Etag", self.linked)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def connect(url: str, have: int, timeout: float) -> tuple[HTTPResponse, Remote]:
    """Ask for all bytes from number ``have`` on."""
    asked = {"User-Agent": "llamalite", **({"Range": f"bytes={have}-"} if have else {})}
    redirects = Redirects()
    try:
        response = build_opener(redirects).open(Request(url, headers=asked), timeout=timeout)
    except HTTPError as error:
        with error:
            raise refusal(error) from error
    except (OSError, HTTPException) as error:
        offline = isinstance(error, URLError) and isinstance(error.reason, socket.gaierror)
        host = urlsplit(url).hostname
        message = f"{host} was not found: is there a network?" if offline else f"{host}: {reason(error)}"
        raise (Offline if offline else Dropped)(message) from error
    return response, describe(url, response, redirects.linked)


def describe(url: str, response: HTTPResponse, linked: str | None) -> Remote:
    headers = response.headers
    total = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    linked = linked or headers.get("X-Linked-Etag")
    version = linked or headers.get("ETag") or headers.get("Last-Modified", "")
    sha256 = (linked or "").removeprefix("W/").strip('"').lower()
    size = int(total) if total.isdigit() else None
    return Remote(url, size, version, sha256 if SHA256.fullmatch(sha256) else None)


def refusal(error: HTTPError) -> Exception:
    """What an HTTP status means for the next attempt."""
    said = f"the server answers {error.code} {error.reason}"
    if error.code == 416:  # Range Not Satisfiable
        return Shorter("the file has become shorter on the server: it starts over")
    if error.code in TEMPORARY:
        return Dropped(said)
    return FetchFailed(
        f"cannot fetch {error.url}: {said}; it may have moved, or be out of reach from this network: "
        "open the address in a browser, and give the file that you find to llamalite train --data"
    )


def read_chunk(response: HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, HTTPException) as error:
        raise Dropped(f"the connection broke ({reason(error)})") from error


def reason(error: Exception) -> str:
    """
    >>> reason(URLError(ConnectionRefusedError(111, "Connection refused"))), reason(TimeoutError())
    ('Connection refused', 'TimeoutError')
    """
    inner = error.reason if isinstance(error, URLError) else error
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
