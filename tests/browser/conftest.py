"""A headless Chromium on the standalone host. Another host is taken with REGIONAL_EDITOR_URL=http://… (its page must have the panel)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from editor import Editor

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browser_path(playwright) -> str | None:
    """The system's Chromium, else Playwright's own, else None."""
    own = playwright.chromium.executable_path
    return next(filter(None, map(shutil.which, NAMES)), own if os.path.exists(own) else None)


def skip(reason: str) -> None:
    print(f"\n[regional] SKIPPED: the browser tests need Chromium: {reason}", file=sys.__stderr__, flush=True)
    pytest.skip(f"no browser: {reason}")


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Any]]:
    """Starts Chromium with further command line arguments."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("the package playwright is not installed")
    with sync_playwright() as playwright:
        path = browser_path(playwright)
        if not path:
            skip("none is on PATH, and Playwright has none of its own (playwright install chromium)")
        yield lambda *more: playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage", *more])


@pytest.fixture(scope="session")
def browser(launch):
    """Chromium for the whole session."""
    running = launch()
    yield running
    running.close()


@pytest.fixture(scope="session")
def url(browser, tmp_path_factory) -> Iterator[str]:
    """Address of the host."""
    given = os.environ.get("REGIONAL_EDITOR_URL")
    if given:
        yield given
        return
    from lib_regional.standalone.server.app import serve

    with serve(nowebui=False, output=tmp_path_factory.mktemp("output")) as served:
        yield served.url


@pytest.fixture
def open_editor(browser, url) -> Iterator[Callable[..., Editor]]:
    """Opens a page with the panel unfolded; pages of one test share a browser context, so that they have one clipboard."""
    context = browser.new_context(viewport={"width": 1500, "height": 1300}, permissions=["clipboard-read", "clipboard-write"])
    opened: list[Editor] = []

    def opener(**more) -> Editor:
        home = browser.new_context(**{"viewport": {"width": 1500, "height": 1300}, **more}) if more else context
        editor = Editor(home.new_page(), url)
        opened.append(editor)
        return editor

    yield opener
    faults = [fault for editor in opened for fault in editor.faults]
    for editor in opened:
        if editor.page.context is not context:
            editor.page.context.close()
    context.close()
    assert not faults, faults


@pytest.fixture(scope="session")
def kept_editor(browser, url) -> Iterator[Editor]:
    """One page for all tests that need but one: loading it costs more than most tests."""
    context = browser.new_context(viewport={"width": 1500, "height": 1300}, permissions=["clipboard-read", "clipboard-write"])
    yield Editor(context.new_page(), url)
    context.close()


@pytest.fixture
def editor(kept_editor) -> Iterator[Editor]:
    """The kept page with an untouched panel."""
    kept_editor.renew()
    yield kept_editor
    assert not kept_editor.faults, kept_editor.faults
