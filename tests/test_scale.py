"""``llamalite scale`` from end to end: a budget is spent and no more, and nothing is paid twice."""

import pytest
from shell import refused, shell

from llamalite.commands import scale
from llamalite.train.scaling import fit
from llamalite.train.scaling import sweep as sweeping
from llamalite.train.scaling.sweep import read_rows

SMALL = "scale --budget 1.5e9 --widths 4 8 --points 3 --out"


def test_a_budget_becomes_a_table_and_a_law(tmp_path, capsys, monkeypatch):
    few = fit.grid()[::40]
    monkeypatch.setattr(fit, "grid", lambda: few)
    code, out, err = shell(f"{SMALL} {tmp_path / 'small'}", capsys)
    assert (code, err) == (0, "")
    rows = read_rows(tmp_path / "small" / "results.csv")
    assert len(rows) == 6 and 0.9 * 1.5e9 < sum(6 * row.n_params * row.tokens for row in rows) <= 1.5e9
    assert "6 runs: 4,508 to 9,752 parameters" in out and f"{rows[0].loss:.4f}" in out
    assert "L = " in out and "the floor of these tales is 0.2105 nats a token" in out
    monkeypatch.setattr(sweeping, "measure", lambda *args: pytest.fail("a finished run was made again"))
    again = shell(f"{SMALL} {tmp_path / 'small'}", capsys)
    assert again.code == 0 and again.out == out


def test_a_table_shows_the_best_rate_and_the_mean_of_seeds():
    def row(rate, seed, loss):
        return sweeping.Row(seed, 4, 10, rate, 99, 10, 1, loss, float("nan"), 0.1, 1.0)

    rows = [row(1.0, 1, 2.0), row(1.0, 2, 4.0), row(2.0, 1, 2.5), row(2.0, 2, 3.0)]
    assert scale.table(rows).split() == ["parameters", "10", "tokens", "99", "2.7500"]
    assert "no law from fewer than six runs; the floor of these tales is 0.1000" in scale.verdict(rows, 1e9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--budget 1e6", "buys shortest runs of"),
        ("--points 0", "there is nothing to run"),
        ("--language xx", "tales are not told in 'xx'"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, capsys, options, sentence):
    refused(shell(f"scale --out {tmp_path / 'x'} {options}", capsys), 2, sentence)
    assert not (tmp_path / "x").exists()
