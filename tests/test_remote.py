"""What a server's answer means: the file, not now, or never."""

import socket

import pytest
from server import CONTENT, Reply, serve

from llamalite.text.remote import Dropped, FetchFailed, Shorter, connect

site = pytest.fixture(serve)
SHA = "0123456789abcdef" * 4


def ask(url, have=0):
    response, remote = connect(url, have, timeout=5)
    with response:
        return response.read(), remote


def test_the_whole_and_the_rest_are_one_version(site):
    whole, rest = ask(site.url), ask(site.url, 150_000)
    assert whole[0] == CONTENT and rest[0] == CONTENT[150_000:]
    assert whole[1] == rest[1] == (site.url, len(CONTENT), '"one"', None)


@pytest.mark.parametrize("linked", [SHA, f'"{SHA}"', f'W/"{SHA}"', f'"{SHA.upper()}"'])
def test_the_published_checksum_and_the_ways_to_write_it(site, linked):
    site.linked = linked
    assert ask(f"{site.address}/linked")[1] == (f"{site.address}/linked", len(CONTENT), linked, SHA)


@pytest.mark.parametrize("linked", [None, '"0123abcd"', f'"{SHA[:40]}"'])
def test_what_is_no_sha256_is_not_taken_for_one(site, linked):
    """The Hub gives a small file's git hash, of 40 digits, in the same place."""
    site.linked = linked
    assert ask(f"{site.address}/linked")[1].sha256 is None


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_will_not_pass(site, status):
    site.usual = Reply(status=status)
    with pytest.raises(FetchFailed, match=f"the server answers {status} .* open the address in a browser"):
        ask(site.url)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass(site, status):
    site.usual = Reply(status=status)
    with pytest.raises(Dropped, match=f"the server answers {status}"):
        ask(site.url)


def test_more_is_kept_than_there_is(site):
    with pytest.raises(Shorter):
        ask(site.url, len(CONTENT) + 1)


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening: refused
        with pytest.raises(Dropped, match=r"127\.0\.0\.1: .*refused"):
            ask(f"http://127.0.0.1:{free.getsockname()[1]}/file")
