"""The lead of the adaptive split: against whom it is taken."""

from eiwflow.study.file import read_study
from eiwflow.study.leads import lead

from ..studies import arms, write_study


def test_a_rival_passes_on_as_much_as_the_adaptive_split(tmp_path):
    means = {
        "entropy/principal-random": 3.80,
        "variance/principal-random": 3.85,
        "variance-reversed/principal-random": 3.95,
        "variance@0.75/principal-random": 3.60,  # better, with twice the parameters
    }
    found = lead(read_study(write_study(tmp_path / "a.zip", arms(means))))
    assert found is not None
    assert (found.arm.keep, found.rival.keep, found.rival.order) == ("0.5", "0.5", "variance")
    assert 0.03 < found.lead < 0.07


def test_without_such_a_rival_there_is_no_lead(tmp_path):
    means = {"entropy/principal-random": 3.80, "variance@0.75/principal-random": 3.60}
    assert lead(read_study(write_study(tmp_path / "a.zip", arms(means)))) is None
