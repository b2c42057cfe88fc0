"""Files that are written whole or not at all, and the removal of what killed processes left of such writes."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

PREFIX, SUFFIX = ".regional-", ".tmp"
FILE_SECONDS, FOLDER_SECONDS = 3600.0, 7 * 86400.0
"""Age at which a temporary file or folder is left over whatever its process: no write takes that long, and process ids are given again."""

_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
_RUN = secrets.token_hex(4)


def temporary_name(prefix: str = PREFIX, suffix: str = SUFFIX) -> str:
    """A new name with the machine, process and run that made it, for `remove_leftovers`."""
    return f"{prefix}{_MACHINE}-{os.getpid()}-{_RUN}-{secrets.token_hex(4)}{suffix}"


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o666, sync: bool = False) -> Iterator[Path]:
    """A new empty file in the folder of ``path`` that replaces ``path`` at the end of the block, or is removed when the block fails.

    Readers see the old content or the new one. ``mode`` are the permissions before the umask; ``sync`` also survives a power failure.
    """
    beside = path.with_name(temporary_name())
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield beside
        if sync:
            with open(beside, "rb+") as file:
                os.fsync(file.fileno())
        _replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def write_bytes(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file whole or not at all."""
    with replacing(path, sync=sync) as beside:
        beside.write_bytes(data)


def _replace(source: Path, target: Path) -> None:
    """`os.replace`, tried again for a moment where another program (a virus scanner on Windows) holds one of the files open."""
    for _ in range(10 if os.name == "nt" else 0):
        with contextlib.suppress(PermissionError):
            os.replace(source, target)
            return
        time.sleep(0.05)
    os.replace(source, target)


def remove_leftovers(folder: Path, prefix: str = PREFIX, suffix: str = SUFFIX, older: str = "") -> int:
    """Remove temporary files and folders in ``folder`` whose process ended without removing them; how many were removed.

    What belongs to a living process, or to another machine that uses the same folder, stays until it is too old to be in use; so do
    files whose name matches ``older``, a pattern of names without a process id.
    """
    named = re.compile(rf"{re.escape(prefix)}([0-9a-f]{{8}})-(\d+)-([0-9a-f]{{8}})-\S*{re.escape(suffix)}")
    removed = 0
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return 0
    for entry in entries:
        with contextlib.suppress(OSError):
            if _is_left_over(entry, named, older):
                shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
                removed += 1
    return removed


def _is_left_over(entry: os.DirEntry[str], named: re.Pattern[str], older: str) -> bool:
    match = named.fullmatch(entry.name)
    if match is None and not (older and re.fullmatch(older, entry.name)):
        return False
    if match is not None and match[1] == _MACHINE and _has_ended(int(match[2]), match[3]):
        return True
    limit = FOLDER_SECONDS if entry.is_dir(follow_symlinks=False) else FILE_SECONDS
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > limit


def _has_ended(process: int, run: str) -> bool:
    """Whether this process of this machine is known to have ended. Windows has no harmless way to ask: False for others there."""
    if process == os.getpid():
        return run != _RUN
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
