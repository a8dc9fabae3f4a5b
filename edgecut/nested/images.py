"""Labelled images in memory: from parquet files or folders, decoded once."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError, MissingPackage
from edgecut.nested.loss import NONE
from edgecut.progress import Tell, nobody
from edgecut.taxonomy import Taxonomy

MAX_BYTES = 8 << 30
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Images (N, S, S, 3) uint8 RGB, their labels (N,) as nodes or ``NONE``, and their sources."""

    images: np.ndarray
    labels: np.ndarray
    sources: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, chosen: np.ndarray) -> ImageSet:
        """The images at these indices, or where this mask is true."""
        return ImageSet(
            images=self.images[chosen], labels=self.labels[chosen], sources=self.sources[chosen]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An image that could not be decoded, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The splits of a data set, and what had to be left out."""

    splits: dict[str, ImageSet]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    place: str
    split: str
    source: str
    label: str
    image: bytes | Path


def read(path: Path, taxonomy: Taxonomy, size: int, *, tell: Tell = nobody) -> Data:
    """Every image of a parquet file (``image``, ``label``, ``split``) or an ImageFolder.

    A folder holds ``SPLIT/LABEL/*.jpg``. Labels are names, aliases or parents in the taxonomy; an
    empty label (in a folder: ``_none``) says that the image shows nothing in it.

    Raises:
        EdgecutError: ``bad-data`` where nothing can be read, ``unknown-label`` where a label is
            not in the taxonomy, ``data-too-large``.
    """
    total, rows = _folder(path) if path.is_dir() else _parquet(path)
    if total * size * size * 3 > MAX_BYTES:
        raise EdgecutError(
            f"{path} holds {total} images; at {size}x{size} they take over {MAX_BYTES >> 30} GiB",
            code="data-too-large",
            hint="train on fewer images, or at a smaller size",
        )
    images = np.zeros((total, size, size, 3), np.uint8)
    kept: list[tuple[int, str, str]] = []
    skipped: list[Skipped] = []
    for done, row in enumerate(rows):
        tell("read images", done, total)
        name = row.label.strip()
        label = taxonomy.find(name) if name else NONE
        if label is None:
            raise EdgecutError(
                f"{row.place}: the label '{row.label}' is not in the taxonomy",
                code="unknown-label",
                where=row.label,
                hint="add it to the label set, as a category or as an alias",
            )
        try:
            images[len(kept)] = _decoded(row.image, size)
        except (OSError, ValueError, SyntaxError) as error:
            skipped.append(Skipped(place=row.place, reason=str(error)))
            continue
        kept.append((label, row.split, row.source))
    tell("read images", total, total)
    if not kept:
        raise EdgecutError(f"no image in {path} can be read", code="bad-data")
    everything = ImageSet(
        images=images[: len(kept)],
        labels=np.array([label for label, _, _ in kept], np.int64),
        sources=np.array([source for _, _, source in kept]),
    )
    splits = np.array([split for _, split, _ in kept])
    return Data(
        splits={name: everything.only(splits == name) for name in sorted(set(splits.tolist()))},
        skipped=tuple(skipped),
    )


def _decoded(image: bytes | Path, size: int) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as opened:
        if opened.width * opened.height > 64_000_000:
            raise ValueError(f"{opened.width} x {opened.height} pixels are too many")
        colour = opened.convert("RGB")
        if colour.size != (size, size):
            colour = colour.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
        return np.asarray(colour)


def _parquet(path: Path) -> tuple[int, Iterator[_Row]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingPackage("pyarrow", extra="parquet", why="reading parquet") from error
    try:
        file = parquet.ParquetFile(path)
    except (OSError, ArrowException) as error:
        raise EdgecutError(f"cannot read {path}: {error}", code="bad-data") from error
    names = set(file.schema_arrow.names)
    if not {"image", "label"} <= names:
        raise EdgecutError(
            f"{path} has the columns {', '.join(sorted(names))}",
            code="bad-data",
            hint="training reads 'image' (bytes) and 'label', and, if there, 'split' and 'source'",
        )
    columns = [c for c in ("image", "label", "split", "source") if c in names]
    return file.metadata.num_rows, _parquet_rows(file, columns, path)


def _parquet_rows(file: Any, columns: Sequence[str], path: Path) -> Iterator[_Row]:
    count = 0
    for batch in file.iter_batches(batch_size=512, columns=list(columns)):
        for row in batch.to_pylist():
            image = row["image"]
            yield _Row(
                place=f"{path}, row {count}",
                split=str(row.get("split") or "train"),
                source=str(row.get("source") or path.stem),
                label=str(row["label"] or ""),
                image=image["bytes"] if isinstance(image, dict) else image,
            )
            count += 1


def _folder(path: Path) -> tuple[int, Iterator[_Row]]:
    files = sorted(p for p in path.glob("*/*/*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise EdgecutError(
            f"no images in {path}",
            code="bad-data",
            hint="a folder of images is laid out as SPLIT/LABEL/IMAGE.jpg, SPLIT such as train",
        )
    return len(files), (
        _Row(
            place=str(file),
            split=file.parent.parent.name,
            source=path.name,
            label="" if file.parent.name == "_none" else file.parent.name,
            image=file,
        )
        for file in files
    )
