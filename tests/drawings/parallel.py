"""Every drawing of chapter ``parallel``, with numbers made up for the purpose."""

from llamalite.figures import parallel
from llamalite.train.parallel.bubbles import simulate

ROW = {"weights": 2.0, "gradients": 2.0, "optimizer": 4.0}
DRAWINGS = {
    "traffic": lambda: parallel.draw_traffic({"data": (1e3, 1e3, 1.1e3), "tensor": (2e3, 3e3, 3.1e3)}),
    "schedules": lambda: parallel.draw_schedules({"1f1b": simulate("1f1b", 2, 3)}, "units", "A pipeline"),
    "bubbles": lambda: parallel.draw_bubbles([2, 4], [1, 2], {4: 0.45}),
    "memory of a rank": lambda: parallel.draw_memory({"alone": ROW, "cut": ROW}, "GB", "a title", limit=10.0),
    "effective time": lambda: parallel.draw_effective(0.01, 0.1, 3.0, {0.2: 0.9}),
    "causes": lambda: parallel.draw_causes({"GPU": (7, 70.0, True), "other": (3, 10.0, False)}),
}
EXPLORATIONS = {
    "bubble": parallel.explore_bubble,
    "failures": parallel.explore_failures,
}
