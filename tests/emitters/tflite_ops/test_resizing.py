"""Resizing images."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emitters.cases import Case, case, check, f32


def resize(name: str, attributes: str, to: tuple[int, int], **rest: Any) -> Any:
    return case(
        f"resize {name}",
        f"y = Resize<{attributes}>(x, , , n)",
        (1, 4, 6, 8),
        n=[1, 4, *to],
        **rest,
    )


CASES = [
    case(
        "nearest 2x of torch",
        'y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric",'
        ' nearest_mode="floor">(x, , s)',
        s=f32(1, 1, 2, 2),
    ),
    resize("nearest default", 'mode="nearest"', (12, 16)),
    resize(
        "nearest 3x",
        'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"',
        (18, 24),
    ),
    resize(
        "nearest down",
        'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"',
        (3, 4),
    ),
    resize("nearest half pixel floor", 'mode="nearest", nearest_mode="round_prefer_ceil"', (9, 20)),
    resize("linear", 'mode="linear"', (12, 16)),
    resize(
        "linear of torch",
        'mode="linear", coordinate_transformation_mode="pytorch_half_pixel"',
        (13, 9),
    ),
    resize(
        "linear aligned", 'mode="linear", coordinate_transformation_mode="align_corners"', (12, 16)
    ),
    resize(
        "linear asymmetric", 'mode="linear", coordinate_transformation_mode="asymmetric"', (12, 16)
    ),
    resize("linear down", 'mode="linear"', (3, 4)),
    case("upsample of opset 9", 'y = Upsample<mode="nearest">(x, s)', s=f32(1, 1, 2, 2), opset=9),
    case("resize of opset 10", 'y = Resize<mode="linear">(x, s)', s=f32(1, 1, 2, 2), opset=10),
]


@pytest.mark.parametrize("given", CASES)
def test_resizing(given: Case) -> None:
    check(given)
