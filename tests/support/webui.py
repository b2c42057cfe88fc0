"""What the adapter meets in AUTOMATIC1111: the few ``modules`` it asks, a denoiser that batches as that host does, and a
genuine ``ldm`` UNet with random weights.

Facts of v1.10.1 that are kept: callbacks run in order and their exceptions are swallowed; an ordered copy of the callbacks is
kept and reused while its length fits; conds are (end_at_step, cond) where end_at_step is the last step of an entry; rows are image
0's AND parts, image 1's, …, then one negative per image; the first kind of weights and the second can live in the same objects; all of
sampling runs under autocast where the host computes in half, its UNet is given latents in half, and samplers count in fp32.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections import namedtuple
from types import ModuleType, SimpleNamespace

import torch
from ldm.modules.diffusionmodules.openaimodel import UNetModel

from lib_regional.request.prompt.schedules import prompt_schedule, split_and

WIDTH = 16
Entry = namedtuple("Entry", "end_at_step cond")
Params = namedtuple("Params", "x sigma text_cond text_uncond denoiser")


class Interrupted(BaseException):
    """The host's own way to end sampling."""


def small_unet(width: int = WIDTH, seed: int = 0) -> UNetModel:
    """Seven cross-attention layers on two grids. The output layers that start at zero are filled."""
    torch.manual_seed(seed)
    unet = UNetModel(
        image_size=8, in_channels=4, out_channels=4, model_channels=32, attention_resolutions=[1, 2], num_res_blocks=1, channel_mult=(1, 2),
        num_heads=2, use_spatial_transformer=True, transformer_depth=1, context_dim=width, use_checkpoint=False, legacy=False,
    )  # fmt: skip
    for weights in unet.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    return unet.eval().requires_grad_(False)


def checkpoint(file: str = "one.safetensors", width: int = WIDTH, seed: int = 0) -> SimpleNamespace:
    """A loaded model as ``shared.sd_model`` is one."""
    inner = SimpleNamespace(diffusion_model=small_unet(width, seed), conditioning_key="crossattn")
    return SimpleNamespace(model=inner, sd_checkpoint_info=SimpleNamespace(filename=file), width=width, encoded=[], rich=False)


def context(text: str, width: int = WIDTH, negative: bool = False) -> torch.Tensor:
    """A text's own random context: 77 rows for each 75 words begun."""
    generator = torch.Generator().manual_seed(sum(i * ord(c) for i, c in enumerate(text, 1)) + negative)
    return torch.randn(77 * (1 + len(text.split()) // 75), width, generator=generator)


class SdConditioning(list):
    def __init__(self, prompts, is_negative_prompt=False, width=None, height=None):
        super().__init__(prompts)
        self.is_negative_prompt, self.width, self.height = is_negative_prompt, width, height


def get_learned_conditioning(model, prompts, steps, hires_steps=None, use_old_scheduling=False):
    model.encoded.append((list(prompts), steps, hires_steps, prompts.is_negative_prompt, (prompts.width, prompts.height)))
    total = hires_steps or steps

    def cond(text):
        tokens = context(text, model.width)
        return {"crossattn": tokens, "vector": torch.zeros(4)} if model.rich else tokens

    return [[Entry(end, cond(text)) for end, text in prompt_schedule(prompt, total)] for prompt in prompts]


def prompt_schedules(prompts, base_steps, hires_steps=None, use_old_scheduling=False):
    """``[[[last step, text], …], …]``"""
    return [[[end, text] for end, text in prompt_schedule(prompt, hires_steps or base_steps)] for prompt in prompts]


SCHEDULES = {"get_learned_conditioning_prompt_schedules": prompt_schedules}


def parse_prompt(prompt):
    found = re.findall(r"<(\w+):([^>]+)>", prompt)
    return re.sub(r"<(\w+):([^>]+)>", "", prompt), dict(found)


class Callbacks(ModuleType):
    """``modules.script_callbacks``"""

    def __init__(self):
        super().__init__("modules.script_callbacks")
        self.lists = {"denoiser": [], "denoised": []}
        self.ordered = {}
        self.logged = []

    def on_cfg_denoiser(self, callback, *, name=None):
        self.lists["denoiser"].append(callback)

    def on_cfg_denoised(self, callback, *, name=None):
        self.lists["denoised"].append(callback)

    def remove_callbacks_for_function(self, callback):
        for found in (*self.lists.values(), *self.ordered.values()):
            found[:] = [c for c in found if c != callback]

    def call(self, kind, params):
        if len(self.ordered.get(kind, ())) != len(self.lists[kind]):
            self.ordered[kind] = list(self.lists[kind])
        for callback in self.ordered.get(kind, ()):
            try:
                callback(params)
            except Exception as error:  # as the host does
                self.logged.append(error)


class WebUI:
    """The injected ``modules`` and what the tests steer with them."""

    def __init__(self, monkeypatch, model=None):
        self.model = model or checkpoint()
        self.dtype = torch.float32
        self.callbacks = Callbacks()
        self.opts = SimpleNamespace(upcast_attn=False, use_old_scheduling=False)
        self.state = SimpleNamespace(interrupted=False, skipped=False)
        samplers = {"Euler": 1, "Heun": 2}
        named = {
            "shared": {"sd_model": self.model, "opts": self.opts, "state": self.state, "loaded_hypernetworks": []},
            "devices": {"autocast": self.autocast, "without_autocast": self.without_autocast, "dtype_unet": self.dtype},
            "prompt_parser": {"SdConditioning": SdConditioning, "get_learned_conditioning": get_learned_conditioning, **SCHEDULES},
            "extra_networks": {"parse_prompt": parse_prompt},
            "sd_unet": {"current_unet": None},
            "sd_samplers": {"find_sampler_config": lambda name: SimpleNamespace(total_steps=lambda steps: steps * samplers[name])},
            "hypernetworks": {},
            "hypernetworks.hypernetwork": {"apply_hypernetworks": apply_hypernetworks},
        }
        root = ModuleType("modules")
        monkeypatch.setitem(sys.modules, "modules", root)
        monkeypatch.delitem(sys.modules, "networks", raising=False)
        for name, values in named.items():
            self._add(monkeypatch, root, name, values)
        monkeypatch.setitem(sys.modules, "modules.script_callbacks", self.callbacks)
        root.script_callbacks = self.callbacks
        self.shared, self.sd_unet = root.shared, root.sd_unet

    def compute_in(self, dtype):
        """Let the host run in another precision from now on."""
        self.dtype = sys.modules["modules.devices"].dtype_unet = dtype

    def autocast(self, disable=False):
        """``devices.autocast``: nothing where the host computes in fp32."""
        off = disable or self.dtype == torch.float32
        return contextlib.nullcontext() if off else torch.autocast("cpu", dtype=self.dtype)

    def without_autocast(self, disable=False):
        """``devices.without_autocast``"""
        off = disable or self.dtype == torch.float32
        return contextlib.nullcontext() if off else torch.autocast("cpu", enabled=False)

    @staticmethod
    def _add(monkeypatch, root, name, values):
        made = ModuleType(f"modules.{name}")
        vars(made).update(values)
        monkeypatch.setitem(sys.modules, made.__name__, made)
        parent, _, last = made.__name__.rpartition(".")
        setattr(sys.modules[parent], last, made)

    def load(self, model):
        """Change the checkpoint, as a refiner does."""
        self.model = self.shared.sd_model = model


def apply_hypernetworks(hypernetworks, tokens):
    keys = values = tokens
    for network in hypernetworks:
        keys, values = network.keys(keys), network.values(values)
    return keys, values


class Processing(SimpleNamespace):
    """The attributes of ``p`` that the adapter and the glue read; `sample` runs the denoiser as a sampler would."""

    def __init__(self, webui=None, prompts=("main",), negatives=("bad",), **more):
        given = {
            "prompts": list(prompts), "negative_prompts": list(negatives), "steps": 4, "width": 64, "height": 80, "enable_hr": False,
            "sampler_name": "Euler", "is_hr_pass": False, "extra_generation_params": {},
        }  # fmt: skip
        super().__init__(**{**given, **more}, webui=webui)
        self.all_prompts, self.all_negative_prompts = list(self.prompts), list(self.negative_prompts)
        self.before_sampling = []
        """Scripts' ``process_before_every_sampling``, called with p when the sampler of a pass is ready."""

    def begin_pass(self, denoiser):
        self.sampler = SimpleNamespace(model_wrap_cfg=denoiser)
        for script in self.before_sampling:
            script(self)

    @property
    def sd_model(self):
        return self.webui.model

    def conds(self):
        """(cond with .batch[image][part].schedules, uncond): the host's two conditionings of this batch."""
        steps, model = self.steps, self.webui.model
        batch = [
            [
                SimpleNamespace(schedules=get_learned_conditioning(model, SdConditioning([text]), steps)[0], weight=weight)
                for text, weight in split_and(prompt)
            ]
            for prompt in self.prompts
        ]
        return SimpleNamespace(batch=batch), get_learned_conditioning(model, SdConditioning(self.negative_prompts), steps)

    def sample(self, steps=1, switch=(None, None)):
        denoiser = Denoiser(self)
        self.begin_pass(denoiser)
        x = torch.randn(len(self.prompts), 4, self.height // 8, self.width // 8, generator=torch.Generator().manual_seed(3))
        with contextlib.suppress(Interrupted), self.webui.autocast():
            for step in range(steps):
                if step == switch[0]:
                    self.webui.load(switch[1])
                    denoiser.update()
                x = denoiser(x)
        return x


def at(schedule, step):
    return next((entry.cond for entry in schedule if step <= entry.end_at_step), schedule[0].cond)


class Denoiser:
    """``CFGDenoiser``: together, apart, or positive rows only."""

    def __init__(self, p, together=True, skip_uncond=False, edit=False):
        self.p, self.webui = p, p.webui
        self.together, self.skip_uncond, self.edit = together, skip_uncond, edit
        self.step, self.total_steps = 0, p.steps
        self.sampler = SimpleNamespace(sampler_extra_args={})
        self.update()
        self.ran = []
        """Rows of each call of the UNet, by the context that the host gave them."""

    def update(self):
        """Conditionings of the loaded checkpoint."""
        cond, uncond = self.p.conds()
        self.sampler.sampler_extra_args.update(cond=cond, uncond=uncond)

    def __call__(self, x, scale=3.0):
        """k-diffusion's samplers and the timestep ones call with one level for each image."""
        return self.forward(x, torch.full((len(x),), self.level()), cond_scale=scale)

    def level(self):
        return 7.0 - self.step

    def forward(self, x, sigma, cond_scale):
        if self.webui.state.interrupted:
            raise Interrupted
        parts = self.sampler.sampler_extra_args["cond"].batch
        cond = self._stack([at(part.schedules, self.step) for image in parts for part in image])
        uncond = self._stack([at(schedule, self.step) for schedule in self.sampler.sampler_extra_args["uncond"]])
        repeats = [n for n, image in enumerate(parts) for _ in image]
        rows = torch.cat([x[repeats], *[x] * (2 if self.edit else 1)])
        params = Params(rows, sigma[:1].expand(len(rows)), cond, uncond, self)
        self.webui.callbacks.call("denoiser", params)
        out = self._run(rows, cond, uncond, len(x))
        self.webui.callbacks.call("denoised", params)
        self.step += 1
        return self._combine(out, parts, len(x), cond_scale)

    def _stack(self, conds):
        if isinstance(conds[0], dict):
            stacked = DictWithShape({key: torch.stack([c[key] for c in conds]) for key in conds[0]})
            return stacked
        longest = max(len(c) for c in conds)
        return torch.stack([torch.cat([c, c[-1:].expand(longest - len(c), -1)]) for c in conds])

    def _run(self, rows, cond, uncond, images):
        contexts, negative = (c["crossattn"] if isinstance(c, dict) else c for c in (cond, uncond))
        if self.skip_uncond:
            return self._chunks(rows[: len(contexts)], contexts, len(contexts))
        if contexts.shape[1] == negative.shape[1]:
            both = torch.cat([contexts, *[negative] * (2 if self.edit else 1)])
            return self._chunks(rows, both, len(both) if self.together else images)
        first = self._chunks(rows[: len(contexts)], contexts, images * (2 if self.together else 1))
        return torch.cat([first, self._chunks(rows[len(contexts) :], negative, images)])

    def _chunks(self, x, contexts, size):
        return torch.cat([self.unet(x[n : n + size], contexts[n : n + size]) for n in range(0, len(x), size)])

    def unet(self, x, contexts):
        """One call of the UNet."""
        self.ran.append(contexts)
        dtype = self.webui.dtype
        with torch.no_grad():
            out = self.webui.model.model.diffusion_model(x.to(dtype), torch.full((len(x),), 500), context=contexts.to(dtype))
        return out.to(x.dtype)

    def _combine(self, out, parts, images, scale):
        negative = out[sum(map(len, parts)) :][:images]
        if not len(negative):
            return out[:images]
        result, row = negative.clone(), 0
        for image, found in enumerate(parts):
            for part in found:
                result[image] += (out[row] - negative[image]) * part.weight * scale
                row += 1
        return result


class TimestepsDenoiser(Denoiser):
    """``CFGDenoiserTimesteps``: levels are training timesteps, the answer is the noise."""

    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0).float()

    def level(self):
        return 801.0 - 200 * self.step


class DictWithShape(dict):
    @property
    def shape(self):
        return self["crossattn"].shape


# ---------------------------------------------------------------- attention, in the shapes that the host's optimisers have


def _project(attn, x, contexts):
    keys, values = apply_hypernetworks(sys.modules["modules.shared"].loaded_hypernetworks, x if contexts is None else contexts)
    heads = (t.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for t in (attn.to_q(x), attn.to_k(keys), attn.to_v(values)))
    return tuple(t.flatten(0, 1) for t in heads)


def _merge(attn, attended):
    return attn.to_out(attended.unflatten(0, (-1, attn.heads)).transpose(1, 2).flatten(2))


def _softly(q, k, v):
    return torch.softmax(q @ k.transpose(1, 2), -1) @ v


def plain_forward(self, x, context=None, mask=None, **kwargs):
    q, k, v = _project(self, x, context)
    return _merge(self, _softly(q * self.scale, k, v))


def xformers_like(self, x, context=None, mask=None, **kwargs):
    assert mask is None
    q, k, v = (t.contiguous() for t in _project(self, x, context))
    return _merge(self, torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=self.scale))


def sdp_like(self, x, context=None, mask=None, **kwargs):
    q, k, v = (t.unflatten(0, (-1, self.heads)) for t in _project(self, x, context))
    attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return self.to_out(attended.transpose(1, 2).flatten(2))


def sub_quadratic_like(self, x, context=None, mask=None, **kwargs):
    assert mask is None
    q, k, v = _project(self, x, context)
    numerator, denominator = torch.zeros_like(q), q.new_zeros(*q.shape[:2], 1)
    peak = (q @ k.transpose(1, 2) * self.scale).amax(-1, keepdim=True)
    for start in range(0, k.shape[1], 16):
        part = torch.exp(q @ k[:, start : start + 16].transpose(1, 2) * self.scale - peak)
        numerator, denominator = numerator + part @ v[:, start : start + 16], denominator + part.sum(-1, keepdim=True)
    return _merge(self, numerator / denominator)


def doggettx_like(self, x, context=None, mask=None, **kwargs):
    q, k, v = _project(self, x, context)
    k, attended = k * self.scale, torch.zeros_like(q)
    for start in range(0, q.shape[1], 7):
        attended[:, start : start + 7] = _softly(q[:, start : start + 7], k, v)
    return _merge(self, attended)


def invokeai_like(self, x, context=None, mask=None, **kwargs):
    root = math.sqrt(self.scale)
    q, k, v = _project(self, x, context)
    return _merge(self, torch.cat([_softly(a * root, b * root, c) for a, b, c in zip(q.split(1), k.split(1), v.split(1))]))


def v1_like(self, x, context=None, mask=None, **kwargs):
    q, k, v = _project(self, x, context)
    return _merge(self, torch.cat([_softly(a * self.scale, b, c) for a, b, c in zip(q.split(2), k.split(2), v.split(2))]))


OPTIMISERS = {
    "none": plain_forward, "xformers": xformers_like, "sdp": sdp_like, "sub-quadratic": sub_quadratic_like, "Doggettx": doggettx_like,
    "InvokeAI": invokeai_like, "V1": v1_like,
}  # fmt: skip
