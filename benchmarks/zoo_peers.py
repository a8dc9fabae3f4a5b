"""Models of the zoo, cut by edgecut and in two usual ways: which answer, and rightly.

``python -m benchmarks.run --suite zoo zoo_peers``; it needs transformers and torch-pruning, see
``peers/README.md``. The models are those of the zoo that come from PyTorch.
"""

from __future__ import annotations

import copy
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks.machine import taken_on
from benchmarks.peers import last_layers
from benchmarks.peers.last_layers import Answer, Task
from benchmarks.zoo import judging
from benchmarks.zoo.subjects import Subject, subjects
from benchmarks.zoo.subjects import missing as missing_of_zoo
from edgecut.cost import cost
from edgecut.cutout import categories_of, cut
from edgecut.network import Network
from edgecut.passes.tidy import tidy

RIGHT = 1e-4  # of the largest kept value
WAYS = ("edgecut", "torch-pruning", "extract_model")


def run(*, every: int, keep_lists: int, seconds: int) -> dict[str, Any] | None:
    """Rows ``{model, way, handled, right, parameters_excluded, reason}``, one for each model.

    A model is handled where every keep-list gets an answer, and right where every answer has the
    kept slots of the whole network, and all of what is no category's.

    Args:
        every: 1 takes every model of the zoo, 3 every third.
        keep_lists: how many random keep-lists of each model.
        seconds: how long a way may take for one of them.
    """
    if absent := [*missing_of_zoo(), *last_layers.missing()]:
        print(
            f"not installed: {', '.join(absent)}; see benchmarks/peers/README.md", file=sys.stderr
        )
        return None
    rows = []
    for subject in [one for one in subjects() if one.module is not None][::every]:
        print(f"  {subject.name}", file=sys.stderr, flush=True)
        rows += compared(subject, keep_lists, seconds)
    peers = {name: metadata.version(name) for name in ("torch-pruning", "transformers")}
    settings = {"every": every, "keep_lists": keep_lists}
    return {
        "schema": "edgecut.zoo_peers/1",
        **taken_on(),
        "peers": peers,
        "settings": settings,
        "rows": rows,
    }


def compared(subject: Subject, keep_lists: int, seconds: int) -> list[dict[str, Any]]:
    """A row for each way."""
    import torch

    assert subject.module is not None
    network, module = subject.network(), subject.module()
    (spec,) = network.inputs
    image = np.random.default_rng(0).standard_normal(spec.shape).astype(np.float32)
    with torch.no_grad():
        by_torch = last_layers.arrays(module(torch.from_numpy(image)))
    whole = judging._outputs(network, {spec.name: image}, optimised=False)
    by_onnx = [whole[out.name] for out in network.outputs]
    lists = judging._lists(categories_of(network).names, keep_lists)
    tasks = [_task(network, keep) for keep in lists]
    tidied = tidy(network)

    def ours(number: int) -> Answer:
        small = tidy(cut(network, lists[number])[0])
        found = judging._outputs(small, {spec.name: image}, optimised=False)
        share = 1 - cost(small).parameters / cost(tidied).parameters
        return Answer(outputs=[found[o.name] for o in small.outputs], parameters_excluded=share)

    def pruned(number: int) -> Answer:
        given = torch.from_numpy(image)
        return last_layers.torch_pruning(copy.deepcopy(module), given, tasks[number])

    def extracted(number: int) -> Answer:
        return last_layers.by_hand(network.to_proto(), {spec.name: image}, tasks[number])

    ways: tuple[tuple[Callable[[int], Answer], Sequence[Any]], ...]
    ways = ((ours, by_onnx), (pruned, by_torch), (extracted, by_onnx))
    return [
        {
            "model": subject.name,
            "family": subject.family,
            "way": name,
            **_judged(way, full, tasks, seconds),
        }
        for name, (way, full) in zip(WAYS, ways, strict=True)
    ]


def _task(network: Network, keep: Sequence[str]) -> Task:
    categories = categories_of(network)
    kept = categories.indices(list(keep), where=network.name)
    places = [spec.name for spec in network.outputs]
    return Task(
        outputs={
            places.index(one.output): (one.axis, one.slots, one.kept(kept))
            for one in categories.outputs
        },
        categories=len(categories.names),
    )


def _judged(
    way: Callable[[int], Answer], full: Sequence[Any], tasks: Sequence[Task], seconds: int
) -> dict[str, Any]:
    """Whether a way answers, whether that is right, the most it excluded, and why it does not."""
    shares, errors = [], []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number, task in enumerate(tasks):
                with _at_most(seconds):
                    answer = way(number)
                shares.append(answer.parameters_excluded)
                errors.append(error(full, answer.outputs, task))
    except Exception as reason:  # the tools raise whatever they meet
        lines = str(reason).strip().splitlines() or [""]
        told = f"{type(reason).__name__}: {lines[0][:120]}"
        return {"handled": False, "right": False, "parameters_excluded": None, "reason": told}
    worst = float(np.max(errors))
    told = "another shape" if worst == np.inf else f"off by {worst:.2g} of the largest value"
    return {
        "handled": True,
        "right": worst <= RIGHT,
        "parameters_excluded": max(shares),
        "reason": "" if worst <= RIGHT else told,
    }


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError where the block takes longer."""

    def over(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s for one keep-list")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def error(full: Sequence[Any], got: Sequence[Any], task: Task) -> float:
    """The largest error of any output, relative to its largest kept value; NaN stays."""
    if len(full) != len(got):
        return float("inf")
    errors = []
    for place, (whole, part) in enumerate(zip(full, got, strict=True)):
        axis, _, kept = task.outputs.get(place, (0, (), ()))
        expected = whole.take(kept, axis) if place in task.outputs else whole
        if expected.shape != part.shape:
            return float("inf")
        errors.append(np.abs(expected - part).max() / (np.abs(expected).max() or 1.0))
    return float(np.max(errors))
