"""``python -m benchmarks.paper.ship RUN``: a run's network becomes the one that edgecut ships."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgecut import shipped
from edgecut.nested.export import halved


def main() -> None:
    """Write the run's network, its large weights in float16, where edgecut looks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    model = parser.parse_args().run / "model.onnx"
    shipped.network(shipped.NETWORK).write_bytes(halved(model.read_bytes()))


if __name__ == "__main__":
    main()
