"""Probes: products alone, through the same emitters, on the real runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut import probe
from edgecut.cost import cost
from edgecut.measure.asking import ask
from edgecut.probe import CHAINS, Chain, network_of, probe_spec, read_probes, write_probes
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
def test_a_peak_and_the_memory_are_measured(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "CHAINS", TINY)
    probes = write_probes(read_target(target), tmp_path)
    spec = probe_spec(probes, threads=2, duration_s=0.1)
    report = ask("bench", spec, limit_s=60.0, what="the peak's measurement")
    peak, bandwidth = read_probes(report, probes)
    assert [rate.scheme for rate in peak.rates] == ["float32", "int8"]
    assert all(rate.gmacs_per_s > 0 for rate in peak.rates)
    assert (peak.format, peak.threads) == (read_target(target).format, 2)
    assert all(found["cached_compile_ms"] is None for found in report["artifacts"])
    assert 0.05 < bandwidth.copy_gb_per_s < 5000 and 0.05 < bandwidth.read_gb_per_s < 5000
    assert bandwidth.threads == 2


def test_only_schemes_that_the_target_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "CHAINS", TINY[:1])
    probes = write_probes(read_target("raspberry-pi-5"), tmp_path, schemes=["float16"])
    assert [p.scheme for p in probes] == ["float16"]
    assert all(p.contender.path.is_file() for p in probes)
    npu = write_probes(read_target("intel-npu"), tmp_path)
    assert [(p.scheme, p.contender.device) for p in npu] == [("int8", "NPU")]
