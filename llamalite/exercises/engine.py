"""Exercises that answer back: ``check``, ``hint`` and ``solution``, each called with a name like "rope.1".

A learner's function is run on sharp inputs and compared with an oracle that was written another way.
If it differs, it is compared with the *mistakes* listed beside the exercise: whoever computes the same
numbers as a known mistake is told which mistake that is, however the code is written. What matches no
listed mistake is examined by properties ("position 0 changes nothing"), then shown the first difference.

A chapter's exercises stand in ``llamalite/exercises/stem.py``, in a dict called ``EXERCISES``.

    check("rope.1", rotate)   -> True, False, or None while the function is still a stub
    hint("rope.1")            -> prints one more hint each time
    solution("rope.1")        -> prints one right answer, and why it is right

What was solved is remembered by ``progress.py``. Left out: a time limit (interrupt the kernel if your loop
never ends), scores, and any memory of the hints beyond this session.
"""

import copy
import difflib
import importlib
import inspect
import pkgutil
import textwrap
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import llamalite.exercises
from llamalite.exercises import progress

WIDTH = 96  # characters in a printed line


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give, and what a teacher says on seeing it."""

    label: str
    answer: Callable[..., Any]
    diagnosis: str


@dataclass(frozen=True)
class Property:
    """Something every right answer does. ``holds`` receives the learner's function."""

    sentence: str  # what to say when it does not hold
    holds: Callable[[Callable[..., Any]], Any]


@dataclass(frozen=True)
class Exercise:
    """One exercise. ``oracle`` is the truth, written independently of ``solution``, which is shown."""

    title: str
    cases: Callable[[], list[tuple]]  # fresh argument tuples, sharp enough to tell every mistake apart
    oracle: Callable[..., Any]
    solution: Callable[..., Any]  # stands alone: its source, and numpy as np, are all it needs
    why: str
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    properties: tuple[Property, ...] = ()
    rtol: float = 1e-8
    atol: float = 1e-8


def normals(*shapes: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Arrays of random numbers, for the cases of an exercise."""
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(shape) for shape in shapes)


class Wrong(Exception):
    """Carries the sentence that the learner reads."""


class NotAttempted(Exception):
    """The function is still a stub."""


def check(name: Any, answer: Any) -> bool | None:
    """Print what is right or wrong with ``answer``; True, False, or None when not attempted yet."""
    exercise = find(name)
    if exercise is None:
        return None
    try:
        examine(exercise, answer)
    except NotAttempted as stub:
        say(f"[ ] {name}: not attempted yet{stub}")
        return None
    except Wrong as wrong:
        say(f"[x] {name}: {wrong}")
        remember(name, solved=False)
        return False
    say(f"[+] {name}: correct")
    remember(name, solved=True)
    return True


def remember(name: str, solved: bool) -> None:
    if trouble := progress.record(name, solved):
        say(trouble)


_hints_given: Counter = Counter()  # by name; lives as long as the session


def hint(name: Any) -> None:
    """Print the next hint."""
    exercise = find(name)
    if exercise is None:
        return
    given, total = _hints_given[name], len(exercise.hints)
    if given == total:
        say(f'{name}: that was the last hint; solution("{name}") shows one way to do it')
        return
    _hints_given[name] += 1
    say(f"{name}, hint {given + 1} of {total}: {exercise.hints[given]}")


def solution(name: Any) -> None:
    """Print one right answer, and why it is right."""
    exercise = find(name)
    if exercise is None:
        return
    say(f"{name}: {exercise.title}")
    print("\n" + inspect.getsource(exercise.solution))
    say(f"Why: {exercise.why}")


# --- finding an exercise -------------------------------------------------------------------------


def chapters() -> list[str]:
    """Stems of the chapters that have exercises."""
    found = (module.name for module in pkgutil.iter_modules(llamalite.exercises.__path__))
    return sorted(stem for stem in found if stem not in ("engine", "progress"))


def exercises_of(stem: str) -> dict[str, Exercise]:
    return importlib.import_module(f"llamalite.exercises.{stem}").EXERCISES


def find(name: Any) -> Exercise | None:
    """The exercise called ``name``; if there is none, print the nearest names and return None."""
    if not isinstance(name, str):
        say('the first argument is the name of the exercise, in quotes: check("rope.1", your_function)')
        return None
    stem = name.partition(".")[0]
    if stem in chapters() and name in exercises_of(stem):
        return exercises_of(stem)[name]
    known = [each for stem in chapters() for each in exercises_of(stem)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    way_out = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    say(f"there is no exercise {name!r}; {way_out}")
    return None


# --- running the learner's function ----------------------------------------------------------------


def run(answer: Callable[..., Any], args: tuple) -> np.ndarray:
    """Call ``answer`` on copies of ``args``; whatever goes wrong becomes one kind sentence."""
    lent = copy.deepcopy(args)
    try:
        with np.errstate(all="ignore"):  # nan and inf are reported below, in words
            got = answer(*lent)
    except NotImplementedError:
        raise NotAttempted("") from None
    except (Exception, SystemExit) as error:
        raise Wrong(describe_error(error, answer)) from None
    if got is None or got is ...:
        raise NotAttempted(f" (your function returned {got}; if you wrote one, does it end with `return`?)")
    for name, now, before in zip(parameters(answer), lent, args, strict=False):
        if not np.array_equal(now, before):
            raise Wrong(f"your function changes its argument {name!r}; work on a copy, such as {name}.copy()")
    return as_numbers(got)


def as_numbers(got: Any) -> np.ndarray:
    try:
        numbers = np.asarray(got)
        if np.iscomplexobj(numbers):
            raise Wrong("your answer is complex; take its real and imaginary parts apart again")
        return numbers.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"your function returned a {type(got).__name__}; numbers were expected") from None


def describe_error(error: BaseException, answer: Callable[..., Any]) -> str:
    """Type, message, and the learner's own line nearest to the failure."""
    frames = traceback.extract_tb(error.__traceback__)
    code = getattr(inspect.unwrap(answer), "__code__", None)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    where = f", at line {own[-1].lineno}: {own[-1].line}" if own else ""
    return f"your code raised {type(error).__name__}: {error}{where}"


def parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:  # some built-in functions do not tell
        return []


# --- judging it ------------------------------------------------------------------------------------


def examine(exercise: Exercise, answer: Any) -> None:
    """Raise ``Wrong`` or ``NotAttempted``, or return if the answer is right."""
    if answer is None or answer is ...:
        raise NotAttempted("")
    if not callable(answer):
        raise Wrong("give me the function itself, without calling it: its name, and no parentheses")
    check_signature(exercise, answer)
    cases = exercise.cases()
    got = [run(answer, case) for case in cases]
    want = [np.asarray(exercise.oracle(*copy.deepcopy(case)), dtype=np.float64) for case in cases]
    wrong = [i for i in range(len(cases)) if not agree(exercise, got[i], want[i])]
    if wrong:
        check_form(exercise, cases, got, want)
        check_mistakes(exercise, cases, got)
    for rule in exercise.properties:
        if not rule.holds(lambda *args: run(answer, args)):
            raise Wrong(rule.sentence)
    if wrong:
        i = wrong[0]
        raise Wrong(first_difference(describe_call(exercise, cases[i]), got[i], want[i]))


def agree(exercise: Exercise, a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=exercise.rtol, atol=exercise.atol)


def check_signature(exercise: Exercise, answer: Callable[..., Any]) -> None:
    wanted = parameters(exercise.solution)
    try:
        inspect.signature(answer).bind(*wanted)
    except TypeError:
        call = f"{exercise.solution.__name__}({', '.join(wanted)})"
        mine = ", ".join(parameters(answer))
        raise Wrong(f"this exercise calls {call}, but your function takes ({mine})") from None
    except ValueError:
        pass


def check_form(exercise: Exercise, cases: list, got: list, want: list) -> None:
    for case, mine, right in zip(cases, got, want, strict=True):
        call = describe_call(exercise, case)
        if mine.shape != right.shape:
            raise Wrong(f"{call} should have shape {right.shape}; yours has {mine.shape}")
        if not np.isfinite(mine).all():
            raise Wrong(f"{call} contains nan or inf; look for a division by zero or an overflow")


def check_mistakes(exercise: Exercise, cases: list, got: list) -> None:
    for mistake in exercise.mistakes:
        theirs = (run(mistake.answer, case) for case in cases)
        if all(agree(exercise, a, b) for a, b in zip(theirs, got, strict=True)):
            raise Wrong(mistake.diagnosis)


def describe_call(exercise: Exercise, case: tuple) -> str:
    """``rotate(x of shape (8,), m=3, theta=10000.0)``, as it would be said aloud."""
    told = (
        f"{name} of shape {value.shape}" if isinstance(value, np.ndarray) else f"{name}={value}"
        for name, value in zip(parameters(exercise.solution), case, strict=True)
    )
    return f"{exercise.solution.__name__}({', '.join(told)})"


def first_difference(call: str, mine: np.ndarray, right: np.ndarray) -> str:
    off = np.abs(mine - right)
    i = np.unravel_index(off.argmax(), off.shape)
    place = f" at index {', '.join(map(str, i))}" if i else ""
    nearly = np.allclose(mine, right, rtol=1e-2, atol=1e-2 * np.abs(right).mean())
    digits = " (so near that I suspect float32 somewhere; keep to float64)" if nearly else ""
    return f"{call} differs most{place}: yours is {mine[i]:.8g}, right is {right[i]:.8g}{digits}"


def say(text: str) -> None:
    wrap = textwrap.TextWrapper(
        WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    print(wrap.fill(text))
