"""What a device sends is read strictly."""

from __future__ import annotations

import pytest

from edgecut.errors import EdgecutError
from edgecut.remote.untrusted import most_bytes, printable, read_json


def test_what_is_sound_is_read() -> None:
    content = '{"a": [1, -2.5, null, true], "b": {"c": "ä\\u001b[2J\\nx"}}'.encode()
    expected = {"a": [1, -2.5, None, True], "b": {"c": "ä?[2J\nx"}}
    assert read_json(content, where="pi") == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        b"[1]",
        b'{"a": 1} {"b": 2}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_not_is_refused(content: bytes) -> None:
    with pytest.raises(EdgecutError, match="pi did not send a report: ") as caught:
        read_json(content, where="pi")
    assert caught.value.code == "bad-report"


def test_what_is_measured_for_longer_may_tell_more() -> None:
    """A pair that takes 0.1 ms a run, for ten minutes: twelve million samples."""

    def most(seconds: float, artifacts: int) -> int:
        return most_bytes({"artifacts": [{}] * artifacts, "duration_s": seconds})

    assert most(600, 2) > 12_000_000 * len("100000, ")
    assert 64 << 20 < most(5, 2) < most(600, 2) < most(3600, 99) == 1 << 30


def test_what_steers_a_terminal_does_not_get_there() -> None:
    assert printable("a\x1b]0;x\x07\r\u202e\nb") == "a?]0;x???\nb"
