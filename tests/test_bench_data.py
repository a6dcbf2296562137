"""The benchmark beside datasketch runs, and both find the same near duplicates."""

import bench_data


def test_it_runs_and_both_find_the_same(capsys):
    assert bench_data.main(["--documents", "300", "--rounds", "1"]) == 0
    told = capsys.readouterr().out
    assert "ratio" in told and float(told.split()[-3].rstrip("%")) > 90
