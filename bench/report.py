"""Medians → a Markdown table. Rows without a figure show a dash."""

from collections.abc import Callable, Mapping

Figures = Mapping[str, float]
Cell = Callable[[Figures, Figures, Figures], str]  # the row's, direct's and nginx's figures → text


def _plain(name: str, factor: float = 1, form: str = ".2f") -> Cell:
    """A figure; nothing measured and nothing used (direct) both show a dash."""
    return lambda row, direct, nginx: f"{row[name] * factor:{form}}" if row.get(name) else "–"


def _added(kind: str) -> Cell:
    def cell(row: Figures, direct: Figures, nginx: Figures) -> str:
        if f"{kind}_p50" not in row:
            return "–"
        return " / ".join(f"{row[it] - direct[it]:.1f}" for it in (f"{kind}_p50", f"{kind}_p99"))

    return cell


def _pair(*names: str, form: str) -> Cell:
    return lambda row, direct, nginx: " / ".join(f"{row[it]:{form}}" if row.get(it) else "–" for it in names)


def _ratio(name: str) -> Cell:
    def cell(row: Figures, direct: Figures, nginx: Figures) -> str:
        return f"{row[name] / nginx[name]:.1f}" if row.get(name) and nginx.get(name) else "–"

    return cell


COLUMNS: dict[str, Cell] = {
    "req/s": _plain("small_rate", form=",.0f"),
    "CPU ms/request": _plain("small_cpu", 1e3, ".3f"),
    "× nginx": _ratio("small_cpu"),
    "60 KB: req/s": _plain("large_rate", form=",.0f"),
    "60 KB: CPU ms": _plain("large_cpu", 1e3, ".3f"),
    "background CPU ms/request": _plain("small_other_cpu", 1e3, ".3f"),
    "added ms p50 / p99": _added("small"),
    "CPU µs/chunk": _plain("streams_cpu", 1e6, ".0f"),
    "chunk delay ms p50 / p99": _pair("streams_p50", "streams_p99", form=".1f"),
    "MB idle / loaded": _pair("idle", "loaded", form=".0f"),
    "MB other processes": _plain("idle_other", form=".0f"),
    "first answer s": _plain("first_answer", form=".2f"),
    "failed": lambda row, direct, nginx: f"{row.get('failed', 0):.0f}",
}


def table(rows: Mapping[str, Figures]) -> str:
    direct, nginx = rows.get("direct", {}), rows.get("nginx", {})
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, figures in rows.items():
        cells = (cell(figures, direct, nginx) for cell in COLUMNS.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
