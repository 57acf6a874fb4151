"""What docs/deploy holds: one install script, which everything there runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from eiwflow.cli.parser import build_parser
from eiwflow.cli.serve import server

DEPLOY = Path(__file__).resolve().parents[1] / "docs" / "deploy"
SCRIPT = DEPLOY / "install.sh"
#: With this variable set to 1, the script is run in a clean Debian; set to a folder, in the Debian that is there.
WANTED = "EIWFLOW_DEBIAN"


def test_the_container_and_the_devcontainer_run_the_install_script():
    assert "install.sh /src /opt/eiwflow" in (DEPLOY / "Dockerfile").read_text()
    settings = json.loads((DEPLOY / "devcontainer.json").read_text())
    assert settings["onCreateCommand"].startswith("sudo docs/deploy/install.sh . ")
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["sh", "-n", SCRIPT], check=True)


def test_the_container_listens_on_all_interfaces_in_classroom_mode(monkeypatch):
    monkeypatch.setenv("EIWFLOW_JOIN_URL", "http://192.168.1.20:8501")
    lines = dict(re.findall(r"^(ENTRYPOINT|CMD) (.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    (_, *arguments), more = json.loads(lines["ENTRYPOINT"]), json.loads(lines["CMD"])
    command, environment = server(build_parser().parse_args([*arguments, *more]))
    line = shlex.join(command)
    assert "--server.address 0.0.0.0" in line and "--server.allowedHosts 192.168.1.20" in line
    assert environment == {"EIWFLOW_MODE": "classroom", "EIWFLOW_JOIN_URL": "http://192.168.1.20:8501"}


@pytest.fixture
def debian(tmp_path):
    """Return the root of a clean Debian 12, with this machine's network settings."""
    if WANTED not in os.environ:
        pytest.skip(f"takes minutes and a network: set {WANTED}=1")
    if os.geteuid() or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap")
    root = Path(os.environ[WANTED])
    if not root.is_dir():
        root = tmp_path / "debian"
        subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root],
            check=True,
            timeout=1800,
        )
    shutil.copy("/etc/resolv.conf", root / "etc")
    for file in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
        shutil.copy(file, root / "etc" / "apt" / "apt.conf.d")
    return root


def run_in(root, *command, **settings):
    """Run a command in another root, which sees this machine's processes, devices, certificates and wheels."""
    links = os.environ.get("PIP_FIND_LINKS", "")
    shared = ["/proc", "/dev", "/etc/ssl/certs", *([links] if links.startswith("/") else [])]
    for folder in shared:
        (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    mounts = "".join(f"mount --bind {shlex.quote(one)} {shlex.quote(f'{root}{one}')}; " for one in shared)
    # Mounted in a namespace of the command's own: nothing stays mounted, whatever becomes of it.
    script = [f'{mounts}exec chroot "$@"', "sh", root, *command]
    return subprocess.run(["unshare", "--mount", "sh", "-ec", *script], check=True, **settings)


def test_a_clean_debian_installs_and_starts_the_app(debian, request):
    wheel = request.getfixturevalue("wheel")  # built only where there is a Debian: a fixture of the session comes first
    (debian / "src").mkdir(exist_ok=True)
    shutil.copy(SCRIPT, debian / "src")
    shutil.copy(wheel, debian / "src")
    started = time.monotonic()
    run_in(debian, "sh", "/src/install.sh", f"/src/{wheel.name}", timeout=1800)
    print(f"installed in {time.monotonic() - started:.0f} s")
    run_in(debian, "/opt/eiwflow/bin/eiwflow", "evaluate", "faces16-entropy-weighted", "--limit", "2", timeout=300)
    look = (
        "import subprocess, time, urllib.request as r\n"
        "app = subprocess.Popen(['/opt/eiwflow/bin/eiwflow', 'app', '--headless', '--port', '8679'])\n"
        "for _ in range(600):\n"
        "    try: print(r.urlopen('http://127.0.0.1:8679/_stcore/health').status); break\n"
        "    except OSError: time.sleep(0.2)\n"
        "app.terminate(); app.wait()\n"
    )
    answer = run_in(debian, "/opt/eiwflow/bin/python", "-c", look, capture_output=True, text=True, timeout=300)
    assert "200" in answer.stdout.splitlines()
