"""Places of the largest, and tables that map them."""

from __future__ import annotations

import pytest

from edgecut.emitters import tflite
from tests.emitters.cases import Case, build, case, check, f32, network_of, run_tflite

INT64 = {"y": "int64"}
CASES = [
    case("over channels", "y = ArgMax<axis=1>(x)", types=INT64),
    case(
        "without the axis",
        "y = ArgMax<axis=1, keepdims=0>(x)",
        types=INT64,
        expected=("ARG_MAX",),
    ),
    case("over width", "y = ArgMax<axis=-1, keepdims=0>(x)", types=INT64, transposes=1),
    case("of rows", "y = ArgMax<axis=1>(x)", (3, 10), types=INT64),
    case(
        "as bytes, channels last",
        "c = ArgMax<axis=1>(x) d = Cast<to=2>(c) y = Transpose<perm=[0,2,3,1]>(d)",
        types={"y": "uint8"},
    ),
    case("as float", "c = ArgMax<axis=1>(x) y = Cast<to=1>(c)"),
    case(
        "mapped",
        "c = ArgMax<axis=1, keepdims=0>(x) y = Gather(row, c)",
        row=[2, 0, 1, 2],
        types=INT64,
        expected=("ARG_MAX", "GATHER"),
    ),
    case(
        "mapped as float",
        "c = ArgMax<axis=1>(x) f = Cast<to=1>(c) d = Cast<to=7>(f) y = Gather(row, d)",
        row=f32(2, 0, 1, 2),
    ),
    case(
        "the three largest",
        "y, i = TopK(x, k)",
        (2, 10),
        k=[3],
        outputs=("y", "i"),
        types={"i": "int64"},
        expected=("TOPK_V2", "CAST"),
    ),
    case("largest channels", "v, y = TopK<axis=1>(x, k)", k=[2], types=INT64, transposes=0),
]


@pytest.mark.parametrize("given", CASES)
def test_choosing(given: Case) -> None:
    check(given)


REFUSED = [
    case("last of several", "y = ArgMax<axis=1, select_last_index=1>(x)", types=INT64),
    case("smallest", "y, i = TopK<largest=0>(x, k)", k=[2]),
    case("computing", "c = ArgMax<axis=1>(x) y = Add(c, c)", types=INT64),
    case("a table of rows", "c = ArgMax<axis=1>(x) y = Gather(t, c)", t=(4, 3)),
]


@pytest.mark.parametrize("given", REFUSED)
def test_what_tflite_does_otherwise_is_refused(given: Case) -> None:
    assert tflite.unsupported(network_of(build(given)))


def test_the_first_of_several_largest_is_chosen() -> None:
    body = "y = ArgMax<axis=1>(x) v, i = TopK<axis=1>(x, k)"
    types = {"y": "int64", "i": "int64"}
    (given,) = case("equal", body, (1, 4), k=[4], outputs=("y", "i"), types=types).values
    got = run_tflite(tflite.emit(network_of(build(given))), {"x": f32(1, 2, 2, 1)[None]})
    assert got["y"].tolist() == [[1]] and got["i"].tolist() == [[1, 2, 0, 3]]
