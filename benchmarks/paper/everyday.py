"""The embedded default's data: CIFAR-10, natural_images and crops of COCO, joined in one file.

``python -m benchmarks.paper.everyday OUT.parquet [--shared ../shared]``. Images stay the bytes
they were. Splits: CIFAR-10's own test split, a tenth of natural_images by name, and the crops of
COCO's val photos are ``test``; a fiftieth of the rest is ``val``. Crops of COCO, few and nearest to
what a camera sees, are there ``REPEATED`` times for training.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

# What COCO's categories are in our tree; '' shows nothing in it. Those that would be neither
# (a bus is a road vehicle, but none that we tell apart) get the parent; doubtful ones stay out.
COCO = {
    **dict.fromkeys(("apple", "orange", "banana"), "fruit"),
    **dict.fromkeys(("cow", "sheep", "zebra", "giraffe"), "grazer"),
    **dict.fromkeys(("elephant", "bear"), "animal"),
    **dict.fromkeys(("airplane", "bird", "car", "cat", "dog", "horse", "person", "truck"), None),
    "boat": "ship",
    "motorcycle": "motorbike",
    "bus": "road vehicle",
    "bicycle": "vehicle",
    **dict.fromkeys(("train", "potted plant", "vase", "teddy bear", "skateboard"), "skip"),
}

REPEATED = {"coco_crops": 3}


def main() -> None:
    """Write the joined file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    given = parser.parse_args()
    write(given.shared / "data", given.out)


def write(data: Path, out: Path) -> None:
    """Join the three sets in ``data``."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = []
    for source in ("cifar10", "natural_images", "coco_crops"):
        table = parquet.read_table(data / f"{source}.parquet").to_pylist()
        for i, row in enumerate(table):
            label = _label(source, row["label"])
            if label != "skip":
                split = _split(source, row["split"], f"{source} {i} {row.get('name', '')}")
                image = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
                entry = {"image": image, "label": label, "split": split, "source": source}
                rows += [entry] * (REPEATED.get(source, 1) if split == "train" else 1)
    parquet.write_table(pa.Table.from_pylist(rows), out, compression="zstd")


def _label(source: str, label: str) -> str:
    if source == "coco_crops":
        return COCO.get(label, "") or (label if label in COCO else "")
    return "car" if label == "automobile" else label


def _split(source: str, split: str, key: str) -> str:
    draw = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32
    if split in ("test", "val2017") or (source == "natural_images" and draw < 0.1):
        return "test"
    return "val" if draw > 0.98 else "train"


if __name__ == "__main__":
    main()
