"""What ``edgecut train`` is told: the network, the data's size, the schedule, as one TOML file."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edgecut.errors import EdgecutError
from edgecut.table import Table

BASES = ("resnet", "mobilenet", "convnext")
MODELS = ("nested", "dense")
MAX_SIZE = 1024
MAX_WIDTH = 8192
MAX_STRIDE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """Blocks in a row: how wide, how many, and the stride of the first."""

    width: int
    depth: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network: its serial stem of 3x3 convolutions, and the stages that follow.

    ``nested``: stage ``i`` is what a node on level ``i`` of the taxonomy adds, where ``branches``
    says nothing else for it. ``dense``: the stages stand in a row, for all categories.
    """

    model: str
    base: str
    stem_widths: tuple[int, ...]
    stem_strides: tuple[int, ...]
    stages: tuple[StageSpec, ...]
    branches: Mapping[str, StageSpec] = field(default_factory=dict)

    def scaled(self, factor: float) -> NetworkSpec:
        """The network with the widths of its stages multiplied, to multiples of 8; same stem."""

        def widened(spec: StageSpec) -> StageSpec:
            return replace(spec, width=min(MAX_WIDTH, max(8, round(spec.width * factor / 8) * 8)))

        return replace(
            self,
            stages=tuple(widened(spec) for spec in self.stages),
            branches={name: widened(spec) for name, spec in self.branches.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast to learn. The rate warms up, then falls to zero by a cosine.

    ``presence_weight`` weighs the loss that asks of every node by itself whether it is there,
    ``level_weight`` the one that asks which node of an upper level it is; which leaf it is
    weighs 1. ``teacher_weight`` weighs agreement with the teacher, if there is one.
    """

    epochs: int
    batch: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_epochs: float
    ema: float
    label_smoothing: float
    level_weight: float
    presence_weight: float
    teacher_weight: float
    temperature: float
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is done to a training image, and how often (a probability, or an extent).

    ``shift``, ``cutout`` in pixels; ``scale`` the smallest share of the side that a random crop
    keeps; ``rescale`` and ``jpeg`` the probabilities of losing detail as other cameras and files
    do, ``colour`` the largest change of brightness, contrast and saturation.
    """

    flip: bool
    shift: int
    scale: float
    cutout: int
    rescale: float
    jpeg: float
    colour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """All that decides, with the data, what a training gives."""

    name: str
    categories: str
    size: int
    seed: int
    network: NetworkSpec
    schedule: Schedule
    augmentation: Augmentation
    keep: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of everything in the recipe, in hexadecimal."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()


def read(path: Path) -> TrainRecipe:
    """The recipe in a TOML file.

    Raises:
        EdgecutError: ``bad-training-recipe``, with the file and the key.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise EdgecutError(
            f"cannot read the training recipe {path}: {error}", code="bad-training-recipe"
        ) from error
    table = Table(data, str(path), code="bad-training-recipe")
    table.text("kind", "training")
    size = table.integer("size", 8, MAX_SIZE)
    recipe = TrainRecipe(
        name=table.text("name"),
        categories=table.text("categories"),
        size=size,
        seed=table.integer("seed", 0),
        network=_network(table.table("network")),
        schedule=_schedule(table.table("schedule")),
        augmentation=_augmentation(table.table("augmentation"), size),
        keep=table.texts("keep") if table.has("keep") else (),
    )
    table.done()
    return recipe


def _network(table: Table) -> NetworkSpec:
    model = table.text("model", *MODELS)
    if model == "dense" and table.has("branches"):
        raise table.error("a dense network has no 'branches'")
    branches = table.table("branches") if table.has("branches") else None
    spec = NetworkSpec(
        model=model,
        base=table.text("base", *BASES),
        stem_widths=table.integers("stem_widths", 1),
        stem_strides=table.integers("stem_strides", 1),
        stages=tuple(_stage(t) for t in table.tables("stages")),
        branches={name: _stage(branches.table(name)) for name in tuple(branches.data)}
        if branches
        else {},
    )
    _check_stem(table, spec)
    if not spec.stages:
        raise table.error("at least one [[network.stages]] is needed")
    table.done()
    return spec


def _check_stem(table: Table, spec: NetworkSpec) -> None:
    if len(spec.stem_widths) != len(spec.stem_strides):
        raise table.error("'stem_widths' and 'stem_strides' differ in length")
    if max(spec.stem_widths) > MAX_WIDTH:
        raise table.error(f"'stem_widths' holds more than {MAX_WIDTH}")
    if max(spec.stem_strides) > MAX_STRIDE:
        raise table.error(f"'stem_strides' holds more than {MAX_STRIDE}")


def _stage(table: Table) -> StageSpec:
    spec = StageSpec(
        width=table.integer("width", 1, MAX_WIDTH),
        depth=table.integer("depth", 1, 256),
        stride=table.integer("stride", 1, MAX_STRIDE),
    )
    table.done()
    return spec


def _schedule(table: Table) -> Schedule:
    epochs = table.integer("epochs", 1, 100_000)
    schedule = Schedule(
        epochs=epochs,
        batch=table.integer("batch", 2, 65_536),
        learning_rate=table.number("learning_rate", 0, 100),
        momentum=table.number("momentum", 0, 0.9999),
        weight_decay=table.number("weight_decay", 0, 1),
        warmup_epochs=table.number("warmup_epochs", 0, epochs),
        ema=table.number("ema", 0, 0.999999),
        label_smoothing=table.number("label_smoothing", 0, 0.9),
        level_weight=table.number("level_weight", 0),
        presence_weight=table.number("presence_weight", 0),
        teacher_weight=table.number("teacher_weight", 0) if table.has("teacher_weight") else 0.0,
        temperature=table.number("temperature", 0.01) if table.has("temperature") else 4.0,
        precision=table.text("precision", "float32", "bfloat16"),
    )
    table.done()
    return schedule


def _augmentation(table: Table, size: int) -> Augmentation:
    augmentation = Augmentation(
        flip=bool(table.integer("flip", 0, 1)),
        shift=table.integer("shift", 0, size - 1),
        scale=table.number("scale", 0.05, 1),
        cutout=table.integer("cutout", 0, size),
        rescale=table.number("rescale", 0, 1),
        jpeg=table.number("jpeg", 0, 1),
        colour=table.number("colour", 0, 1),
    )
    table.done()
    return augmentation
