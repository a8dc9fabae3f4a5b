"""Probes: products alone, through the same emitters, on the real runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut import probe
from edgecut.cost import cost
from edgecut.probe import CHAINS, Chain, measure_peak, network_of, write_probes
from edgecut.roofline import traffic
from edgecut.target import read_target

TARGETS = ("raspberry-pi-5", "intel-cpu")
TINY = (
    Chain(kernel=1, channels=16, size=4, layers=2),
    Chain(kernel=3, channels=8, size=4, layers=2),
)


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
def test_probes_are_products_and_bound_by_compute(chain: Chain) -> None:
    network = network_of(chain)
    per_pixel = chain.channels**2 * chain.kernel**2
    assert cost(network).macs == chain.layers * chain.size**2 * per_pixel
    # An i5-1340P needs 23 MACs a byte in int8 (1123 GMAC/s by 50 GB/s), and 6 in float32.
    for scheme, needed in (("float32", 6), ("int8", 23)):
        assert cost(network).macs / traffic(network, scheme).bytes_moved > needed


def test_the_same_probe_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CHAINS", TINY[:1])
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        network_of.cache_clear()
        write_probes(read_target("raspberry-pi-5"), folder)
    one, two = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders)
    assert one == two and len(one) == 2


@pytest.mark.parametrize("target", TARGETS)
def test_a_peak_is_measured(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CHAINS", TINY)
    told: list[str] = []
    found = measure_peak(
        read_target(target), duration_s=0.1, tell=lambda stage, done, total: told.append(stage)
    )
    assert [rate.scheme for rate in found.rates] == ["float32", "int8"]
    assert all(rate.gmacs_per_s >= rate.typical_gmacs_per_s > 0 for rate in found.rates)
    assert found.format == read_target(target).format
    assert {"build the probes", "measure the peak"} == set(told)


def test_only_schemes_that_the_target_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "CHAINS", TINY[:1])
    probes = write_probes(read_target("raspberry-pi-5"), tmp_path, schemes=["float16"])
    assert [p.scheme for p in probes] == ["float16"]
    assert all(p.contender.path.is_file() for p in probes)
    npu = write_probes(read_target("intel-npu"), tmp_path)
    assert [(p.scheme, p.contender.device) for p in npu] == [("int8", "NPU")]
