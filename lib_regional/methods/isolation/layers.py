"""Layers of one UNet pass in which parts of the canvas are kept apart, as far and as long as ``options.attention_couple`` says (`spans`).

What acts in a region alone changes a picture that is seen from everywhere: through the norms' mean and variance over the canvas, through
self-attention, through neighbouring cells. Here these layers see their own part of the canvas and what is the base's alone, which sees
all; in self-attention the places on both sides of a border may see each other too, so that the parts meet as one picture.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...engine.calls import AttentionCall, LayerCall, ModelCall, SpatialCall, StepInfo
from ...engine.plan import Plan
from ...request.layout.windows import Grid
from ...tensors.attention.isolation import Border, Parts, attend_apart, border_of, conv_apart, divided, norm_apart, parts_of
from ...tensors.attention.isolation_boxes import Boxes, back_from_boxes, boxes_of, conv_boxed, into_boxes
from ...tensors.attention.isolation_labels import Ranges, outputs_of
from ...tensors.attention.isolation_mask import (
    Batched,
    attend_batched,
    attend_masked,
    attention_mask,
    batched_of,
    batching_may_pay,
    cheapest_isolation,
)
from ...tensors.attention.isolation_norm import norm_gathered, norm_summed
from ...tensors.lora.deltas import LayerDelta, LayerKind
from ...tensors.lora.low_rank import added, whole
from ...tensors.masks.pyramid import Pyramid
from ...tensors.out_of_memory import go_on_smaller, is_out_of_memory
from .spans import KINDS, Kind, Span, Spans, labels_of

_LEVEL_OF = {"group_norm": 2, "conv": 3}
"""Kind of layer -> the level from which it is kept apart."""

_Made = TypeVar("_Made")


@dataclass
class _Stage:
    """Calls with the same labels: what was prepared of them, by grid and by layer; ``span`` is None where nothing is kept apart."""

    span: Span | None
    parts: dict[Grid, Parts | None] = field(default_factory=dict)
    ways: dict[Hashable, Tensor | Batched | None] = field(default_factory=dict)
    made: dict[Hashable, Any] = field(default_factory=dict)
    borders: dict[Hashable, Border] = field(default_factory=dict)
    boxes: dict[Hashable, Boxes | None] = field(default_factory=dict)
    marks: dict[Grid, Tensor | None] = field(default_factory=dict)
    labels: dict[Grid, Tensor] = field(default_factory=dict)
    divided: dict[Grid, bool] = field(default_factory=dict)

    def once(self, kind: str, grid: Grid, like: Tensor, make: Callable[[], _Made]) -> _Made:
        """What ``make`` gives, made for the first layer of its ``kind``, grid and precision."""
        name = (kind, grid, like.dtype)
        if name not in self.made:
            self.made[name] = make()
        found: _Made = self.made[name]
        return found


class Separation:
    """Hooks of one generation; `wanted`: whether there is anything to isolate."""

    def __init__(self, plan: Plan, pyramid: Pyramid, spans: Spans) -> None:
        self._plan = plan
        self._pyramid = pyramid
        self._spans = spans
        self._masks = True
        self._stages: dict[Hashable, _Stage] = {}
        self._numbers = Ranges()
        self._now: tuple[ModelCall, dict[Kind, _Stage]] | None = None
        self._of_first_row: tuple[ModelCall, ModelCall] | None = None
        self._in_boxes: tuple[str, ModelCall, Boxes] | None = None
        """The convolution whose input comes in boxes, in which call of the model."""

    @property
    def wanted(self) -> bool:
        """Whether anything is kept apart at any step."""
        return self._spans.level > 0

    def acts(self, step: StepInfo) -> bool:
        """Whether anything is kept apart at a step."""
        return any(self._spans.at(step, kind) is not None for kind in KINDS)

    @property
    def reaches_layers(self) -> bool:
        """Whether norms or convolutions are meant too."""
        return self._spans.level > 1

    def self_attention(self, call: AttentionCall) -> Tensor | None:
        """Self-attention within the parts and across their borders.

        Tokens that were merged or tiled belong to the part with the largest of their per-token attributes, and have no borders.
        """
        tokens = call.token_attributes
        parts = self._at(call.model, call.grid, call.x.device, "attention") if tokens is None else self._of_attributes(call)
        if parts is None:
            return None
        q, k, v = call.to_q(call.x), call.to_k(call.context), call.to_v(call.context)
        try:
            way = self._way(call, parts, q) if tokens is None and self._masks else None
            if isinstance(way, Batched):
                return call.out(attend_batched(q, k, v, way, call.heads, call.scale))
            if way is not None:
                return call.out(attend_masked(q, k, v, way, call.heads, call.scale))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._masks = False
            go_on_smaller(
                "self-attention of all parts at once was too much for the memory; going on with one part of the picture after the other."
            )
        return call.out(attend_apart(q, k, v, parts, call.heads, call.scale))

    def _way(self, call: AttentionCall, parts: Parts, q: Tensor) -> Tensor | Batched | None:
        """What is added to the scores of q (B, L, C), or the parts on the batch axis; None where a call for each group is cheaper."""
        stage = self._stage(call.model, "attention")
        name = (call.grid, q.shape[-1], q.dtype)
        if name not in stage.ways:
            labels, reach = self._labels(call.model, call.grid, "attention"), _reach(stage.span, call.grid)
            may_pay = batching_may_pay(labels, q.shape[-1], q.device.type, q.element_size())
            batched = stage.once("batched", call.grid, q, lambda: batched_of(labels, reach, q.device, q.dtype)) if may_pay else None
            found = cheapest_isolation(parts, batched, len(q), q.shape[1], q.shape[-1], q.device.type, q.element_size())
            if found == "masked":
                stage.ways[name] = stage.once("mask", call.grid, q, lambda: attention_mask(labels, reach, q.device, q.dtype))
            else:
                stage.ways[name] = batched if found == "batched" else None
        return stage.ways[name]

    def token_attributes(self, model: ModelCall, grid: Grid) -> Tensor | None:
        """One column for each part, 1 where a token is of it, see `Hooks.token_attributes`; the last columns of all attributes."""
        stage = self._stage(model, "attention")
        if stage.span is None:
            return None
        marks = stage.marks
        if grid not in marks:
            labels = self._labels(model, grid, "attention")
            marks[grid] = F.one_hot(labels.flatten(1)).float() if divided(labels) else None
        return marks[grid]

    def _of_attributes(self, call: AttentionCall) -> Parts | None:
        own = self.token_attributes(call.model, call.grid)
        if own is None or call.token_attributes is None:
            return None
        labels = call.token_attributes[..., -own.shape[-1] :].float().argmax(-1)[:, None].cpu()
        return parts_of(labels, call.x.device) if divided(labels) else None

    def spatial(self, call: SpatialCall) -> Tensor | None:
        """Norms with numbers of each part's own, convolutions that see zeros beyond their part.

        Where a convolution follows a norm and the parts fill boxes, the norm's output stays in boxes on the batch axis until then.
        """
        if self._in_boxes is not None and self._in_boxes[:2] == (call.name, call.model):
            (*_, boxes), self._in_boxes = self._in_boxes, None
            return back_from_boxes(call.run(call.x), boxes)
        self._in_boxes = None
        if not self._divides(call.model, call.layer.kind):
            return None
        if len(call.x) != len(call.model.rows):
            call = self._of_rows(call)
        outputs = outputs_of(call.layer, call.kernel, (call.x.shape[-2], call.x.shape[-1]))
        if call.layer.kind == "conv":
            return self._conv(call, outputs) if self._divided(call.model, outputs) else None
        parts = self._at(call.model, outputs, call.x.device)
        if parts is None:
            return None
        boxes_of_conv = self._boxes_behind(call)
        if boxes_of_conv is not None:
            assert call.feeds is not None
            self._in_boxes = (call.feeds.name, call.model, boxes_of_conv)
            return call.run(into_boxes(call.x, boxes_of_conv))
        if parts.gather is None:
            return norm_summed(call.x, call.weights(call.run(call.x)), *parts.sums())
        return norm_gathered(call.x, parts.gather, lambda here: call.run(here[..., None])[..., 0])

    def _of_rows(self, call: SpatialCall) -> SpatialCall:
        """The call with as many inputs as its model has rows: a picture that all of them share (a ControlNet's) is one input.

        Where all rows have the same parts it stays one.
        """
        model = call.model
        labels = self._labels(model, model.latent)
        if bool((labels != labels[:1]).any()):
            return replace(call, x=call.x.expand(len(model.rows), -1, -1, -1))
        if self._of_first_row is None or self._of_first_row[0] is not model:
            self._of_first_row = (model, replace(model, rows=model.rows[:1]))
        return replace(call, model=self._of_first_row[1])

    def _conv(self, call: SpatialCall, outputs: Grid) -> Tensor:
        boxes = self._boxes(call.model, call.layer, call.kernel, call.x, outputs) if call.pads_zeros else None
        if boxes is not None:
            return conv_boxed(call.x, boxes, call.run)
        y = call.run(call.x)
        own = call.weights(y)
        return conv_apart(call.x, y, own, self._border(call.model, call.x, own, outputs))

    def _boxes_behind(self, call: SpatialCall) -> Boxes | None:
        """The boxes of the convolution that a norm feeds, where they hold what the norm's parts are, no more and no less."""
        fed = call.feeds
        if fed is None or not self._divides(call.model, "conv") or fed.layer.stride != (1, 1):
            return None
        inputs = (call.x.shape[-2], call.x.shape[-1])
        boxes = self._boxes(call.model, fed.layer, fed.kernel, call.x, outputs_of(fed.layer, fed.kernel, inputs))
        return boxes if boxes is not None and boxes.inside is None else None

    def delta(self, call: LayerCall, delta: LayerDelta) -> Tensor | None:
        """What a LoRA's delta gives in a norm or a convolution within the parts, see `lora_work.Isolation`."""
        kind, outputs = delta.layer.kind, (call.y.shape[-2], call.y.shape[-1])
        if call.x.dim() != 4 or not self._divides(call.model, kind):
            return None
        parts = self._at(call.model, outputs, call.x.device)
        if parts is None:
            return None
        if kind != "conv":
            return norm_apart(call.x, delta, parts) if delta.weight is not None else None
        own = whole(delta)
        return conv_apart(call.x, added(delta, call.x), own, self._border(call.model, call.x, own, outputs))

    def conv(self, call: LayerCall, own: LayerDelta, run: Callable[[Tensor], Tensor]) -> Tensor:
        """See `lora_work.Isolation`."""
        outputs = (call.y.shape[-2], call.y.shape[-1])
        if (
            own.weight is None
            or own.weight[0, 0].numel() == 1
            or not self._divides(call.model, "conv")
            or not self._divided(call.model, outputs)
        ):
            return run(call.x)
        boxes = self._boxes(call.model, own.layer, (own.weight.shape[2], own.weight.shape[3]), call.x, outputs)
        if boxes is not None:
            return conv_boxed(call.x, boxes, run)
        return conv_apart(call.x, run(call.x), own, self._border(call.model, call.x, own, outputs))

    def _border(self, model: ModelCall, x: Tensor, own: LayerDelta, outputs: Grid) -> Border:
        assert own.weight is not None
        inputs, kernel = (x.shape[-2], x.shape[-1]), own.weight.shape[2:]
        borders, layer = self._stage(model).borders, own.layer
        name = (inputs, outputs, kernel, layer.stride, layer.padding, layer.dilation, x.dtype)
        if name not in borders:
            borders[name] = border_of(own, self._labels(model, inputs), self._labels(model, outputs), x.device, x.dtype)
        return borders[name]

    def _boxes(self, model: ModelCall, layer: LayerKind, kernel: Grid, x: Tensor, outputs: Grid) -> Boxes | None:
        known, inputs = self._stage(model).boxes, (x.shape[-2], x.shape[-1])
        name = (inputs, outputs, kernel, layer.stride, layer.padding, layer.dilation, x.dtype)
        if name not in known:
            labels = self._labels(model, inputs), self._labels(model, outputs)
            known[name] = boxes_of(layer, kernel, *labels, x.device, x.dtype, self._numbers)
        return known[name]

    def _stage(self, model: ModelCall, kind: Kind = "layers") -> _Stage:
        if self._now is None or self._now[0] is not model:
            acting, images = (self._plan.active(model.step), self._plan.referenced(model.step)), tuple(row.image for row in model.rows)
            spans = {name: self._spans.at(model.step, name) for name in KINDS}
            state = (acting, model.step.hires, model.latent, model.tile, images)
            self._now = (model, {name: self._stages.setdefault((span, state), _Stage(span)) for name, span in spans.items()})
        return self._now[1][kind]

    def _divides(self, model: ModelCall, kind: str) -> bool:
        span = self._stage(model).span
        return span is not None and kind in _LEVEL_OF and span.level >= _LEVEL_OF[kind]

    def _at(self, model: ModelCall, grid: Grid, device: torch.device, kind: Kind = "layers") -> Parts | None:
        """The parts of the rows on ``grid``; None where they are all one, or no longer apart."""
        stage = self._stage(model, kind)
        if stage.span is None:
            return None
        if grid not in stage.parts:
            labels = self._labels(model, grid, kind)
            stage.parts[grid] = parts_of(labels, device, _reach(stage.span, grid), self._numbers) if divided(labels) else None
        return stage.parts[grid]

    def _divided(self, model: ModelCall, grid: Grid) -> bool:
        """Whether there are several parts on ``grid`` at a step in which parts are kept apart: all that a convolution asks of them."""
        known = self._stage(model).divided
        if grid not in known:
            known[grid] = divided(self._labels(model, grid))
        return known[grid]

    def _labels(self, model: ModelCall, grid: Grid, kind: Kind = "layers") -> Tensor:
        """(B, h, w) on the CPU."""
        stage = self._stage(model, kind)
        if grid not in stage.labels:
            assert stage.span is not None
            images = {row.image: labels_of(self._plan, self._pyramid, stage.span, model, row.image, grid) for row in model.rows}
            stage.labels[grid] = torch.stack([images[row.image] for row in model.rows]).cpu()
        return stage.labels[grid]


def _reach(span: Span | None, grid: Grid) -> int:
    """Cells on each side of a border that see each other."""
    return max(1, round(span.border * min(grid))) if span is not None and span.border else 0
