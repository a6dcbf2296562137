"""Copy what is needed to *use* a run, and nothing to continue it, to where it ships.

    python tools/ship_run.py runs/tiny data/tiny-llama3

Prints the line of the data card: files, sizes and sha256.
"""

import argparse
import shutil
from pathlib import Path

from llamalite.text.files import fingerprint
from llamalite.train import checkpoint
from llamalite.train.runs import load_run


def ship(run: Path, target: Path) -> None:
    """Config, tokenizer, settings and the last checkpoint's weights, without the optimiser's memory."""
    if target.exists():
        raise SystemExit(f"{target} exists; remove it first, so that nothing old stays in it")
    opened = load_run(run)
    target.mkdir(parents=True)
    for name in ("config.json", "train.json", "tokenizer.model"):
        shutil.copy(run / name, target / name)
    checkpoint.save(target / "checkpoints", opened.step, {"model": dict(opened.model.state_dict())})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    args = parser.parse_args()
    ship(args.run, args.target)
    for path in sorted(path for path in args.target.rglob("*") if path.is_file()):
        found = fingerprint(path.read_bytes())
        print(f"| `{path.relative_to(args.target)}` | {found['bytes']:,} | `{found['sha256']}` |")


if __name__ == "__main__":
    main()
