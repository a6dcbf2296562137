"""One call of every drawing and of every exploration; each chapter's are in a file named after it."""

import importlib
import pkgutil

STEMS = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "made_up"]


def gathered(what: str) -> dict:
    """All of the chapters' ``DRAWINGS`` or ``EXPLORATIONS``, under names such as ``rope: layouts``."""
    return {
        f"{stem}: {name}": call
        for stem in STEMS
        for name, call in getattr(importlib.import_module(f"drawings.{stem}"), what).items()
    }


DRAWINGS, EXPLORATIONS = gathered("DRAWINGS"), gathered("EXPLORATIONS")
