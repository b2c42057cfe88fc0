"""Layouts of other tools as settings: pasted prompts, API payloads, and the parameters of old pictures.

Every importer gives settings and a report: what was taken, and what could not be. Nothing is dropped silently.
"""

from __future__ import annotations

from .payloads import FORMATS
from .report import Imported, MaskReader, Report, Source
from .texts import import_text

__all__ = ["FORMATS", "Imported", "MaskReader", "Report", "Source", "import_text"]
