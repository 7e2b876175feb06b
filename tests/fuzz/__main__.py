"""Fuzz for as long as you like; stops at the first input that breaks something, and keeps it in a file."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from itertools import count
from pathlib import Path
from random import Random

from tests.fuzz.bounds import within_time
from tests.fuzz.entries import ENTRIES, Entry
from tests.fuzz.inputs import documents, raw_extremes

REPORT_SECONDS = 30.0


def main() -> int:
    options = _options()
    chosen = [ENTRIES[name] for name in options.entry or ENTRIES]
    for entry in chosen:
        for name, data in raw_extremes():
            if not _holds(entry, data, f"extreme: {name}", options.keep):
                return 1
    begun = told = time.monotonic()
    for number, seed in enumerate(count(options.seed)):
        now = time.monotonic()
        if now - begun > options.seconds:
            break
        if now - told > REPORT_SECONDS:
            told = now
            print(f"{number} inputs, next seed {seed}", flush=True)
        entry = chosen[number % len(chosen)]
        if not _holds(entry, documents(entry.kind, Random(seed)), f"seed {seed}", options.keep):
            return 1
    print(f"{number} inputs of {len(chosen)} entries: nothing broke")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (default 60)")
    parser.add_argument("--entry", action="append", choices=list(ENTRIES), help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="where to begin (default: anywhere)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failure.bin"), help="where a breaking input goes")
    return parser.parse_args()


def _holds(entry: Entry, data: bytes, what: str, keep: Path) -> bool:
    try:
        within_time(entry.run, data)
    except Exception:
        keep.write_bytes(data)
        traceback.print_exc()
        print(f"{entry.name} broke with {what}; the input is in {keep}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
