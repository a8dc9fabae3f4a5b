"""Samples without images: chosen for the network, and preprocessed as images are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecut.errors import EdgecutError
from edgecut.network import TensorSpec
from edgecut.passes.tidy import tidy
from edgecut.recipe import Recipe, read_recipe
from edgecut.synthetic import draw as module
from edgecut.synthetic.draw import SAMPLES, draw, from_text, open_pictures, to_text
from edgecut.synthetic.pictures import picture
from tests.synthetic.networks import as_trained_on, normalised

SPEC = TensorSpec(name="image", shape=(1, 3, 16, 24), dtype="float32")


@pytest.fixture
def plain() -> Recipe:
    return read_recipe("plain")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 64)


def test_choosing_improves_the_match(plain: Recipe) -> None:
    # Trained on the darker half of what there is to choose from.
    dark = sorted(range(64), key=lambda number: picture(number, 16, 16).mean())[:24]
    drawn = draw(as_trained_on(dark), plain, 12)
    assert drawn.normalisations == 1 and drawn.candidates == 64
    assert drawn.distance is not None and drawn.distance_before is not None
    assert drawn.distance < 0.05 < 0.2 < drawn.distance_before
    brightness = np.mean([picture(n, 16, 16).mean() for n in drawn.pictures])
    assert brightness < np.mean([picture(n, 16, 16).mean() for n in range(64)])


def test_a_hopeless_match_is_told(plain: Recipe) -> None:
    """Statistics of no image: the figure says so."""
    far = normalised(np.full(6, 50.0), np.ones(6))
    drawn = draw(far, plain, 8)
    assert drawn.distance is not None and drawn.distance > 10


def test_the_same_network_gives_the_same_pictures(plain: Recipe) -> None:
    network = as_trained_on([1, 2, 3])
    assert draw(network, plain, 8) == draw(network, plain, 8)


def test_a_network_without_statistics_gets_the_first_ones_and_is_told(plain: Recipe) -> None:
    drawn = draw(tidy(as_trained_on([1, 2, 3])), plain, 8)
    assert drawn.pictures == tuple(range(8))
    assert (drawn.normalisations, drawn.distance, drawn.distance_before) == (0, None, None)
    assert "not matched" in drawn.remark and "not matched" not in _matched(plain)


def _matched(plain: Recipe) -> str:
    return draw(as_trained_on([1, 2, 3]), plain, 8).remark


def test_no_more_than_there_is_use_for(plain: Recipe) -> None:
    assert len(draw(as_trained_on([1]), plain, 1000).pictures) == SAMPLES


def test_progress_and_the_size_of_the_input(plain: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    draw(as_trained_on([1]), plain, 4, progress=lambda *told: seen.append(told))
    assert seen == [(done, 64) for done in range(1, 65)]
    monkeypatch.setattr(module, "_LARGE", 16 * 16 - 1)
    assert draw(as_trained_on([1]), plain, 4).candidates == 32


def test_pictures_are_preprocessed_as_images_are(plain: Recipe) -> None:
    (sample,) = open_pictures([7], replace(plain, colour="BGR", scale=1.0, mean=(10,) * 3), SPEC)
    expected = picture(7, 16, 24)[:, :, ::-1].transpose(2, 0, 1)[None] - 10.0
    np.testing.assert_array_equal(sample.tensor, expected)
    assert sample.name == "synthetic 7" and sample.label is None


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(
    "how",
    [
        {"resize": "crop", "crop_fraction": 0.5},
        {"resize": "letterbox", "pad_value": 114},
        {"resize": "stretch"},
    ],
    ids=lambda how: how["resize"],
)
def test_no_recipe_changes_their_pixels(
    plain: Recipe, how: dict[str, object], interpolation: str
) -> None:
    recipe = replace(plain, scale=1.0, interpolation=interpolation, **how)  # type: ignore[arg-type]
    (sample,) = open_pictures([3], recipe, SPEC)
    factor = 2 if how["resize"] == "crop" else 1
    whole = picture(3, 16 * factor, 24 * factor).transpose(2, 0, 1)
    middle = whole[:, 8:24, 12:36] if factor == 2 else whole
    np.testing.assert_array_equal(sample.tensor[0], middle)


def test_grey(plain: Recipe) -> None:
    recipe = replace(plain, colour="GRAY", mean=(0.0,), std=(1.0,))
    (sample,) = open_pictures([3], recipe, replace(SPEC, shape=(1, 1, 16, 24)))
    assert sample.tensor.shape == (1, 1, 16, 24)


def test_other_channels_are_refused(plain: Recipe) -> None:
    with pytest.raises(EdgecutError, match="gives"):
        open_pictures([0], plain, replace(SPEC, shape=(1, 4, 16, 24)))


def test_numbers_survive_as_text() -> None:
    assert from_text(to_text((5, 0, 12))) == (5, 0, 12)


@pytest.mark.parametrize("text", ["", "1,,2", "-1", "1.5", "a", "1, 2", "9" * 12])
def test_text_that_is_no_numbers(text: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        from_text(text)
    assert caught.value.code == "bad-pictures"


def test_memory_holds_no_candidates(plain: Recipe) -> None:
    """The moments of a candidate are held, never its pixels."""
    import tracemalloc

    network = normalised(np.zeros(6), np.ones(6), side=128)
    tracemalloc.start()
    draw(network, plain, 8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    tensor_bytes = 4 * 3 * 128 * 128
    assert peak < 64 * tensor_bytes / 4
