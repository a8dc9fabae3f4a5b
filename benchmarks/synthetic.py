"""What int8 loses when it is calibrated without images: real, synthetic and random samples.

Each network is quantised for LiteRT and OpenVINO with 64 samples of each kind and judged on real
images: ``real`` ones; ``chosen``, the synthetic ones as ``--samples synthetic`` takes them;
``unchosen``, the same pictures as they come; ``noise``, evenly distributed pixels. Detectors hold
no normalisation statistics, so ``chosen`` is not for them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import SUBJECTS, Subject, everyday
from edgecut import cutout
from edgecut.evaluation import Subject as Judged
from edgecut.evaluation import evaluate, predict
from edgecut.network import Network
from edgecut.opened import running
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.recipe import prepare
from edgecut.runtimes import open_runtime
from edgecut.source import recipe_of
from edgecut.synthetic.draw import SAMPLES, draw, open_pictures
from edgecut.synthetic.statistics import moments, normalisations
from edgecut.target import read_target

TARGETS = {"LiteRT": "raspberry-pi-4", "OpenVINO": "intel-cpu"}
DETECTED = ("person", "car")
# What the official test images of CIFAR-10 show, in the words of the shipped network.
CIFAR = ("airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

Kinds = dict[str, Tensors]


def run() -> dict[str, Any]:
    """Rows ``{model, samples, runtime, ...}``: accuracy; distances of each kind of samples."""
    rows, distances = [], []
    for subject in (everyday(), *(make() for make in SUBJECTS.values())):
        full = subject.network()
        kinds = _samples(subject, full)
        rows += _judged(subject, full, kinds)
        distances += _distances(subject.name, full, kinds)
    schema = "edgecut.synthetic/1"
    return {"schema": schema, "samples": SAMPLES, "rows": rows, "distances": distances}


def _samples(subject: Subject, network: Network) -> Kinds:
    """The samples of each kind."""
    recipe = recipe_of(network, subject.calibration.recipe)
    drawn = draw(network, recipe, SAMPLES)
    kinds = {
        "real": Tensors(subject.calibration.limited(SAMPLES).open(network)),
        "chosen": Tensors(open_pictures(drawn.pictures, recipe, network.image)),
        "unchosen": Tensors(open_pictures(range(SAMPLES), recipe, network.image)),
        "noise": Tensors(list(_noise(network, subject))),
    }
    if not drawn.normalisations:
        del kinds["chosen"]
    return kinds


def _noise(network: Network, subject: Subject) -> Iterator[np.ndarray]:
    from PIL import Image

    recipe = recipe_of(network, subject.calibration.recipe)
    height, width = network.image.shape[2:]
    for seed in range(SAMPLES):
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        yield prepare(Image.fromarray(pixels), recipe, (height, width))[0]


def _distances(name: str, network: Network, kinds: Kinds) -> Iterator[dict[str, Any]]:
    known = normalisations(network)
    for kind, tensors in kinds.items() if known else ():
        found = moments(network, known, tensors, count=len(tensors))
        distance = found.distance(range(len(tensors)))
        yield {"model": name, "samples": kind, "distance": distance}


def _judged(subject: Subject, full: Network, kinds: Kinds) -> list[dict[str, Any]]:
    """Accuracy of the float network, and of its int8 on both runtimes for each kind of samples."""
    recipe = recipe_of(full, subject.judging.recipe)
    network, keep = tidy(full), _keep(subject, full)
    if recipe.detections:
        network = tidy(cutout.cut(full, keep)[0])
    with ExitStack() as stack:
        runs: dict[tuple[str, str], Any] = {("-", "float32"): stack.enter_context(running(network))}
        for kind, tensors in kinds.items():
            for runtime, target in TARGETS.items():
                runs[kind, runtime] = _int8(network, target, tensors, stack)
        return _rows(subject, network, keep, runs)


def _keep(subject: Subject, full: Network) -> Sequence[str]:
    if recipe_of(full, subject.judging.recipe).detections:
        return DETECTED
    return CIFAR if subject.name == "everyday" else cutout.categories_of(full).names


def _int8(network: Network, target: str, tensors: Tensors, stack: ExitStack) -> Any:
    emitted = produce(network, read_target(target), "int8", tensors)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for suffix, content in emitted.files.items():
        (folder / f"artifact{suffix}").write_bytes(content)
    path = folder / f"artifact{next(iter(emitted.files))}"
    return stack.enter_context(
        open_runtime(path, emitted.format, emitted.inputs, emitted.outputs, threads=2)
    )


def _rows(
    subject: Subject, network: Network, keep: Sequence[str], runs: Mapping[tuple[str, str], Any]
) -> list[dict[str, Any]]:
    categories = cutout.categories_of(network)
    recipe = recipe_of(network, subject.judging.recipe)
    picks: dict[str, list[int]] = {"/".join(key): [] for key in runs}
    columns = tuple(categories.indices([name], where=network.name)[0] for name in keep)

    def judged(what: str, runtime: Any) -> Judged:
        def run(tensor: np.ndarray) -> Mapping[str, Any]:
            outputs = runtime.run({network.image.name: tensor})
            if not recipe.detections:
                picks[what].append(predict(outputs, categories, columns))
            return dict(outputs)

        return Judged(run=run, categories=categories)

    found = evaluate(
        {"/".join(key): judged("/".join(key), runtime) for key, runtime in runs.items()},
        subject.judging.open(network),
        keep=keep,
        rules=recipe.detections,
        taxonomy=categories.tree,
    )
    return [
        {"model": subject.name, "samples": kind, "runtime": runtime}
        | _accuracy([row for row in found if row["what"] == f"{kind}/{runtime}"])
        | _agreement(picks[f"{kind}/{runtime}"], picks["-/float32"])
        for kind, runtime in runs
    ]


def _accuracy(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if "ap50" in rows[0]:
        return {"ap50": {row["category"]: row["ap50"] for row in rows}}
    (overall,) = (row for row in rows if row["category"] == "overall")
    return {"top1": overall["top1"], "images": overall["samples"]}


def _agreement(picks: list[int], float32: list[int]) -> dict[str, Any]:
    """The share of the images on which both say the same."""
    return {"same_as_float32": float(np.mean(np.equal(picks, float32)))} if picks else {}
