"""The field's real bugs, each with the test that must catch it; a chapter's stand in its own file."""

import importlib
import pkgutil

MUTANTS = [
    mutant
    for module in pkgutil.iter_modules(__path__)
    if module.name != "mutant"
    for mutant in importlib.import_module(f"mutants.{module.name}").MUTANTS
]
