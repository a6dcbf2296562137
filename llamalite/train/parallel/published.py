"""What the Llama 3 report says of its largest run, as printed (facts F3), beside what follows from it."""

from __future__ import annotations

from typing import NamedTuple

PEAK = 989  # TFLOP/s of an H100, dense bf16 (facts G3)


class Layout(NamedTuple):
    """A row of Table 4 (third version on arXiv)."""

    gpus: int
    tensor: int
    context: int
    pipeline: int
    data: int
    seq_len: int
    batch_per_data: int  # sequences
    tflops: int  # per GPU and second
    mfu_printed: int  # percent

    @property
    def ranks(self) -> int:
        return self.tensor * self.context * self.pipeline * self.data

    @property
    def tokens(self) -> int:
        """A step's."""
        return self.data * self.batch_per_data * self.seq_len

    @property
    def mfu(self) -> float:
        """Percent."""
        return 100 * self.tflops / PEAK


TABLE_4 = (
    Layout(8_192, 8, 1, 16, 64, 8_192, 32, 430, 43),
    Layout(16_384, 8, 1, 16, 128, 8_192, 16, 400, 41),
    Layout(16_384, 8, 16, 16, 8, 131_072, 16, 380, 38),  # the first version prints 4 for the 8
)

DAYS, PLANNED, UNEXPECTED = 54, 47, 419

# Table 5: cause → (count, percent as printed, of a GPU). The three that the text counts as the GPU's own
# beside "Faulty GPU" and its memories are those that make 268 (facts L6).
TABLE_5 = {
    "faulty GPU": (148, 30.1, True),
    "GPU HBM3 memory": (72, 17.2, True),
    "software bug": (54, 12.9, False),
    "network switch or cable": (35, 8.4, False),
    "host maintenance": (32, 7.6, False),
    "GPU SRAM": (19, 4.5, True),
    "GPU system processor": (17, 4.1, True),
    "NIC": (7, 1.7, False),
    "NCCL watchdog timeouts": (7, 1.7, False),
    "silent data corruption": (6, 1.4, True),
    "GPU thermal interface or sensor": (6, 1.4, True),
    "SSD": (3, 0.7, False),
    "power supply": (3, 0.7, False),
    "server chassis": (2, 0.5, False),
    "IO expansion board": (2, 0.5, False),
    "dependency": (2, 0.5, False),
    "CPU": (2, 0.5, False),
    "system memory": (2, 0.5, False),
}
