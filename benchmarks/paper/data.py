"""The study's data sets, each a parquet file with the splits train, val and test.

``everyday`` is what ``everyday.py`` joins. Of ``tiny-imagenet`` the official val split, which has
labels, is ``test``; a tenth of the training images, by their names, is ``val``.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from benchmarks.paper import everyday
from benchmarks.paper.study import Study, Subject
from edgecut.category_set import read_taxonomy
from edgecut.nested.images import Data, read

HELD_OUT = 0.1


def prepare(study: Study, name: str) -> Path:
    """The file of a data set; made where it is missing, whole or not at all."""
    path = study.data / f"{name}.parquet"
    if not path.exists():
        if name not in MAKERS:
            sys.exit(f"there is no {path}, and no way to make it")
        print(f"writing {path}", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        MAKERS[name](study.shared / "data", partial)
        partial.replace(path)
    return path


def images_of(subject: Subject) -> Data:
    """All images of a subject's data set, decoded at its size; kept for the next subject."""
    path = prepare(subject.study, subject.data)
    settings = subject.plan.settings
    return _read(path, str(subject.plan.label_set or settings.categories), settings.size)


@lru_cache(maxsize=1)
def _read(path: Path, categories: str, size: int) -> Data:
    return read(path, read_taxonomy(categories), size)


def write_tiny_imagenet(data: Path, out: Path) -> None:
    """Tiny ImageNet with a val split of its own."""
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(data / "tiny_imagenet.parquet")
    rows = zip(table["split"].to_pylist(), table["name"].to_pylist(), strict=True)
    splits = [
        "test" if split == "val" else "val" if _draw(name) < HELD_OUT else "train"
        for split, name in rows
    ]
    place = table.schema.get_field_index("split")
    table = table.set_column(place, "split", pa.array(splits)).drop_columns("name")
    parquet.write_table(table, out, compression="zstd")


def _draw(name: str) -> float:
    """A number in 0 to 1 that depends on the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "everyday": everyday.write,
    "tiny-imagenet": write_tiny_imagenet,
}
