"""One session on a device, step by step, and what can be wrong there."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from edgecut.errors import EdgecutError
from edgecut.progress import Tell
from edgecut.remote.channel import Channel, Gone
from edgecut.remote.untrusted import printable

LOCK = "/tmp/edgecut-bench.lock"
"""One for all users of a device, wherever their temporary folders are."""
ANSWER_S = 120.0
COPIES = 3
BACK_OFF_S = 0.5
ROOM_BYTES = 1 << 20  # what the record and the runtime's own files may take besides

# What runs a format: one of these modules, the first of which pip calls so.
_NEEDS = {
    "tflite": (("ai_edge_litert", "tflite_runtime"), "ai-edge-litert"),
    "openvino": (("openvino",), "openvino"),
    "onnx": (("onnxruntime",), "onnxruntime"),
}
FORMATS = tuple(_NEEDS)
T = TypeVar("T")

# Telemetry off, UTF-8, nothing written beside the script.
_ENVIRONMENT = {"CI": "true", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class Session:
    """What is done on a device; ``stage`` says how far it came."""

    def __init__(self, name: str, channel: Channel, tell: Tell) -> None:
        self.stage = "connecting"
        self._name, self._channel, self._tell = name, channel, tell

    def open(self, formats: list[str], size: int, wait_s: float) -> None:
        """Take the device's lock and make a private folder, for files of that many bytes."""
        self._tell(f"{self._name}: connect", 0, 0)
        self._channel.greet()
        self.stage = "copying"
        needs = {"numpy": ["numpy"]} | {_NEEDS[f][1]: list(_NEEDS[f][0]) for f in formats}
        order = {"do": "open", "lock": LOCK, "wait_s": wait_s, "needs": list(needs.values())}
        self._channel.order(order)
        answer = self._answer("open", "busy", "waiting", within_s=Channel.SILENCE_S + wait_s)
        if answer["is"] == "waiting":
            self._tell(f"{self._name}: wait for another benchmark{holder(answer)}", 0, 0)
            answer = self._answer("open", "busy", within_s=Channel.SILENCE_S + wait_s)
        if answer["is"] == "busy":
            raise busy_error(self._name, answer)
        missing = _field(answer, "missing", list)
        if packages := [package for package, modules in needs.items() if modules in missing]:
            raise self._lacks(packages)
        if (free := _field(answer, "free_bytes", int)) < size + ROOM_BYTES:
            raise self._full(f"{size + ROOM_BYTES} bytes are needed, {free} are free")

    def copy(self, contents: Mapping[str, bytes]) -> None:
        """Copy files, each until it lies there as it is here, a few times at most."""
        total = sum(map(len, contents.values()))
        before = 0
        for name, content in contents.items():
            self._copy(name, content, before, total)
            before += len(content)

    def run(self, specs: Mapping[str, int], timeout_s: float) -> list[bytes]:
        """Run ``device.py bench`` for one spec after the other; what each printed.

        Beside the name of each spec stands how many bytes it may print.
        """
        self.stage = "measuring"
        printed = []
        for number, (spec, most_bytes) in enumerate(specs.items()):
            self._tell(f"{self._name}: measure", number, len(specs))
            printed.append(self._run(spec, most_bytes, timeout_s))
        self._tell(f"{self._name}: measure", len(specs), len(specs))
        return printed

    def _run(self, spec: str, most_bytes: int, timeout_s: float) -> bytes:
        order = {
            "do": "run",
            "arguments": ["device.py", "bench", spec],
            "environment": _ENVIRONMENT,
            "limit_s": timeout_s,
            "most_bytes": most_bytes,
        }
        self._channel.order(order)
        within_s = timeout_s + 2 * Channel.SILENCE_S
        answer = self._answer("report", "late", "failed", within_s=within_s)
        if answer["is"] != "report":
            raise self._failed(answer, timeout_s)
        size = _field(answer, "size", int)
        if not 0 <= size <= most_bytes:
            raise Gone("nonsense")
        return self._channel.read(size)

    def _copy(self, name: str, content: bytes, before: int, total: int) -> None:
        digest = hashlib.sha256(content).hexdigest()
        for attempt in range(COPIES):
            time.sleep(BACK_OFF_S * (2**attempt - 1))
            self._channel.order(
                {"do": "put", "name": name, "size": len(content)},
                content,
                sent=lambda count: self._tell(f"{self._name}: copy", before + count, total),
            )
            if _field(self._answer("put"), "sha256", str) == digest:
                return
        raise EdgecutError(
            f"{name} did not arrive whole on {self._name}, {COPIES} times in a row",
            code="transfer-failed",
            where=self._name,
            hint="its SHA-256 differs there: suspect the device's storage or memory",
        )

    def _answer(self, *kinds: str, within_s: float = ANSWER_S) -> dict[str, Any]:
        answer = self._channel.answer(within_s)
        if answer["is"] == "fault":
            error = printable(_field(answer, "error", str))
            if answer.get("full") is True:
                raise self._full(error)
            raise EdgecutError(f"{self._name} could not do its part: {error}", code="device-failed")
        if answer["is"] not in kinds:
            raise Gone("nonsense")
        return answer

    def _lacks(self, packages: list[str]) -> EdgecutError:
        return EdgecutError(
            f"the Python of {self._name} lacks {' and '.join(packages)}",
            code="missing-on-device",
            where=self._name,
            hint=f"run there: pip install {' '.join(packages)}; or, if they are in an environment "
            'of their own, give its Python in devices.toml: python = "venv/bin/python"; where its '
            "target is given there, that target's artifacts alone are measured",
        )

    def _full(self, why: str) -> EdgecutError:
        return EdgecutError(
            f"no room on {self._name}: {why}",
            code="device-full",
            where=self._name,
            hint="make room in its temporary folder, which is /tmp unless TMPDIR says otherwise",
        )

    def _failed(self, answer: Mapping[str, Any], timeout_s: float) -> EdgecutError:
        said = printable("\n".join(_field(answer, "stderr", str).strip().splitlines()[-8:]))
        tail = f"; it said:\n{said}" if said else ""
        if answer["is"] == "late":
            return EdgecutError(
                f"the measurement on {self._name} did not end within {timeout_s:g} s{tail}",
                code="device-late",
                where=self._name,
                hint="the device is slower than was thought, or its runtime hangs",
            )
        code, size = answer.get("code"), _field(answer, "size", int)
        if not code:
            return EdgecutError(
                f"the measurement on {self._name} printed {size} bytes, too many",
                code="bad-report",
                where=self._name,
                hint="measure for a shorter time, or with --precision, which ends it when all is "
                "known well enough",
            )
        killed = isinstance(code, int) and code < 0
        how = f"signal {-code}" if killed else f"exit code {printable(str(code))}"
        return EdgecutError(
            f"the measurement on {self._name} ended with {how}{tail}",
            code="runtime-failed",
            where=self._name,
            hint="a killed process may have run out of memory"
            if killed
            else "the last that it said is why; an old runtime may not know an operation",
        )


def busy_error(name: str, held: Mapping[str, Any]) -> EdgecutError:
    """The error for a machine whose lock another benchmark holds, by what that wrote into it."""
    return EdgecutError(
        f"another benchmark has {name}{holder(held)}",
        code="device-busy",
        where=name,
        hint="two at a time would spoil each other: wait for it to end, as with --wait 10m",
    )


def holder(answer: Mapping[str, Any]) -> str:
    """Since when and for whom another has the device, where that can be told."""
    told = {key: str(answer.get(key, "")) for key in ("since", "user", "from", "pid")}
    if not re.fullmatch(r"[0-9]{4}-[0-9-]{5}T[0-9:]{8}Z", told["since"]):
        return ""
    fields = {
        "user": ("user", r"[\w.@$\\-]{1,64}"),
        "from": ("from", r"[0-9A-Fa-f.:%\w]{1,64}"),
        "pid": ("process", r"[0-9]{1,10}"),
    }
    who = [f"{word} {told[k]}" for k, (word, p) in fields.items() if re.fullmatch(p, told[k])]
    return f" since {told['since']}" + (f" ({', '.join(who)})" if who else "")


def _field(answer: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """A field of an answer, which must be of its kind."""
    value = answer.get(key)
    if not isinstance(value, kind):
        raise Gone("nonsense")
    return value
