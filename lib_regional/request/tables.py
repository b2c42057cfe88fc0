"""The docs' tables of fields and options, made from their declarations.

``python -m lib_regional.request.tables`` writes them anew between their markers in docs/.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from .fields import REQUIRED, Field, declaration_table, to_plain
from .layout.regions import RegionSettings
from .methods.specs import METHODS, OPTIONS


def _row(name: str, kind: Field, meaning: str) -> str:
    default = "–" if kind.default is REQUIRED else f"`{json.dumps(to_plain(kind.default), ensure_ascii=False)}`"
    return f"| `{name}` | {default} | {meaning.replace('|', chr(92) + '|')} |"


def _table(rows: Iterable[str]) -> str:
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def region_table() -> str:
    """Markdown table of a region's fields."""
    rows = declaration_table(RegionSettings).items()
    return _table(_row(name, row.kind, f"**{row.label}.** {row.kind.note}{_limited(name)}") for name, row in rows)


def _limited(field: str) -> str:
    methods = [spec.label for spec in METHODS.values() if field in spec.serves]
    return f" Methods that have it: {', '.join(methods)}." if methods else ""


def options_table(method: str) -> str:
    """Markdown table of the options of a method or a pass."""
    return _table(_row(name, kind, kind.note) for name, kind in OPTIONS[method].items())


def tables() -> dict[str, dict[str, str]]:
    """Document -> marker -> table."""
    found: dict[str, dict[str, str]] = {"docs/api.md": {"region-fields": region_table()}}
    for name in OPTIONS:
        edits = name in METHODS and METHODS[name].edits
        found.setdefault("docs/mrgd.md" if edits else "docs/methods.md", {})[f"options {name}"] = options_table(name)
    return found


def renewed(text: str, marker: str, table: str) -> str:
    """``text`` with ``table`` between ``<!-- marker -->`` and ``<!-- /marker -->``; at the end where the two are missing."""
    block = f"<!-- {marker} -->\n{table}\n<!-- /{marker} -->"
    pattern = re.compile(rf"<!-- {marker} -->\n.*?\n<!-- /{marker} -->", re.DOTALL)
    if not pattern.search(text):
        return f"{text.rstrip()}\n\n## {marker.capitalize()}\n\n{block}\n"
    return pattern.sub(lambda _: block, text)


def main(root: Path) -> None:
    """Write every table anew."""
    for name, parts in tables().items():
        path = root / name
        text = path.read_text(encoding="utf-8")
        for marker, table in parts.items():
            text = renewed(text, marker, table)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
