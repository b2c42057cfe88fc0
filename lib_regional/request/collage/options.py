"""Options of collage refine, and the denoising strength of every region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..fields import Choice, Colour, Field, Number

if TYPE_CHECKING:
    from ..methods.scene import MethodSettings

COLLAGE_FIELDS: Mapping[str, Field] = {
    "denoise": Number("Denoising strength inside regions without one of their own; 0 keeps the collage's pixels.", 0.5),
    "outside": Number(
        "Denoising strength outside the regions; null: that of img2img, in txt2img the one inside the regions.", None, optional=True
    ),
    "colour": Colour("Colour (#rrggbb) on which the pictures are laid in txt2img; null: a picture that is made first.", None),
    "by": Choice(
        "How the regions' prompts act while the collage is refined.",
        "attention_couple",
        ("attention_couple", "latent_couple", "latent_composite", "rag"),
    ),
}
"""Options of collage refine."""


def base_is_made(settings: MethodSettings) -> bool:
    """Whether txt2img makes a picture before the collage is laid."""
    return settings.option_of("collage")("colour") is None


def strengths_of(settings: MethodSettings, given: float | None) -> tuple[list[float], float]:
    """(denoising strength inside every region, strength outside); ``given`` is that of img2img, None in txt2img."""
    option = settings.option_of("collage")
    inside = float(option("denoise"))
    outside = next(float(one) for one in (option("outside"), given, inside) if one is not None)
    return [inside if region.denoise is None else region.denoise for region in settings.layout().regions], outside


def highest_strength(settings: MethodSettings, given: float | None) -> float:
    """The strongest denoising anywhere, outside the regions too."""
    inside, outside = strengths_of(settings, given)
    return max([outside, *(one for one, region in zip(inside, settings.layout().regions, strict=True) if region.enabled)])
