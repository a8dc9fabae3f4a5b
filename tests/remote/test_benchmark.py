"""Benchmarks on a device: a real OpenSSH server, the real ``device.py``, a real artifact."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgecut.errors import EdgecutError
from edgecut.remote import benchmark as benchmark_module
from edgecut.remote import channel as channel_module
from edgecut.remote import session as session_module
from edgecut.remote import ssh as ssh_module
from edgecut.remote import supervisor
from edgecut.remote.benchmark import Job, at_once, bench_on, check, pack
from edgecut.remote.channel import Channel
from edgecut.remote.ssh import Remote
from tests.remote import ssh_device
from tests.remote.conftest import Start
from tests.remote.on_device import bench, job, refused, remote
from tests.remote.ssh_device import Device, wait_until

# What ends on the device a moment after the connection: a killed process takes its time.
SOON_S = 10.0


def interrupting(device: Device, act: Any) -> threading.Thread:
    """Do something as soon as the device measures."""

    def watch() -> None:
        if wait_until(device.measures, within_s=30):
            act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the other end for gone after two seconds of silence."""
    monkeypatch.setattr(Channel, "BEAT_S", 0.3)
    monkeypatch.setattr(Channel, "SILENCE_S", 2.0)


# What goes well.


def test_a_report_comes_back_and_nothing_stays(device: Device, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = bench(tmp_path, tell=lambda *what: told.append(what))
    (artifact,) = report["artifacts"]
    assert artifact["name"] == "tiny"
    assert report["environment"]["architecture"] == os.uname().machine
    assert device.is_clean() and not device.lock.exists()
    assert told[0] == ("device: connect", 0, 0) and told[-1] == ("device: measure", 1, 1)
    copied = [what for what in told if what[0] == "device: copy"]
    assert copied[-1][1] == copied[-1][2] and copied == sorted(copied)


def test_the_folder_there_is_private_and_holds_what_was_sent(
    device: Device, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def look() -> None:
        (folder,) = device.temporary.iterdir()
        seen.append((folder.stat().st_mode & 0o777, sorted(p.name for p in folder.iterdir())))

    watcher = interrupting(device, look)
    bench(tmp_path, seconds=1)
    watcher.join()
    files = ["artifact-0.tflite", "device.py", "spec-0.json", "stderr", "stdout"]
    assert seen == [(0o700, files)]


def test_what_a_login_prints_does_not_matter(start: Start, tmp_path: Path) -> None:
    device = start('ForceCommand echo welcome; echo; exec sh -c "$SSH_ORIGINAL_COMMAND"')
    assert bench(tmp_path)["artifacts"]
    assert device.is_clean()


def test_the_way_through_another_host(device: Device, tmp_path: Path) -> None:
    device.configure("behind", "ProxyJump device")
    assert bench(tmp_path, remote("behind"))["artifacts"]
    assert device.is_clean()


def test_a_connection_that_is_open_already_is_used(device: Device, tmp_path: Path) -> None:
    ssh = str(tmp_path / "bin" / "ssh")
    device.configure("shared", f"ControlPath {tmp_path}/c", "IdentityFile none")
    device.configure("first", f"ControlPath {tmp_path}/c")
    subprocess.run([ssh, "-M", "-f", "-N", "first"], check=True, stderr=subprocess.DEVNULL)
    try:
        assert bench(tmp_path, remote("shared"))["artifacts"]
        assert device.is_clean()
    finally:
        subprocess.run([ssh, "-O", "exit", "first"], check=True, stderr=subprocess.DEVNULL)


def test_settings_of_an_inventory_reach_ssh(device: Device, tmp_path: Path) -> None:
    device.configure("nowhere", "Port 1")
    assert refused("device-unreachable", tmp_path, remote("nowhere"))
    assert bench(tmp_path, remote("nowhere", options=(f"Port={device.port}",)))["artifacts"]


# The way there.


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("UserKnownHostsFile /dev/null", "unknown-host-key", "is not known"),
        ("IdentityFile {folder}/wrong_key", "login-refused", "does not let you in"),
        ("Port 1", "device-unreachable", "Connection refused"),
        ("HostName nowhere.invalid", "device-unreachable", "Could not resolve"),
        ("UserKnownHostsFile {folder}/other_hosts", "host-key-changed", "another host key"),
        ("NoSuchSetting yes", "bad-ssh-configuration", "Bad configuration option"),
    ],
)
def test_who_does_not_get_there_is_told_why(
    device: Device, tmp_path: Path, setting: str, code: str, said: str
) -> None:
    known = (tmp_path / "known_hosts").read_text().split()[0]
    other = (tmp_path / "wrong_key.pub").read_text()
    (tmp_path / "other_hosts").write_text(f"{known} {other}")
    device.configure("wrong", setting.format(folder=tmp_path))
    if "IdentityFile" in setting:  # ssh tries every key that is named
        path = tmp_path / "config"
        first, rest = path.read_text().split("Host device")
        path.write_text(
            first.replace(f"IdentityFile {tmp_path}/key\n", "\n") + "Host device" + rest
        )
    error = refused(code, tmp_path, remote("wrong"))
    assert said in error.message and "wrong" in error.message
    assert error.hint


def test_a_device_that_answers_nothing(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port is open, and nobody ever speaks: as behind some firewalls."""
    import socket

    monkeypatch.setattr(ssh_module, "CONNECT_S", 1)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        device.configure("mute", f"Port {mute.getsockname()[1]}")
        assert (
            "cannot be reached" in refused("device-unreachable", tmp_path, remote("mute")).message
        )


def test_without_ssh_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "openssh-client" in str(refused("ssh-not-found", tmp_path).hint)


# What is missing there.


def test_a_device_without_python(device: Device, tmp_path: Path) -> None:
    error = refused("missing-on-device", tmp_path, remote(python="python9"))
    assert "no such Python" in error.message and "apt install python3" in str(error.hint)


def test_a_device_whose_python_is_too_old(device: Device, tmp_path: Path) -> None:
    old = tmp_path / "old"
    pretend = "import sys; sys.version_info = (3, 7, 3); exec(sys.argv[3])"
    old.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{pretend}' \"$@\"\n")
    old.chmod(0o755)
    error = refused("missing-on-device", tmp_path, remote(python=str(old)))
    assert "has Python 3.7, and" in error.message and "edgecut-python" not in error.message


def test_a_device_without_numpy_and_the_runtime(device: Device, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    make = [sys.executable, "-m", "venv", "--without-pip", str(bare)]
    subprocess.run(make, check=True)
    error = refused("missing-on-device", tmp_path, remote(python=str(bare / "bin" / "python")))
    assert "lacks numpy and ai-edge-litert" in error.message
    assert "pip install numpy ai-edge-litert" in str(error.hint)
    assert wait_until(device.is_clean, within_s=SOON_S)


def test_an_artifact_that_does_not_run(device: Device, tmp_path: Path) -> None:
    broken = job(tmp_path)
    (tmp_path / "tiny.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(EdgecutError) as caught:
        bench_on(broken, timeout_s=60)
    assert caught.value.code == "runtime-failed"
    assert "ended with exit code 1; it said:" in caught.value.message
    assert device.is_clean()


def test_no_room_on_the_device(start: Start, tmp_path: Path, monkeypatch: Any) -> None:
    device = start()
    options = ["-t", "tmpfs", "-o", "size=16k", "none", str(device.temporary)]
    if subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        assert "bytes are needed" in refused("device-full", tmp_path).message
        # Room that others take meanwhile.
        monkeypatch.setattr(session_module, "ROOM_BYTES", -(1 << 20))
        assert "No space left" in refused("device-full", tmp_path).message
        assert wait_until(device.is_clean, within_s=SOON_S)
    finally:
        subprocess.run(["umount", str(device.temporary)], check=True)


def test_a_report_that_is_too_long(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_module, "most_bytes", lambda spec: 100)
    error = refused("bad-report", tmp_path)
    assert "bytes, too many" in error.message and "--precision" in str(error.hint)
    assert device.is_clean()


# One at a time.


def test_a_device_that_another_has(device: Device, tmp_path: Path) -> None:
    held = supervisor.take_lock(str(device.lock))
    assert held is not None
    try:
        error = refused("device-busy", tmp_path)
    finally:
        os.close(held)
    who = pwd.getpwuid(os.getuid()).pw_name
    assert f"(user {who}, process {os.getpid()})" in error.message
    assert time.strftime("since %Y-%m-%dT") in error.message
    assert device.is_clean()
    assert bench(tmp_path)["artifacts"]


def test_waiting_for_another(device: Device, tmp_path: Path) -> None:
    held = supervisor.take_lock(str(device.lock))
    assert held is not None
    told: list[str] = []

    def tell(stage: str, done: int, total: int) -> None:
        told.append(stage)
        if "wait for another" in stage:
            assert held is not None
            os.close(held)

    assert bench(tmp_path, wait_s=30, tell=tell)["artifacts"]
    assert any("wait for another benchmark since" in stage for stage in told)


def test_who_waits_in_vain_is_refused(device: Device, tmp_path: Path) -> None:
    held = supervisor.take_lock(str(device.lock))
    assert held is not None
    try:
        refused("device-busy", tmp_path, wait_s=0.2)
    finally:
        os.close(held)


# Copying.

DAMAGE = """
def passed(chunk, count):
    times = os.path.join(folder, 'damaged')
    done = os.path.getsize(times) if os.path.exists(times) else 0
    if b'TFL3' in chunk and done < {times}:
        open(times, 'a').write('x')
        return chunk.replace(b'TFL3', b'TFL4')
    return chunk
"""
CUT_OFF = """
import signal
def passed(chunk, count):
    times = os.path.join(folder, 'cut')
    done = os.path.getsize(times) if os.path.exists(times) else 0
    if b'TFL3' in chunk and done < {times}:
        open(times, 'a').write('x')
        os.kill(os.getppid(), signal.SIGKILL)  # the server's process for this connection
    return chunk
"""


def test_a_file_damaged_on_its_way_is_sent_again(start: Start, tmp_path: Path) -> None:
    device = start(ssh_device.filter_input(tmp_path, DAMAGE.format(times=2)))
    assert bench(tmp_path)["artifacts"]
    assert (tmp_path / "damaged").read_text() == "xx"
    assert device.is_clean()


def test_a_file_damaged_every_time_is_given_up(start: Start, tmp_path: Path) -> None:
    device = start(ssh_device.filter_input(tmp_path, DAMAGE.format(times=99)))
    error = refused("transfer-failed", tmp_path)
    assert "artifact-0.tflite did not arrive whole" in error.message
    assert (tmp_path / "damaged").read_text() == "xxx"
    assert wait_until(device.is_clean, within_s=SOON_S)


def test_a_connection_lost_while_copying_is_made_again(start: Start, tmp_path: Path) -> None:
    device = start(ssh_device.filter_input(tmp_path, CUT_OFF.format(times=1)))
    assert bench(tmp_path)["artifacts"]
    assert (tmp_path / "cut").read_text() == "x"
    assert wait_until(device.is_clean, within_s=SOON_S)


def test_a_connection_lost_every_time_is_given_up(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = start(ssh_device.filter_input(tmp_path, CUT_OFF.format(times=99)))
    stop, waited = threading.Event(), list[float]()
    monkeypatch.setattr(stop, "wait", waited.append)
    assert "lost while copying" in refused("device-lost", tmp_path, stop=stop).message
    assert waited == [0.1, 0.2]  # before each of the two further tries, and not after the last
    assert (tmp_path / "cut").read_text() == "xxx"
    assert wait_until(device.is_clean, within_s=SOON_S)


# Several.


def test_several_measurements_in_one_session(device: Device, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    several = job(tmp_path, times=2, seconds=0.1)
    first, second = bench_on(several, timeout_s=60, tell=lambda *what: told.append(what))
    assert first["artifacts"][0]["sha256_after"] == second["artifacts"][0]["sha256_after"]
    measured = [what for what in told if what[0] == "device: measure"]
    assert measured == [("device: measure", done, 2) for done in range(3)]
    assert device.is_clean()


def test_several_devices_at_once(device: Device, tmp_path: Path) -> None:
    device.configure("nowhere", "Port 1")
    jobs = [job(tmp_path), job(tmp_path, remote("nowhere"))]
    good, bad = at_once([partial(bench_on, one, timeout_s=60) for one in jobs])
    assert not isinstance(good, EdgecutError) and len(good) == 1
    assert isinstance(bad, EdgecutError) and bad.code == "device-unreachable"
    assert device.is_clean()


def test_a_device_is_checked_before_anything_is_made_for_it(device: Device, tmp_path: Path) -> None:
    check(remote(), ["tflite"])
    held = supervisor.take_lock(str(device.lock))
    assert held is not None
    try:
        check(remote(), ["tflite"], wait_s=1)
        with pytest.raises(EdgecutError, match="another benchmark has device"):
            check(remote(), ["tflite"])
    finally:
        os.close(held)
    with pytest.raises(EdgecutError, match="has no such Python"):
        check(remote(python="python9"), ["tflite"])
    assert wait_until(device.is_clean, within_s=SOON_S)


# Endings.

SCRIPT = """
import sys
from pathlib import Path
from edgecut.remote import session
from tests.remote.on_device import bench
session.LOCK = sys.argv[2]
try:
    bench(Path(sys.argv[1]), seconds=120)
except KeyboardInterrupt:
    print("interrupted")
"""


def as_a_child(device: Device, folder: Path) -> subprocess.Popen[str]:
    """A measurement of two minutes in another process, which has begun on the device."""
    command = [sys.executable, "-c", SCRIPT, str(folder), str(device.lock)]
    root = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": root}
    )
    assert wait_until(device.measures, within_s=60)
    return child


def test_an_interrupt_leaves_nothing_behind(device: Device, tmp_path: Path) -> None:
    child = as_a_child(device, tmp_path)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=20)
    assert said == "interrupted\n"
    assert device.is_clean() and not device.lock.exists()  # at once: it waited for that


def test_a_host_that_is_killed_leaves_nothing_behind(device: Device, tmp_path: Path) -> None:
    with as_a_child(device, tmp_path) as child:
        child.kill()
    assert wait_until(device.is_clean, within_s=SOON_S)


def test_a_measurement_that_takes_too_long(device: Device, tmp_path: Path) -> None:
    started = time.monotonic()
    error = refused("device-late", tmp_path, seconds=120, timeout_s=3)
    assert time.monotonic() - started < 30
    assert "did not end within 3 s" in error.message
    assert device.is_clean()


def test_another_thread_may_stop_it(device: Device, tmp_path: Path) -> None:
    stop = threading.Event()
    thread = interrupting(device, stop.set)
    refused("stopped", tmp_path, seconds=120, stop=stop)
    thread.join()
    assert device.is_clean()


def test_signals_that_come_together_leave_nothing_behind(device: Device, tmp_path: Path) -> None:
    """As when systemd ends a session."""

    def end() -> None:
        (pid,) = (p for p, line in device.processes().items() if "sys.stdin.buffer" in line)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            os.kill(pid, number)

    thread = interrupting(device, end)
    refused("device-lost", tmp_path, seconds=120)
    thread.join()
    assert wait_until(device.is_clean, within_s=SOON_S) and not device.lock.exists()


def test_what_the_measurement_made_goes_with_it(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed while it has a temporary folder, as for OpenVINO's cache."""
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import tempfile, time\ntempfile.mkdtemp()\ntime.sleep(60)\n")
    monkeypatch.setattr(benchmark_module, "device_script", SimpleNamespace(__file__=hanging))
    refused("device-late", tmp_path, timeout_s=2)
    assert device.is_clean()


def test_a_device_that_restarts(device: Device, tmp_path: Path) -> None:
    thread = interrupting(device, device.drop)
    error = refused("device-lost", tmp_path, seconds=120)
    thread.join()
    assert "lost while measuring" in error.message
    assert wait_until(device.is_clean, within_s=SOON_S)


def test_what_a_killed_supervisor_leaves_the_next_one_removes(
    device: Device, tmp_path: Path
) -> None:
    def kill() -> None:
        for pid, line in device.processes().items():
            if "sys.stdin.buffer" in line:
                os.kill(pid, signal.SIGKILL)

    thread = interrupting(device, kill)
    refused("device-lost", tmp_path, seconds=3)
    thread.join()
    # What it had started goes on, and so it keeps the device for itself.
    assert device.files() and device.processes()
    refused("device-busy", tmp_path)
    assert bench(tmp_path, wait_s=60)["artifacts"]
    assert device.is_clean()


def test_a_silent_device_is_given_up_and_gives_up(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    stopped: list[int] = []

    def freeze() -> None:
        stopped.extend(pid for pid, line in device.processes().items() if "stdin" in line)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    thread = interrupting(device, freeze)
    started = time.monotonic()
    error = refused("device-lost", tmp_path, seconds=120)
    thread.join()
    assert "is silent" in error.message and time.monotonic() - started < 30
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    assert stopped and wait_until(device.is_clean, within_s=SOON_S)


# A device that is not to be trusted.

LIAR = """
import os, sys
word = os.environ['SSH_ORIGINAL_COMMAND'].split()[-1]
out = sys.stdout.buffer
out.write(word.encode() + b'\\n')
{says}
out.flush()
sys.stdin.buffer.read()
"""
OPEN = """out.write(b'{"is": "open", "missing": [], "free_bytes": 99999999}\\n')"""


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("out.write(b'nonsense' + bytes([10]))", "device-lost"),
        ("out.write(b'[' * 60000 + bytes([10]))", "device-lost"),
        ("out.write(b'x' * 1000000)", "device-lost"),
        ("""out.write(b'{"is": "open"}\\n')""", "device-lost"),
        ("""out.write(b'{"is": "open", "missing": 3, "free_bytes": 1}\\n')""", "device-lost"),
        ("""out.write(b'{"is": "report", "size": 3}\\n123')""", "device-lost"),
        (OPEN + """; out.write(b'{"is": "put", "sha256": "00"}\\n' * 9)""", "transfer-failed"),
        ("""out.write(b'{"is": "busy", "since": "\\\\u001b[2J", "pid": "x"}\\n')""", "device-busy"),
    ],
)
def test_a_device_that_does_not_keep_to_what_was_agreed(
    start: Start, tmp_path: Path, says: str, code: str
) -> None:
    liar = tmp_path / "liar.py"
    start(f"ForceCommand exec {sys.executable} {liar}")
    liar.write_text(LIAR.format(says=says))
    error = refused(code, tmp_path)
    assert "\x1b" not in error.message


def test_what_a_device_says_of_its_end_steers_no_terminal() -> None:
    nothing: Any = None
    there = session_module.Session("pi", nothing, nothing)
    answer = {"is": "failed", "code": "\x1b[2J", "size": 1, "stderr": "\x1b[2J"}
    assert "\x1b" not in there._failed(answer, 1.0).message


def test_endless_noise_is_given_up(start: Start, tmp_path: Path) -> None:
    start("ForceCommand exec yes")
    assert "did not answer as agreed" in refused("device-lost", tmp_path).message


def test_a_device_that_only_lives_is_given_up(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    monkeypatch.setattr(benchmark_module, "ATTEMPTS", 1)
    liar = tmp_path / "liar.py"
    start(f"ForceCommand exec {sys.executable} {liar}")
    forever = """import time
while True: out.write(b'{"is": "alive"}\\n'); out.flush(); time.sleep(0.1)"""
    liar.write_text(LIAR.format(says=forever))
    assert "does not answer" in refused("device-lost", tmp_path).message


# What is refused before anything is done.


@pytest.mark.parametrize(
    "wrong",
    [
        {"destination": "-oProxyCommand=touch x"},
        {"destination": "pi@-oProxyCommand=x"},
        {"destination": "-pi@host"},
        {"destination": "host; touch x"},
        {"destination": "$(touch x)@host"},
        {"destination": "host\n"},
        {"destination": ""},
        {"destination": "host\"x'$(touch x)'"},
        {"destination": "pi'x'@host"},
        {"destination": "pi`touch x`@host"},
        {"destination": "pi@host|x"},
        {"python": "-c"},
        {"python": ""},
        {"python": "a\nb"},
        {"options": ("ProxyCommand=touch x",)},
        {"options": ("LocalCommand=touch x",)},
        {"options": ("StrictHostKeyChecking=no",)},
        {"options": ("Port",)},
        {"options": ("Port=",)},
        {"options": ("Port=22\nProxyCommand=x",)},
        {"options": ("ProxyJump=gate", "HostName=\"x'$(touch x)'\"")},
        {"options": ("HostName=x;touch",)},
        {"options": ("HostName=-x",)},
        {"options": ("HostKeyAlias=`touch`",)},
        {"options": ("User=x|touch",)},
        {"options": ("User=-x",)},
        {"options": ("ProxyJump=gate,-oProxyCommand=x",)},
        {"options": ("ProxyJump=pi@gate$(touch)",)},
        {"options": ("Port=22 x",)},
        {"options": ("UserKnownHostsFile=~/a ~/b",)},
        {"options": ('IdentityFile="~/a" x',)},
        {"options": ("IdentityFile=$(touch)",)},
        {"options": ("IdentityFile=a{b}",)},
        {"options": ("IdentityFile= a",)},
        {"options": ("CertificateFile=a\\b",)},
    ],
)
def test_what_is_no_device(wrong: dict[str, Any]) -> None:
    with pytest.raises(EdgecutError) as caught:
        Remote(**{"destination": "pi@host", **wrong})
    assert caught.value.code == "bad-device"


@pytest.mark.parametrize(
    "destination",
    ["pi", "pi@raspberrypi.local", "ssh://pi@10.0.0.2:2222", "pi@[fe80::1%eth0]", "a_b.c-d"],
)
def test_what_is_a_device(destination: str) -> None:
    remote = Remote(destination=destination)
    assert remote.name == destination
    assert remote.ssh()[-2:] == ["--", destination]


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("HostName=%h.local", "HostName=%h.local"),
        (
            "proxyjump=me@gate:22,ssh://b@[fe80::1%eth0]",
            "proxyjump=me@gate:22,ssh://b@[fe80::1%eth0]",
        ),
        ("KexAlgorithms=+a,b@openssh.com", "KexAlgorithms=+a,b@openssh.com"),
        ("IdentityFile=~/my keys/id", 'IdentityFile="~/my keys/id"'),
    ],
)
def test_what_a_device_may_say_to_ssh(option: str, word: str) -> None:
    assert word in Remote(destination="pi", options=(option,)).ssh()


def test_a_key_in_a_folder_with_a_blank(device: Device, tmp_path: Path) -> None:
    folder = tmp_path / "my keys"
    folder.mkdir()
    (folder / "id").write_bytes((tmp_path / "key").read_bytes())
    (folder / "id").chmod(0o600)
    (tmp_path / "key").unlink()
    assert bench(tmp_path, remote(options=(f"IdentityFile={folder}/id",)))["artifacts"]


def test_the_python_there_is_no_shell_text(device: Device, tmp_path: Path) -> None:
    refused("missing-on-device", tmp_path, remote(python=f"x'; touch {tmp_path}/touched; '"))
    refused("missing-on-device", tmp_path, remote(python=f"$(touch {tmp_path}/touched)"))
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "-x", "", "device.py", "spec-0.json", "a b"])
def test_names_that_a_file_there_must_not_have(tmp_path: Path, name: str) -> None:
    good = job(tmp_path)
    bad = Job(
        remote=remote(), specs=good.specs, files={**good.files, name: tmp_path / "tiny.tflite"}
    )
    with pytest.raises(EdgecutError) as caught:
        bench_on(bad, timeout_s=1)
    assert caught.value.code == "bad-measurement"


def test_specs_whose_files_are_not_there(tmp_path: Path) -> None:
    good = job(tmp_path)
    (tmp_path / "tiny.tflite").unlink()
    for bad, code in (
        (good, "artifact-not-found"),
        (Job(remote=remote(), specs=good.specs, files={}), "bad-measurement"),
        (Job(remote=remote(), specs=(), files={}), "bad-measurement"),
    ):
        with pytest.raises(EdgecutError) as caught:
            bench_on(bad, timeout_s=1)
        assert caught.value.code == code


def test_a_format_that_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(EdgecutError, match="no runtime runs the format 'ncnn'"):
        bench_on(job(tmp_path, format="ncnn"), timeout_s=1)


def test_what_is_packed() -> None:
    """What belongs together goes by one stem, and what two specs name goes once."""
    ir = {"path": "/some/net.xml", "files": ["/some/net.xml", "/some/net.bin"]}
    other = {"path": "b.onnx", "files": ["b.onnx"]}
    packed = pack(remote(), [{"artifacts": [ir, other]}, {"artifacts": [ir]}])
    there = {"path": "artifact-0.xml", "files": ["artifact-0.xml", "artifact-0.bin"]}
    assert packed.specs == (
        {"artifacts": [there, {"path": "artifact-1.onnx", "files": ["artifact-1.onnx"]}]},
        {"artifacts": [there]},
    )
    assert packed.files == {
        "artifact-0.xml": Path("/some/net.xml"),
        "artifact-0.bin": Path("/some/net.bin"),
        "artifact-1.onnx": Path("b.onnx"),
    }


def test_what_starts_the_supervisor_says_which_python_is_too_old() -> None:
    text = channel_module._BOOTSTRAP.format(size=0)
    assert not set(text) & set("'\n\\!`$")  # some login shells read these in single quotes
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.version_info = (3, 8, 1); " + text],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "edgecut-python 3.8\n"
