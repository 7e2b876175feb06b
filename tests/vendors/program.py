"""``omniroute`` with the logins and the catalogue in the folder that VENDORS names: data of a test."""

import os
import sys
from pathlib import Path
from typing import Any

from django.apps import apps

from omniroute import cli
from tests.vendors.pointed import use

folder = Path(os.environ["VENDORS"])
populate = apps.populate


def populated(installed: Any = None) -> None:
    """As Django's; the folders are read once its apps are there."""
    populate(installed)
    use(folder / "logins", folder / "catalog")


apps.populate = populated  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(cli.main())
