"""Pictures: the same ones every time, of every size, and with the statistics they promise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from edgecut.synthetic.pictures import picture


def test_the_same_number_gives_the_same_bytes() -> None:
    once, again = (b"".join(picture(i, 24, 32).tobytes() for i in range(20)) for _ in range(2))
    assert hashlib.sha256(once).digest() == hashlib.sha256(again).digest()


def test_hardly_two_are_the_same() -> None:
    # Some are all white, as photos of the sky are.
    assert len({picture(i, 16, 16).tobytes() for i in range(200)}) > 190


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (7, 3), (3, 40), (96, 64)])
def test_any_size(shape: tuple[int, int]) -> None:
    for number in range(30):
        found = picture(number, *shape)
        assert found.shape == (*shape, 3) and found.dtype == np.uint8


def test_they_differ_in_brightness_and_contrast_as_photos_do() -> None:
    pixels = np.stack([picture(i, 32, 32) for i in range(100)]).astype(float)
    means, deviations = pixels.mean((1, 2, 3)), pixels.std((1, 2, 3))
    assert 90 < means.mean() < 140 and means.std() > 25
    assert np.percentile(deviations, 10) < 25 and np.percentile(deviations, 90) > 55


def test_neighbours_are_alike_as_in_photos_and_not_in_noise() -> None:
    def alike(pixels: np.ndarray) -> float:
        grey = pixels.astype(float).mean(-1)
        grey -= grey.mean((1, 2), keepdims=True)
        return float((grey[:, :, 1:] * grey[:, :, :-1]).sum() / (grey**2).sum())

    assert alike(np.stack([picture(i, 32, 32) for i in range(100)])) > 0.7
    noise = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3))
    assert alike(noise) < 0.1


def test_colours_of_one_pixel_go_together() -> None:
    """Brightness varies far more than colour does."""
    pixels = np.concatenate([picture(i, 16, 16).reshape(-1, 3) for i in range(200)]) / 255
    variances = np.linalg.eigvalsh(np.cov(pixels.T))
    assert variances[2] > 5 * variances[1] > 5 * variances[0]
