"""Downloads that end whole and right or not at all, from a server that does everything wrong."""

import errno
import hashlib
import io
import json
import os
import socket
import sys
from types import SimpleNamespace

import pytest
from server import CONTENT, Reply, serve

from llamalite.text import fetch as fetching
from llamalite.text.remote import FetchFailed

SHA = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT.replace(b"1", b"2")  # of the same length
OTHER_SHA = hashlib.sha256(OTHER).hexdigest()
site = pytest.fixture(serve)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads" / "plays.txt"


@pytest.fixture
def part(target):
    return target.with_name("plays.txt.part")


@pytest.fixture
def fetch(site, target):
    """Without waiting between attempts."""

    def run(sha256=SHA, **options):
        return fetching.fetch(options.pop("url", site.url), target, sha256, **{"wait": 0, **options})

    return run


def test_a_file_arrives_whole_and_checked(site, fetch, target):
    done = fetch()
    assert target.read_bytes() == CONTENT
    assert done == (target, SHA, "that llamalite knows", True)
    assert sorted(os.listdir(target.parent)) == ["plays.txt", "plays.txt.json"]
    note = json.loads((target.parent / "plays.txt.json").read_text())
    assert note == {"url": site.url, "bytes": len(CONTENT), "sha256": SHA}


# --- broken connections --------------------------------------------------------------------------


def test_a_dropped_connection_is_taken_up_where_it_broke(site, fetch, target):
    site.plan = [Reply(drop_after=70_000), Reply(drop_after=50_000)]
    fetch()
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=70000-", "bytes=120000-"]


def test_a_server_that_always_drops_leaves_what_came_for_the_next_run(site, fetch, target, part):
    site.usual = Reply(drop_after=1000)
    sentence = r"ended after 3,000 of 200,000 bytes; 3,000 bytes are kept in .*plays.txt.part, and the same"
    with pytest.raises(FetchFailed, match=sentence):
        fetch(attempts=3)
    assert not target.exists() and part.read_bytes() == CONTENT[:3000] and len(site.asked) == 3
    site.usual = Reply()
    fetch()
    assert target.read_bytes() == CONTENT and site.asked[3:] == ["bytes=3000-"]
    assert sorted(os.listdir(target.parent)) == ["plays.txt", "plays.txt.json"]


def test_the_waits_double(site, fetch, monkeypatch):
    waits = []
    monkeypatch.setattr(fetching.time, "sleep", waits.append)
    site.usual = Reply(drop_after=-1)
    with pytest.raises(FetchFailed, match=r"127\.0\.0\.1: .*; nothing has come yet; run .* again later"):
        fetch(wait=1.0)
    assert waits == [1, 2, 4, 8] and len(site.asked) == 5


def test_a_server_that_falls_silent_is_not_waited_for_for_ever(site, fetch, target):
    site.plan = [Reply(stall=True)]
    fetch(timeout=0.2)
    assert target.read_bytes() == CONTENT and len(site.asked) == 2


def test_no_network_is_said_at_once(fetch, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: pytest.fail("waited"))
    with pytest.raises(FetchFailed, match=r"texts\.invalid was not found: is there a network\?"):
        fetch(url="http://texts.invalid/file")


def test_ctrl_c_keeps_what_came(site, fetch, part, target, monkeypatch):
    chunks = [CONTENT[:5000]]

    def read(response):
        if not chunks:
            raise KeyboardInterrupt
        return chunks.pop()

    monkeypatch.setattr(fetching, "read_chunk", read)
    with pytest.raises(KeyboardInterrupt):
        fetch()
    monkeypatch.undo()
    assert part.read_bytes() == CONTENT[:5000]
    fetch()
    assert target.read_bytes() == CONTENT and site.asked == [None, "bytes=5000-"]


# --- what is kept and what the server has do not fit together ------------------------------------


def test_a_server_without_ranges_starts_over(site, fetch, target):
    site.plan, site.usual = [Reply(drop_after=90_000)], Reply(ranges=False)
    fetch()
    assert target.read_bytes() == CONTENT and site.asked == [None, "bytes=90000-"]


def test_two_versions_are_never_glued(site, fetch, target):
    """Same address, same length, another ETag: its second half would fit exactly."""
    site.plan, site.usual = [Reply(drop_after=100_000)], Reply(content=OTHER, etag='"two"')
    fetch(OTHER_SHA)
    assert target.read_bytes() == OTHER and site.asked == [None, "bytes=100000-", None]


def test_a_file_that_became_shorter_starts_over(site, fetch, target):
    site.plan, site.usual = [Reply(drop_after=100_000)], Reply(content=CONTENT[:50_000], etag='"two"')
    fetch(hashlib.sha256(CONTENT[:50_000]).hexdigest())
    assert target.read_bytes() == CONTENT[:50_000] and site.asked == [None, "bytes=100000-", None]


MIRROR = '{"url": "http://elsewhere/file", "size": 200000, "version": "\\"one\\"", "sha256": null}'


@pytest.mark.parametrize("note", [None, "{", "[]", MIRROR])
def test_a_part_without_its_own_note_is_not_trusted(site, fetch, target, part, note):
    target.parent.mkdir()
    part.write_bytes(b"who knows")
    if note:
        part.with_name("plays.txt.part.json").write_text(note)
    fetch()
    assert target.read_bytes() == CONTENT and site.asked == [None]


def test_a_part_that_only_lacks_the_check_needs_no_server(site, fetch, target, monkeypatch):
    with monkeypatch.context() as patched:  # the power fails after the last byte
        patched.setattr(fetching, "hash_file", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetch()
    fetch()
    assert target.read_bytes() == CONTENT and site.asked == [None]


# --- wrong bytes ---------------------------------------------------------------------------------


def test_wrong_bytes_are_removed_and_never_called_done(site, fetch, target):
    site.plan = [Reply(content=OTHER)]
    with pytest.raises(FetchFailed, match=f"was removed: expected sha256 {SHA}, found {OTHER_SHA}; run"):
        fetch()
    assert sorted(os.listdir(target.parent)) == []
    fetch()
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("length", "sentence"), [(250_000, "of 250,000 bytes"), (150_000, "expected sha256")]
)
def test_a_wrong_length_is_not_done(site, fetch, target, length, sentence):
    site.usual = Reply(length=length, ranges=False)
    with pytest.raises(FetchFailed, match=sentence):
        fetch(attempts=2)
    assert not target.exists()


# --- HTTP ----------------------------------------------------------------------------------------


def test_503_passes(site, fetch, target):
    site.plan = [Reply(status=503), Reply(drop_after=10), Reply(status=429)]
    fetch()
    assert target.read_bytes() == CONTENT and site.asked == [None, None, "bytes=10-", "bytes=10-"]


def test_500_for_ever(site, fetch):
    site.usual = Reply(status=500)
    with pytest.raises(FetchFailed, match="the server answers 500 Internal Server Error; nothing has come"):
        fetch(attempts=4)
    assert len(site.asked) == 4


# --- checksums that only the server knows --------------------------------------------------------


def test_the_checksum_of_a_redirect(site, fetch, target):
    site.linked, url = f'"{SHA}"', f"{site.address}/linked"
    assert fetch(None, url=url).checked == "that 127.0.0.1 publishes"
    assert target.read_bytes() == CONTENT
    assert fetch(None, url=url).checked == "written down when it was fetched"
    assert len(site.asked) == 1


def test_a_redirect_is_taken_up_too(site, fetch, target):
    site.linked, site.plan = f'"{SHA}"', [Reply(drop_after=60_000)]
    fetch(None, url=f"{site.address}/linked")
    assert target.read_bytes() == CONTENT and site.asked == [None, "bytes=60000-"]


def test_bytes_that_are_not_those_published(site, fetch, target):
    site.linked = f'"{OTHER_SHA}"'
    with pytest.raises(FetchFailed, match=f"expected sha256 {OTHER_SHA}, found {SHA}"):
        fetch(None, url=f"{site.address}/linked")
    assert sorted(os.listdir(target.parent)) == []


def test_without_any_checksum_nothing_is_downloaded(site, fetch, target):
    with pytest.raises(FetchFailed, match="no checksum is known for"):
        fetch(None, url=f"{site.address}/linked")
    assert sorted(os.listdir(target.parent)) == []


# --- what is there already, and the disk ---------------------------------------------------------


def test_what_is_there_and_right_is_not_fetched_again(site, fetch, target):
    fetch()
    assert not fetch().fresh and len(site.asked) == 1


@pytest.mark.parametrize("known", [True, False])
def test_what_is_there_and_wrong_is_left_alone(site, fetch, target, known):
    site.linked = SHA
    again = {"sha256": SHA if known else None, "url": f"{site.address}/linked"}
    fetch(**again)
    target.write_bytes(b"my own notes")
    with pytest.raises(
        FileExistsError, match=f"expected sha256 {SHA}, found .*; move it away, or .* --force"
    ):
        fetch(**again)
    assert target.read_bytes() == b"my own notes" and len(site.asked) == 1
    assert fetch(**again, force=True).fresh and target.read_bytes() == CONTENT


def test_a_file_of_unknown_origin_is_left_alone(site, fetch, target):
    fetch()  # which notes another address
    with pytest.raises(FileExistsError, match="nothing tells whether it is from"):
        fetch(None, url=f"{site.address}/linked")
    target.with_name("plays.txt.json").unlink()
    with pytest.raises(FileExistsError, match="nothing tells whether it is from"):
        fetch(None)
    assert len(site.asked) == 1 and target.read_bytes() == CONTENT


def test_a_folder_that_may_not_be_written_to(fetch, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fetching, "write_note", refuse)
    with pytest.raises(ValueError, match=r"cannot write .*plays\.txt \(Permission denied\); choose another"):
        fetch()


def test_a_disk_without_room_is_not_filled(site, fetch, part, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1234))
    with pytest.raises(FetchFailed, match=r"disk is full \(200,000 bytes are to come, and 1,234 are free\)"):
        fetch()
    assert part.read_bytes() == b"" and len(site.asked) == 1


def test_a_disk_that_fills_up_keeps_what_came(fetch, part, target, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetchFailed, match=r"No space left on device\): make room, or .*bytes are kept in"):
        fetch()
    monkeypatch.undo()
    assert part.exists() and not target.exists()
    fetch()
    assert target.read_bytes() == CONTENT


# --- the progress bar ----------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_is_for_terminals(fetch, monkeypatch, terminal):
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", screen)
    fetch()
    assert ("plays.txt: 100%" in screen.getvalue()) == terminal
    assert bool(screen.getvalue()) == terminal
