"""compose.yaml, as far as it can be read without a container engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


def server() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found["services"]["omniroute"]  # type: ignore[no-any-return]


def test_what_an_operator_writes_into_env_reaches_the_server() -> None:
    assert {"path": ".env", "required": False} in server()["env_file"]


def test_it_sets_variables_that_there_are() -> None:
    documented = re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"))
    assert server()["environment"].keys() <= set(documented)
