"""Studies of made-up bits."""

import pytest

from eiwflow.study.file import read_study

from ..studies import write_study


@pytest.fixture
def study_of(tmp_path):
    """Return a function that writes a study and reads it."""
    return lambda bits, **fields: read_study(write_study(tmp_path / "made-up.zip", bits, **fields))
