"""One generation that edits: both trajectories, attention control, guidance, and the inherent lock, as hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...engine.calls import DenoiserCall, StepInfo, UNetCall
from ...engine.capabilities import EditingHost
from ...engine.hooks import Hooks, PictureHook
from ...engine.plan import Plan
from ...request.edit.pairing import INHERENT, Pair, edited_shapes
from ...request.layout.windows import Grid
from ...tensors.device_copies import Moved
from ...tensors.guidance.alignment import reweight
from ...tensors.guidance.metrics import inherent_area
from ...tensors.masks.weight_maps import raster_scale, region_mask
from .choice import Positions
from .control import Control, Rule
from .guide import Guidance, Weights, differentiable
from .inversion import Inverted
from .keywords import Keywords
from .rows import RegionWise
from .rules import Rules
from .scenes import Scenes
from .sides import BASE, Key, Side, Tag, is_base_reworded, total_text
from .texts import Texts
from .trajectory import Conversion, Source, find_conversion

KEYWORDS = "Regional keywords"
"""Of the infotext."""

LOCKED = 0.5
"""Share of a cell that must lie in the inherent area, feather excluded, for the lock to hold it: cells have no finer border."""
_UNTOUCHED = 0.999


@dataclass(frozen=True)
class Options:
    """What an edit does beside region-wise denoising."""

    control: bool = True
    tau: float = 0.5
    tau_own: float = 0.25
    self_until: float = 0.0
    reweight: Mapping[str, float] | None = None
    weights: Weights | None = None
    guided: float = 1.0
    lock: bool = False
    lock_picture: bool = True
    gain: float = 1.0

    @property
    def uses_keywords(self) -> bool:
        """Whether anything follows the keywords: a loss, or self-attention."""
        return self.gain != 1 or (self.weights is not None and self.weights.uses_maps)


class Edit:
    """State of one generation. Without a source it is region-wise denoising of the target alone."""

    def __init__(
        self,
        host: EditingHost,
        target: Side,
        source: Side | None,
        pairs: tuple[Pair, ...],
        texts: Texts,
        options: Options,
        keywords: tuple[Keywords, ...] = (),
        scenes: Scenes | None = None,
        invert: Callable[[DenoiserCall], Inverted] | None = None,
    ) -> None:
        self._host = host
        self._sides = tuple(side for side in (source, target) if side is not None)
        self._target, self._source, self._pairs, self._texts = target, source, pairs, texts
        self._options, self._keywords, self._scenes = options, keywords, scenes
        self.trajectory = Source()
        self.rows = RegionWise(self._sides, texts, self._unconditional)
        self._invert = invert
        self._inverted: Inverted | None = None
        self._step = StepInfo(0, 1)
        self._convert: Conversion | None = None
        self._areas: dict[Grid, Tensor] = {}
        self._held: dict[Grid, Tensor] = {}
        self._moved = Moved()
        self._scales: dict[tuple[str, int], Tensor] = {}
        self._steady: dict[Grid, Tensor] = {}
        until = options.tau, options.tau_own, options.self_until
        self._rules = Rules(source or target, target, pairs, texts, self.steady_area, *until)
        self._guidance = None if options.weights is None else Guidance(options.weights, options.guided)
        self.control = Control(options.gain, bool(keywords), keywords=self._keyword_positions, scales=self._scale)

    def hooks(self) -> Hooks:
        """The hooks of this generation."""
        return Hooks(
            cross_attention=self.control.cross,
            self_attention=self.control.self_attention,
            unet=self._unet,
            denoiser=self._denoise,
            close=self.control.close,
            infotext_fields=self._infotext_fields,
            finish=self._finish if self._source is not None and self._options.lock and self._options.lock_picture else None,
        )

    def _infotext_fields(self) -> dict[str, str]:
        """The keywords of the target's regions, those of the first image; and where guidance ended early."""
        self.trajectory.check()
        ended = {} if self._guidance is None else self._guidance.infotext_fields()
        ours = next((words for words in self._keywords if words.side is self._target), None)
        if ours is None or not self._options.uses_keywords:
            return ended
        active = self._target.active(0, self._step)
        return {KEYWORDS: "; ".join(f"{region + 1}: {' '.join(ours.of(0, region, self._step))}" for region in active), **ended}

    def _unet(self, call: UNetCall) -> Tensor:
        self.control.begin_call()
        return self.rows(call)

    def _denoise(self, call: DenoiserCall) -> Tensor:
        self._step = call.step
        self.control.begin_step(call.step, self._rules_at(call.step))
        self.rows.noise.clear()
        if self._source is None:
            clean = call.run()
            self._learn(call.step)
            return clean
        own = self._begun(call) if self._invert is not None and self._inverted is None else self.trajectory.arrive(call)
        self.rows.latents = {self._source.name: own / (call.alpha**2 + call.beta**2) ** 0.5}
        clean = call.run()
        source, clean = self._along(call, self._source_clean(call, own, clean), clean)
        self._learn(call.step)
        clean = self._locked(self._guided(call, clean, source), source)
        self.trajectory.leave(call, source, clean)
        return clean

    def _begun(self, call: DenoiserCall) -> Tensor:
        """The inverted source (B, C, H, W). The target begins with it too, but in the changed places with the sampler's noise.

        What inversion finds is no pure noise: it still holds the objects of the picture with their colours (Parmar et al. 2023).
        """
        assert self._invert is not None
        fresh, self._inverted = call.x.clone(), self._invert(call)
        call.x.copy_(self._inverted.start)
        own = self.trajectory.arrive(call)
        kept = self.area((call.x.shape[-2], call.x.shape[-1])).to(call.x.device) >= LOCKED
        call.x.copy_(torch.where(kept, call.x, fresh))
        return own

    def _along(self, call: DenoiserCall, source: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Clean predictions (B, C, H, W) with what the inversion found them to lack: source's, and target's where it is the same."""
        left = None if self._inverted is None else self._inverted.leftover(call.step.index)
        if left is None:
            return source, clean
        area = self._moved(self.area((clean.shape[-2], clean.shape[-1])), clean)
        return source + left.to(source), clean + left.to(clean) * area

    def _unconditional(self, side: str, key: Key, image: int, step: int) -> Tensor | None:
        """What inversion found for the source's region, which an inherent region of the target uses too."""
        if self._inverted is None:
            return None
        if side == "target" and isinstance(key, int):
            theirs = self._partner(key)
            return None if theirs is None else self._inverted.context(image, step, theirs)
        return self._inverted.context(image, step, key)

    def _partner(self, region: Key) -> int | None:
        """The source's region that an inherent ``region`` of the target is; None for changed regions and what is none."""
        return next((pair.source for pair in self._pairs if pair.target == region and pair.kind == INHERENT), None)

    def _source_clean(self, call: DenoiserCall, own: Tensor, clean: Tensor) -> Tensor:
        """The source's clean prediction (B, C, H, W) after guidance, from what the UNet hook kept."""
        if self._convert is None:
            combined = self._combined("target", call)
            self._convert = find_conversion(call.x.to(combined), combined, clean.to(combined), call.alpha, call.beta)
        output = self._combined("source", call)
        return self._convert(own, output.to(own), call.alpha, call.beta)

    def _combined(self, side: str, call: DenoiserCall) -> Tensor:
        images = range(call.x.shape[0])
        cond = torch.stack([self.rows.noise[side, image, "cond"] for image in images])
        if (side, 0, "uncond") not in self.rows.noise:
            return cond
        uncond = torch.stack([self.rows.noise[side, image, "uncond"] for image in images])
        return uncond + (cond - uncond) * call.step.cfg_scale

    def _learn(self, step: StepInfo) -> None:
        for keywords in self._keywords:
            keywords.learn(self.control.maps, step)

    def _guided(self, call: DenoiserCall, clean: Tensor, source: Tensor) -> Tensor:
        guidance = self._guidance
        if guidance is None or self._scenes is None or not guidance.acts(call.step):
            return clean
        area, done = self._moved(self.area((clean.shape[-2], clean.shape[-1])), clean), []
        with differentiable():
            for image, (ours, theirs) in enumerate(zip(clean.clone(), source.clone(), strict=True)):
                scene = self._scenes.scene(image, ours, theirs, area.clone(), self.control.maps, call.step)
                done.append(guidance.step(ours, scene, call.alpha, call.beta, call.step))
        return torch.stack(done)

    def _locked(self, clean: Tensor, source: Tensor) -> Tensor:
        if not self._options.lock:
            return clean
        held = self._locked_cells((clean.shape[-2], clean.shape[-1]))
        return torch.where(self._moved(held, clean) > 0, source, clean)

    def _locked_cells(self, latent: Grid) -> Tensor:
        if latent not in self._held:
            assert self._source is not None
            self._held[latent] = locked_cells(self._pairs, self._source.plan, self._target.plan, latent)
        return self._held[latent]

    def _finish(self, latents: Tensor) -> PictureHook | None:
        """Equal latents do not decode to equal pixels: decoders normalise over the whole picture. So the lock holds the pixels too."""
        source = self.trajectory.final(latents)
        if source is None:
            return None

        def lock(pictures: Tensor) -> Tensor:
            with torch.no_grad():
                theirs = ((self._host.decode(source) + 1) / 2).clamp(0, 1).to(pictures)
            return pictures + self.area((pictures.shape[-2], pictures.shape[-1])).to(pictures) * (theirs - pictures)

        return lock

    def area(self, latent: Grid) -> Tensor:
        """The inherent area 𝓜 (H, W) on the latent's grid: 1 where no edited region reaches, feather included."""
        if latent not in self._areas:
            assert self._source is not None
            self._areas[latent] = area_of(self._pairs, self._source.plan, self._target.plan, latent)
        return self._areas[latent]

    def steady_area(self, grid: Grid) -> Tensor:
        """Where nothing was added or removed (h, w), on the grid of an attention layer of the whole picture."""
        if grid not in self._steady:
            assert self._source is not None
            moved = tuple(pair for pair in self._pairs if pair.source is None or pair.target is None)
            self._steady[grid] = area_of(moved, self._source.plan, self._target.plan, grid, texts=False)
        return self._steady[grid]

    def _keyword_positions(self, tag: Tag) -> list[int] | Positions:
        """Of the keywords that self-attention follows. What comes out of an inversion has to be predicted as the inversion did: without."""
        if self._inverted is not None and (tag.side == "source" or self._partner(tag.key) is not None):
            return []
        side = next((k for k in self._keywords if k.side.name == tag.side), None)
        return side.own_positions(tag, self._step) if side is not None else []

    def _scale(self, tag: Tag, length: int) -> Tensor | None:
        factors = self._options.reweight
        if not factors or tag.side != "target":
            return None
        own = self._target.plan.pass_of(self._step).texts[tag.image]
        text = own.base if tag.key == BASE else own.regions[tag.key] if isinstance(tag.key, int) else total_text(own, self._active(tag))
        if (text, length) not in self._scales:
            self._scales[text, length] = reweight(self._texts.tokens(text), factors, length)
        return self._scales[text, length]

    def _active(self, tag: Tag) -> tuple[int, ...]:
        return self._target.active(tag.image, self._step)

    def _rules_at(self, step: StepInfo) -> Mapping[Key, Rule]:
        if self._source is None or not self._options.control:
            return {}
        return self._rules.at(step)


def area_of(pairs: tuple[Pair, ...], source: Plan, target: Plan, latent: Grid, *, texts: bool = True) -> Tensor:
    """The inherent area (H, W) of an edit on a grid. With ``texts``, a re-worded base leaves only the inherent regions' own places."""
    scale = raster_scale(*latent)
    return _reduced(_fine_area(pairs, source, target, (latent[0] * scale, latent[1] * scale), texts=texts), scale)


def locked_cells(pairs: tuple[Pair, ...], source: Plan, target: Plan, latent: Grid) -> Tensor:
    """(H, W) bool: the cells that the lock holds, those of the inherent area eroded by the feather."""
    scale = raster_scale(*latent)
    fine = _fine_area(pairs, source, target, (latent[0] * scale, latent[1] * scale))
    return _reduced((fine >= _UNTOUCHED).float(), scale) >= LOCKED


def _reduced(fine: Tensor, scale: int) -> Tensor:
    return torch.nn.functional.avg_pool2d(fine[None, None], scale)[0, 0] if scale > 1 else fine


def _fine_area(pairs: tuple[Pair, ...], source: Plan, target: Plan, size: Grid, *, texts: bool = True) -> Tensor:
    def masks(these: Sequence[Any]) -> Tensor:
        drawn = [region_mask(region, *size) for region in these]
        return torch.stack(drawn) if drawn else torch.zeros(0, *size)

    area = inherent_area(masks(edited_shapes(pairs, source.layout.regions, target.layout.regions)))
    if texts and is_base_reworded(source, target):
        kept = [target.layout.regions[pair.target] for pair in pairs if pair.kind == INHERENT and pair.target is not None]
        area = area * (1 - inherent_area(masks(kept)))
    return area
