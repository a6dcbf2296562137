"""Interactive figures that are still pictures where nothing is interactive.

Left out: drawings that remember their last state; each movement of a slider draws from nothing.
"""

import os
from collections.abc import Callable
from typing import Any

from IPython.display import display


def explore(draw: Callable[..., Any], **controls: tuple[Any, Any]) -> None:
    """Show ``draw(**values)`` under one slider a value, or once if there is nobody to move sliders.

    ``controls`` maps a parameter of ``draw`` to ``(default, range)``, where the range is whatever
    ``ipywidgets.interact`` understands: ``(low, high, step)``, a list of choices, or a boolean.
    With ``LLAMALITE_STATIC=1`` in the environment (the test run and the refresh of stored outputs),
    or without ipywidgets, only the first frame is drawn, and the notebook stores an ordinary picture.
    ``draw`` returns a figure, and ``explore`` shows it; it returns None, so that no cell shows it twice.
    """
    widgets = None if os.environ.get("LLAMALITE_STATIC") == "1" else import_widgets()
    if widgets is None:
        display(draw(**{name: default for name, (default, _) in controls.items()}))
        return
    sliders = {name: make_control(widgets, name, *control) for name, control in controls.items()}
    picture = widgets.interactive_output(lambda **values: display(draw(**values)), sliders)
    row = widgets.HBox(list(sliders.values()), layout=widgets.Layout(flex_flow="row wrap"))
    display(widgets.VBox([row, picture]))


def import_widgets() -> Any:
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets


def make_control(widgets: Any, name: str, default: Any, values: Any) -> Any:
    """A slider, menu or tick box that reports only when it is let go. A few fractions are slid along, too."""
    if isinstance(values, list) and all(isinstance(v, float) for v in values):
        control = widgets.SelectionSlider(options=values)
    else:
        control = widgets.interactive(lambda **_: None, **{name: values}).children[0]
    control.description = name.replace("_", " ")
    control.style.description_width = "initial"
    control.value = default
    if hasattr(control, "continuous_update"):
        control.continuous_update = False
    return control
