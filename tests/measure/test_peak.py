"""The peak that measured probes show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecut.errors import EdgecutError
from edgecut.measure.contender import Contender
from edgecut.measure.measurement import Measurement, read_report
from edgecut.measure.peak import Probe, peak_of
from tests.measure.test_latency import machine, told

MACS = 10_000_000


def probe(name: str, scheme: str = "float32", **contender: Any) -> Probe:
    described = {"format": "tflite", "inputs": (), "outputs": (), **contender}
    return Probe(
        contender=Contender(name=name, path=Path(f"{name}.tflite"), **described),
        scheme=scheme,
        macs=MACS,
    )


def measured(bursts_ms: dict[str, list[list[float]]], **after: Any) -> list[Measurement]:
    artifacts = [told(name, bursts, runtime="litert") for name, bursts in bursts_ms.items()]
    contenders = [probe(name).contender for name in bursts_ms]
    return read_report({"artifacts": artifacts, "environment": machine(**after)}, contenders)


def steady(ms: float) -> list[list[float]]:
    return [[ms] * 5 for _ in range(10)]


def test_the_best_burst_of_the_best_probe() -> None:
    bursts = steady(1.0)
    bursts[3] = [0.8] * 5
    bursts[4] = [5.0, 5.0, 5.0, 5.0, 0.1]  # one lucky run sustains nothing
    found = peak_of([probe("slow"), probe("fast")], measured({"slow": steady(2.0), "fast": bursts}))
    (rate,) = found.rates
    assert rate.probe == "fast" and rate.reasons == ()
    assert rate.gmacs_per_s == pytest.approx(MACS / 0.8e6)


def test_every_scheme_has_a_rate_of_its_own() -> None:
    probes = [probe("a"), probe("b", "int8")]
    found = peak_of(probes, measured({"a": steady(1.0), "b": steady(0.25)}))
    plain, quantised = found.rates
    assert (plain.scheme, quantised.scheme) == ("float32", "int8")
    assert quantised.gmacs_per_s == pytest.approx(4 * plain.gmacs_per_s)
    assert (found.format, found.runtime, found.threads) == ("tflite", "litert", 1)


def test_a_disturbed_peak_says_so() -> None:
    found = peak_of([probe("a")], measured({"a": steady(1.0)}, busy_s=130.0))
    assert len(found.reasons) == 1 and found.reasons[0].startswith("float32: other programs")


@pytest.mark.parametrize(
    "probes",
    [
        [],
        [probe("a"), probe("missing")],
        [probe("a"), probe("b", format="openvino")],
        [probe("a"), probe("b", device="NPU")],
    ],
    ids=["none", "not measured", "two formats", "two devices"],
)
def test_probes_that_make_no_peak(probes: list[Probe]) -> None:
    with pytest.raises(EdgecutError) as caught:
        peak_of(probes, measured({"a": steady(1.0), "b": steady(1.0)}))
    assert caught.value.code == "bad-measurement"
