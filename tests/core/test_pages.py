"""Laws of which pages may ask the operator's door."""

import pytest

from gateway.core.pages import GUARDS, PAGE, check_page, guarded
from gateway.core.presented import CrossSite

HOST = "127.0.0.1:8701"
PROGRAM: tuple[tuple[bytes, bytes], ...] = ((b"Authorization", b"Bearer x"), (b"User-Agent", b"curl"))

COME_IN = [
    ("POST", PROGRAM),
    ("POST", ((b"Origin", b"http://127.0.0.1:8701"),)),
    ("POST", ((b"origin", b"HTTP://127.0.0.1:8701"), (b"Sec-Fetch-Site", b"same-origin"))),
    ("POST", ((b"Origin", b"https://127.0.0.1:8701"),)),
    ("GET", ((b"Sec-Fetch-Site", b"none"), (b"Sec-Fetch-Mode", b"navigate"))),
    ("GET", ((b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"navigate"))),
    ("GET", ((b"Sec-Fetch-Site", b"same-origin"), (b"Sec-Fetch-Mode", b"cors"))),
]
STAY_OUT = [
    ("POST", ((b"Origin", b"http://evil.example"),)),
    ("GET", ((b"Origin", b"http://evil.example"),)),
    ("POST", ((b"Origin", b"null"),)),
    ("POST", ((b"Origin", b""),)),
    ("POST", ((b"Origin", b"http://127.0.0.1:8700"),)),
    ("POST", ((b"Origin", b"http://127.0.0.1:87010"),)),
    ("POST", ((b"Origin", b"ftp://127.0.0.1:8701"),)),
    ("POST", ((b"Origin", b"http://127.0.0.1:8701"), (b"Origin", b"http://evil.example"))),
    ("GET", ((b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"no-cors"))),
    ("GET", ((b"Sec-Fetch-Site", b"same-site"), (b"Sec-Fetch-Mode", b"cors"))),
    ("POST", ((b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"navigate"))),
    ("GET", ((b"Sec-Fetch-Site", b"none"), (b"Sec-Fetch-Site", b"cross-site"))),
]


@pytest.mark.parametrize(("verb", "fields"), COME_IN)
def test_programs_and_pages_of_its_own_come_in_and_links_lead_there(verb, fields) -> None:
    check_page(fields, verb, HOST)


@pytest.mark.parametrize(("verb", "fields"), STAY_OUT)
def test_pages_of_other_origins_stay_out(verb, fields) -> None:
    with pytest.raises(CrossSite, match="no page of another origin"):
        check_page(fields, verb, HOST)


def test_nothing_that_is_answered_there_runs_as_a_page_or_within_one() -> None:
    said = dict(GUARDS)
    assert b"default-src 'none'" in said[b"Content-Security-Policy"]
    assert b"frame-ancestors 'none'" in said[b"Content-Security-Policy"]
    assert said[b"X-Content-Type-Options"] == b"nosniff"


def test_an_answer_says_what_all_say_to_browsers_but_for_what_it_says_itself() -> None:
    assert guarded(()) == GUARDS
    fields = guarded((*PAGE, (b"x-frame-options", b"SAMEORIGIN")))
    names = [name.lower() for name, _ in fields]
    assert len(names) == len(set(names)) == len(GUARDS)
    assert dict(fields)[b"Content-Security-Policy"] == PAGE[0][1]
