"""Numbers as text, everywhere the same."""

import re
from pathlib import Path

import pytest

from eiwflow import cli
from eiwflow.analysis.words.numbers import counted, factor, fixed, signed
from eiwflow.ui.shell.parts import _cell
from tests.studies import arms, write_study

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("value", "plain", "with_sign"),
    [
        (1.234, "1.23", "+1.23"),
        (-1.234, "−1.23", "−1.23"),
        (0.0, "0.00", "0.00"),
        (-0.0, "0.00", "0.00"),
        (0.004, "0.00", "0.00"),
        (-0.004, "0.00", "0.00"),
        (-0.005001, "−0.01", "−0.01"),
        (-1e-300, "0.00", "0.00"),
    ],
)
def test_a_number_that_rounds_to_zero_has_no_sign(value, plain, with_sign):
    assert (fixed(value, 2), signed(value, 2)) == (plain, with_sign)


def test_a_one_has_no_plural():
    assert [counted(n, "seed") for n in (0, 1, 2, 1000)] == ["0 seeds", "1 seed", "2 seeds", "1,000 seeds"]


def test_table_cells_have_no_minus_before_a_zero():
    assert (_cell(-0.0001), _cell(-0.5)) == ("0.000", "−0.500")


def test_every_signed_number_of_the_package_goes_through_the_formatter():
    files = [*(ROOT / "eiwflow").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
    own = re.compile(r':\+,?\.\d|\.replace\("-", "−"\)')
    found = [file.name for file in files if own.search(file.read_text(encoding="utf-8"))]
    assert found == ["numbers.py"]


def test_the_report_of_one_seed_states_no_interval_and_no_plural(tmp_path, capsys):
    study = write_study(
        tmp_path / "one.zip", arms({"entropy/principal-information": 3.0, "random/principal-random": 3.1}, seeds=1)
    )
    assert cli.main(["study", "--out", str(study), "--report"]) == 0
    report = capsys.readouterr().out
    assert "nan" not in report and "1 seeds" not in report
    assert "  1 seed  " in report


@pytest.mark.parametrize(
    ("value", "said"),
    [(99_999, "99,999"), (100_000, "1.0·10⁵"), (100, "100"), (99.94, "99.9"), (0.001, "0.001"), (0.00099, "9.9·10⁻⁴")],
)
def test_factors_are_written_out_from_a_thousandth_to_a_hundred_thousand(value: float, said: str) -> None:
    assert factor(value) == said
