"""Images from a folder, a parquet file or a COCO json, preprocessed one at a time by a recipe.

Pixels of a COCO json are taken as stored, since its boxes are given for stored pixels; elsewhere
an image's EXIF orientation is applied, as everything that shows the photo does.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut.coco import read_coco
from edgecut.errors import EdgecutError, MissingPackage
from edgecut.network import TensorSpec
from edgecut.recipe import MAX_PIXELS, Geometry, Recipe, Unusable, prepare

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm"})
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
# Modes with more than 8 bits a channel, which PIL would clip rather than scale.
DEEP_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One preprocessed image: ``tensor`` is float32 (1, C, H, W)."""

    name: str
    tensor: NDArray[np.float32]
    label: str | None
    geometry: Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An image that a source knows of; ``stored_size`` (width, height) where its json says it."""

    name: str
    label: str | None = None
    stored_size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Somewhere that images come from: every entry, in a fixed order, and a way to their bytes.

    ``read`` takes ascending indices of entries and yields their encoded bytes, lazily; None for
    one that cannot be read.
    """

    entries: tuple[Entry, ...]
    read: Callable[[Sequence[int]], Iterator[bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """The chosen images of a source, decoded anew in each iteration, one at a time.

    ``len`` counts the chosen images. Those that cannot be used are left out of the iteration and
    listed in ``skipped``, which is complete after one full iteration. ``truth`` is the COCO json
    that holds the boxes, where the samples come from one; ``synthetic`` tells pictures that are
    made up from images.
    """

    source: Source
    chosen: tuple[int, ...]
    recipe: Recipe
    input_hw: tuple[int, int]
    truth: Path | None
    synthetic: bool = False
    _skipped: dict[int, tuple[str, str]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """How many images were chosen, usable or not."""
        return len(self.chosen)

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """(name, reason) of the images found unusable so far."""
        return tuple(self._skipped[i] for i in sorted(self._skipped))

    @property
    def remarks(self) -> tuple[str, ...]:
        """One sentence on the images found unusable so far, or none."""
        if not self._skipped:
            return ()
        name, reason = self.skipped[0]
        count = len(self._skipped)
        return (f"{count} of {len(self)} images left out; the first, '{name}', {reason}",)

    def __iter__(self) -> Iterator[Sample]:
        """Yield every usable sample.

        Raises:
            EdgecutError: ``unreadable-samples`` where not one image could be used.
        """
        for index, data in zip(self.chosen, self.source.read(self.chosen), strict=True):
            entry = self.source.entries[index]
            try:
                image = decoded(data, entry)
                tensor, geometry = prepare(image, self.recipe, self.input_hw)
            except Unusable as error:
                self._skipped[index] = (entry.name, error.message)
                continue
            yield Sample(name=entry.name, tensor=tensor, label=entry.label, geometry=geometry)
        if len(self._skipped) == len(self):
            name, reason = self.skipped[0]
            raise EdgecutError(
                f"none of the {len(self)} images can be used; the first, '{name}', {reason}",
                code="unreadable-samples",
            )


def open_samples(
    path: Path,
    recipe: Recipe,
    image: TensorSpec,
    *,
    limit: int | None = None,
    split: str | None = None,
    images: Path | None = None,
) -> Samples:
    """The samples of a folder, a ``.parquet`` file or a COCO ``.json`` file.

    Folder: every image below it, by path; where all lie in sub-folders, the first sub-folder is
    the label. ``split`` names a sub-folder. Parquet: column ``image`` (encoded bytes, or a struct
    with ``bytes``), and, where present, ``label``, ``wnid``, ``name`` or ``index``, and ``split``;
    a label that stands for several wnids is given as its wnid. COCO: the images of ``split``, in
    the folder ``images``, or else in ``images/`` beside the json, or else beside it.

    Args:
        path: the folder or file.
        recipe: how an image becomes a tensor.
        image: the network's image input, (1, C, H, W).
        limit: at most that many, evenly spread, always the same ones.
        split: the part of the samples to take.
        images: the folder that a COCO json's file names are relative to.

    Raises:
        EdgecutError: ``missing-samples``, ``unknown-samples``, ``no-images``, ``no-samples``,
            ``unreadable-samples``, ``unknown-split``, ``path-escape``, ``bad-coco``,
            ``bad-parquet``, ``wrong-channels`` or ``bad-limit``.
        MissingPackage: a parquet file, and pyarrow is not installed.
    """
    require_fit(recipe, image)
    if limit is not None and limit < 1:
        raise EdgecutError(f"a limit of {limit} samples leaves none", code="bad-limit")
    source = _source(path, split, images)
    count = len(source.entries)
    if not count:
        raise EdgecutError(f"{path} holds no samples", code="no-samples")
    taken = min(limit or count, count)
    samples = Samples(
        source=source,
        chosen=tuple(i * count // taken for i in range(taken)),
        recipe=recipe,
        input_hw=(image.shape[2], image.shape[3]),
        truth=path if path.suffix.lower() == ".json" and path.is_file() else None,
    )
    next(iter(samples))  # a set without one usable image is better known now
    return samples


def require_fit(recipe: Recipe, image: TensorSpec) -> None:
    """Raise ``wrong-channels`` unless the recipe gives what the network's image input takes."""
    if len(image.shape) != 4 or image.shape[0] != 1 or image.shape[1] != recipe.channels:
        raise EdgecutError(
            f"input '{image.name}' has shape {image.shape}, and recipe '{recipe.name}' gives "
            f"(1, {recipe.channels}, H, W)",
            code="wrong-channels",
        )


def _files(entries: Sequence[Entry], paths: Sequence[Path]) -> Source:
    def read(chosen: Sequence[int]) -> Iterator[bytes | None]:
        for index in chosen:
            try:
                yield paths[index].read_bytes()
            except OSError:
                yield None

    return Source(entries=tuple(entries), read=read)


def _source(path: Path, split: str | None, images: Path | None) -> Source:
    if not path.exists():
        raise EdgecutError(
            f"there are no samples at {path}",
            code="missing-samples",
            hint="give a folder of images, a .parquet file or a COCO .json file",
        )
    kind = "folder" if path.is_dir() else path.suffix.lower()
    if images is not None and kind != ".json":
        raise EdgecutError(
            f"a folder of images was given for {path}, which is not a COCO json",
            code="unknown-samples",
        )
    if kind == "folder":
        return _folder(path, split)
    if kind == ".parquet":
        return _rows(path, split)
    if kind == ".json":
        return _coco(path, split, images)
    raise EdgecutError(
        f"{path} is not a kind of samples that is known",
        code="unknown-samples",
        hint="give a folder of images, a .parquet file or a COCO .json file",
    )


def _folder(path: Path, split: str | None) -> Source:
    root = path / split if split else path
    if split and (not root.is_dir() or root.parent != path):
        inside = [p.name for p in path.iterdir() if p.is_dir()]
        raise _unknown_split(path, split, inside)
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise EdgecutError(
            f"{root} holds no images",
            code="no-images",
            hint=f"images end in {', '.join(sorted(SUFFIXES))}",
        )
    parts = [p.relative_to(root).parts for p in paths]
    labelled = min(map(len, parts)) > 1
    entries = [Entry(name="/".join(p), label=p[0] if labelled else None) for p in parts]
    return _files(entries, paths)


def _coco(path: Path, split: str | None, images: Path | None) -> Source:
    records = read_coco(path)["images"]
    if split is not None:
        splits = {str(r["split"]) for r in records if "split" in r}
        records = [r for r in records if r.get("split") == split]
        if not records:
            raise _unknown_split(path, split, splits)
    if images is not None and not images.is_dir():
        raise EdgecutError(f"there is no folder of images at {images}", code="missing-samples")
    beside = path.parent / "images"
    folder = images or (beside if beside.is_dir() else path.parent)
    records = sorted(records, key=lambda r: r["file_name"])
    entries = [Entry(name=r["file_name"], stored_size=_stored_size(r)) for r in records]
    return _files(entries, [_inside(folder, entry.name, path) for entry in entries])


def _stored_size(record: dict[str, Any]) -> tuple[int, int] | None:
    return (record["width"], record["height"]) if {"width", "height"} <= record.keys() else None


def _inside(folder: Path, name: str, where: Path) -> Path:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    parts = {*posix.parts, *windows.parts}
    if posix.is_absolute() or windows.drive or windows.root or ".." in parts or "\0" in name:
        raise EdgecutError(
            f"{where}: image '{name}' lies outside the folder of images", code="path-escape"
        )
    return Path(os.path.join(folder, name))


def _rows(path: Path, split: str | None) -> Source:
    with _open_parquet(path) as file:
        known = set(file.schema_arrow.names)
        columns = [c for c in ("label", "wnid", "name", "index", "split") if c in known]
        records = file.read(columns=columns).to_pylist()
        records = records or [{} for _ in range(file.metadata.num_rows)]
    rows = [i for i, r in enumerate(records) if split is None or r.get("split") == split]
    if split is not None and not rows:
        raise _unknown_split(path, split, {str(r["split"]) for r in records if "split" in r})
    labels = _labels(records)
    named = next((c for c in ("name", "index") if c in known), None)
    entries = [
        Entry(name=str(records[i][named]) if named else f"row {i}", label=labels[i]) for i in rows
    ]

    def read(chosen: Sequence[int]) -> Iterator[bytes | None]:
        wanted = iter([rows[i] for i in chosen])
        row, start = next(wanted, None), 0
        with _open_parquet(path) as file:
            for batch in file.iter_batches(batch_size=256, columns=["image"]):
                while row is not None and row < start + len(batch):
                    value = batch.column(0)[row - start].as_py()
                    yield value.get("bytes") if isinstance(value, dict) else value
                    row = next(wanted, None)
                start += len(batch)

    return Source(entries=tuple(entries), read=read)


@contextlib.contextmanager
def _open_parquet(path: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingPackage("pyarrow", extra="parquet", why=f"reading {path}") from None
    try:
        with pq.ParquetFile(path) as file:
            kinds = {field.name: str(field.type) for field in file.schema_arrow}
            if not kinds.get("image", "none").startswith(("binary", "large_binary", "struct<")):
                raise EdgecutError(
                    f"{path} has no column 'image' of encoded bytes; its columns are "
                    f"{', '.join(f'{name} ({kind})' for name, kind in kinds.items())}",
                    code="bad-parquet",
                )
            yield file
    except (pa.ArrowException, OSError) as error:
        raise EdgecutError(
            f"{path} cannot be read as parquet: {error}", code="bad-parquet"
        ) from error


def _labels(records: Sequence[dict[str, Any]]) -> list[str | None]:
    wnids: dict[str, set[Any]] = defaultdict(set)
    for record in records:
        wnids[str(record.get("label")).casefold()].add(record.get("wnid"))
    plain = [
        r.get("label") if len(wnids[str(r.get("label")).casefold()]) == 1 else r["wnid"]
        for r in records
    ]
    return [None if label is None else str(label) for label in plain]


def _unknown_split(path: Path, split: str, known: Sequence[str] | set[str]) -> EdgecutError:
    return EdgecutError(
        f"{path} has no split '{split}'",
        code="unknown-split",
        hint=f"it has: {', '.join(sorted(known))}" if known else "it has no splits at all",
    )


def decoded(data: bytes | None, entry: Entry) -> Image:
    """The image in encoded bytes, upright.

    Raises:
        Unusable: with the reason.
    """
    from PIL import Image as pil
    from PIL import ImageOps

    if not data:
        raise Unusable("is missing or cannot be read")
    try:
        with warnings.catch_warnings():
            # PIL warns of large images; the bound below is stricter, and refuses them.
            warnings.simplefilter("ignore")
            image: Image = pil.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise Unusable(f"has {image.width}x{image.height} pixels, too many")
            image.load()
            if entry.stored_size is None:
                image = ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, EOFError, pil.DecompressionBombError) as error:
        raise Unusable(f"cannot be decoded: {error}") from None
    if image.mode in DEEP_MODES:
        raise Unusable(f"has more than 8 bits a channel (mode {image.mode})")
    if entry.stored_size is not None and image.size != entry.stored_size:
        raise Unusable(f"is {image.size} pixels, where the json says {entry.stored_size}")
    return image
