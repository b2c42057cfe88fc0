"""The base class of scripts, and the arguments of its methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class _AlwaysVisible:
    """What ``Script.show`` returns for a script that takes part in every generation."""

    def __repr__(self) -> str:
        return "AlwaysVisible"


AlwaysVisible = _AlwaysVisible()


class PostprocessImageArgs:
    """One finished picture; ``image`` may be replaced."""

    def __init__(self, image: Any, index: int = 0) -> None:
        self.image = image
        self.index = index


class PostprocessMaskOverlayArgs:
    """Mask and overlay of inpainting, before compositing."""

    def __init__(self, index: int, mask_for_overlay: Any, overlay_image: Any) -> None:
        self.index = index
        self.mask_for_overlay = mask_for_overlay
        self.overlay_image = overlay_image


class PostprocessBatchListArgs:
    """The decoded pictures of a batch, tensors (3, H, W) in 0..1; the list may be changed."""

    def __init__(self, images: list[Any]) -> None:
        self.images = images


class PostSampleArgs:
    """The sampled latents; ``samples`` may be replaced."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples


class MaskBlendArgs:
    """Inpainting's blend in the denoiser; ``blended_latent`` is read back."""

    def __init__(
        self,
        current_latent: Any,
        nmask: Any,
        init_latent: Any,
        mask: Any,
        blended_latent: Any,
        denoiser: Any = None,
        sigma: Any = None,
    ) -> None:
        self.current_latent = current_latent
        self.nmask = nmask
        self.init_latent = init_latent
        self.mask = mask
        self.blended_latent = blended_latent
        self.denoiser = denoiser
        self.is_final_blend = denoiser is None
        self.sigma = sigma


@dataclass
class OnComponent:
    """A callback for a component, by element id."""

    component: Any


class Script:
    """Base class of scripts; every method does nothing unless overridden."""

    name: str | None = None
    section: str | None = None
    filename: str | None = None
    args_from: int | None = None
    args_to: int | None = None
    alwayson: bool = False
    is_txt2img: bool = False
    is_img2img: bool = False
    tabname: str | None = None
    group: Any = None
    create_group: bool = True
    infotext_fields: list[Any] | None = None
    paste_field_names: list[str] | None = None
    api_info: Any = None
    on_before_component_elem_id: list[tuple[str, Callable[..., Any]]] | None = None
    on_after_component_elem_id: list[tuple[str, Callable[..., Any]]] | None = None
    setup_for_ui_only = False
    controls: list[Any] | None = None
    sorting_priority = 0

    def title(self) -> str:
        """The script's name in lists and in the API."""
        raise NotImplementedError

    def ui(self, is_img2img: bool) -> Any:
        """Make and return the script's controls."""

    def show(self, is_img2img: bool) -> Any:
        """`AlwaysVisible`, or whether the script can be selected in this tab."""
        return True

    def run(self, p: Any, *args: Any) -> Any:
        """A selectable script's own generation."""

    def setup(self, p: Any, *args: Any) -> None:
        """Before anything else, when ``p`` gets its arguments."""

    def before_process(self, p: Any, *args: Any) -> None:
        """Very early."""

    def process(self, p: Any, *args: Any) -> None:
        """Before the first batch; prompts and seeds of all images are known."""

    def before_process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Before a batch's tags are parsed."""

    def after_extra_networks_activate(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """After a batch's extra networks are active."""

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Before a batch's prompts are encoded."""

    def process_before_every_sampling(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Before each pass, hires included; ``x``, ``noise``, ``c`` and ``uc`` are in ``kwargs``."""

    def before_hr(self, p: Any, *args: Any) -> None:
        """Before the hires pass."""

    def on_mask_blend(self, p: Any, mba: Any, *args: Any) -> None:
        """At inpainting's blend."""

    def post_sample(self, p: Any, ps: Any, *args: Any) -> None:
        """After sampling, before decoding."""

    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """After a batch is decoded; ``images`` (B, 3, H, W) in 0..1 are in ``kwargs``."""

    def postprocess_batch_list(self, p: Any, pp: Any, *args: Any, **kwargs: Any) -> None:
        """The same with a list that may be changed."""

    def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None:
        """For each picture."""

    def postprocess_maskoverlay(self, p: Any, ppmo: Any, *args: Any) -> None:
        """For each inpainted picture before the original is laid over it."""

    def postprocess_image_after_composite(self, p: Any, pp: Any, *args: Any) -> None:
        """For each picture when it is complete."""

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """At the end."""

    def before_component(self, component: Any, **kwargs: Any) -> None:
        """Before a component of the page is made."""

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """After a component of the page is made."""

    def describe(self) -> str:
        """A tooltip."""
        return ""

    def elem_id(self, item_id: Any) -> str:
        """An element id that no other script has."""
        words = "".join(letter if letter.isalnum() else "_" for letter in self.title().lower())
        tab = ("img2img" if self.is_img2img else "txt2img") + "_" if self.show(True) == self.show(False) else ""
        return f"script_{tab}{words}_{item_id}"
