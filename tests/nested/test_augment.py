"""Augmentation: deterministic, in shape, and nothing where nothing is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgecut.nested.augment import augmented
from tests.nested.toys import LIVELY, STILL, picture

IMAGES = np.stack([picture("cat", i, size=16) for i in range(12)])


def made(seed: int = 0, images: np.ndarray = IMAGES, **changes: Any) -> np.ndarray:
    how = replace(STILL, **changes) if changes else LIVELY
    return augmented(images, how, np.random.default_rng(seed))


def test_the_same_draws_give_the_same_images() -> None:
    assert np.array_equal(made(1), made(1))
    assert not np.array_equal(made(1), made(2))


def test_shape_and_kind_stay_and_the_originals_too() -> None:
    before = IMAGES.copy()
    found = made()
    assert (found.shape, found.dtype) == (IMAGES.shape, np.uint8)
    assert np.array_equal(IMAGES, before)


def test_a_neutral_recipe_changes_nothing() -> None:
    assert np.array_equal(made(flip=False), IMAGES)


def test_no_image_depends_on_those_before_it() -> None:
    """What one is put through takes no draws from the next."""
    random = np.random.default_rng(0)
    random.random(16)
    assert np.array_equal(augmented(IMAGES[1:2], LIVELY, random)[0], made()[1])


def test_flip() -> None:
    found = made(flip=True)
    flipped = [bool((f == i[:, ::-1]).all()) for f, i in zip(found, IMAGES, strict=True)]
    assert 0 < sum(flipped) < len(IMAGES)
    assert all(
        (f == i).all() for f, i, turned in zip(found, IMAGES, flipped, strict=True) if not turned
    )


def test_shift_moves_by_no_more_than_it_says() -> None:
    side = 16
    for found, image in zip(made(shift=2), IMAGES, strict=True):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), "reflect")
        places = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if np.array_equal(padded[dy : dy + side, dx : dx + side], found)
        ]
        assert len(places) == 1


def test_cutout_blanks_a_square_or_what_of_it_is_inside() -> None:
    for found, image in zip(made(cutout=6), IMAGES, strict=True):
        ys, xs = np.nonzero((found != image).any(2))
        assert (found[ys, xs] == 128).all()
        assert len(ys) == 0 or max(np.ptp(ys), np.ptp(xs)) < 6


@pytest.mark.parametrize("changes", [{"rescale": 1.0}, {"jpeg": 1.0}, {"scale": 0.5}])
def test_detail_is_lost(changes: dict[str, float]) -> None:
    found = made(**changes)
    assert all((f != i).any() for f, i in zip(found, IMAGES, strict=True))
    # The same thing is still to be seen: on the average little changes.
    assert abs(found.mean((1, 2)) - IMAGES.mean((1, 2))).max() < 12


def test_colour_stays_within_its_bounds() -> None:
    grey = np.full((40, 16, 16, 3), 100, np.uint8)
    values = made(colour=0.2, images=grey).reshape(40, -1)
    assert (values == values[:, :1]).all()  # grey has no saturation and no contrast
    assert 79 <= values.min() < values.max() <= 121


def test_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([picture("dog", i) for i in range(300)])
    changed = (made(jpeg=0.25, images=images) != images).any((1, 2, 3)).mean()
    assert 0.15 < changed < 0.35
