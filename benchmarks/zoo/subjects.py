"""Everything in the zoo, as networks with categories."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.models import SHARED, SUBJECTS, everyday
from benchmarks.zoo.architectures import TABLE
from benchmarks.zoo.heads import CATEGORIES, HEADS
from edgecut.discovery import with_categories
from edgecut.loaders.torch_program import load_torch
from edgecut.network import Network

REAL = {"yolox_nano": "detector", "fastestdet": "detector", "efficientnet_lite0": "classifier"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model of the zoo: who wrote it (``source``), what it is, and how to load it.

    ``module`` builds it as an ``nn.Module`` of one image, where it comes from one.
    """

    name: str
    source: str
    family: str
    network: Callable[[], Network]
    module: Callable[[], Any] | None = None


def missing() -> list[str]:
    """The packages that the zoo needs and that are not installed."""
    return [name for name in ("transformers",) if find_spec(name) is None]


def subjects() -> Iterator[Subject]:
    """All of them; real weights last, where they are at hand."""
    for name, one in TABLE.items():
        network = _exported("architectures", name, one.image, one.slots, one.categories)
        module = _built("architectures", name)
        yield Subject(
            name=name, source="transformers", family=one.family, network=network, module=module
        )
    for name, head in HEADS.items():
        network = _exported("heads", name, head.image, head.slots, CATEGORIES)
        module = _built("heads", name)
        yield Subject(name=name, source="heads", family=head.family, network=network, module=module)
    yield Subject(name="everyday", source="trained", family="nested", network=everyday().network)
    if SHARED.exists():
        for name, family in REAL.items():
            network = SUBJECTS[name]().network
            yield Subject(name=name, source="trained", family=family, network=network)


def _built(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(import_module(f"benchmarks.zoo.{module}"), name)()


def _exported(
    module: str, name: str, image: tuple[int, ...], slots: str, count: int
) -> Callable[[], Network]:
    def load() -> Network:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's and the models' own
            network = load_torch(f"benchmarks.zoo.{module}:{name}", input_shape=image)
        names = [f"category {i}" for i in range(count)]
        where = zip(network.outputs, slots.split(), strict=False)  # of those that have categories
        given = ",".join(f"{output.name}:{place}" for output, place in where)
        return with_categories(network, names, source="zoo", slots=given)

    return load
