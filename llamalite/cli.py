"""The command line: which commands there are, and how every mistake ends as one sentence.

Exit code 2 for bad input, 1 for what failed, 128 + signal for what was stopped; each sentence says
the way out. PyTorch is imported only by what needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

import tyro

from llamalite.commands import (
    align,
    chat,
    convert,
    data,
    exercises,
    fetch,
    generate,
    info,
    plot,
    recipes,
    scale,
    tokenizer,
    train,
    verify,
)

# Options → what is done with them; a command is called what its class is called, in small letters.
COMMANDS: dict[type, Callable[[Any], None]] = {
    train.Train: train.run,
    generate.Generate: generate.run,
    align.Align: align.run,
    chat.Chat: chat.run,
    plot.Plot: plot.run,
    scale.Scale: scale.run,
    info.Info: info.run,
    convert.Convert: convert.run,
    verify.Verify: verify.run,
    fetch.Fetch: fetch.run,
    data.Data: data.run,
    tokenizer.Tokenizer: tokenizer.run,
    exercises.Exercises: exercises.run,
}


def parse(argv: Sequence[str], stored: train.Train | None = None) -> Any:
    """Arguments → an object of one of ``COMMANDS``; ``stored``: defaults, a resumed run's or a recipe's."""
    default = {} if stored is None else {"default": stored}
    commands = [
        Annotated[
            kind, tyro.conf.subcommand(kind.__name__.lower(), **(default if kind is train.Train else {}))
        ]
        for kind in COMMANDS
    ]
    about = "Llama 1, 2 and 3 from scratch: train a small one, let it write, take a large one apart."
    return tyro.cli(reduce(or_, commands), prog="llamalite", description=about, args=list(argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. LLAMALITE_TRACEBACK=1 shows where an error came from."""
    argv = sys.argv[1:] if argv is None else argv
    if os.environ.get("LLAMALITE_TRACEBACK"):
        return run(argv)
    try:
        return run(argv)
    except BrokenPipeError:  # `llamalite … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return complain("stopped before there was anything to save", 130)
    except (ValueError, FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        return complain(error, 2)
    except OSError as error:
        return complain(f"{error}; make room or choose another folder", 1)
    except Exception as error:
        if not hasattr(error, "exit_code"):  # the errors of ours that are sentences carry one
            raise
        return complain(error, error.exit_code)


def complain(message: Any, code: int) -> int:
    """Bad input is bad for every rank alike: one of those that torchrun started says so."""
    if code != 2 or os.environ.get("RANK", "0") == "0":
        print(f"llamalite: {message}", file=sys.stderr)
    return code


def run(argv: Sequence[str]) -> int:
    args = parse(argv)
    if isinstance(args, train.Train) and args.resume:
        args = parse(argv, train.stored(args))  # what is not said again stays as it was
    elif isinstance(args, train.Train) and args.recipe:
        args = parse(argv, recipes.filled(args))
    COMMANDS[type(args)](args)
    return 0
