"""The page of the standalone host: what a WebUI's page has, as far as Regional needs it, with the WebUI's element ids."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from ...ui.compat import listen, supported
from ..model import CHECKPOINT
from ..sampling.noise_levels import SCHEDULES
from ..sampling.samplers import ALL_SAMPLERS
from . import page_fields, page_run
from .page_assets import HeadMiddleware, add_files, browser_files
from .page_fields import Choices, Defaults, Fields

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..host import Host

ROOT = Path(__file__).resolve().parents[3]

SMALL = Defaults("grass", 128, 128)
ORDINARY = {"sd1": Defaults("", 512, 512, cfg=7.0), "sdxl": Defaults("", 1024, 1024, cfg=7.0)}
CHOICES = Choices([spec.name for spec in ALL_SAMPLERS], ["Automatic", *SCHEDULES])

SMALL_HINT = (
    "This small model draws <b>circles, squares, triangles, diamonds, rings, crosses</b> in <b>red, yellow, green, cyan, blue, purple</b> "
    "on <b>sky, grass, brick, sand, night, snow</b>, 128 × 128 pixels."
)


@dataclass(frozen=True)
class Tab:
    """One generation tab: its controls, where its pictures go, and its buttons."""

    name: str
    fields: Fields
    generate: Any
    reuse: Any
    gallery: Any
    shown: Any
    index: Any
    info: Any
    log: Any
    send: dict[str, Any]
    paste: page_run.Paste


def mount(app: FastAPI, host: Host) -> gr.Blocks:
    """Put the page at "/" of ``app``, with the browser files of the host and its extensions. Call after the API's routes are there."""
    files = browser_files([ROOT, *(Path(found.basedir) for found in host.script_classes)])
    add_files(app, files)
    app.add_middleware(HeadMiddleware, files=files)
    blocks = build(host)
    gr.mount_gradio_app(app, blocks, path="/")
    return blocks


def build(host: Host) -> gr.Blocks:
    """The page's Blocks. Makes the scripts' controls of both tabs on the way."""
    small = host.model.path == CHECKPOINT or host.model.name.startswith("regional-small")
    defaults = SMALL if small else ORDINARY.get(host.model.kind, ORDINARY["sd1"])
    folder = page_run.PictureFolder()
    with gr.Blocks(title="Regional", theme=_theme(), analytics_enabled=False) as blocks:
        gr.HTML(_header(host, small), elem_id="page_header")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("txt2img", id="txt2img", elem_id="tab_txt2img"):
                first = _generation_tab(host, "txt2img", defaults)
            with gr.Tab("img2img", id="img2img", elem_id="tab_img2img"):
                second = _generation_tab(host, "img2img", defaults)
            with gr.Tab("PNG Info", id="pnginfo", elem_id="tab_pnginfo"):
                _png_info_tab(first, second)
        for tab in (first, second):
            _connect(host, tab, folder)
            _send_picture(tab, second)
    _open_panels(blocks)
    return blocks.queue()


def _open_panels(blocks: gr.Blocks) -> None:
    """The panel is what this page is for: it is open from the start."""
    for block in blocks.blocks.values():
        if getattr(block, "elem_id", None) in ("regional_txt2img", "regional_img2img"):
            block.open = True


def _theme() -> Any:
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return gr.themes.Default(**fonts)


def _header(host: Host, small: bool) -> str:
    hint = SMALL_HINT if small else "Every setting is that of the WebUI; pictures are made on this machine."
    device = host.model.device.type.upper()
    examples = '<button type="button" id="page_example">Try an example</button>' if small else ""
    return (
        '<div class="page-head"><h1 class="page-brand">Regional</h1>'
        f'<span class="page-model">{escape(host.model.name)} · {device}</span>'
        f'{examples}<details class="page-hint" open><summary>About the model</summary>{hint}</details></div>'
    )


def _generation_tab(host: Host, tab: str, defaults: Defaults) -> Tab:
    fields: Fields = {}
    with gr.Row(elem_id=f"{tab}_toprow"):
        fields |= page_fields.prompts(tab, defaults)
        generate = _buttons(tab)
    with gr.Row(elem_classes=["page-body"]):
        with gr.Column(elem_id=f"{tab}_settings", scale=6, min_width=320):
            if tab == "img2img":
                fields |= page_fields.source(tab)
            with gr.Group(elem_id=f"{tab}_script_container"):
                runner = host.runner(tab == "img2img")
                runner.setup_ui()
            fields |= page_fields.sampling(tab, defaults, CHOICES)
            if tab == "txt2img":
                fields |= page_fields.hires(tab)
            fields |= page_fields.size(tab, defaults)
            seeds, reuse = page_fields.guidance(tab, defaults)
            fields |= seeds
        with gr.Column(elem_id=f"{tab}_results", scale=5, min_width=320):
            parts = _results(tab)
    paste = page_run.Paste(fields, [entry[:2] for entry in runner.infotext_fields])
    return Tab(tab, fields, generate, reuse, paste=paste, **parts)


def _buttons(tab: str) -> Any:
    with gr.Column(elem_id=f"{tab}_actions_column", scale=1, min_width=150):
        with gr.Group(elem_id=f"{tab}_generate_box", elem_classes=["generate-box"]):
            gr.Button("Interrupt", elem_id=f"{tab}_interrupt", elem_classes=["generate-box-interrupt"])
            gr.Button("Skip", elem_id=f"{tab}_skip", elem_classes=["generate-box-skip"])
            generate = gr.Button("Generate", elem_id=f"{tab}_generate", variant="primary")
    return generate


def _results(tab: str) -> dict[str, Any]:
    """The gallery and the buttons below it."""
    log = gr.HTML("", elem_id=f"html_log_{tab}", elem_classes=["html-log"])
    with gr.Group(elem_id=f"{tab}_gallery_container"):
        gallery = gr.Gallery(
            label="Output", show_label=False, elem_id=f"{tab}_gallery", columns=4, preview=True, object_fit="contain", height=440,
            **supported(gr.Gallery, format="png", interactive=False),
        )  # fmt: skip
    with gr.Row(elem_id=f"image_buttons_{tab}"):
        send = {target: gr.Button(f"Send to {target}", elem_id=f"{tab}_send_to_{target}", size="sm") for target in ("img2img",)}
    info = gr.HTML("", elem_id=f"html_info_{tab}", elem_classes=["infotext-box"])
    return {"gallery": gallery, "shown": gr.State(page_run.Shown()), "index": gr.State(0), "info": info, "log": log, "send": send}


def _connect(host: Host, tab: Tab, folder: page_run.PictureFolder) -> None:
    """Wire the buttons of one tab."""
    inputs = [*tab.fields.values(), *host.runner(tab.name == "img2img").inputs[1:]]
    start, done = f"(...args) => RegionalPage.submit('{tab.name}', args)", f"() => {{ RegionalPage.done('{tab.name}'); return []; }}"
    run = listen(
        tab.generate.click, page_run.generator(host, tab.name, tab.fields, folder), inputs, [tab.gallery, tab.shown, tab.info, tab.log],
        js=start, show_progress="hidden", concurrency_limit=1, concurrency_id="generate",
    )  # fmt: skip
    listen(run.then, None, js=done)
    listen(run.then, lambda: 0, [], [tab.index], queue=False, show_progress="hidden")
    listen(tab.reuse.click, page_run.last_seed, [tab.shown, tab.index], [tab.fields["seed"]], show_progress="hidden")
    listen(tab.gallery.select, page_run.selected, [tab.shown], [tab.index, tab.info], show_progress="hidden")


def _send_picture(source: Tab, target: Tab) -> None:
    """ "Send to img2img": picture and infotext of the chosen entry."""

    def send(shown: page_run.Shown, index: int) -> list[Any]:
        image, infotext = page_run.chosen_picture(shown, index)
        return [gr.update() if image is None else image, *target.paste.values(infotext)]

    button = source.send["img2img"]
    outputs = [target.fields["image"], *target.paste.targets]
    sent = listen(button.click, send, [source.shown, source.index], outputs, show_progress="hidden")
    listen(sent.then, None, js="() => { RegionalPage.show('img2img'); return []; }")


def _png_info_tab(*tabs: Tab) -> None:
    with gr.Row():
        with gr.Column():
            image = page_fields.upload("Picture", "pnginfo_image", "RGBA")
            send = {tab.name: gr.Button(f"Send to {tab.name}", elem_id=f"pnginfo_send_to_{tab.name}") for tab in tabs}
        with gr.Column():
            html = gr.HTML("", elem_id="html_info_pnginfo", elem_classes=["infotext-box"])
            infotext = gr.Textbox("", visible=False, elem_id="pnginfo_generation_info")
    listen(image.change, page_run.read_picture, [image], [infotext, html], show_progress="hidden")
    for tab in tabs:
        with_image = [image, tab.fields["image"]] if "image" in tab.fields else []

        def fill(text: str, picture: Any = None, tab: Tab = tab) -> list[Any]:
            return [*([] if "image" not in tab.fields else [picture]), *tab.paste.values(text)]

        sent = listen(
            send[tab.name].click, fill, [infotext, *with_image[:1]], [*with_image[1:], *tab.paste.targets], show_progress="hidden"
        )
        listen(sent.then, None, js=f"() => {{ RegionalPage.show('{tab.name}'); return []; }}")
