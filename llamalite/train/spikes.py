"""Loss spikes: noticing that a loss which was falling has jumped. It changes nothing in the training."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Mapping

WINDOW = 64  # losses that say what is usual
LEAST = 16  # fewer say nothing yet
FAR = 6.0  # standard deviations above the usual
MUCH = 1.2  # and this many times it: a nearly constant loss has nearly no deviation


class SpikeWatch:
    """Hears every loss in turn; ``began`` is the step at which the last spike began.

    The losses of a spike are not usual ones. If they do not come down within ``WINDOW`` steps, they are
    what is usual from now on.
    """

    def __init__(self) -> None:
        self.usual: deque[float] = deque(maxlen=WINDOW)
        self.high = 0  # losses in a row that were too high
        self.began: int | None = None

    @classmethod
    def after(cls, rows: Iterable[Mapping], step: int) -> SpikeWatch:
        """One that has heard what ``metrics.jsonl`` holds up to ``step``: a resumed run goes on as it was."""
        watch = cls()
        for row in rows:
            if row["step"] <= step:
                watch.hear(row["step"], row["loss"])
        return watch

    def hear(self, step: int, loss: float) -> str | None:
        """What there is to say about the loss of this step: nothing, or that a spike begins here.

        >>> watch = SpikeWatch()
        >>> [watch.hear(step, 2.0 + step % 2) for step in range(16)] == [None] * 16
        True
        >>> watch.hear(16, 9.0)
        'step 16: the loss has jumped to 9.000 where 2.500 ± 0.516 was usual'
        """
        if not self.stands_out(loss):
            self.high = 0
            self.usual.append(loss)
            return None
        self.high += 1
        sentence = self.sentence(step, loss) if self.high == 1 else None
        if self.high == 1:
            self.began = step
        if self.high == WINDOW:
            self.usual.clear()
            self.high = 0
        return sentence

    def stands_out(self, loss: float) -> bool:
        if len(self.usual) < LEAST:
            return False
        mean, deviation = statistics.fmean(self.usual), statistics.stdev(self.usual)
        return loss > max(mean + FAR * deviation, MUCH * mean)

    def sentence(self, step: int, loss: float) -> str:
        mean, deviation = statistics.fmean(self.usual), statistics.stdev(self.usual)
        return f"step {step}: the loss has jumped to {loss:.3f} where {mean:.3f} ± {deviation:.3f} was usual"
