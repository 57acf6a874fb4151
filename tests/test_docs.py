"""The documents: every command parses, every link and file exists, every Python example runs."""

import re
import shlex
from pathlib import Path

import click
import pytest
from streamlit.web.cli import main_run

from eiwflow import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
EIWFLOW = re.compile(r"^(?:torchrun .* -m -- eiwflow|python -m eiwflow|eiwflow) (.+)$")
#: Programs that documents name beside our own.
OTHERS = (
    "python3 -m venv",
    ". .venv",
    "pip install",
    "python -m pip",
    "pytest",
    "python -m pytest",
    "docker",
    "EIWFLOW_",
)


def blocks(page, language):
    """The contents of a page's fenced blocks of one language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for name, block in fenced if name == language]


def commands(page):
    """All command lines of a page: lines of blocks without a language, and code within the text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "") for line in block.splitlines() if line.strip()]
    lines += [code for code in re.findall(r"`([^`\n]+)`", text) if re.match(r"(python|streamlit|torchrun) ", code)]
    return [part.strip() for line in lines for part in line.split("#")[0].split("&&")]


COMMANDS = [pytest.param(line, id=f"{page.stem}: {line}") for page in PAGES for line in dict.fromkeys(commands(page))]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_its_program_takes(line):
    if found := EIWFLOW.match(line):
        if "--help" not in line:
            cli.build_parser().parse_args(shlex.split(found[1]))
    elif line.startswith("streamlit run "):
        words = shlex.split(line)[2:]
        with main_run.make_context("run", [*words]) as context:
            assert isinstance(context, click.Context) and (ROOT / words[0]).is_file()
    elif line.startswith("python docs/"):
        assert (ROOT / line.split()[1]).is_file()
    elif line.startswith("python benchmarks/"):
        script, *options = shlex.split(line)[1:]
        source = (ROOT / script).read_text(encoding="utf-8")
        assert all(f'"{option}"' in source for option in options if option.startswith("--"))
    elif line.startswith("python -m eiwflow."):
        module = ROOT / f"{line.split()[2].replace('.', '/')}.py"
        assert '__name__ == "__main__"' in module.read_text(encoding="utf-8")
    else:
        assert line.startswith(OTHERS), f"no test knows the program of {line!r}"


def test_the_documents_show_every_command():
    shown = {found[1].split()[0] for page in PAGES for line in commands(page) if (found := EIWFLOW.match(line))}
    parser = cli.build_parser()
    every = next(action for action in parser._actions if action.dest == "name").choices
    assert set(every) <= shown


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [
    pytest.param(page, target, id=f"{page.stem}: {target}")
    for page in PAGES
    for target in dict.fromkeys(re.findall(r"\]\(((?!https?:)[^)\s]+)\)", page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_a_link_leads_to_a_file_and_a_heading(page, target):
    path, _, anchor = target.partition("#")
    file = page.parent / path if path else page
    assert file.exists()
    assert not anchor or anchor in anchors(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_in_python_run(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for example in blocks(page, "python"):
        if example.startswith("import") or "checkpoint.load" in example:
            exec(compile(example, str(page), "exec"), {})


def test_the_readme_is_short():
    text = re.sub(r"^```.*?^```", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert len(text.split()) <= 600
