"""The panel on a page, as a person uses it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

PANEL = "#regional_txt2img_panel"
SLOWED = float(os.environ.get("REGIONAL_BROWSER_SLOWED", "1"))
"""How many times slower than this machine the page's thread runs, as on one that does other things too."""

OPENING = 90_000 * max(1, SLOWED / 4)
"""Milliseconds in which the page of Gradio has to stand, however busy the machine is; the panel's own time is held by test_limits."""

FILLED = {
    "presets": "[data-preset]",
    "import": "[data-action=import-text]",
    "masks": "[data-action=find-way] option",
    "edit": "[data-field='options.edit'] > *",
}
"""What stands in a drawer as soon as it is filled."""

WAIT = 15_000 * max(1, SLOWED / 3)
"""Milliseconds in which everything else that a test waits for has to come."""


def soon(page: Any, look: Callable[[], Any], wanted: Any = True) -> None:
    """
    Wait until ``look()`` is ``wanted``: what a key or a press brings about may come a moment after it.

    Args:
        page: The page that is looked at.
        look: Looks, and changes nothing.
        wanted: What it finds in the end.
    """
    __tracebackhide__ = True
    end = time.monotonic() + WAIT / 1000
    while (seen := look()) != wanted:
        assert time.monotonic() < end, f"after {WAIT / 1000:g} s it is still {seen!r}, not {wanted!r}"
        page.wait_for_timeout(20)


class Editor:
    """The txt2img panel of one page."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.faults: list[str] = []
        page.set_default_timeout(WAIT)
        page.set_default_navigation_timeout(OPENING)
        page.on("pageerror", self._note)
        page.on("dialog", lambda dialog: dialog.accept())
        page.route(lambda address: not address.startswith((url, "blob:", "data:")), lambda route: route.abort())
        page.goto(url, timeout=OPENING)
        self.unfold()
        self.slowing = page.context.new_cdp_session(page)
        self.slow(SLOWED)

    def slow(self, rate: float) -> None:
        """Let the page's thread run at this part of its speed from now on."""
        if rate != 1 or SLOWED != 1:
            self.slowing.send("Emulation.setCPUThrottlingRate", {"rate": rate})

    def _note(self, error: Any) -> None:
        """Another host's page has errors of its own (AUTOMATIC1111's Gradio one for each picture): there those of our script count."""
        if not os.environ.get("REGIONAL_EDITOR_URL") or "regional" in (error.stack or ""):
            self.faults.append(str(error))

    def unfold(self) -> None:
        """Open the accordion, and wait for the canvas."""
        label = self.page.locator("#regional_txt2img .label-wrap")
        label.wait_for(timeout=OPENING)
        self.page.wait_for_selector(f"{PANEL} .rg", state="attached")
        if not self.canvas.is_visible():
            label.click()
        self.canvas.wait_for()
        self.boxes(self.canvas)

    def renew(self) -> None:
        """An untouched panel, as after loading the page in a new tab."""
        self.faults.clear()
        self.page.bring_to_front()
        self.page.evaluate("() => document.querySelectorAll('dialog.rg, .rg-menu').forEach((node) => node.remove())")
        self.show("txt2img")
        self.page.evaluate(
            "() => { sessionStorage.clear(); const find = (name) => gradioApp().querySelector(name);"
            " document.querySelectorAll('canvas.rg-overlay').forEach((node) => node.remove());"
            " for (const name of ['#regional_txt2img_state textarea', '#txt2img_prompt textarea']) { const box = find(name);"
            " box.value = '';"
            " box.dispatchEvent(new Event('input', {bubbles: true})); }"
            " const panel = Regional.panels.txt2img; panel.overlay.show(false); panel.written = '';"
            " find('#regional_txt2img_panel').replaceChildren(); Regional.attach(); sessionStorage.clear(); }"
        )
        self.canvas.wait_for()
        self.boxes(self.canvas)

    # ------------------------------------------------ looking

    @property
    def canvas(self) -> Any:
        return self.page.locator(f"{PANEL} canvas.rg-canvas")

    @property
    def settings(self) -> dict[str, Any]:
        """What the host gets."""
        text = self.page.eval_on_selector("#regional_txt2img_state textarea", "box => box.value")
        return json.loads(text) if text else {}

    @property
    def regions(self) -> list[dict[str, Any]]:
        return self.settings.get("regions", [])

    @property
    def messages(self) -> str:
        return self.page.locator(f"{PANEL} .rg-messages").inner_text()

    def soon(self, look: Callable[[], Any], wanted: Any = True) -> None:
        __tracebackhide__ = True
        soon(self.page, look, wanted)

    @property
    def focus(self) -> str:
        """Where the keyboard is: an action, a field, a LoRA of the picker, or the class of anything else."""
        return self.page.evaluate(
            "() => { const {dataset, className} = document.activeElement;"
            " return dataset.action || dataset.network || dataset.field || className; }"
        )

    def checked(self) -> None:
        """Wait until the server has checked what stands here, and the page shows what it found."""
        self.page.wait_for_function("() => { const {asked, checked} = Regional.panels.txt2img.checks.changes; return asked === checked; }")

    def drawer(self, name: str) -> None:
        """Open a drawer, and wait for what the server puts into it."""
        self.act(f"drawer-{name}")
        self.find(FILLED[name]).first.wait_for(state="attached")

    def find(self, selector: str) -> Any:
        return self.page.locator(f"{PANEL} {selector}")

    def boxes(self, *places: Any) -> list[dict[str, float]]:
        """
        Where elements stand, all measured at one moment.

        Two calls of ``bounding_box`` may have a drawing between them; and what stands still for ten frames has been laid out.

        Args:
            places: Selectors within the panel, or locators.
        """
        nodes = [(place if hasattr(place, "element_handle") else self.find(place)).first.element_handle() for place in places]
        return self.page.evaluate(
            """async (nodes) => {
                const frame = () => new Promise((go) => requestAnimationFrame(go));
                const measure = () => nodes.map((node) => {
                    const {x, y, width, height} = node.getBoundingClientRect();
                    return {x, y, width, height};
                });
                let seen = measure();
                for (let still = 0, frames = 0; still < 10 && frames < 300; frames++) {
                    await frame();
                    const now = measure();
                    still = JSON.stringify(now) === JSON.stringify(seen) ? still + 1 : 0;
                    seen = now;
                }
                return seen;
            }""",
            nodes,
        )

    def act(self, name: str) -> None:
        """Press the button of an action."""
        self.find(f"[data-action='{name}']").click()

    def field(self, path: str) -> Any:
        if path == "enabled":  # in the header of the accordion
            return self.page.locator("#regional_txt2img [data-field='enabled']")
        return self.find(f"[data-field='{path}']")

    # ------------------------------------------------ doing

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place of the picture in the page's pixels."""
        self.canvas.scroll_into_view_if_needed()
        self.box = self.canvas.bounding_box()
        return self.at_cached(x, y)

    def at_cached(self, x: float, y: float) -> tuple[float, float]:
        """The same without asking the page where the canvas is."""
        return self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]

    def drag(self, *points: tuple[float, float], steps: int = 6) -> None:
        """Press at the first point, go through the others, let go at the last."""
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=steps)
        self.page.mouse.up()

    def click(self, x: float, y: float, **more: Any) -> None:
        self.page.mouse.click(*self.at(x, y), **more)

    def keys(self, *names: str) -> None:
        """Press keys on the canvas."""
        self.canvas.focus()
        for name in names:
            self.page.keyboard.press(name)

    def tool(self, name: str) -> None:
        self.act(f"tool-{name}")

    def draw_box(self, *corners: tuple[float, float]) -> None:
        """Draw a box, and go back to the tool Select."""
        self.tool("box")
        self.drag(*corners)
        self.keys("Escape")

    def load(self, settings: dict[str, Any]) -> None:
        """Write settings as the host does after a picture was pasted."""
        self.page.evaluate(
            "text => { const box = gradioApp().querySelector('#regional_txt2img_state textarea'); box.value = text;"
            " box.dispatchEvent(new Event('input', {bubbles: true})); Regional.panels.txt2img.pull(); }",
            json.dumps(settings),
        )

    def resize(self, width: int, height: int) -> None:
        """Size of the picture."""
        for name, value in (("width", width), ("height", height)):
            box = self.page.locator(f"#txt2img_{name} input[type=number]")
            box.fill(str(value))
            box.press("Enter")
        self.page.wait_for_function(
            "([w, h]) => { const {stage} = Regional.panels.txt2img, [x, y] = stage.size();"
            " return x == w && y == h && stage.frame.dataset.ratio === `${w} / ${h}`; }",
            arg=[width, height],
        )
        self.boxes(self.canvas)

    def generate(self, steps: int = 4) -> None:
        """Make a picture with the prompt "grass", and wait until the page shows it."""
        infotext = "(document.querySelector('#html_info_txt2img .infotext') || {}).textContent || ''"
        before, pictures = self.page.evaluate(infotext), self.pictures()
        self.page.locator("#txt2img_steps input[type=number]").fill(str(steps))
        self.page.locator("#txt2img_prompt textarea").fill("grass")
        self.page.click("#txt2img_generate")
        self.page.wait_for_function(f"before => {{ const now = {infotext}; return now && now !== before; }}", arg=before, timeout=300000)
        self.shown(pictures)

    def pictures(self) -> list[str]:
        """Addresses of the pictures in the gallery."""
        return self.page.locator("#txt2img_gallery img").evaluate_all("all => all.map((one) => one.src)")

    def shown(self, before: list[str]) -> None:
        """Wait until the page shows new pictures, none of those ``before``, and the panel knows them and that nothing runs any more."""
        self.page.wait_for_function(
            """(before) => { const panel = Regional.panels.txt2img, {kind, image, src} = panel.stage.background;
                const images = [...document.querySelectorAll('#txt2img_gallery img')].filter((one) => one.getClientRects().length);
                const isBusy = document.querySelector('#txt2img_interrupt')?.getClientRects().length;
                const known = new Set([...document.querySelectorAll('#regional_txt2img_panel .rg-strip-tile img')].map((one) => one.src));
                const taken = kind !== 'result' || (image && images.some((one) => one.src === src));
                return !isBusy && !document.querySelector('#regional_txt2img_panel .rg-stop') && images.length && taken
                    && images.every((one) => one.complete && one.naturalWidth) && images.some((one) => known.has(one.src))
                    && !images.some((one) => before.includes(one.src)); }""",
            arg=before,
        )

    def show(self, tab: str) -> None:
        """Go to a tab of the page; both generations of Gradio write them differently."""
        self.page.locator("#tabs > .tab-nav button, #tabs button[role=tab]").filter(has_text=tab).first.click()

    def upload(self, action: str, *files: Any) -> None:
        """Press a button that asks for a file, and give it one."""
        with self.page.expect_file_chooser() as chooser:
            self.act(action)
        chooser.value.set_files(list(files))

    def paste(self, text: str) -> None:
        """Ctrl+V on the canvas with a text in the clipboard."""
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.keys("Control+v")
