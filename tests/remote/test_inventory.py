"""``devices.toml``, strictly read."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut.errors import EdgecutError
from edgecut.remote.inventory import find_device, read_devices
from edgecut.remote.ssh import Remote


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; the user's configuration is in ``config`` below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "edgecut").mkdir(parents=True)
    return tmp_path


def test_everything_that_may_be_said(here: Path) -> None:
    (here / "devices.toml").write_text(
        "[devices.pi]\n"
        'destination = "pi@raspberrypi.local"\n'
        'python = "venv/bin/python"\n'
        'options = ["Port=2222", "ProxyJump=gate"]\n'
        'target = "raspberry-pi-4"\n'
        "threads = [1, 4]\n"
        "pin = [2, 3]\n"
    )
    device = find_device("pi")
    assert device.remote == Remote(
        name="pi",
        destination="pi@raspberrypi.local",
        python="venv/bin/python",
        options=("Port=2222", "ProxyJump=gate"),
    )
    assert (device.name, device.target) == ("pi", "raspberry-pi-4")
    assert (device.threads, device.pin) == ((1, 4), (2, 3))


def test_what_the_folder_says_comes_before_what_the_user_says(here: Path) -> None:
    (here / "devices.toml").write_text("[devices.pi]\ndestination = 'near'")
    (here / "config" / "edgecut" / "devices.toml").write_text(
        "[devices.pi]\ndestination = 'far'\n[devices.board]\ndestination = 'board@lab'"
    )
    assert find_device("pi").remote.destination == "near"
    assert find_device("board").remote.destination == "board@lab"


def test_a_name_that_no_inventory_has_is_for_ssh(here: Path) -> None:
    device = find_device("pi@raspberrypi.local")
    assert device.remote == Remote(destination="pi@raspberrypi.local")
    assert (device.name, device.target, device.threads) == ("pi@raspberrypi.local", None, ())


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("devices =", "bad-toml", "cannot be read as TOML"),
        ("[other]", "bad-device", "'devices' is missing"),
        ("x = 1\n[devices.pi]\ndestination = 'pi'", "bad-device", "do not belong here: x"),
        ("[devices.pi]", "bad-device", "'destination' is missing"),
        ("[devices.pi]\ndestination = 1", "bad-device", "'destination' must be"),
        ("[devices.pi]\ndestination = '-x'", "bad-device", "no destination for ssh"),
        ("[devices.pi]\ndestination = 'pi'\nport = 22", "bad-device", "belong here: port"),
        ("[devices.pi]\ndestination = 'pi'\nthreads = [0]", "bad-device", "outside 1"),
        ("[devices.pi]\ndestination = 'pi'\npin = []", "bad-device", "'pin' is empty"),
        ("[devices.pi]\ndestination = 'pi'\ntarget = 'abacus'", "unknown-target", "abacus"),
        ("[devices.'a b']\ndestination = 'pi'", "bad-device", "a device's name takes"),
        ("[devices.'openvino:NPU']\ndestination = 'pi'", "bad-device", "a device's name takes"),
        (
            "[devices.pi]\ndestination = 'pi'\noptions = ['ProxyCommand=x']",
            "bad-device",
            "no setting of ssh that a device may have",
        ),
    ],
)
def test_what_is_no_inventory(tmp_path: Path, text: str, code: str, said: str) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    with pytest.raises(EdgecutError) as caught:
        read_devices(path)
    assert caught.value.code == code
    assert said in caught.value.message
