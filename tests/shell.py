"""Command lines run in this process, and what a refusal has to look like."""

from typing import NamedTuple

from llamalite.cli import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


def shell(line: str, capsys) -> Result:
    try:
        code = main(line.split())
    except SystemExit as end:  # the argument parser's
        code = end.code
    return Result(code, *capsys.readouterr())


def refused(result, code, *parts):
    """One sentence on stderr that holds all parts."""
    assert result[0] == code, result
    assert result[2].startswith("llamalite: ") and result[2].count("\n") == 1 and "Traceback" not in result[2]
    for part in parts:
        assert part in result[2], (part, result[2])
