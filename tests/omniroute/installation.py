"""An installation that was started once, to be copied by every test that needs one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.omniroute.programs import Program

ADMINISTRATOR = {"INITIAL_ADMIN_EMAIL": "root@example.com", "INITIAL_ADMIN_PASSWORD": "correct horse battery staple"}


@pytest.fixture(scope="session")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data directory of a first start with an administrator from the environment, and what it printed."""
    data_dir = tmp_path_factory.mktemp("first") / "data"
    with Program(data_dir, "serve", "--no-open", **ADMINISTRATOR) as program:
        program.address()
        assert program.stop() == 0
        return data_dir, program.output


@pytest.fixture
def installed(first_start: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of it, this test's own."""
    return Path(shutil.copytree(first_start[0], tmp_path / "data"))
