"""Build hook: translations are kept as ``.po``; wheels and editable installs have the compiled ``.mo`` beside them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LocaleHook(BuildHookInterface[Any]):
    """Compiles ``locale/*/LC_MESSAGES/*.po``: for a wheel into ``omniroute/locale``, for a checkout in place."""

    scratch: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        sources = sorted(root.glob("locale/*/LC_MESSAGES/*.po"))
        if version == "editable":
            for source in sources:
                _compile(source, source.with_suffix(".mo"))
            return
        # The tree of a plain build may be read-only: what is made goes elsewhere, and from there into the wheel.
        self.scratch = Path(tempfile.mkdtemp(prefix="omniroute-locale-"))
        for source in sources:
            inside = source.relative_to(root)
            compiled = self.scratch / inside.with_suffix(".mo")
            compiled.parent.mkdir(parents=True, exist_ok=True)
            _compile(source, compiled)
            build_data["force_include"][str(source)] = f"omniroute/{inside.as_posix()}"
            build_data["force_include"][str(compiled)] = f"omniroute/{inside.with_suffix('.mo').as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)


def _compile(source: Path, target: Path) -> None:
    """Leaves fuzzy entries out, as gettext's own compiler does."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with source.open("rb") as text:
        catalogue = read_po(text)
    with target.open("wb") as machine:
        write_mo(machine, catalogue)
