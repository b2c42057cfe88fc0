"""Contexts of the regions' texts, encoded once per pass, and which of them holds at a step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...engine.calls import Conditioning, ContextSchedule, Role, Row, StepInfo
from ...engine.plan import PassPlan, Plan
from ...engine.ports import Host
from ...request.prompt.lora_tags import LoraTag, split_tags, with_tags, without_tags
from ...request.prompt.negative_weights import has_negative
from ...request.prompt.region_prompts import ImageTexts
from ..texts.signed_texts import Encode, own_text, own_texts, signed_schedule

ContextKey = tuple[bool, Role, str, int]
"""(hires, role, text with LoRA tags, position in the text's schedule): equal keys mean the same context and the same deltas on it."""


def region_loras(texts: ImageTexts, region: int) -> tuple[LoraTag, ...]:
    """The LoRAs that ``region``'s text names."""
    return split_tags(texts.regions[region]).loras


def region_text(texts: ImageTexts, region: int, role: Role) -> str | None:
    """The text of ``region`` on rows of ``role``, with its LoRA tags; None where it has none of its own and the base's holds.

    A LoRA that a host loads acts on its negative as well, so a region with LoRAs has a negative of its own; and one with LoRAs but without
    words has the base's text, through its LoRAs.
    """
    own, negative = texts.regions[region], texts.region_negatives[region]
    split = split_tags(own)
    if not split.loras:
        if role == "cond":
            return own or None
        return None if negative is None else without_tags(negative)
    if role == "cond":
        return own if split.text.strip() else with_tags(texts.base, split.loras)
    return with_tags(without_tags(texts.negative if negative is None else negative), split.loras)


@dataclass(frozen=True)
class Contexts:
    """Schedules by (hires, role, text)."""

    plan: Plan
    schedules: dict[tuple[bool, Role, str], ContextSchedule]
    _numbers: dict[Hashable, int] = field(default_factory=dict, compare=False)
    _contents: dict[ContextKey, int] = field(default_factory=dict, compare=False)
    _texts: dict[tuple[int, Role, int, bool], str | None] = field(default_factory=dict, compare=False)
    _own: dict[tuple[Row, bool], str | None] = field(default_factory=dict, compare=False)

    def key(self, row: Row, region: int, step: StepInfo) -> ContextKey | None:
        """The context that ``region`` of ``row``'s image uses at ``step``; None if the base's holds."""
        hires = step.hires and self.plan.hires is not None
        name = (row.image, row.role, region, hires)
        if name not in self._texts:
            self._texts[name] = region_text(self.plan.pass_of(step).texts[row.image], region, row.role)
        text = self._texts[name]
        if text is None:
            return None
        return self._at(hires, row.role, text, step)

    def own_key(self, row: Row, step: StepInfo) -> ContextKey | None:
        """The context of the host's own row where its text has negative weights that act here (`Plan.signed`), which the host's lacks."""
        if not self.plan.signed:
            return None
        hires = step.hires and self.plan.hires is not None
        if (row, hires) not in self._own:
            text = own_text(self.plan.pass_of(step).texts[row.image], row)
            self._own[row, hires] = text if has_negative(text) else None
        found = self._own[row, hires]
        return None if found is None else self._at(hires, row.role, found, step)

    def text_key(self, text: str, role: Role, step: StepInfo) -> ContextKey:
        """The context of a ``text`` that is no region's, at ``step``; it was among the ``others`` when the plan was encoded."""
        return self._at(step.hires and self.plan.hires is not None, role, text, step)

    def _at(self, hires: bool, role: Role, text: str, step: StepInfo) -> ContextKey:
        return (hires, role, text, context_at(self.schedules[hires, role, text], step.index))

    def conditioning(self, key: ContextKey) -> Conditioning:
        """The conditioning of ``key``'s text."""
        return self.schedules[key[:3]][key[3]][1]

    def loras(self, key: ContextKey) -> tuple[LoraTag, ...]:
        """LoRAs that act on ``key``'s context."""
        return split_tags(key[2]).loras

    def content(self, key: ContextKey) -> int:
        """A number that contexts share if they are the same bit by bit and the same LoRAs act on their keys and values."""
        if key not in self._contents:
            acting = tuple((lora.name, lora.dyn, lora.unet) for lora in self.loras(key) if lora.unet)
            name = (fingerprint(self.tensor(key)), acting, self.turned(key))
            self._contents[key] = self._numbers.setdefault(name, len(self._numbers))
        return self._contents[key]

    def tensor(self, key: ContextKey) -> Tensor:
        """Context (T, D) of ``key``."""
        return self.conditioning(key).crossattn

    def turned(self, key: ContextKey) -> int:
        """How many of its last tokens have values of the opposite sign."""
        return self.conditioning(key).turned


def fingerprint(tensor: Tensor) -> Hashable:
    """Equal for tensors of equal shape, precision and bits; shapes alone (the meta device) are equal to themselves."""
    if tensor.is_meta:
        return id(tensor)
    data = tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
    return tuple(tensor.shape), tensor.dtype, hashlib.blake2b(data, digest_size=16).digest()


Others = Callable[[ImageTexts, Role], Iterable[str]]
"""Texts that a method needs beside those of the regions."""


def encode_plan(plan: Plan, host: Host, others: Others | None = None) -> Contexts:
    """Encode every text that a region of the plan needs, and the ``others``, each once."""
    schedules: dict[tuple[bool, Role, str], ContextSchedule] = {}
    passes: list[tuple[bool, PassPlan]] = [(False, plan.first), *([(True, plan.hires)] if plan.hires is not None else [])]
    roles: tuple[Role, ...] = ("cond", "uncond")
    for hires, part in passes:
        for role in roles:
            more = [text for image in part.texts for text in others(image, role)] if others is not None else []
            own = [text for image in part.texts for text in own_texts(image, role)] if plan.signed else []
            texts = list(dict.fromkeys([*_texts(plan, part, role), *more, *own]))
            hires_steps = part.steps if hires else None
            schedules.update(((hires, role, text), schedule) for text, schedule in _encoded(plan, host, texts, role, hires_steps))
    return Contexts(plan, schedules)


def _encoded(plan: Plan, host: Host, texts: Sequence[str], role: Role, hires_steps: int | None) -> Iterator[tuple[str, ContextSchedule]]:
    """Schedules of texts, those with the same LoRAs on the text encoder together."""
    groups: dict[tuple[LoraTag, ...], list[str]] = {}
    for text in texts:
        groups.setdefault(tuple(lora for lora in split_tags(text).loras if lora.te), []).append(text)
    for loras, members in groups.items():
        encode = _encoder(plan, host, loras, hires_steps)
        signed = [text for text in members if plan.signed and has_negative(text)]
        plain = [text for text in members if text not in signed]
        if plain:
            yield from zip(plain, encode([split_tags(text).text for text in plain], role == "uncond"), strict=True)
        for text in signed:
            bare, steps = split_tags(text).text, plan.first.steps
            yield text, signed_schedule(host, bare, encode, negative=role == "uncond", steps=steps, hires_steps=hires_steps)


def _encoder(plan: Plan, host: Host, loras: tuple[LoraTag, ...], hires_steps: int | None) -> Encode:
    """Texts of a pass under the same LoRAs on the text encoder."""
    more = {"loras": loras} if loras else {}

    def encode(texts: Sequence[str], negative: bool) -> Sequence[ContextSchedule]:
        return host.encode(texts, steps=plan.first.steps, negative=negative, size=plan.size, hires_steps=hires_steps, **more)

    return encode


def _texts(plan: Plan, part: PassPlan, role: Role) -> Iterable[str]:
    for texts in part.texts:
        for index, region in enumerate(plan.layout.regions):
            text = region_text(texts, index, role) if region.enabled else None
            if text is not None:
                yield text


def context_at(schedule: ContextSchedule, index: int) -> int:
    """Position in ``schedule`` of the context that holds at step ``index``."""
    for position, (end, _) in enumerate(schedule):
        if index < end:
            return position
    return len(schedule) - 1
