"""What makes training on a CPU faster: siblings side by side, and freed memory that is kept.

One process for each way, which take steps in turn; seconds are those of one core, so that other
work on the machine changes little.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

from benchmarks.machine import taken_on
from benchmarks.models import ROOT

RECIPES = (
    "everyday-resnet-nested",
    "everyday-mobilenet-nested",
    "everyday-convnext-nested",
    "tiny-imagenet-resnet-nested",
)
WAYS = ("as it is", "freed memory given back", "siblings one by one")


def run(*, steps: int) -> dict[str, Any]:
    """``rows[]``: for each recipe and way the seconds of a step, their ratio, and peak memory."""
    about = {"schema": "edgecut.training-speed/1", "steps": steps}
    return {**about, **taken_on(), "rows": _rows(steps)}


def _rows(steps: int) -> list[dict[str, Any]]:
    rows = []
    for recipe in RECIPES:
        children = [_Child(recipe, way) for way in WAYS]
        for child in children:
            child.step()  # the first one allocates and chooses kernels
        seconds: list[list[float]] = [[] for _ in WAYS]
        for _ in range(steps):
            for own, child in zip(seconds, children, strict=True):
                own.append(child.step())
        for way, own, child in zip(WAYS, seconds, children, strict=True):
            ratios = [mine / base for mine, base in zip(own, seconds[0], strict=True)]
            rows.append(
                {
                    "recipe": recipe,
                    "way": way,
                    "step_s": statistics.median(own),
                    "ratio": statistics.median(ratios),
                    "peak_bytes": child.end(),
                }
            )
    return rows


class _Child:
    """A process that takes a step whenever it is told to."""

    def __init__(self, recipe: str, way: str) -> None:
        command = [sys.executable, "-m", "benchmarks.training", recipe, way]
        self._process = subprocess.Popen(
            command, cwd=ROOT.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def step(self) -> float:
        """Seconds of one step."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> int:
        """The largest memory it had, in bytes."""
        told, _ = self._process.communicate()
        return int(told)


def _steps(name: str, way: str) -> None:
    import contextlib
    import resource
    import time

    import torch

    from edgecut.category_set import read_taxonomy
    from edgecut.nested import recipe
    from edgecut.nested.abreast import Row
    from edgecut.nested.allocator import freed_memory_kept
    from edgecut.nested.loss import TreeLoss
    from edgecut.nested.topology import NestedNet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec = recipe.read(ROOT / "paper" / "recipes" / f"{name}.toml")
    taxonomy = read_taxonomy(spec.categories)
    network = NestedNet(taxonomy, spec.network).to(memory_format=torch.channels_last).train()
    if way == "siblings one by one":
        network.rows = tuple(
            Row(parent=parent, nodes=(node,), stage=None)
            for node, parent in enumerate(taxonomy.parents)
        )
    loss = TreeLoss(taxonomy, spec.schedule)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    batch, size = spec.schedule.batch, spec.size
    pixels = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    leaves = taxonomy.leaves
    labels = torch.tensor([leaves[i % len(leaves)] for i in range(batch)])
    gives_back = way == "freed memory given back"
    with contextlib.nullcontext() if gives_back else freed_memory_kept():
        for _ in sys.stdin:
            start = time.process_time()
            optimiser.zero_grad(set_to_none=True)
            loss(network(pixels), labels, None).backward()
            optimiser.step()
            print(time.process_time() - start, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    _steps(*sys.argv[1:])
