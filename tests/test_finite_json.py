"""Numbers that no float holds are refused, however they are written."""

from __future__ import annotations

import pytest

from edgecut import finite_json


def test_what_edgecut_writes_is_read() -> None:
    assert finite_json.loads('{"a": [1, -2.5e3, null, "1e999", 12345678901234567890]}') == {
        "a": [1, -2500.0, None, "1e999", 12345678901234567890]
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[NaN]", "NaN is no finite number"),
        ("[-Infinity]", "-Infinity is no finite number"),
        ("[1e999]", "1e999 is no finite number"),
        (f"[1{'0' * 400}]", "10000000000000000000 is no finite number"),
        (f"[1{'0' * 9999}]", "10000000000000000000 is no finite number"),
        ("[" * 100_000, "nested too deep"),
        ("[1,]", "Expecting value"),
    ],
)
def test_what_no_float_holds_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        finite_json.loads(text)
