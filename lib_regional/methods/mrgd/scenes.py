"""What guidance compares at a step: the regions' masks, their keywords' maps in both pictures, and the pictures themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...engine.calls import StepInfo
from ...engine.capabilities import EditingHost, GuidanceModel
from ...request.edit.pairing import INHERENT, Pair
from ...request.layout.windows import Grid
from ...tensors.device_copies import Moved
from ...tensors.guidance.segmentation import FittedMaps, LinearPictures
from .control import MapStore
from .guide import Scene, keyword_maps
from .keywords import Keywords
from .sides import Side

Maps = Callable[[Tensor], Tensor]


@dataclass
class Scenes:
    """Makes the `Scene` of an image at a step. ``model`` None is the `attention` guidance model."""

    host: EditingHost
    source: Side
    target: Side
    pairs: tuple[Pair, ...]
    source_words: Keywords
    target_words: Keywords
    model: GuidanceModel | None = None
    decodes: bool = False
    uses_maps: bool = True
    _linear: LinearPictures | None = field(default=None)
    moved: Moved = field(default_factory=Moved)

    def scene(self, image: int, ours: Tensor, theirs: Tensor, area: Tensor, maps: MapStore, step: StepInfo) -> Scene:
        """ours, theirs (C, H, W): the target's and the source's clean prediction; area (H, W)."""
        grid = (ours.shape[-2], ours.shape[-1])
        source, target = self.source.active(image, step), self.target.active(image, step)
        masks = self.moved(self.target.maps(image, step, grid)[0].share, ours)[list(target)].clone()
        pairs = [(source.index(p.source), target.index(p.target)) for p in self.pairs if p.source in source and p.target in target]
        kept = {pair.target for pair in self.pairs if pair.kind == INHERENT}
        changed = [at for at, region in enumerate(target) if region not in kept]
        picture = self._picture(torch.stack([theirs, ours]))
        own, fixed = self._maps(image, ours, theirs, grid, maps, step, picture) if self.uses_maps and target else (None, None)
        return Scene(theirs.float(), own, fixed, masks, area, pairs, changed, picture, picture(theirs.float()).detach())

    def _picture(self, latents: Tensor) -> Maps:
        """A latent (C, H, W) -> its picture (3, h, w), by the decoder or by one linear map fitted to it at the first step."""
        if self.decodes:
            return lambda z: self.host.decode(z[None])[0].float()
        if self._linear is None:
            self._linear = LinearPictures(latents.float(), self.host.decode(latents).float())
        linear = self._linear
        return lambda z: linear(z[None])[0]

    def _maps(
        self, image: int, ours: Tensor, theirs: Tensor, grid: Grid, maps: MapStore, step: StepInfo, picture: Maps
    ) -> tuple[Maps | None, Tensor | None]:
        if self.model is not None:
            return self._model_maps(image, theirs, grid, step, picture)
        found = [self._attention(words, side.name, image, grid, maps, step) for words, side in self._both()]
        if found[0] is None or found[1] is None:
            return None, None
        fitted = FittedMaps(ours[None].float(), found[1][None].to(ours).float())
        return fitted, found[0].to(ours).float()

    def _both(self) -> tuple[tuple[Keywords, Side], ...]:
        return (self.source_words, self.source), (self.target_words, self.target)

    def _attention(self, words: Keywords, side: str, image: int, grid: Grid, maps: MapStore, step: StepInfo) -> Tensor | None:
        total = maps.mean(side, image)
        if total is None:
            return None
        positions = [words.within(image, region, step, places) for region, places in words.total_positions(image, step).items()]
        return keyword_maps(total, positions, grid)

    def _model_maps(self, image: int, theirs: Tensor, grid: Grid, step: StepInfo, picture: Maps) -> tuple[Maps, Tensor]:
        assert self.model is not None
        model = self.model

        def seen(z: Tensor, words: Keywords, side: Side) -> Tensor:
            asked = [words.of(image, region, step) for region in side.active(image, step)]
            found = model(picture(z)[None], asked)
            return torch.nn.functional.interpolate(found, grid, mode="area")[0]

        with torch.no_grad():
            fixed = seen(theirs.float(), self.source_words, self.source)
        return lambda z: seen(z, self.target_words, self.target), fixed
