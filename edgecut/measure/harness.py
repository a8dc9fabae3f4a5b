"""What measured: a record that tells can be held against another one."""

from __future__ import annotations

from pathlib import Path

from edgecut import __version__, device
from edgecut.network import digest_of


def harness() -> dict[str, str]:
    """The version of edgecut, and the digest of the script that runs artifacts anywhere."""
    script = Path(device.__file__).read_bytes()
    return {"edgecut": __version__, "device_sha256": digest_of(script)}
