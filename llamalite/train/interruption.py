"""How a run ends early: by a signal, which waits for the step to finish, or by a failure."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class RunFailed(RuntimeError):
    """Training cannot go on; the message is one sentence for the user, with the way out."""

    exit_code = 1


class Interrupted(Exception):
    """A signal ended the run after a clean save; ``exit_code`` is the shell's, 128 + signal."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.exit_code = 128 + signum


class StopSignals:
    """Within the block, Ctrl-C and SIGTERM only set ``received``; a second one acts as usual."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.before: dict = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            self.before = {s: signal.signal(s, self.note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def note(self, signum: int, frame: FrameType | None) -> None:
        self.received = signum
        self.restore()

    def restore(self) -> None:
        for signum, handler in self.before.items():
            signal.signal(signum, handler)

    def __exit__(self, *error) -> None:
        self.restore()
