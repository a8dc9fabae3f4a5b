"""How ssh is called for a device, and what its failures mean."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import dataclass

from edgecut.errors import EdgecutError
from edgecut.remote.channel import Channel
from edgecut.remote.untrusted import printable

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
_USER, _HOST = r"[\w.+=][\w.+=-]*", r"[\w.:%\[][\w.:%\[\]-]*"
_DESTINATION = rf"(?:ssh://)?(?:{_USER}@)?{_HOST}"
# Names reach a shell here: ssh writes them into the command of ProxyJump, and of the user's own
# ProxyCommand. No value may say anything to a shell, nor be two to ssh; paths alone take blanks.
_PLAIN = r"[^\s\"'`$;|&<>(){}\\]+"
_PATH = rf"{_PLAIN}(?: +{_PLAIN})*"
_VALUES = {
    "hostkeyalias": _HOST,
    "hostname": _HOST,
    "user": _USER,
    "proxyjump": rf"{_DESTINATION}(?:,{_DESTINATION})*",
    "certificatefile": _PATH,
    "identityfile": _PATH,
}

# What ssh or the bootstrap says, the code, the fault, and the way out; the first that fits holds.
_KNOWN = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "host-key-changed",
        "{name} shows another host key than before",
        "if the device was installed anew, remove its old key with ssh-keygen -R and connect once "
        "by hand; otherwise another machine stands in its place",
    ),
    (
        r"Host key verification failed",
        "unknown-host-key",
        "the host key of {name} is not known",
        "connect once by hand with ssh, and compare the fingerprint that it shows with the "
        "device's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there)",
    ),
    (
        r"Permission denied|Too many authentication failures|No more authentication methods",
        "login-refused",
        "{name} does not let you in",
        "edgecut never asks for a password: set up a key with ssh-copy-id, or load it into the "
        "agent with ssh-add; ssh by hand must work without a question",
    ),
    (
        r"Bad configuration option|bad configuration options|Bad owner or permissions",
        "bad-ssh-configuration",
        "ssh does not accept its configuration, on the way to {name}",
        "see that ssh by hand reaches the device",
    ),
    (
        r"edgecut-python (?P<version>[0-9.]+)",
        "missing-on-device",
        "{name} has Python {version}, and Python 3.9 or newer is needed",
        'install a newer one there, and give it in devices.toml: python = "python3.11"',
    ),
    (
        r"Could not resolve",
        "device-unreachable",
        "{name} is not known, neither to devices.toml nor to ssh nor to the network",
        "name a device of devices.toml, a Host of ~/.ssh/config, or user@host",
    ),
    (
        r"Connection refused|timed out|Timeout|No route|unreachable",
        "device-unreachable",
        "{name} cannot be reached",
        "see that it is switched on, in the network, and that ssh by hand reaches it",
    ),
)
_NO_PYTHON = (
    "missing-on-device",
    "{name} has no such Python",
    "install python3 there (apt install python3), or give its path in devices.toml: "
    'python = "venv/bin/python"',
)
_OTHERWISE = (
    "device-unreachable",
    "{name} did not start a benchmark",
    "see that ssh by hand reaches it and runs python3 there",
)
_LOST = {
    "ended": "the connection to {name} was lost",
    "silent": "{name} is silent, the connection is taken for lost",
    "late": "{name} lives, and does not answer",
    "nonsense": "{name} did not answer as agreed",
}


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
        if not re.fullmatch(_DESTINATION, self.destination):
            raise _bad_device(f"{self.destination!r} is no destination for ssh")
        if not self.python.strip() or self.python.startswith("-") or not self.python.isprintable():
            raise _bad_device(f"{self.python!r} is no path of a Python")
        for option in self.options:
            key, _, value = option.partition("=")
            if key.lower() not in _SETTINGS or not value:
                raise _bad_option(f"{option!r} is no setting of ssh that a device may have")
            pattern = _VALUES.get(key.lower(), _PLAIN)
            if not re.fullmatch(pattern, value) or not value.isprintable():
                raise _bad_option(f"{option!r} has a value that a device's {key} may not have")
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
            *map(_quoted, self.options),  # ssh takes the first that is said of a setting
            f"ConnectTimeout={CONNECT_S}",
            f"ServerAliveInterval={max(1, math.ceil(Channel.SILENCE_S / 6))}",
            "ServerAliveCountMax=3",
        )
        return [program, *(word for s in settings for word in ("-o", s)), "--", self.destination]


def gone_error(name: str, stage: str, why: str, code: int | None, said: str) -> EdgecutError:
    """The error for a conversation that ended too early.

    Args:
        name: what to call the device.
        stage: ``connecting``, ``copying`` or ``measuring``.
        why: as in ``channel.Gone``.
        code: the exit code of ssh; 255 is its own, any other the device's.
        said: the last that came on its stderr.
    """
    if why == "stopped":
        return EdgecutError(f"the benchmark on {name} was stopped", code="stopped", where=name)
    said = printable(said)
    if stage == "connecting" and why == "ended":
        return _no_contact(name, code, said)
    return EdgecutError(
        _LOST[why].format(name=name) + f" while {stage}" + _cited(said),
        code="device-lost",
        where=name,
        hint="nothing was measured; what was begun there ends by itself within a minute; see "
        "whether the device was restarted, and whether its network and power supply hold",
    )


def _no_contact(name: str, code: int | None, said: str) -> EdgecutError:
    kind, message, hint = _NO_PYTHON if code in (126, 127) else _OTHERWISE
    found: dict[str, str] = {}
    for pattern, known, fault, way_out in _KNOWN:
        if match := re.search(pattern, said):
            kind, message, hint, found = known, fault, way_out, match.groupdict()
            break
    said = re.sub(r"edgecut-python .*\n?", "", said).strip()  # our own word, not ssh's
    return EdgecutError(
        message.format(name=name, **found) + _cited(said), code=kind, where=name, hint=hint
    )


def _quoted(option: str) -> str:
    """A setting whose value ssh takes for one, blanks and all."""
    key, _, value = option.partition("=")
    return f'{key}="{value}"' if " " in value else option


def _cited(said: str) -> str:
    return f"; ssh said:\n{said}" if said else ""


def _bad_option(message: str) -> EdgecutError:
    return EdgecutError(
        message,
        code="bad-device",
        hint="write one as in Port=2222 or ProxyJump=gate, without quotes; settings that run "
        "commands or trust host keys stand in ~/.ssh/config alone",
    )


def _bad_device(message: str) -> EdgecutError:
    return EdgecutError(
        message,
        code="bad-device",
        hint="name a device as ssh does: user@host, or a Host of ~/.ssh/config, where all of "
        "ssh's settings may stand",
    )
