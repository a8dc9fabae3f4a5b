"""``make demo``: EfficientNet-Lite0 kept to ten vehicles, built, verified and timed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = Path("dist") / "demo-photos"
OUT = Path("dist") / "demo"
KEEP = (
    *("airliner", "ambulance", "cab", "fire engine", "minivan"),
    *("moped", "pickup", "school bus", "sports car", "tractor"),
)
# The colour photos of everyday things among scikit-image's pictures; the last two show one scene.
NAMES = (
    *("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"),
    *("motorcycle_left.png", "motorcycle_right.png"),
)
BUILD = (
    ("build", "benchmarks.demo.network:efficientnet_lite0", "--input-shape", "1x3x224x224"),
    ("--keep", ",".join(KEEP)),
    ("--labels", "imagenet1k", "--samples", str(PHOTOS), "--recipe", "efficientnet-lite"),
    ("--target", "raspberry-pi-4", "--target", "intel-cpu", "--out", str(OUT)),
)
BENCH = (
    ("bench", str(OUT), "--seconds", "1"),
    ("--model", "benchmarks.demo.network:efficientnet_lite0"),
)
INTRODUCTION = f"""\
EfficientNet-Lite0 tells the 1000 categories of ImageNet apart. Here it is cut to ten vehicles,
written for a Raspberry Pi (LiteRT) and an Intel CPU (OpenVINO), checked and timed.

int8 is calibrated on the {len(NAMES)} colour photos that scikit-image ships. That is very few:
enough to show the way, while a product wants a hundred or more of its own."""


def main() -> int:
    """Run the demo; the exit code is that of the first command that fails."""
    os.chdir(ROOT)
    print(INTRODUCTION)
    gather(PHOTOS)
    return edgecut(BUILD) or edgecut(BENCH)


def gather(folder: Path) -> None:
    """Copy the photos out of the installed scikit-image; nothing is downloaded."""
    import skimage.data

    shipped = Path(skimage.data.__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / name).write_bytes((shipped / name).read_bytes())


def edgecut(lines: tuple[tuple[str, ...], ...]) -> int:
    """Show an ``edgecut`` command and run it as the user would."""
    print("\n$ edgecut " + " \\\n    ".join(shlex.join(line) for line in lines), flush=True)
    arguments = [argument for line in lines for argument in line]
    return subprocess.run([sys.executable, "-m", "edgecut", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
