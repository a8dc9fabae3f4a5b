"""How the cut grows with the graph: its CPU time and memory, by number of nodes.

The graphs are residual blocks in a row; at every tenth a branch leaves it, two convolutions for
one category in turn, so that there is something to narrow and something to drop. Each size runs in
a fresh process, on one core; CPU time does not count what else the machine does.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.machine import taken_on
from edgecut.categories import CategoryMap, OutputSlots
from edgecut.cutout import cut
from edgecut.network import Network, to_model

CHANNELS, CATEGORIES, EVERY = 4, 8, 10
KEEP = ("category 1", "category 5")


def run(*, nodes: Sequence[int]) -> dict[str, Any]:
    """Rows ``{nodes, nodes_left, cut_cpu_s, peak_bytes}``."""
    rows = []
    for count in nodes:
        command = [sys.executable, "-m", "benchmarks.scale", str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        rows.append(json.loads(done.stdout))
    return {"schema": "edgecut.scale/1", **taken_on(), "rows": rows}


def network(count: int) -> Network:
    """About that many nodes: blocks of convolution, ReLU and addition, with branches.

    The score of a category is the sum over its branches; the last block feeds all of them.
    """
    random = np.random.default_rng(0)
    nodes, weights, shapes, last = [], {}, {}, "image"
    branches: list[list[str]] = [[] for _ in range(CATEGORIES)]
    shape, blocks = [1, CHANNELS, 2, 2], 0

    def add(op_type: str, inputs: list[str], size: list[int]) -> str:
        name = f"v{len(nodes)}"
        axis = {"axis": 1} if op_type == "Concat" else {}
        nodes.append(helper.make_node(op_type, inputs, [name], name=f"n{len(nodes)}", **axis))
        shapes[name] = size
        return name

    def filtered(source: str, rows: int) -> str:
        name = f"w{len(weights)}"
        weights[name] = random.standard_normal((rows, CHANNELS, 1, 1)).astype(np.float32)
        return add("Conv", [source, name], [1, rows, 2, 2])

    while len(nodes) < count - 2 * CATEGORIES - 1:
        inner = add("Relu", [filtered(last, CHANNELS)], shape)
        last = add("Add", [inner, last], shape)
        blocks += 1
        if blocks % EVERY == 0:
            branch = branches[blocks // EVERY % CATEGORIES]
            branch.append(filtered(filtered(last, CHANNELS), 1))
    own = [add("Sum", [*branch, filtered(last, 1)], [1, 1, 2, 2]) for branch in branches]
    joined = add("Concat", own, [1, CATEGORIES, 2, 2])
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(joined, TensorProto.FLOAT, shapes[joined])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
        value_info=[
            helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
            for name, size in shapes.items()
            if name != joined
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return _with_categories(Network(name="chain", model=to_model(model), digest=""), joined)


def _with_categories(chain: Network, output: str) -> Network:
    slots = OutputSlots(output=output, axis=1, slots=tuple(range(CATEGORIES)), reason="made so")
    names = tuple(f"category {i}" for i in range(CATEGORIES))
    categories = CategoryMap(names=names, outputs=(slots,), source="made up")
    return chain.evolve(chain.model, "categories", categories=categories)


def main(count: int) -> None:
    """The child: one size, as a line of JSON."""
    full = network(count)
    start = time.process_time()
    small, _ = cut(full, KEEP)
    took_s = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    left, there = len(list(small.model.graph)), len(list(full.model.graph))
    print(json.dumps({"nodes": there, "nodes_left": left, "cut_cpu_s": took_s, "peak_bytes": peak}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
