"""The networks on LiteRT and OpenVINO, int8 against float; int8 is calibrated on real images."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper import measures, networks
from benchmarks.paper.cases import Case, chosen, nodes_of, shown
from benchmarks.paper.data import images_of
from benchmarks.paper.study import NESTED, Subject
from edgecut.cutout import cut
from edgecut.measure.contender import Contender
from edgecut.network import Network
from edgecut.produce import Tensors, produce
from edgecut.progress import Tell
from edgecut.runtimes import open_runtime
from edgecut.target import read_target

RUNTIMES = {"LiteRT": "generic-arm64", "OpenVINO": "intel-cpu"}
SCHEMES = ("float32", "int8")
KINDS = tuple((runtime, scheme) for runtime in RUNTIMES for scheme in SCHEMES)
CALIBRATION = 128
JUDGED = 6
FULL = "full"


def agreement(subject: Subject, tell: Tell) -> dict[str, Any]:
    """``rows``: top-1 of artifacts, and how often it is the float network's, on test images."""
    nested, test = networks.opened(subject.folder(NESTED)), images_of(subject).splits["test"]
    samples = _calibration(subject)
    reference, tensors = networks.scores(nested, test.images), networks.tensors(test.images)
    leaves = [subject.taxonomy.names[leaf] for leaf in subject.taxonomy.leaves]
    full = Case(kind="list", name=FULL, keep=tuple(leaves))
    rows = []
    for runtime, scheme in KINDS:
        wholly = np.empty(0)
        for case in (full, *chosen(subject.cases, "list", JUDGED)):
            tell(f"{runtime} {scheme}, {case.name}", 0, 0)
            network = nested if case is full else cut(nested, case.keep)[0]
            with tempfile.TemporaryDirectory() as folder:
                artifact = built(case.name, network, runtime, scheme, samples, Path(folder))
                got = _scores(artifact, tensors)
            places = list(nodes_of(subject.taxonomy, case.keep))
            wholly, got = (got, got[:, places]) if case is full else (wholly, got)
            what = shown(subject.taxonomy, test.labels, case.keep)
            rows.append(
                {
                    "base": subject.base,
                    "data": subject.data,
                    "case": case.name,
                    "keep": list(case.keep),
                    "runtime": runtime,
                    "scheme": scheme,
                    **_compared(got, reference[:, places], wholly[:, places], what),
                }
            )
    return {"rows": rows}


def _compared(
    got: np.ndarray, reference: np.ndarray, full: np.ndarray, what: np.ndarray
) -> dict[str, float]:
    """On the images that show a kept category, and on all."""
    kept = what >= 0
    return {
        "images": int(kept.sum()),
        "top1": measures.top1(got, what),
        "top1_float": measures.top1(reference, what),
        "same_as_float": measures.same_choice(got[kept], reference[kept]),
        "same_as_float_everywhere": measures.same_choice(got, reference),
        "same_as_full": measures.same_choice(got[kept], full[kept]),
    }


def _calibration(subject: Subject) -> Tensors:
    images = networks.spread(images_of(subject).splits["train"], CALIBRATION).images
    return Tensors([tensor[None] for tensor in networks.tensors(images)])


def built(
    name: str, network: Network, runtime: str, scheme: str, samples: Tensors, folder: Path
) -> Contender:
    """An artifact, written into a folder."""
    emitted = produce(network, read_target(RUNTIMES[runtime]), scheme, samples)
    stem = f"{len(list(folder.iterdir()))}"
    for suffix, content in emitted.files.items():
        (folder / f"{stem}{suffix}").write_bytes(content)
    return Contender(
        name=name,
        path=folder / f"{stem}{next(iter(emitted.files))}",
        format=emitted.format,
        inputs=emitted.inputs,
        outputs=emitted.outputs,
    )


def _scores(artifact: Contender, tensors: np.ndarray) -> np.ndarray:
    """Scores (N, slots) of input tensors (N, 3, S, S) on the artifact's own runtime."""
    (image,), (scores,) = artifact.inputs, artifact.outputs
    with open_runtime(artifact.path, artifact.format, artifact.inputs, artifact.outputs) as runtime:
        return np.stack(
            [
                runtime.run({image.network_name: tensor[None]})[scores.network_name][0]
                for tensor in tensors
            ]
        )
