"""Installed from a wheel, eiwflow brings its app, its flows and its data, and no test tool."""

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from .conftest import ALONE, ROOT
from .test_cli import json_of

FLOW = min((ROOT / "assets" / "checkpoints").glob("*.safetensors")).stem


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of commands of a fresh environment with the wheel, which finds the other packages of this one."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True, timeout=120)
    bin_folder = place / ("Scripts" if os.name == "nt" else "bin")
    python = bin_folder / "python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *ALONE, wheel], check=True, timeout=120)
    site = next(place.rglob("site-packages"))
    (site / "others.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return bin_folder


def clean_environment():
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "EIWFLOW_RUNS")}


def run(installed, folder, *command):
    program, *arguments = command
    return subprocess.run(
        [installed / program, *arguments],
        cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_wheel_holds_what_the_app_needs_and_no_test(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("checkpoints", "data", "presets", "studies", "style", "texts"):
        wanted = {path for path in (ROOT / "assets" / folder).rglob("*") if path.is_file()}
        assert {f"eiwflow/site/{path.relative_to(ROOT).as_posix()}" for path in wanted} <= names
    pages = {f"eiwflow/site/pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert pages | {"eiwflow/site/app.py", "eiwflow/site/.streamlit/config.toml"} <= names
    beside = {path for path in (ROOT / "eiwflow").rglob("*.*") if path.suffix in (".js", ".css", ".md")}
    assert {path.relative_to(ROOT).as_posix() for path in beside} <= names
    assert not [name for name in names if "test" in Path(name).name or "screenshots" in name]


@pytest.mark.slow
def test_the_package_comes_alone_with_its_app_or_with_its_test_tools(wheel):
    with zipfile.ZipFile(wheel) as packed:
        metadata = next(name for name in packed.namelist() if name.endswith("METADATA"))
        lines = packed.read(metadata).decode().splitlines()
        assert "eiwflow/py.typed" in packed.namelist()
    needed = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]

    def names(extra):
        asked = [line for line in needed if (f'extra == "{extra}"' in line if extra else "extra ==" not in line)]
        return {re.match(r"[\w.-]+", line)[0] for line in asked}

    assert {"torch", "safetensors"} <= names("")
    assert names("app") == {"streamlit", "plotly", "segno"}
    assert {"eiwflow", "pytest", "ruff", "mypy", "playwright"} <= names("test")
    assert not names("") & (names("app") | names("test"))


@pytest.mark.slow
def test_without_its_app_the_package_looks_at_flows_and_trains_where_it_is_started(installed, tmp_path):
    program = f"""
import sys
sys.modules |= dict.fromkeys(("streamlit", "plotly", "pandas", "segno"))
from eiwflow.cli import main
train = "train --preset minute --width 4 --steps-per-level 1 --iterations 1 --threads 1"
for words in (train, "inspect {FLOW}", "analyse {FLOW} --what levels", "sample {FLOW} --n 1"):
    assert main(words.split()) == 0
"""
    done = run(installed, tmp_path, "python", "-c", program)
    assert done.returncode == 0 and "1/1 " in done.stderr, done.stderr
    checkpoint = tmp_path / done.stdout.splitlines()[0] / "checkpoints" / "last.safetensors"
    assert checkpoint.is_file() and tmp_path in checkpoint.parents


@pytest.mark.slow
def test_bundled_flows_and_data_are_found_and_the_first_page_is_drawn(installed, tmp_path):
    program = (
        "from streamlit.testing.v1 import AppTest; from eiwflow import cli, project;"
        f"assert cli.main(['evaluate', '{FLOW}', '--limit', '2', '--json']) == 0;"
        "at = AppTest.from_file(str(project.ROOT / 'app.py'), default_timeout=120).run();"
        "print(project.ROOT, len(at.exception), len(at.error), len(at.main))"
    )
    done = run(installed, tmp_path, "python", "-c", program)
    assert done.returncode == 0, done.stderr
    evaluated, drawn = done.stdout.splitlines()
    there, here = json.loads(evaluated), json_of("evaluate", FLOW, "--limit", 2)
    assert there.keys() == here.keys() and there["n"] == 2
    assert there["bits_per_dim"] == pytest.approx(here["bits_per_dim"], rel=1e-5)
    root, exceptions, errors, elements = drawn.split()
    assert Path(root).parts[-2:] == ("eiwflow", "site") and installed.parent in Path(root).parents
    assert (exceptions, errors) == ("0", "0") and int(elements) > 3


def answers(address, port):
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex((address, port)) == 0


@pytest.mark.slow
def test_the_app_opens_for_this_machine_alone(installed, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [installed / "eiwflow", "app", "--headless", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=log, stderr=log)
    try:
        end = time.monotonic() + 120
        while not answers("127.0.0.1", port) and server.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
            assert page.status == 200
        if sys.platform == "linux":  # where all of 127.* are addresses of this machine
            assert not answers("127.0.0.2", port)
    finally:
        server.terminate()
        server.wait(60)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_readmes_first_command_brings_the_app_and_the_command():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-e .[app]"]
    assert "pip install -r requirements.txt && streamlit run app.py" in (ROOT / "README.md").read_text(encoding="utf-8")
