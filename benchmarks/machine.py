"""What a result was measured on."""

from __future__ import annotations

from typing import Any

from edgecut import bundle
from edgecut.device import describe_machine

FACTS = ("cpu", "architecture", "cores", "system", "python", "virtual_machine")


def taken_on() -> dict[str, Any]:
    """``machine`` and ``versions``, for a result that is measured here and now."""
    machine = describe_machine()
    return {"machine": {name: machine[name] for name in FACTS}, "versions": bundle.versions()}
