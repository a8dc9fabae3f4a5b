"""Benchmarks on another machine: one ssh connection, at whose end nothing is left behind there."""

from __future__ import annotations

import json
import math
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut import device as device_script
from edgecut.errors import EdgecutError
from edgecut.measure.channel import Channel, Gone
from edgecut.measure.record import read_record
from edgecut.measure.ssh_faults import gone_error
from edgecut.measure.stay import FORMATS, Stay
from edgecut.progress import Tell, nobody

ATTEMPTS = 3
BACK_OFF_S = 1.0
CONNECT_S = 15

# Settings of ssh that only say where a device is and how to get in. Those that run commands here,
# or that trust any host key, belong in the user's own ssh configuration, not in a list of devices.
_SETTINGS = frozenset(
    {
        *("addressfamily", "bindaddress", "bindinterface", "certificatefile", "ciphers"),
        *("compression", "connectionattempts", "connecttimeout", "hostkeyalgorithms"),
        *("hostkeyalias", "hostname", "identitiesonly", "identityfile", "kexalgorithms", "macs"),
        *("port", "preferredauthentications", "proxyjump", "pubkeyacceptedalgorithms"),
        *("serveralivecountmax", "serveraliveinterval", "user", "userknownhostsfile"),
    }
)
_DESTINATION = re.compile(r"(?:ssh://)?(?:[\w.+=][\w.+=-]*@)?[\w.:\[][\w.:%\[\]-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A device as ssh reaches it.

    ``destination`` is what ssh takes: ``pi@raspberrypi.local``, a ``Host`` of ssh's configuration,
    or ``ssh://pi@host:port``. ``python`` is the Python there, a relative path is taken from the
    home folder. ``options`` are settings of ssh, as in ``Port=2222``. ``name`` is what messages
    call the device, by default the destination.

    Raises:
        EdgecutError: ``bad-device``.
    """

    destination: str
    python: str = "python3"
    options: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        # A destination that begins with '-' would be an option of ssh.
        if not _DESTINATION.fullmatch(self.destination):
            raise _bad_device(f"{self.destination!r} is no destination for ssh")
        if not self.python.strip() or self.python.startswith("-") or not self.python.isprintable():
            raise _bad_device(f"{self.python!r} is no path of a Python")
        for option in self.options:
            key, sign, value = option.partition("=")
            if key.lower() not in _SETTINGS or not (sign and value) or not value.isprintable():
                raise _bad_device(f"{option!r} is no setting of ssh that a device may have")
        object.__setattr__(self, "name", self.name or self.destination)

    def ssh(self) -> list[str]:
        """The ssh command, up to the destination.

        Keys, jump hosts, known hosts and an open master connection are the user's own. What it
        must never do: ask, forward anything to the device, or stay behind as a master.
        """
        program = shutil.which("ssh")
        if program is None:
            raise EdgecutError(
                f"reaching {self.name} needs the program 'ssh', which is not installed here",
                code="ssh-not-found",
                hint="install OpenSSH's client (on Debian: apt install openssh-client)",
            )
        settings = (
            "BatchMode=yes",
            "ClearAllForwardings=yes",
            "ControlMaster=no",
            "ForwardAgent=no",
            "ForwardX11=no",
            "LogLevel=ERROR",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            "RequestTTY=no",
            *self.options,  # ssh takes the first that is said of a setting
            f"ConnectTimeout={CONNECT_S}",
            f"ServerAliveInterval={max(1, math.ceil(Channel.SILENCE_S / 6))}",
            "ServerAliveCountMax=3",
        )
        return [program, *(word for s in settings for word in ("-o", s)), "--", self.destination]


def pack(spec: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Path]]:
    """A spec of ``device.py bench`` with the paths that its artifacts will have on a device.

    Args:
        spec: its artifacts' paths are files here.

    Returns:
        The spec, and the files to copy by their names there; an OpenVINO artifact is two files.
    """
    entries, files = [], {}
    for number, entry in enumerate(spec["artifacts"]):
        path = Path(entry["path"])
        name = f"artifact-{number}{path.suffix}"
        files[name] = path
        if entry["format"] == "openvino":
            files[f"artifact-{number}.bin"] = path.with_suffix(".bin")
        entries.append({**entry, "path": name})
    return {**spec, "artifacts": entries}, files


def bench_on(
    remote: Remote,
    spec: Mapping[str, Any],
    files: Mapping[str, Path],
    *,
    timeout_s: float,
    wait_s: float = 0.0,
    tell: Tell = nobody,
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Run ``device.py bench`` on a device, and bring its record back.

    Nothing of it is left on the device afterwards, neither files nor processes, whether this
    returns, raises, is interrupted, or the connection is lost.

    Args:
        remote: the device.
        spec: the spec of ``device.py bench``; its artifacts' paths are names in ``files``.
        files: what to copy, by the names that the files get on the device.
        timeout_s: seconds that the measurement may take, without connecting and copying.
        wait_s: seconds to wait for the device where another benchmark has it.
        tell: told of progress.
        stop: when set by another thread, all is ended.

    Returns:
        The record. It is well-formed JSON with finite numbers and printable texts; whether it says
        what it should is for the reader to check.

    Raises:
        EdgecutError: for what is here ``bad-measurement``, ``unknown-format``,
            ``artifact-not-found``, ``ssh-not-found`` or ``bad-ssh-configuration``; for the way
            there ``device-unreachable``, ``unknown-host-key``, ``host-key-changed``,
            ``login-refused``, ``device-lost`` or ``transfer-failed``; for what is there
            ``missing-on-device``, ``device-busy``, ``device-full``, ``device-failed``,
            ``device-late``, ``runtime-failed`` or ``bad-record``; and ``stopped``.
    """
    contents, formats = _contents(spec, files), _formats(spec)
    stop = stop or threading.Event()
    for attempt in range(1, ATTEMPTS + 1):
        # A device that lost the connection keeps its lock until it has noticed.
        patience_s = wait_s + (2 * Channel.SILENCE_S if attempt > 1 else 0)
        with Channel(remote.ssh(), remote.python, stop) as channel:
            stay = Stay(remote.name, channel, tell)
            try:
                stay.open(formats, sum(map(len, contents.values())), patience_s)
                stay.copy(contents)
                return read_record(stay.run(timeout_s), where=remote.name)
            except Gone as gone:
                error = gone_error(remote.name, stay.stage, gone.why, *channel.ending(gone))
                first_contact = attempt == 1 and stay.stage == "connecting"
                lost = gone.why in ("ended", "silent", "late")
                if not lost or first_contact or stay.stage == "measuring":
                    raise error from gone
        stop.wait(BACK_OFF_S * 2 ** (attempt - 1))
    raise error


def _contents(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, bytes]:
    """Everything that is copied, by name."""
    missing = {str(entry["path"]) for entry in spec["artifacts"]} - set(files)
    odd = [name for name in files if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII)]
    if missing or odd or {"device.py", "spec.json", "stdout", "stderr"} & set(files):
        raise EdgecutError(
            f"cannot copy {sorted(files)} for a spec that names {sorted(missing)} besides",
            code="bad-measurement",
            hint="`pack` gives every artifact a name on the device",
        )
    for path in files.values():
        if not path.is_file():
            raise EdgecutError(f"{path} is not a file", code="artifact-not-found")
    return {
        "device.py": Path(device_script.__file__).read_bytes(),
        "spec.json": json.dumps(spec).encode(),
        **{name: path.read_bytes() for name, path in files.items()},
    }


def _formats(spec: Mapping[str, Any]) -> list[str]:
    formats = {str(entry["format"]) for entry in spec["artifacts"]}
    if unknown := formats - set(FORMATS):
        raise EdgecutError(
            f"no runtime runs the format '{min(unknown)}'",
            code="unknown-format",
            hint=f"known formats: {', '.join(FORMATS)}",
        )
    return sorted(formats)


def _bad_device(message: str) -> EdgecutError:
    return EdgecutError(
        message,
        code="bad-device",
        hint="name a device as ssh does: user@host, or a Host of ~/.ssh/config, where all of "
        "ssh's settings may stand",
    )
