"""Reporting errors."""

import logging

logger = logging.getLogger("regional.standalone")


def report(message: str, *, exc_info: bool = False) -> None:
    """Log an error."""
    logger.error(message, exc_info=exc_info)


def display(error: BaseException, task: str, *, full_traceback: bool = False) -> None:
    """Log an error with what was being done."""
    logger.error("%s: %s", task, error, exc_info=error if full_traceback else None)
