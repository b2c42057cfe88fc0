"""LoRAs per region in one UNet pass: y(p) = W x(p) + Σ_r ŵ'_r(p) · s_r · ΔW_r x(p).

Design, section 2: ŵ'_r is the region's own map, before the base share. A LoRA that several regions name is computed once, with its
strengths added up place by place. For any method: `load_networks` reads the files before sampling starts, `layer_hooks` puts the deltas
where a *placement* says: `ByPlace` by the regions' maps (one pass for all), `ByTag` on whole rows (one prediction per region).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor

from ...engine.calls import ModelCall, Place, Row, StepInfo, Tokens
from ...engine.hooks import LayerHook
from ...engine.plan import PassPlan, Plan
from ...engine.ports import Host
from ...request.errors import RegionalError, SettingsError, settings_error
from ...request.layout.windows import Grid
from ...request.prompt.lora_tags import LoraTag
from ...tensors.lora.deltas import LayerDelta, NetworkDeltas
from ...tensors.lora.low_rank import added, moved
from ...tensors.lora.stacked import (
    Factors,
    OnRows,
    add_on_rows,
    add_outer,
    factors_of_layers,
    inner_tokens,
    is_low_rank,
    on_rows,
    stacking_on_rows_pays,
    token_maps,
)
from ...tensors.masks.pyramid import Pyramid
from ...tensors.out_of_memory import go_on_smaller, is_out_of_memory
from .contexts import region_loras
from .lora_factors import ByTag, Isolation, LorasOf, NetworkKey, Placement, Strengths, key_of, on_tokens
from .lora_work import LoraWork

CONTEXT_LAYERS = tuple(f".{at}" for at in ("attn2.to_k", "attn2.to_v", *(f"cross_attn.{end}" for end in ("k_proj", "v_proj", "k", "v"))))
"""Layers whose input is a context, which has no place in the picture."""


class Networks:
    """The deltas of all LoRAs of a plan, by LoRA and layer."""

    def __init__(self, deltas: dict[NetworkKey, NetworkDeltas]) -> None:
        self._deltas = deltas
        self._moved: dict[tuple[NetworkKey, str, torch.device, torch.dtype], LayerDelta] = {}
        self._factors: dict[Hashable, Factors] = {}
        self._arranged: dict[Hashable, tuple[Tensor, Tensor]] = {}
        self._maps: dict[Hashable, Tensor] = {}
        self._together = True
        self.version = 0
        """Another number after each `renew`."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all layers that any LoRA changes."""
        return tuple(dict.fromkeys(name for deltas in self._deltas.values() for name in deltas))

    def renew(self, plan: Plan, host: Host) -> None:
        """Read everything anew for a model whose weights changed. Raises `RegionalError` if the LoRAs fit other layers now."""
        deltas = load_networks(plan, host)._deltas
        if {name for layers in deltas.values() for name in layers} - set(self.layers):
            raise RegionalError("The model was exchanged during sampling for one of another build: the regions' LoRAs cannot follow.")
        self._deltas = deltas
        self._moved.clear()
        self._factors.clear()
        self.version += 1

    def raw(self, key: NetworkKey, layer: str) -> LayerDelta | None:
        """The delta of one LoRA for one layer, as the host gave it."""
        return self._deltas[key].get(layer)

    def at(self, key: NetworkKey, layer: str, like: Tensor) -> LayerDelta | None:
        """The delta of one LoRA for one layer, on the device and in the precision of ``like``."""
        delta = self._deltas[key].get(layer)
        if delta is None:
            return None
        place = (key, layer, like.device, like.dtype)
        if place not in self._moved:
            self._moved[place] = moved(delta, like)
        return self._moved[place]

    def on_contexts(self, layer: str, loras: Sequence[Sequence[LoraTag]], x: Tensor, y: Tensor) -> Tensor:
        """``y`` (n, T, out) of a layer whose input is n contexts ``x`` (n, T, in), with the LoRAs that each of them has.

        Low-rank deltas of all contexts are computed together; whole weights one by one, and so is everything where memory does not suffice.
        """
        strengths = self._by_context(layer, loras)
        low = {key: here for key, here in strengths.items() if self._together and is_low_rank(self._deltas[key][layer])}
        done = y
        try:
            if low:
                done = self._stacked(layer, low, x, y)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._together, low = False, {}
            self._factors.clear()
            go_on_smaller("the LoRAs of all contexts at once were too much for the memory; going on with one after the other.")
        for key, values in strengths.items():
            if key not in low:
                delta, rows = self.at(key, layer, y), [row for row, value in enumerate(values) if value]
                assert delta is not None
                more = torch.cat([values[row] * added(delta, x[row : row + 1]) for row in rows])
                done = done.index_add(0, torch.tensor(rows, device=y.device), more.to(y.dtype))
        return done

    def _stacked(self, layer: str, low: dict[NetworkKey, list[float]], x: Tensor, y: Tensor) -> Tensor:
        """Low-rank LoRAs on all contexts x (n, T, in): each on every context, or each context with those that it has."""
        factors, strengths = self._factors_of(layer, tuple(low), y), tuple(map(tuple, low.values()))
        if not stacking_on_rows_pays(factors, strengths, x.shape[1], y.device.type, y.element_size()):
            return add_on_rows(x, y, self._rows(strengths, factors))
        name = (strengths, x.shape[1], factors.ranks, y.device, y.dtype)
        if name not in self._maps:
            flat = [torch.tensor(here).repeat_interleave(x.shape[1]) for here in strengths]
            self._maps[name] = token_maps(flat, factors.ranks).to(y.device, y.dtype)
        return add_outer(y, inner_tokens(x, factors.down, self._maps[name]), factors.up)

    def _factors_of(self, layer: str, keys: tuple[NetworkKey, ...], like: Tensor) -> Factors:
        """Factors of the LoRAs in one of the layers that read contexts; those of all these layers are made together."""
        name = (layer, keys, like.device, like.dtype)
        if name not in self._factors:
            beside = {
                one: [self._deltas[key].get(one) for key in keys] for one in self.layers if one.endswith(CONTEXT_LAYERS) or one == layer
            }
            alike = {one: [d for d in deltas if d is not None] for one, deltas in beside.items() if all(map(_is_stackable, deltas))}
            made = factors_of_layers(alike, like)
            self._factors.update(((one, keys, like.device, like.dtype), factors) for one, factors in made.items())
        return self._factors[name]

    def _by_context(self, layer: str, loras: Sequence[Sequence[LoraTag]]) -> dict[NetworkKey, list[float]]:
        """Strength of every LoRA that changes ``layer``, by context; LoRAs without any are left out."""
        found: dict[NetworkKey, list[float]] = {}
        for number, tags in enumerate(loras):
            for lora in tags:
                if lora.unet and layer in self._deltas[key_of(lora)]:
                    found.setdefault(key_of(lora), [0.0] * len(loras))[number] += lora.unet
        return found

    def _rows(self, strengths: tuple[tuple[float, ...], ...], factors: Factors) -> OnRows:
        """`on_rows`; layers with the same LoRAs and ranks share what depends on these alone."""
        name = (strengths, factors.ranks, factors.down.device, factors.down.dtype)
        if name not in self._arranged:
            made = on_rows(factors, [torch.tensor(here) for here in strengths])
            self._arranged[name] = made.index, made.scale
        return OnRows(factors, *self._arranged[name])


def _is_stackable(delta: LayerDelta | None) -> bool:
    return delta is not None and is_low_rank(delta)


def load_networks(plan: Plan, host: Host) -> Networks:
    """The deltas of every LoRA that an enabled region of the plan names.

    Raises `SettingsError` that names file and region for one that cannot be used; to be called before sampling starts.
    """
    return load_loras(
        host, [(lora, f"regions[{region}].prompt", plan.layout.regions[region].label(region)) for region, lora in _named(plan)]
    )


def load_loras(host: Host, loras: Sequence[tuple[LoraTag, str, str]]) -> Networks:
    """Deltas of LoRAs, each named with its field and its place in the user's terms."""
    deltas: dict[NetworkKey, NetworkDeltas] = {}
    for lora, path, where in loras:
        if key_of(lora) in deltas:
            continue
        try:
            deltas[key_of(lora)] = host.loras([lora])[0]
        except SettingsError:
            raise
        except RegionalError as error:
            raise settings_error(path, str(lora), "a LoRA that this model can use", where=where, text=str(error)) from error
    return Networks(deltas)


def _named(plan: Plan) -> Iterator[tuple[int, LoraTag]]:
    for part in (plan.first, plan.hires):
        for texts in part.texts if part is not None else ():
            for index, region in enumerate(plan.layout.regions):
                yield from ((index, lora) for lora in region_loras(texts, index) if region.enabled)


class ByPlace:
    """Regions' LoRAs in the regions' places, on conditional and unconditional rows alike, as hosts mean LoRAs."""

    whole_rows = False

    def __init__(self, plan: Plan, pyramid: Pyramid) -> None:
        self._plan = plan
        self._pyramid = pyramid

    def state(self, model: ModelCall) -> Hashable:
        """See `Placement`."""
        return (self._plan.active(model.step), model.step.hires, model.latent, model.tile, tuple(row.image for row in model.rows))

    def strengths(self, model: ModelCall, place: Place) -> Strengths:
        """See `Placement`. A layer without a place takes every LoRA by its share of the canvas, and so do tokens of other pictures; a
        text has its own LoRAs."""
        if isinstance(place, Tokens):
            return {key: on_tokens(key, here, place) for key, here in self._on_grid(model, place.grid).items()}
        return self._on_grid(model, place)

    def _on_grid(self, model: ModelCall, grid: Grid | None) -> Strengths:
        images = {row.image: self._of_image(model, row.image, grid) for row in model.rows}
        keys = dict.fromkeys(key for found in images.values() for key in found)
        none = torch.zeros(grid or ())
        return {key: torch.stack([images[row.image].get(key, none) for row in model.rows]) for key in keys}

    def _of_image(self, model: ModelCall, image: int, grid: Grid | None) -> dict[NetworkKey, Tensor]:
        """Strength of every LoRA of one picture, (h, w) on ``grid`` or one number."""
        active, part = self._plan.active(model.step), self._plan.pass_of(model.step)
        maps, found = self._maps(active, part, image, model, grid), dict[NetworkKey, Tensor]()
        for region in active:
            for lora in region_loras(part.texts[image], region):
                here = maps[region] * lora.unet if grid is not None else maps[region].mean() * lora.unet
                known = found.get(key_of(lora))
                found[key_of(lora)] = here if known is None else known + here
        return found

    def _maps(self, active: tuple[int, ...], part: PassPlan, image: int, model: ModelCall, grid: Grid | None) -> Tensor:
        return self._pyramid.at(active, model.latent, grid or model.latent, part.texts[image].weights, model.tile, image).share


def loras_of_regions(plan: Plan) -> LorasOf:
    """LoRAs of rows marked ``("region", number)``: those of that region of the row's image. Other marks have none."""

    def loras_of(tag: Hashable, row: Row, step: StepInfo) -> Sequence[LoraTag]:
        if not isinstance(tag, tuple) or tag[:1] != ("region",):
            return ()
        return region_loras(plan.pass_of(step).texts[row.image], tag[1])

    return loras_of


def layer_hooks(
    networks: Networks, placement: Placement, *, contexts: bool = True, isolation: Isolation | None = None
) -> dict[str, LayerHook]:
    """Hooks for `ports.Hooks.layers` that add the LoRAs' deltas where ``placement`` says.

    ``contexts`` False leaves out the layers that read the context, for methods that project their contexts themselves
    (`Networks.on_contexts`).
    """
    names = [name for name in networks.layers if contexts or not name.endswith(CONTEXT_LAYERS)]
    return dict.fromkeys(names, LoraWork(networks, placement, isolation, names))


def row_hooks(networks: Networks, plan: Plan) -> dict[str, LayerHook]:
    """Hooks for regions that are rows of their own, marked ``("region", number)``: each row has its region's LoRAs, everywhere."""
    return tagged_hooks(networks, loras_of_regions(plan))


def tagged_hooks(networks: Networks, loras_of: LorasOf) -> dict[str, LayerHook]:
    """Hooks that apply the LoRAs of a row's mark to the whole row, contexts included; rows of other marks stay as they are."""
    return layer_hooks(networks, ByTag(loras_of))
