"""Samples without images: pictures that are made up, chosen by what the network remembers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgecut.errors import EdgecutError
from edgecut.network import Network, TensorSpec
from edgecut.recipe import Recipe
from edgecut.samples import Entry, Samples, Source, require_fit
from edgecut.synthetic.choice import choose
from edgecut.synthetic.pictures import picture
from edgecut.synthetic.statistics import moments, normalisations

NAME = "synthetic"
"""What stands in the place of a folder of images."""

SAMPLES = 64
CANDIDATES = 512
# Above this size a run takes so long that half of them must do.
_LARGE = 128 * 128
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Which pictures were chosen, and how well they match; see ``statistics.Moments.distance``.

    ``distance_before`` is that of as many pictures that nobody chose. Without ``normalisations``
    there was nothing to match, and both distances are None.
    """

    pictures: tuple[int, ...]
    candidates: int
    normalisations: int
    distance: float | None
    distance_before: float | None

    @property
    def remark(self) -> str:
        """One sentence for whoever reads the report."""
        count = len(self.pictures)
        if not self.normalisations:
            return (
                f"the samples are {count} synthetic pictures, not matched: the network holds no "
                "normalisation statistics; prefer images of what the device will see"
            )
        return (
            f"the samples are {count} synthetic pictures, chosen from {self.candidates} to match "
            f"the statistics of {self.normalisations} normalisations: {self.distance:.3f} standard "
            f"deviations off, {self.distance_before:.3f} unchosen"
        )


def draw(
    network: Network, recipe: Recipe, count: int, *, progress: Progress | None = None
) -> Drawn:
    """Choose pictures for a network by the statistics of its normalisations.

    Without any the first pictures are taken as they come. The same network gives the same choice.

    Args:
        network: what will be quantised, but with its normalisations not folded.
        recipe: how a picture becomes its input.
        count: how many to choose; at most ``SAMPLES``.
        progress: told (done, candidates) as the network runs on the candidates.

    Raises:
        EdgecutError: ``wrong-channels``, or what ``Network.feeds`` raises.
    """
    count = min(count, SAMPLES)
    known = normalisations(network)
    if not known:
        return Drawn(
            pictures=tuple(range(count)),
            candidates=count,
            normalisations=0,
            distance=None,
            distance_before=None,
        )
    height, width = network.image.shape[2:]
    candidates = CANDIDATES if height * width <= _LARGE else CANDIDATES // 2
    samples = open_pictures(range(candidates), recipe, network.image)
    tensors = (sample.tensor for sample in samples)
    found = moments(network, known, tensors, count=candidates, progress=progress)
    chosen = choose(found, count)
    return Drawn(
        pictures=chosen,
        candidates=candidates,
        normalisations=len(known),
        distance=found.distance(chosen),
        distance_before=found.distance(range(count)),
    )


def open_pictures(numbers: Sequence[int], recipe: Recipe, image: TensorSpec) -> Samples:
    """The pictures of these numbers as samples, preprocessed as images are; each is made anew.

    They have the size at which the recipe neither enlarges nor shrinks them.

    Raises:
        EdgecutError: ``wrong-channels``.
    """
    require_fit(recipe, image)
    height, width = (round(size / recipe.crop_fraction) for size in image.shape[2:])

    def read(chosen: Sequence[int]) -> Iterator[bytes]:
        for place in chosen:
            yield _encoded(numbers[place], height, width)

    return Samples(
        source=Source(
            entries=tuple(Entry(name=f"{NAME} {number}") for number in numbers), read=read
        ),
        chosen=tuple(range(len(numbers))),
        recipe=recipe,
        input_hw=(image.shape[2], image.shape[3]),
        truth=None,
        synthetic=True,
    )


def to_text(numbers: Sequence[int]) -> str:
    """The numbers of pictures as a report holds them."""
    return ",".join(map(str, numbers))


def from_text(text: str) -> tuple[int, ...]:
    """The inverse of ``to_text``.

    Raises:
        EdgecutError: ``bad-pictures``.
    """
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise EdgecutError(
            f"'{text[:80]}' does not number synthetic pictures",
            code="bad-pictures",
            hint="build again",
        )
    return tuple(map(int, parts))


def _encoded(number: int, height: int, width: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture(number, height, width)).save(file, "PNG", compress_level=1)
    return file.getvalue()
