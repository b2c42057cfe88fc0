"""What the WebUI runs at every start: it looks for what Regional needs, says in one line what is missing, and installs nothing.

Everything Regional needs is part of AUTOMATIC1111's and Forge's own requirements. A second copy, or another version, would only
break the WebUI or another extension. tests/test_imports.py compares both tables with the imports in the source.
"""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "PIL": "pillow",
    "einops": "einops",
    "gradio": "gradio",
    "fastapi": "fastapi",
    "starlette": "starlette",
}
"""Module that is imported when the extension is loaded -> the name under which pip knows it."""
OPTIONAL = {
    "safetensors": "pictures as prompts",
    "transformers": "masks from pictures, pictures as prompts, and CLIPSeg as the guidance model of an edit",
}
"""Module that is imported when a feature is used -> what is not available without it."""


def is_missing(module: str) -> bool:
    """Whether a top-level module cannot be found. Nothing is imported: torch alone would cost every start seconds."""
    try:
        return find_spec(module) is None
    except (ImportError, ValueError, AttributeError):
        return True


def report() -> list[str]:
    """One line for everything that is missing; nothing when all is there."""
    lines = []
    needed = [package for module, package in NEEDED.items() if is_missing(module)]
    if needed:
        lines.append(f"Regional: this WebUI has no {', '.join(needed)}; without it the extension cannot work. Repair the WebUI.")
    optional = [f"{module} ({use})" for module, use in OPTIONAL.items() if is_missing(module)]
    if optional:
        lines.append(f"Regional: not installed, so not available: {', '.join(optional)}.")
    return lines


def main() -> None:
    for line in report():
        print(line, flush=True)


if __name__ == "__main__":
    main()
