"""Which migrations this program has and which the database has, told without importing a single one of them.

Loading Django's migration graph takes a noticeable part of a start; names are enough to know that nothing is due.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib.util import find_spec

from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

# Packages whose migrations no other program writes: a name we do not know means a newer OmniRoute was here.
OURS = frozenset({"accounts", "providers", "routing", "analytics", "omniroute"})

Names = frozenset[tuple[str, str]]  # (app label, migration name)


@cache
def known() -> Names:
    """Every migration the installed apps ship."""
    return frozenset(
        (config.label, module.name)
        for config in apps.get_app_configs()
        for module in pkgutil.iter_modules(_folders(f"{config.name}.migrations"))
        if not module.ispkg and module.name[0] not in "_~"
    )


def recorded() -> Names:
    """Every migration the database says it has; empty for a fresh one. Raises django.db.DatabaseError."""
    return frozenset(MigrationRecorder(connection).applied_migrations())


def due(applied: Names) -> Names:
    """What the database lacks."""
    return known() - applied


def newer(applied: Names) -> Names:
    """What only a newer program can have put there."""
    return frozenset(row for row in applied - known() if row[0] in OURS)


def _folders(package: str) -> list[str]:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        return []
    return list(spec.submodule_search_locations or []) if spec else []
