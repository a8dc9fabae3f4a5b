"""The networks on LiteRT and OpenVINO: int8 against float, and the latency that a cut saves.

int8 is calibrated with real training images. All files of a measurement run interleaved on one
thread, the full network in each; *realisation* is the latency that a cut saves over the MACs that
it saves, both as ratios of full to cut.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper import measures, networks
from benchmarks.paper.cases import Case, chosen, nodes_of, shown
from benchmarks.paper.data import images_of
from benchmarks.paper.study import NESTED, Subject
from edgecut.cost import cost
from edgecut.cutout import cut
from edgecut.measure.contender import Contender
from edgecut.measure.latency import Measurement, measure, ratio
from edgecut.network import Network
from edgecut.produce import Tensors, produce
from edgecut.progress import Tell
from edgecut.runtimes import open_runtime
from edgecut.target import read_target

RUNTIMES = {"LiteRT": "generic-arm64", "OpenVINO": "intel-cpu"}
SCHEMES = ("float32", "int8")
CALIBRATION = 128
JUDGED = 6
TIMED = {"parent": 12, "leaf": 6, "list": 6}
TOGETHER = 6
SECONDS = 2.0
FULL = "full"


def agreement(subject: Subject, tell: Tell) -> dict[str, Any]:
    """``rows``: top-1 of artifacts, and how often it is the float network's, on test images."""
    nested, test = networks.opened(subject.folder(NESTED)), images_of(subject).splits["test"]
    samples = _calibration(subject)
    reference, tensors = networks.scores(nested, test.images), networks.tensors(test.images)
    leaves = [subject.taxonomy.names[leaf] for leaf in subject.taxonomy.leaves]
    full = Case(kind="list", name=FULL, keep=tuple(leaves))
    rows = []
    for runtime, scheme in _kinds():
        wholly = np.empty(0)
        for case in (full, *chosen(subject.cases, "list", JUDGED)):
            tell(f"{runtime} {scheme}, {case.name}", 0, 0)
            network = nested if case is full else cut(nested, case.keep)[0]
            with tempfile.TemporaryDirectory() as folder:
                artifact = _built(case.name, network, runtime, scheme, samples, Path(folder))
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


def latency(subject: Subject, tell: Tell) -> dict[str, Any]:
    """``rows``: the latency of full and cut, and the realisation."""
    nested, samples = networks.opened(subject.folder(NESTED)), _calibration(subject)
    some = [case for kind, count in TIMED.items() for case in chosen(subject.cases, kind, count)]
    rows = []
    for runtime, scheme in _kinds():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            full = _built(FULL, nested, runtime, scheme, samples, folder)
            for first in range(0, len(some), TOGETHER):
                tell(f"{runtime} {scheme}", first, len(some))
                small = {c: cut(nested, c.keep)[0] for c in some[first : first + TOGETHER]}
                cuts = [
                    _built(case.name, network, runtime, scheme, samples, folder)
                    for case, network in small.items()
                ]
                whole, *measured = measure([full, *cuts], threads=1, duration_s=SECONDS)
                rows += [
                    {
                        "base": subject.base,
                        "data": subject.data,
                        "kind": case.kind,
                        "case": case.name,
                        "runtime": runtime,
                        "scheme": scheme,
                        **compared_latency(whole, one, cost(nested).macs / cost(network).macs),
                    }
                    for (case, network), one in zip(small.items(), measured, strict=True)
                ]
    return {"rows": rows}


def compared_latency(full: Measurement, one: Measurement, macs: float) -> dict[str, Any]:
    """How many times faster a cut is, of the ``macs`` times that it should be.

    ``fastest`` figures are of the fastest inferences: on a busy machine, they say more.
    """
    found = ratio(full, one)
    fastest = min(full.samples_ms) / min(one.samples_ms)
    return {
        "full_ms": full.median_ms,
        "cut_ms": one.median_ms,
        "speedup": found.ratio,
        "speedup_low": found.low,
        "speedup_high": found.high,
        "speedup_macs": macs,
        "realisation": found.ratio / macs,
        "realisation_fastest": fastest / macs,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
    }


def _kinds() -> list[tuple[str, str]]:
    return [(runtime, scheme) for runtime in RUNTIMES for scheme in SCHEMES]


def _calibration(subject: Subject) -> Tensors:
    images = networks.spread(images_of(subject).splits["train"], CALIBRATION).images
    return Tensors([tensor[None] for tensor in networks.tensors(images)])


def _built(
    name: str, network: Network, runtime: str, scheme: str, samples: Tensors, folder: Path
) -> Contender:
    """An artifact in a folder."""
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
