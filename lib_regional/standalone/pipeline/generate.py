"""One generation from parameters to pictures, with the scripts called in the WebUI's order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..controlnet.running import controlled
from ..scripts.script import PostprocessBatchListArgs, PostprocessImageArgs, PostprocessMaskOverlayArgs, PostSampleArgs
from . import pictures
from .infotext import create_infotext
from .processed import Processed
from .processing import StableDiffusionProcessing


def process_images(p: StableDiffusionProcessing) -> Processed:
    """Generate the pictures of ``p``. Errors of sampling are raised; errors of script methods are only logged."""
    if p.scripts is not None:
        p.scripts.before_process(p)
    overrides = p.override_settings or {}
    with p.host.options.overridden(overrides, p.override_settings_restore_afterwards), torch.no_grad():
        p.model.clip_skip = p.host.options.CLIP_stop_at_last_layers or 1
        return _process(p)


def _process(p: StableDiffusionProcessing) -> Processed:
    p.setup_prompts()
    p.setup_seeds()
    if p.scripts is not None:
        p.scripts.process(p)
    p.init(p.all_prompts, p.all_seeds, p.all_subseeds)
    with controlled(p):
        return _batches(p)


def _batches(p: StableDiffusionProcessing) -> Processed:
    state = p.host.state
    if state.job_count == -1:
        state.job_count = p.n_iter
    images: list[Image.Image] = []
    infotexts: list[str] = []
    for number in range(p.n_iter):
        state.skipped = False
        if state.interrupted or state.stopping_generation:
            break
        for image, text in _batch(p, number):
            images.append(image)
            infotexts.append(text)
    result = _processed(p, images, infotexts)
    if p.scripts is not None:
        p.scripts.postprocess(p, result)
    return result


def _processed(p: StableDiffusionProcessing, images: list[Image.Image], infotexts: list[str]) -> Processed:
    first = 0
    main = create_infotext(p, p.all_prompts, p.all_seeds, p.all_subseeds, use_main_prompt=True)
    if p.host.options.return_grid and not p.do_not_save_grid and len(images) > 1:
        grid = pictures.image_grid(images)
        grid.info["parameters"] = main
        images, infotexts, first = [grid, *images], [main, *infotexts], 1
    return Processed(
        p,
        images,
        p.all_seeds[0],
        infotexts[0] if infotexts else main,
        subseed=p.all_subseeds[0],
        index_of_first_image=first,
        infotexts=infotexts,
    )


def _batch(p: StableDiffusionProcessing, number: int) -> list[tuple[Image.Image, str]]:
    """Pictures and infotexts of one batch."""
    p.setup_batch(number)
    batch: dict[str, Any] = {"batch_number": number, "prompts": p.prompts, "seeds": p.seeds, "subseeds": p.subseeds}
    if p.scripts is not None:
        p.scripts.before_process_batch(p, **batch)
    if not p.prompts:
        return []
    p.parse_extra_network_prompts()
    try:
        return _with_networks(p, number, batch)
    finally:
        p.model.loras.deactivate()


def _with_networks(p: StableDiffusionProcessing, number: int, batch: dict[str, Any]) -> list[tuple[Image.Image, str]]:
    p.activate_networks(p.extra_network_data)
    batch["prompts"] = p.prompts
    if p.scripts is not None:
        p.scripts.after_extra_networks_activate(p, **batch, extra_network_data=p.extra_network_data)
        p.scripts.process_batch(p, **batch)
    p.setup_conds()
    if p.n_iter > 1:
        p.host.state.job = f"Batch {number + 1} out of {p.n_iter}"
    samples = p.sample(
        conditioning=p.c,
        unconditional_conditioning=p.uc,
        seeds=p.seeds,
        subseeds=p.subseeds,
        subseed_strength=p.subseed_strength,
        prompts=p.prompts,
    )
    p.host.state.check_server()
    p.note_loras()
    decoded = _decoded(p, samples)
    p.host.state.nextjob()
    return _finished(p, decoded, number)


def _decoded(p: StableDiffusionProcessing, samples: Tensor) -> Tensor:
    """Latents -> pictures (B,3,H,W) in 0..1."""
    if p.scripts is not None:
        args = PostSampleArgs(samples)
        p.scripts.post_sample(p, args)
        samples = args.samples
    if not bool(torch.isfinite(samples).all()):
        raise RuntimeError("The model produced NaN or infinite values; no picture was made.")
    return ((p.model.decode(samples) + 1) / 2).clamp(0, 1)


def _finished(p: StableDiffusionProcessing, decoded: Tensor, number: int) -> list[tuple[Image.Image, str]]:
    batch = list(decoded)
    if p.scripts is not None:
        p.scripts.postprocess_batch(p, decoded, batch_number=number)
    p.restore_prompts(number)
    if p.scripts is not None:
        args = PostprocessBatchListArgs(list(decoded))
        p.scripts.postprocess_batch_list(p, args, batch_number=number)
        batch = args.images
    done = []
    for index, tensor in enumerate(batch):
        p.batch_index = index
        image = _composited(p, pictures.to_pil(tensor), index)
        text = create_infotext(p, p.prompts, p.seeds, p.subseeds, index=index, all_negative_prompts=p.negative_prompts)
        image.info["parameters"] = text
        _save(p, image, p.seeds[index])
        done.append((image, text))
    return done


def _composited(p: StableDiffusionProcessing, image: Image.Image, index: int) -> Image.Image:
    """One picture after the scripts, with inpainting's untouched area composited over it."""
    original = p.overlay_images[index] if p.overlay_images and index < len(p.overlay_images) else None
    if p.scripts is None:
        return pictures.overlay(image, original, p.paste_to)
    args = PostprocessImageArgs(image, index)
    p.scripts.postprocess_image(p, args)
    mask = PostprocessMaskOverlayArgs(index, p.mask_for_overlay, original)
    p.scripts.postprocess_maskoverlay(p, mask)
    args = PostprocessImageArgs(pictures.overlay(args.image, mask.overlay_image, p.paste_to), index)
    p.scripts.postprocess_image_after_composite(p, args)
    image = args.image
    return image


def _save(p: StableDiffusionProcessing, image: Image.Image, seed: int) -> None:
    if p.do_not_save_samples or not p.outpath_samples:
        return
    options = p.host.options
    pictures.save(image, Path(p.outpath_samples), seed, options.samples_format, options.jpeg_quality)
