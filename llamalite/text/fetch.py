"""Download a file so that it is either whole and right, or not there.

    NAME.part         what has come so far; a broken download goes on from its end
    NAME.part.json    which version of which file those bytes belong to
    NAME              the file: renamed from NAME.part once its sha256 was found right
    NAME.json         where it came from, and the sha256 for later

Knows addresses and paths, nothing of texts. What it leaves out: several connections at once, and
two processes that fetch the same file into the same folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from http.client import HTTPResponse
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tqdm import tqdm

from llamalite.text.remote import Dropped, FetchFailed, Offline, Remote, Shorter, connect, read_chunk


class Fetched(NamedTuple):
    path: Path
    sha256: str
    checked: str  # against what
    fresh: bool  # downloaded now, not found


def fetch(
    url: str,
    target: Path,
    sha256: str | None = None,
    force: bool = False,
    attempts: int = 5,
    wait: float = 1.0,
    timeout: float = 30.0,
) -> Fetched:
    """Bring ``url`` to ``target`` and hold it against ``sha256``, or else what the server publishes.

    Waits ``wait`` seconds after the first dropped connection, twice that after the next, and so on.
    """
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder, and a file should go there; move it away")
    part = beside(target, ".part")
    try:
        if target.exists() and not force:
            return already_there(url, target, sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        remote = download(url, part, sha256, attempts, wait, timeout)
        found, expected = hash_file(part), sha256 or remote.sha256
        if found != expected:
            discard(part)
            raise FetchFailed(wrong_bytes(url, expected, found))
        # In this order: a crash between any two of them leaves nothing that misleads the next run.
        write_note(target, {"url": url, "bytes": part.stat().st_size, "sha256": found})
        os.replace(part, target)
        discard(part)
    except OSError as error:  # of this machine: those of the network have become other errors by now
        raise cannot_write(error, target, part) from error
    by = "that llamalite knows" if sha256 else f"that {urlsplit(url).hostname} publishes"
    return Fetched(target, found, by, fresh=True)


def already_there(url: str, target: Path, sha256: str | None) -> Fetched:
    note = read_note(target)
    expected = sha256 or (note.get("sha256") if note.get("url") == url else None)
    way_out = "move it away, or replace it with --force"
    if expected is None:
        raise FileExistsError(f"{target} exists, and nothing tells whether it is from {url}; {way_out}")
    found = hash_file(target)
    if found != expected:
        raise FileExistsError(
            f"{target} exists, but is not what it should be: "
            f"expected sha256 {expected}, found {found}; {way_out}"
        )
    by = "that llamalite knows" if sha256 else "written down when it was fetched"
    return Fetched(target, found, by, fresh=False)


# --- attempts ------------------------------------------------------------------------------------


def download(url: str, part: Path, sha256: str | None, attempts: int, wait: float, timeout: float) -> Remote:
    """Fill ``part`` with all of one version of the file, in as many attempts as it takes."""
    for attempt in count(1):
        try:
            return download_rest(url, part, sha256, timeout)
        except Dropped as error:
            if isinstance(error, Shorter):
                discard(part)
            if attempt >= attempts or (attempt == 1 and isinstance(error, Offline)):
                raise FetchFailed(f"cannot fetch {url}: {error}; {how_to_go_on(part)}") from error
            pause = wait * 2 ** (attempt - 1)
            tqdm.write(f"{error}; attempt {attempt + 1} of {attempts} in {pause:g} s")
            time.sleep(pause)


def download_rest(url: str, part: Path, sha256: str | None, timeout: float) -> Remote:
    """One attempt, from where the last one ended."""
    kept = read_part_note(url, part)
    have = part.stat().st_size if kept and part.is_file() else 0
    if kept and have == kept.size:
        return kept  # only the check is missing
    response, remote = connect(url, have, timeout)
    with response:
        if remote.sha256 is None and sha256 is None:
            raise FetchFailed(
                f"no checksum is known for {url}, and its server publishes none, so nobody could tell "
                "whether it arrived whole; download it by other means, and give it to llamalite train --data"
            )
        if have and response.status == 206 and not continues(response, have, remote, kept):
            discard(part)
            raise Dropped("the file has changed on the server since the last attempt: it starts over")
        if not have or response.status != 206:  # asked for the rest or not, this is the whole file
            have = 0
            begin(part, remote)
        check_room(part.parent, (remote.size or 0) - have)
        receive(response, part, have, remote.size)
    return remote


def continues(response: HTTPResponse, have: int, remote: Remote, kept: Remote) -> bool:
    """Whether these are the next bytes of the version that ``part`` begins with."""
    start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    same = (remote.size, remote.version) == (kept.size, kept.version)
    return same and bool(start) and int(start[1]) == have


def begin(part: Path, remote: Remote) -> None:
    """Nothing so far, of this version. In this order, bytes never lie beside another version's note."""
    part.unlink(missing_ok=True)
    write_note(part, remote._asdict())
    part.touch()


def check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OSError(errno.ENOSPC, f"{wanted:,} bytes are to come, and {free:,} are free")


def receive(response: HTTPResponse, part: Path, have: int, size: int | None) -> None:
    bar = tqdm(total=size, initial=have, unit="B", unit_scale=True, disable=None, desc=part.stem)
    with open(part, "ab") as file, bar:
        while chunk := read_chunk(response):
            file.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if size is not None and have != size:
        raise Dropped(f"the connection ended after {have:,} of {size:,} bytes")


# --- files ---------------------------------------------------------------------------------------


def beside(path: Path, ending: str) -> Path:
    """
    >>> beside(Path("plays.txt"), ".part").name
    'plays.txt.part'
    """
    return path.with_name(path.name + ending)


def hash_file(path: Path) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def write_note(path: Path, values: dict[str, Any]) -> None:
    fresh = beside(path, ".json.new")
    fresh.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    os.replace(fresh, beside(path, ".json"))


def read_note(path: Path) -> dict[str, Any]:
    """What was noted about ``path``; nothing, if the note is missing or damaged."""
    try:
        note = json.loads(beside(path, ".json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def read_part_note(url: str, part: Path) -> Remote | None:
    note = read_note(part)
    return Remote(**note) if note.keys() == set(Remote._fields) and note["url"] == url else None


def discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    beside(part, ".json").unlink(missing_ok=True)


# --- sentences -----------------------------------------------------------------------------------


def how_to_go_on(part: Path) -> str:
    kept = part.stat().st_size if part.is_file() else 0
    if not kept:
        return "nothing has come yet; run the same command again later"
    return f"{kept:,} bytes are kept in {part}, and the same command goes on from there"


def wrong_bytes(url: str, expected: str, found: str) -> str:
    return (
        f"what came from {url} is not the file it should be, and was removed: expected sha256 {expected}, "
        f"found {found}; run the same command again, or on another network if it stays so"
    )


def cannot_write(error: OSError, target: Path, part: Path) -> Exception:
    if error.errno is None:  # one of our own, a sentence already
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchFailed(
            f"the disk is full ({error.strerror}): make room, or choose another folder with --out; "
            f"{how_to_go_on(part)}"
        )
    in_the_way = error.errno in (errno.EEXIST, errno.ENOTDIR)
    what = "a file is where its folder should be" if in_the_way else error.strerror
    return ValueError(f"cannot write {target} ({what}); choose another folder with --out")
