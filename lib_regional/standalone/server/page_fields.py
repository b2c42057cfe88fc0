"""The page's controls of a generation, under the WebUI's element ids, and how an infotext fills them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...ui.compat import supported
from ..pipeline.pictures import LATENT_UPSCALERS, PIXEL_UPSCALERS

Params = Mapping[str, Any]
Reader = Callable[[Params], Any]


@dataclass(frozen=True)
class Defaults:
    """What the page shows at first; it depends on the model."""

    prompt: str
    width: int
    height: int
    steps: int = 20
    cfg: float = 5.0
    sampler: str = "Euler a"


@dataclass(frozen=True)
class Choices:
    """What can be chosen."""

    samplers: Sequence[str]
    schedulers: Sequence[str]


Fields = dict[str, Any]
"""Name -> component, in the order of the arguments."""


def prompts(tab: str, defaults: Defaults) -> Fields:
    """Prompt and negative prompt."""
    with gr.Column(elem_id=f"{tab}_prompt_container", scale=6):
        prompt = gr.Textbox(
            defaults.prompt, label="Prompt", elem_id=f"{tab}_prompt", lines=2, elem_classes=["prompt"],
            placeholder="Prompt (Ctrl+Enter generates)", show_label=False,
        )  # fmt: skip
        negative = gr.Textbox(
            "", label="Negative prompt", elem_id=f"{tab}_neg_prompt", lines=1, elem_classes=["prompt"],
            placeholder="Negative prompt", show_label=False,
        )  # fmt: skip
    return {"prompt": prompt, "negative": negative}


def sampling(tab: str, defaults: Defaults, choices: Choices) -> Fields:
    """Sampler, schedule, steps."""
    with gr.Row():
        sampler = gr.Dropdown(list(choices.samplers), value=defaults.sampler, label="Sampling method", elem_id=f"{tab}_sampling")
        scheduler = gr.Dropdown(list(choices.schedulers), value="Automatic", label="Schedule type", elem_id=f"{tab}_scheduler")
        steps = gr.Slider(1, 150, defaults.steps, step=1, label="Sampling steps", elem_id=f"{tab}_steps")
    return {"sampler": sampler, "scheduler": scheduler, "steps": steps}


def size(tab: str, defaults: Defaults) -> Fields:
    """Width and height with the button that swaps them, batch count and size."""
    with gr.Row():
        with gr.Column(scale=4, min_width=200):
            width = gr.Slider(64, 2048, defaults.width, step=8, label="Width", elem_id=f"{tab}_width")
            height = gr.Slider(64, 2048, defaults.height, step=8, label="Height", elem_id=f"{tab}_height")
        swap = gr.Button("⇅", elem_id=f"{tab}_res_switch_btn", elem_classes=["tool"])
        with gr.Column(scale=4, min_width=200):
            count = gr.Slider(1, 100, 1, step=1, label="Batch count", elem_id=f"{tab}_batch_count")
            batch = gr.Slider(1, 8, 1, step=1, label="Batch size", elem_id=f"{tab}_batch_size")
    swap.click(lambda w, h: (h, w), [width, height], [width, height], **supported(swap.click, queue=False, show_progress="hidden"))
    return {"width": width, "height": height, "n_iter": count, "batch_size": batch}


def guidance(tab: str, defaults: Defaults) -> tuple[Fields, Any]:
    """CFG scale and seed, and the button that brings the last seed back."""
    with gr.Row():
        cfg = gr.Slider(1, 30, defaults.cfg, step=0.5, label="CFG scale", elem_id=f"{tab}_cfg_scale")
        seed = gr.Number(-1, label="Seed", elem_id=f"{tab}_seed", precision=0, min_width=120)
        again = gr.Button("⚄", elem_id=f"{tab}_random_seed", elem_classes=["tool"])
        reuse = gr.Button("♻", elem_id=f"{tab}_reuse_seed", elem_classes=["tool"])
    again.click(lambda: -1, [], [seed], **supported(again.click, queue=False, show_progress="hidden"))
    return {"cfg_scale": cfg, "seed": seed}, reuse


def hires(tab: str) -> Fields:
    """The hires pass."""
    with gr.Accordion("Hires. fix", open=False, elem_id=f"{tab}_hr"):
        enable = gr.Checkbox(False, label="Enable hires. fix", elem_id=f"{tab}_enable_hr")
        with gr.Row():
            upscaler = gr.Dropdown([*LATENT_UPSCALERS, *PIXEL_UPSCALERS], value="Latent", label="Upscaler", elem_id=f"{tab}_hr_upscaler")
            steps = gr.Slider(0, 150, 0, step=1, label="Hires steps (0: same)", elem_id=f"{tab}_hires_steps")
        with gr.Row():
            scale = gr.Slider(1, 4, 2, step=0.05, label="Upscale by", elem_id=f"{tab}_hr_scale")
            denoising = gr.Slider(0, 1, 0.7, step=0.01, label="Denoising strength", elem_id=f"{tab}_denoising_strength")
        prompt = gr.Textbox("", label="Hires prompt", elem_id="hires_prompt", lines=2, placeholder="empty: the main prompt")
        negative = gr.Textbox(
            "", label="Hires negative prompt", elem_id="hires_neg_prompt", lines=1, placeholder="empty: the main negative prompt"
        )
    return {
        "enable_hr": enable, "hr_upscaler": upscaler, "hr_second_pass_steps": steps, "hr_scale": scale,
        "denoising_strength": denoising, "hr_prompt": prompt, "hr_negative_prompt": negative,
    }  # fmt: skip


def upload(label: str, elem_id: str, mode: str) -> Any:
    """An image field that takes files only: no webcam."""
    return gr.Image(
        label=label, elem_id=elem_id, type="pil", image_mode=mode, interactive=True, height=300,
        **supported(gr.Image, sources=["upload", "clipboard"], source="upload"),
    )  # fmt: skip


def source(tab: str) -> Fields:
    """The picture of img2img, the mask of what is to be made anew, and what happens to them."""
    with gr.Row():
        image = upload("Picture", f"{tab}_image", "RGBA")
        mask = upload("Mask: white is made anew (optional)", "img_inpaint_mask", "RGBA")
    with gr.Row():
        resize = gr.Radio(
            ["Just resize", "Crop and resize", "Resize and fill"], value="Just resize", type="index",
            label="Resize mode", elem_id="resize_mode",
        )  # fmt: skip
        denoising = gr.Slider(0, 1, 0.75, step=0.01, label="Denoising strength", elem_id=f"{tab}_denoising_strength")
    with gr.Accordion("Inpainting", open=False):
        with gr.Row():
            fill = gr.Radio(
                ["fill", "original", "latent noise", "latent nothing"], value="original", type="index",
                label="Masked content", elem_id=f"{tab}_inpainting_fill",
            )  # fmt: skip
            area = gr.Radio(
                ["Whole picture", "Only masked"], value="Whole picture", type="index",
                label="Inpaint area", elem_id=f"{tab}_inpaint_full_res",
            )  # fmt: skip
        with gr.Row():
            blur = gr.Slider(0, 64, 4, step=1, label="Mask blur", elem_id=f"{tab}_mask_blur")
            padding = gr.Slider(0, 256, 32, step=4, label="Only masked padding, pixels", elem_id=f"{tab}_inpaint_full_res_padding")
    return {
        "image": image, "mask": mask, "resize_mode": resize, "denoising_strength": denoising,
        "inpainting_fill": fill, "inpaint_full_res": area, "mask_blur": blur, "inpaint_full_res_padding": padding,
    }  # fmt: skip


def number(key: str, kind: type = float) -> Reader:
    """Reads a number; what is none stays as it was."""

    def read(params: Params) -> Any:
        try:
            return kind(float(params[key]))
        except (KeyError, ValueError, OverflowError):
            return None

    return read


def text(key: str, default: str | None = None) -> Reader:
    """Reads a text."""
    return lambda params: params.get(key, default)


def has_hires(params: Params) -> bool:
    """Whether the picture was made with a hires pass."""
    return "Hires upscale" in params or "Hires resize" in params


READERS: dict[str, Reader] = {
    "prompt": text("Prompt", ""),
    "negative": text("Negative prompt", ""),
    "sampler": text("Sampler"),
    "scheduler": text("Schedule type", "Automatic"),
    "steps": number("Steps", int),
    "cfg_scale": number("CFG scale"),
    "seed": number("Seed", int),
    "width": number("Size-1", int),
    "height": number("Size-2", int),
    "denoising_strength": number("Denoising strength"),
    "enable_hr": has_hires,
    "hr_upscaler": text("Hires upscaler"),
    "hr_scale": number("Hires upscale"),
    "hr_second_pass_steps": lambda params: number("Hires steps", int)(params) or 0,
    "hr_prompt": text("Hires prompt", ""),
    "hr_negative_prompt": text("Hires negative prompt", ""),
    "mask_blur": number("Mask blur", int),
}
"""Name of a control -> how to read its value from the parameters of a picture; None leaves it as it is."""
