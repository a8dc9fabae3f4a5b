"""Where networks and samples come from, as values that a report can hold and read again."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from edgecut import discovery, hugging_face, model_api, shipped
from edgecut.category_set import read_labels
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.passes.attend import attended, plain
from edgecut.progress import Tell, nobody
from edgecut.recipe import Recipe, embedded, read_recipe
from edgecut.samples import Samples, open_samples
from edgecut.synthetic import draw

CALIBRATION_SAMPLES = 128
# What a run of `edgecut train` calls its network; the folder stands for it.
RUN_MODEL = "model.onnx"
# What is there from its first moment on.
RUN_RECIPE = "recipe.toml"


class _Reference:
    """Plain values of which some are paths, written down relative to a folder."""

    _paths: tuple[str, ...] = ()
    _kinds: ClassVar[Mapping[str, type]] = {}  # of fields that hold no text

    def to_json(self, folder: Path) -> dict[str, Any]:
        """Plain values; paths become relative to ``folder``, so that both can move together."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "trust"}  # type: ignore[arg-type]
        for name in self._paths:
            if _is_path(name, data[name]):
                data[name] = os.path.relpath(data[name], folder)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        """The inverse of ``to_json``."""
        known = {f.name for f in fields(cls)} - {"trust"}  # type: ignore[arg-type]
        values = {name: value for name, value in data.items() if name in known}
        for name, value in values.items():
            kind = cls._kinds.get(name, str)
            if value is not None and (type(value) is not kind or (kind is int and value == 0)):
                raise ValueError(f"'{name}' is {value!r}")
        for name in cls._paths:
            if _is_path(name, values.get(name)):
                path = os.path.normpath(folder / values[name])
                # Beside the user it could have the name of something that edgecut ships.
                values[name] = path if _is_path(name, path) else os.path.join(os.curdir, path)
        return cls(**values)


def _is_path(field: str, value: str | None) -> bool:
    """By its form alone, so that a path that leads nowhere now is one all the same."""
    # What edgecut ships goes before a file or folder that happens to have its name.
    kind = {"labels": "calibration", "recipe": "calibration", "target": "targets"}.get(field)
    if value is None or (kind and value in shipped.names(kind)):
        return False
    if field == "path":
        return value != draw.NAME
    return field != "model" or not (_is_factory(value) or value in shipped.networks())


def _is_factory(model: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", model) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(_Reference):
    """A model: all that is needed to load it.

    ``model`` is the name of a shipped network, an ``.onnx``, ``.keras`` or ``.pt2`` path, the
    folder of a training run or of a Hugging Face model (``model.onnx`` and ``config.json``), or
    ``module:factory``, ``weights`` a state dict for a factory, ``input_shape`` for example
    ``1x3x224x224`` or ``name=1x3x224x224``, ``labels`` a shipped set's name or a file, ``slots`` as
    ``discovery.with_categories`` takes it. With ``attention`` a network's gains stay an input;
    without, they are bound to neutral. ``trust`` allows reading a file that holds code, as a Keras
    ``Lambda`` does, and running that; no report ever grants it.
    """

    _paths = ("model", "weights", "labels")
    _kinds: ClassVar[Mapping[str, type]] = {"attention": bool}

    model: str
    weights: str | None = None
    input_shape: str | None = None
    labels: str | None = None
    slots: str | None = None
    attention: bool = False
    trust: bool = False

    @property
    def is_trained_by_edgecut(self) -> bool:
        """By its form: a shipped network, or the folder of a training run."""
        folder = Path(self.model)
        foreign = (folder / hugging_face.CONFIG).is_file()
        return self.model in shipped.networks() or (folder.is_dir() and not foreign)

    @property
    def is_data(self) -> bool:
        """Whether loading it without trust only reads data, and runs nobody's code."""
        return not _is_factory(self.model)

    def require_outside(self, out: Path) -> None:
        """Raise ``output-is-input`` if a folder that is to be replaced holds the model."""
        for name in self._paths:
            value = getattr(self, name)
            if _is_path(name, value) and Path(value).resolve().is_relative_to(out.resolve()):
                raise EdgecutError(
                    f"{value} lies in {out}, which is to be written anew",
                    code="output-is-input",
                    hint="give another --out",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSource(_Reference):
    """Images, and the recipe by which they become tensors; by default the network's own.

    The path ``synthetic`` stands for pictures that are made up; ``pictures`` then holds the numbers
    of those that ``settled`` chose.
    """

    _paths = ("path", "images", "recipe")
    _kinds: ClassVar[Mapping[str, type]] = {"limit": int}

    path: str
    recipe: str | None = None
    split: str | None = None
    images: str | None = None
    limit: int | None = CALIBRATION_SAMPLES
    pictures: str | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether these are no images, but pictures that are made up."""
        return self.path == draw.NAME

    def settled(
        self, network: Network, tell: Tell = nobody
    ) -> tuple[SampleSource, draw.Drawn | None]:
        """The same samples, of which synthetic ones are chosen for this network, and how.

        Args:
            network: as it was loaded, or cut from that: ``tidy`` folds its normalisations.
            tell: told of progress.

        Raises:
            EdgecutError: ``missing-recipe``, or what ``draw.draw`` raises.
        """
        if not self.is_synthetic or self.pictures is not None:
            return self, None
        drawn = draw.draw(
            network,
            recipe_of(network, self.recipe),
            self.limit or draw.SAMPLES,
            progress=lambda done, total: tell("choose synthetic samples", done, total),
        )
        return replace(self, pictures=draw.to_text(drawn.pictures)), drawn

    def open(self, network: Network) -> Samples:
        """The samples, preprocessed for the network's image input.

        Synthetic ones that are not settled are the first pictures, as they come.
        """
        recipe = recipe_of(network, self.recipe)
        if self.is_synthetic:
            return self._open_pictures(recipe, network)
        return open_samples(
            Path(self.path),
            recipe,
            network.image,
            limit=self.limit,
            split=self.split,
            images=Path(self.images) if self.images else None,
        )

    def _open_pictures(self, recipe: Recipe, network: Network) -> Samples:
        if self.split or self.images:
            raise EdgecutError(
                f"synthetic samples have no {'split' if self.split else 'folder of images'}",
                code="unknown-samples",
            )
        numbers = draw.from_text(self.pictures) if self.pictures else range(draw.SAMPLES)
        return draw.open_pictures(numbers[: self.limit], recipe, network.image)

    def limited(self, count: int) -> SampleSource:
        """The same images, but no more than ``count``."""
        return replace(self, limit=min(count, self.limit or count))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSource(_Reference):
    """A target: its name, or the path of its ``.toml`` file."""

    _paths = ("target",)

    target: str


def recipe_of(network: Network, name: str | None) -> Recipe:
    """The recipe of that name, or else the one that the network brings along.

    Raises:
        EdgecutError: ``missing-recipe`` where there is neither, or what ``preprocessing`` raises.
    """
    if name is not None:
        return preprocessing(name)
    own = embedded(network.model.metadata_props, where=network.name)
    if own is None:
        raise EdgecutError(
            f"nothing says how an image becomes the input of {network.name}",
            code="missing-recipe",
            hint="give --recipe, for example --recipe yolox; a wrong one ruins accuracy",
        )
    return own


def preprocessing(name: str) -> Recipe:
    """The recipe of that name, or what a file says that others wrote: a ``.json`` of Hugging Face's
    image processors, or the ``.xml`` of an OpenVINO IR.

    Raises:
        EdgecutError: ``bad-recipe``, or what ``read_recipe`` raises.
    """
    suffix = Path(name).suffix
    if suffix == ".json":
        return hugging_face.read_preprocessor(Path(name))
    return model_api.read_model_info(Path(name)) if suffix == ".xml" else read_recipe(name)


def load(source: Source | str, **details: Any) -> Network:
    """The network of a model, with its categories where they are known.

    >>> network = load("yolox_nano.onnx", labels="coco80")  # doctest: +SKIP

    Args:
        source: the model; a plain string stands for ``Source(model=...)``.
        details: the other fields of ``Source``, beside a plain string.

    Raises:
        EdgecutError: as ``loaders``, ``read_labels``, ``discovery.with_categories`` and
            ``passes.attend`` say.
    """
    if isinstance(source, str):
        source = Source(model=source, **details)
    network = _with_categories(_load_model(source), source)
    return attended(network) if source.attention else plain(network)


def _with_categories(network: Network, source: Source) -> Network:
    """The network with its categories, where they are known."""
    known = read_labels(source.labels) if source.labels else None
    # The name alone: the map travels with the artifacts, on which no machine's paths belong.
    labels = Path(source.labels).name if source.labels else "metadata"
    try:
        return discovery.with_categories(
            network,
            known.names if known else None,
            source=labels,
            slots=source.slots,
            taxonomy=known.taxonomy if known else None,
        )
    except EdgecutError as error:
        if error.code == "no-categories":
            return network
        raise


def _load_model(source: Source) -> Network:
    from edgecut.loaders import keras_file, keras_model, onnx_file, torch_program

    shapes = _shapes(source.input_shape)
    shape = next(iter(shapes.values()), None)
    if not source.is_data or source.model.endswith(".pt2"):
        weights = Path(source.weights) if source.weights else None
        return torch_program.load_torch(
            source.model, weights=weights, input_shape=shape, trust=source.trust
        )
    is_shipped = source.model in shipped.networks()
    path = shipped.network(source.model) if is_shipped else Path(source.model)
    if path.suffix in keras_file.SUFFIXES:
        return keras_model.load_keras(path, input_shape=shape, trust=source.trust)
    keras_file.refuse_saved_model(path)
    if not path.is_dir():
        return onnx_file.load_onnx(path, input_shapes=shapes)
    if not (path / RUN_MODEL).exists():
        raise _no_model(path)
    network = onnx_file.load_onnx(path / RUN_MODEL, input_shapes=shapes)
    return hugging_face.described(replace(network, name=path.resolve().name), path)


def _no_model(folder: Path) -> EdgecutError:
    began = (folder / RUN_RECIPE).exists()
    return EdgecutError(
        f"there is no {RUN_MODEL} in the folder {folder}"
        + (", whose training has not come to its end" if began else ""),
        code="missing-model",
        hint="the same `edgecut train` command goes on with it"
        if began
        else "give an .onnx file, or the folder of an `edgecut train` run",
    )


def _shapes(text: str | None) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for part in (text or "").split(","):
        name, _, shape = part.strip().rpartition("=")
        if not shape:
            continue
        sizes = shape.lower().split("x")
        if not all(size.isdecimal() and int(size) > 0 for size in sizes):
            raise EdgecutError(
                f"'{part}' is not an input shape",
                code="bad-input-shape",
                hint="for example --input-shape 1x3x224x224, or name=1x3x224x224",
            )
        shapes[name] = tuple(int(size) for size in sizes)
    return shapes
