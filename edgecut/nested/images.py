"""Labelled images in memory: from a parquet file or a folder, decoded once."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError, MissingPackage
from edgecut.nested.loss import NONE
from edgecut.progress import Tell, nobody
from edgecut.recipe import MAX_PIXELS
from edgecut.samples import DEEP_MODES, FORMATS, SUFFIXES
from edgecut.taxonomy import Taxonomy

MAX_BYTES = 8 << 30
TRAIN, VAL = "train", "val"
NOTHING = "_none"
"""The folder of images that show nothing in the taxonomy."""

# Other words for the split that is judged after every epoch.
_VAL_TOO = frozenset({"valid", "validation", "dev"})


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

    def sampled(self, count: int) -> ImageSet:
        """As many images, or all: drawn at random, always the same ones, in their order."""
        picks = np.random.default_rng(0).permutation(len(self))[:count]
        return self.only(np.sort(picks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An image that could not be decoded, where it lies in the data, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The splits of a data set, and what had to be left out."""

    splits: dict[str, ImageSet]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """What a data set says of its images, row by row, and a way to their encoded bytes."""

    places: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[str]
    sources: Sequence[str]
    encoded: Callable[[], Iterator[bytes | Path | None]]

    def __len__(self) -> int:
        return len(self.labels)


class _Unusable(Exception):
    """An image that cannot be trained on; the message is the reason."""


def read(path: Path, taxonomy: Taxonomy, size: int, *, tell: Tell = nobody) -> Data:
    """Every image of a parquet file (``image``, ``label``, ``split``, ``source``) or a folder.

    A folder holds ``SPLIT/LABEL/*.jpg``. Labels are names, aliases or parents in the taxonomy; an
    empty label (in a folder: ``_none``) says that the image shows nothing in it. Images become
    size x size as they do where the network is used: turned upright, stretched, bicubic.

    Raises:
        EdgecutError: ``bad-data`` where nothing can be read, ``unknown-label`` where a label is
            not in the taxonomy, ``data-too-large``.
        MissingPackage: a parquet file, and pyarrow is not installed.
    """
    listing = _folder(path) if path.is_dir() else _parquet(path)
    labels = _nodes(listing, taxonomy, path)
    _check_size(path, len(listing), size)
    counts = Counter(listing.splits)
    pixels = {split: np.zeros((n, size, size, 3), np.uint8) for split, n in counts.items()}
    rows: dict[str, list[int]] = defaultdict(list)
    skipped: list[Skipped] = []
    for row, encoded in enumerate(listing.encoded()):
        tell("read images", row, len(listing))
        split = listing.splits[row]
        try:
            pixels[split][len(rows[split])] = _decoded(encoded, size)
        except _Unusable as reason:
            skipped.append(Skipped(place=listing.places[row], reason=str(reason)))
        else:
            rows[split].append(row)
    tell("read images", len(listing), len(listing))
    sources = np.array(listing.sources)
    splits = {
        split: ImageSet(images=pixels[split][: len(own)], labels=labels[own], sources=sources[own])
        for split, own in sorted(rows.items())
        if own
    }
    if not splits:
        first = f"; the first, {skipped[0].place}, {skipped[0].reason}" if skipped else ""
        raise EdgecutError(f"no image in {path} can be read{first}", code="bad-data")
    return Data(splits=splits, skipped=tuple(skipped))


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of the names and bytes of a folder's images, in hexadecimal.

    Raises:
        EdgecutError: ``bad-data``.
    """
    if not path.is_dir():
        return _digest(path)
    digest = hashlib.sha256()
    for file in _images_in(path):
        digest.update(f"{file.relative_to(path).as_posix()}\0{_digest(file)}".encode())
    return digest.hexdigest()


def _digest(file: Path) -> str:
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise EdgecutError(f"cannot read {file}: {error.strerror}", code="bad-data") from error


def _nodes(listing: _Listing, taxonomy: Taxonomy, path: Path) -> np.ndarray:
    """The label of each row as a node; told before an hour goes into decoding."""
    nodes = {label: taxonomy.find(label) if label else NONE for label in set(listing.labels)}
    unknown = sorted(label for label, node in nodes.items() if node is None)
    if unknown:
        first = next(i for i, label in enumerate(listing.labels) if nodes[label] is None)
        raise EdgecutError(
            f"{path}: {len(unknown)} labels are not in the taxonomy: "
            f"{', '.join(map(repr, unknown[:8]))}{', ...' if len(unknown) > 8 else ''}",
            code="unknown-label",
            where=listing.places[first],
            hint="add them to the label set as categories or aliases, or leave those images out",
        )
    return np.array([nodes[label] for label in listing.labels], np.int64)


def _check_size(path: Path, count: int, size: int) -> None:
    if count * size * size * 3 > MAX_BYTES:
        raise EdgecutError(
            f"{path} holds {count} images; at {size}x{size} they take more than "
            f"{MAX_BYTES / (1 << 30):.3g} GiB",
            code="data-too-large",
            hint="train on fewer images, or at a smaller size",
        )


def _decoded(encoded: bytes | Path | None, size: int) -> np.ndarray:
    """RGB pixels (size, size, 3), as ``samples`` and ``recipe.prepare`` make them."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not encoded:
        raise _Unusable("holds no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
            with Image.open(file, formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise _Unusable(f"has {opened.width}x{opened.height} pixels, too many")
                if opened.mode in DEEP_MODES:
                    raise _Unusable(f"has more than 8 bits a channel (mode {opened.mode})")
                colour = ImageOps.exif_transpose(opened).convert("RGB")
    except (_Unusable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise _Unusable("is in no format that is read") from None
    except Exception as error:  # decoders raise anything at all on broken data
        raise _Unusable(f"cannot be decoded: {_reason(error)}") from None
    return np.asarray(colour.resize((size, size), Image.Resampling.BICUBIC))


def _reason(error: Exception) -> str:
    # The system's own words name the file, which the place has already.
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _parquet(path: Path) -> _Listing:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackage("pyarrow", extra="parquet", why=f"reading {path}") from error
    try:
        with parquet.ParquetFile(path) as file:
            columns = _columns(file.schema_arrow, path)
            table = file.read(columns=[c for c in columns if c != "image"])
    except (OSError, pyarrow.ArrowException) as error:
        raise EdgecutError(f"cannot read {path}: {error}", code="bad-data") from error
    texts = {name: table[name].to_pylist() for name in table.column_names}
    if None in texts["label"]:
        raise EdgecutError(
            f"{path}, row {texts['label'].index(None)} has no label",
            code="bad-data",
            hint="an empty text says that the image shows nothing in the taxonomy",
        )
    count = len(texts["label"])

    def encoded() -> Iterator[bytes | None]:
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=256, columns=["image"]):
                    for image in batch.column(0).to_pylist():
                        yield image.get("bytes") if isinstance(image, dict) else image
        except (OSError, pyarrow.ArrowException) as error:
            raise EdgecutError(f"cannot read {path}: {error}", code="bad-data") from error

    return _Listing(
        places=[f"row {row}" for row in range(count)],
        labels=[label.strip() for label in texts["label"]],
        splits=[_split(name or TRAIN) for name in texts.get("split", [TRAIN] * count)],
        sources=[name or path.stem for name in texts.get("source", [path.stem] * count)],
        encoded=encoded,
    )


def _columns(schema: Any, path: Path) -> list[str]:
    """Those columns that are read; the two that must be there, and texts where texts are due."""
    kinds = {field.name: str(field.type) for field in schema}
    columns = [c for c in ("image", "label", "split", "source") if c in kinds]
    wrong = [c for c in ("image", "label") if c not in kinds]
    for name in columns:
        due = ("binary", "large_binary", "struct<") if name == "image" else ("string", "large_str")
        if not kinds[name].removeprefix("dictionary<values=").startswith(due):
            wrong.append(name)
    if wrong:
        shown = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise EdgecutError(
            f"{path} lacks the column '{wrong[0]}', or it is of another type; it has {shown}",
            code="bad-data",
            hint="training reads 'image' (encoded bytes) and 'label' (a name), and, if they are "
            "there, 'split' and 'source' (texts)",
        )
    return columns


def _folder(path: Path) -> _Listing:
    files = _images_in(path)
    parts = [file.relative_to(path).parts for file in files]
    loose = next((file for file, p in zip(files, parts, strict=True) if len(p) < 3), None)
    if loose is not None or not files:
        raise EdgecutError(
            f"{loose} lies in no SPLIT/LABEL folder of {path}" if loose else f"no images in {path}",
            code="bad-data",
            hint="a folder of images is laid out as SPLIT/LABEL/IMAGE.jpg; where there is one "
            f"folder for each label and no split, move them into {path / TRAIN}/",
        )
    return _Listing(
        places=["/".join(p) for p in parts],
        labels=["" if label == NOTHING else label for _, label, *_ in parts],
        splits=[_split(split) for split, *_ in parts],
        sources=[path.resolve().name] * len(files),
        encoded=lambda: iter(files),
    )


def _images_in(path: Path) -> list[Path]:
    """Every image below a folder, by path; hidden ones are not meant."""
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
    )


def _split(name: str) -> str:
    return VAL if name in _VAL_TOO else name
