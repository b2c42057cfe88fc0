"""What the adapter meets in Forge, small: its engine, ``UnetPatcher``, batching of conditions, denoiser and networks, with random weights.

Each class says which facts of Forge (main of June 2025) it keeps. Nothing here is Forge's code; what is kept is behaviour:

1.  ``sd_model.forge_objects.unet`` is a ``UnetPatcher``; ``.model`` is a ``KModel`` that all its clones share,
    ``.model.diffusion_model`` the network.
2.  ``clone()`` copies ``model_options`` deeply: functions stay the same objects, bound methods and callable objects are copied with
    their state.
3.  ``forge_objects`` is replaced by a shallow copy of ``forge_objects_after_applying_lora`` before every sampling, so that options set
    on a clone before are lost, and those of the original are everybody's.
4.  ``process_before_every_sampling`` runs once in the first pass and *twice* before the hires pass.
5.  The positive conditions of a prediction are the ``AND`` parts (one for each, with all images of the batch; images with more parts
    than another lose theirs), the negative is one more, absent at CFG 1.
6.  ``conditioning_modifiers`` may exchange conditions, before anything is batched; they take and return eight values.
7.  A condition's entries have ``process_cond``, ``can_concat`` and ``concat``. Conditions run together if their keys agree and every
    entry may be joined; they are taken from the end, so that the negative comes *first*; as many as memory allows.
8.  Contexts of different lengths run together if one length divides the common multiple at most four times: the shorter is repeated.
9.  ``transformer_options`` of a call: a shallow copy of the patcher's, with ``cond_or_uncond`` (1 is negative; one entry for each
    chunk of B rows), ``sigmas`` (B,), ``cond_mark`` (rows,), ``cond_indices``, ``uncond_indices``; the network adds ``block``,
    ``block_index``.
10. ``model_function_wrapper`` is one slot: ``f(apply_model, {"input", "timestep", "c", "cond_or_uncond"})``; ``c`` is what
    ``apply_model`` gets by keyword.
11. ``apply_model`` passes unknown entries on to the network, which lets unknown keywords pass.
12. ``patches["attn2_patch"]``: f(n, context, value, extra) before projection, chained; ``patches_replace["attn2"][(block, number[,
    index])]``: f(q, k, v, extra) after projection, one for each slot, and then the layer itself is *not* called;
    ``attn2_output_patch``: f(n, extra).
13. ``control`` is a dict of lists that the network empties.
14. ``on_cfg_denoiser`` runs after a refiner swap and before the network, and what it raises is logged and forgotten.
15. Timestep samplers are given the noise; their latent is variance-preserving. All others are given the clean latent.
16. Networks are made under ``inference_mode``; their blocks add in place, and attention writes into its own scores.
17. Nothing runs under autocast: the network computes in ``computation_dtype``, to which latents, texts and vectors are cast; what it
    answers is fp32, and so is the sampler's latent.
"""

from __future__ import annotations

import copy
import math
import sys
from types import ModuleType, SimpleNamespace

import torch
from forge_networks import WIDTH, Network, context, vector_of
from torch import nn
from webui import SCHEDULES, Callbacks, Entry, Interrupted, SdConditioning, get_learned_conditioning, parse_prompt

from lib_regional.request.prompt.schedules import split_and

__all__ = ["Denoiser", "Engine", "Interrupted", "Processing", "TimestepsDenoiser", "WebUI"]


# ---------------------------------------------------------------- engine


def scaled(sigma, x):
    """The network's input of unit variance, from the sampler's latent."""
    return x / (sigma**2 + 1)[:, None, None, None].sqrt()


class KModel(nn.Module):
    """Facts 1, 11, 17. The network's answer is taken for the clean latent as it is."""

    def __init__(self, network):
        super().__init__()
        self.diffusion_model, self.computation_dtype = network, next(network.parameters()).dtype
        self.predictor = SimpleNamespace(prediction_type="epsilon", calculate_input=scaled, timestep=lambda sigma: 100 * sigma)

    def apply_model(self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs):
        dtype = self.computation_dtype
        x, contexts = scaled(t, x).to(dtype), c_crossattn.to(dtype)
        more = {name: value.to(dtype) if isinstance(value, torch.Tensor) else value for name, value in kwargs.items()}
        return self.diffusion_model(x, t, context=contexts, control=control, transformer_options=transformer_options, **more).float()


class UnetPatcher:
    """Facts 1, 2."""

    def __init__(self, model):
        self.model, self.model_options = model, {"transformer_options": {}}
        self.control = self.controlnet_linked_list = None

    def clone(self):
        other = UnetPatcher(self.model)
        other.model_options, other.control = copy.deepcopy(self.model_options), self.control
        other.controlnet_linked_list = self.controlnet_linked_list
        return other

    def list_controlnets(self):
        found, net = [], self.controlnet_linked_list
        while net is not None:
            found.append(net)
            net = net.previous_controlnet
        return found

    def set_model_unet_function_wrapper(self, wrapper):
        self.model_options["model_function_wrapper"] = wrapper

    def add_conditioning_modifier(self, modifier):
        self.model_options.setdefault("conditioning_modifiers", []).append(modifier)

    def set_model_attn2_patch(self, patch):
        self.model_options["transformer_options"].setdefault("patches", {}).setdefault("attn2_patch", []).append(patch)

    def set_model_attn2_replace(self, patch, block_name, number):
        slots = self.model_options["transformer_options"].setdefault("patches_replace", {}).setdefault("attn2", {})
        slots[block_name, number] = patch


class Engine:
    """``sd_model``. Fact 3."""

    def __init__(self, network=None, file="one.safetensors", kind="is_sd1"):
        self.unet = UnetPatcher(KModel(network or Network()))
        self.forge_objects_after_applying_lora = SimpleNamespace(unet=self.unet)
        self.reset()
        self.sd_checkpoint_info, self.current_lora_hash = SimpleNamespace(filename=file), "[]"
        setattr(self, kind, True)
        self.encoded, self.width, self.rich = [], WIDTH, False
        self.alphas_cumprod = torch.linspace(0.999, 0.01, 1000)

    @property
    def network(self):
        return self.unet.model.diffusion_model

    def reset(self):
        self.forge_objects = SimpleNamespace(unet=self.forge_objects_after_applying_lora.unet)


# ---------------------------------------------------------------- conditions


class Condition:
    """Facts 7, 8."""

    def __init__(self, cond, repeats=False):
        self.cond, self.repeats = cond, repeats

    def process_cond(self, batch_size, device, **_):
        assert len(self.cond) == batch_size
        return self

    def can_concat(self, other):
        a, b = self.cond.shape, other.cond.shape
        if a == b or not self.repeats:
            return a == b
        return math.lcm(a[1], b[1]) // min(a[1], b[1]) <= 4

    def concat(self, others):
        every = [self.cond, *(other.cond for other in others)]
        if self.repeats:
            longest = math.lcm(*(c.shape[1] for c in every))
            every = [c.repeat(1, longest // c.shape[1], 1) for c in every]
        return torch.cat(every)


def compiled(texts, vectors):
    entries = {"c_crossattn": Condition(torch.nn.utils.rnn.pad_sequence([context(t) for t in texts], batch_first=True), repeats=True)}
    if vectors:
        entries["y"] = Condition(torch.stack([vector_of(t) for t in texts]))
    return {"model_conds": entries}


def chunked(conditions, limit):
    """Fact 7: which conditions run together, in which order. ``limit``: how many fit into memory."""
    waiting = list(conditions)
    while waiting:
        first = waiting[0][0]["model_conds"]
        fits = [n for n, (c, _) in enumerate(waiting) if c["model_conds"].keys() == first.keys()
                and all(c["model_conds"][key].can_concat(first[key]) for key in first)]  # fmt: skip
        taken = fits[::-1][:limit]
        yield [waiting[n] for n in taken]
        waiting = [w for n, w in enumerate(waiting) if n not in taken]


def run_conditions(patcher, x, sigma, cond, uncond, limit):
    """Facts 7, 9, 10, 13 -> the answers of the positive conditions in order, and of the negative."""
    options, answers, model = patcher.model_options, {}, patcher.model
    conditions = [(c, 0) for c in cond] + [(c, 1) for c in uncond or ()]
    for chunk in chunked(conditions, limit):
        entries = [{k: v.process_cond(batch_size=len(x), device=x.device) for k, v in c["model_conds"].items()} for c, _ in chunk]
        c = {key: entries[0][key].concat([e[key] for e in entries[1:]]) for key in entries[0]}
        kinds, images = [kind for _, kind in chunk], len(x)
        own_options = dict(options["transformer_options"])
        own_options.update(
            cond_or_uncond=kinds, sigmas=sigma, cond_mark=torch.tensor(kinds).repeat_interleave(images).float(),
            cond_indices=[n * images + i for n, kind in enumerate(kinds) if not kind for i in range(images)],
            uncond_indices=[n * images + i for n, kind in enumerate(kinds) if kind for i in range(images)],
        )  # fmt: skip
        c["transformer_options"] = own_options
        if patcher.control is not None:
            c["control"] = patcher.control(len(kinds) * images)
        inputs, times = torch.cat([x] * len(kinds)), torch.cat([sigma] * len(kinds))
        if patcher.controlnet_linked_list is not None:
            c.update(patcher.controlnet_linked_list.asked(inputs, times, dict(c), len(kinds)))
        wrapper = options.get("model_function_wrapper")
        said = {"input": inputs, "timestep": times, "c": c, "cond_or_uncond": kinds}
        out = wrapper(model.apply_model, said) if wrapper else model.apply_model(inputs, times, **c)
        for (condition, _), part in zip(chunk, out.chunk(len(kinds)), strict=True):
            answers[id(condition)] = part
    return [answers[id(c)] for c in cond], [answers[id(c)] for c in uncond or ()]


# ---------------------------------------------------------------- denoiser, sampling


class Denoiser(nn.Module):
    """``CFGDenoiser`` of the k-diffusion samplers. Facts 5, 6, 14, 15."""

    classic_ddim_eps_estimation = False

    def __init__(self, p):
        super().__init__()
        self.p, self.step, self.total_steps, self.init_latent = p, 0, None, None
        self.sampler = SimpleNamespace(sampler_extra_args={}, model_wrap_cfg=self)

    @property
    def inner_model(self):
        engine = self.p.webui.shared.sd_model
        return SimpleNamespace(inner_model=engine, predictor=engine.unet.model.predictor)

    def forward(self, x, sigma, cond_scale=3.0):
        webui, p = self.p.webui, self.p
        if webui.state.interrupted:
            raise Interrupted
        webui.refiner(self)
        webui.callbacks.call("denoiser", SimpleNamespace(x=x, sigma=sigma, denoiser=self))
        engine = webui.shared.sd_model
        patcher, vectors = engine.forge_objects.unet, getattr(engine.network, "vectors", None) is not None or webui.flux
        parts = min(len(image) for image in p.parts)
        cond = [compiled([image[part] for image in p.parts], vectors) for part in range(parts)]
        uncond = None if cond_scale == 1 else [compiled(p.negatives, vectors)]
        model, seed, options = patcher.model, 0, patcher.model_options
        for modifier in options.get("conditioning_modifiers", []):
            model, x, sigma, uncond, cond, cond_scale, options, seed = modifier(model, x, sigma, uncond, cond, cond_scale, options, seed)
        positive, negative = run_conditions(patcher, x, sigma, cond, uncond, webui.limit)
        self.step += 1
        base = negative[0] if negative else torch.zeros_like(x)
        clean = base + sum(part - base for part in positive) * cond_scale
        self.clean = clean
        return self.answer(x, sigma, clean)

    def answer(self, x, sigma, clean):
        return clean


class TimestepsDenoiser(Denoiser):
    classic_ddim_eps_estimation = True

    def answer(self, x, sigma, clean):
        kept = self.p.webui.shared.sd_model.alphas_cumprod[sigma.long()][:, None, None, None]
        return (x - kept.sqrt() * clean) / (1 - kept).sqrt()


class Processing:
    """``p``. Facts 3, 4; ``before_sampling`` stands for the scripts' ``process_before_every_sampling``."""

    def __init__(self, webui, prompts=("main",), negatives=("bad",), kind=Denoiser):
        self.webui, self.kind = webui, kind
        self.prompts, self.negatives = list(prompts), list(negatives)
        self.parts = [[text for text, _ in split_and(prompt)] for prompt in prompts]
        self.is_hr_pass, self.sampler, self.cfg_scale, self.sampler_name, self.firstpass_steps = False, None, 3.0, "Euler", None
        self.before_sampling = []
        self.denoisers = []

    def latent(self, height=10, width=8):
        return torch.stack([torch.randn(4, height, width, generator=torch.Generator().manual_seed(n)) for n in range(len(self.prompts))])

    def sample(self, steps=2, x=None, hires=False):
        engine = self.webui.shared.sd_model
        self.is_hr_pass = hires
        denoiser = self.kind(self)
        self.denoisers.append(denoiser)
        denoiser.total_steps, self.sampler = steps, denoiser.sampler
        for _ in range(2 if hires else 1):
            for call in self.before_sampling:
                call(self)
        engine.reset()
        for call in self.before_sampling:
            call(self)
        denoiser.sampler.sampler_extra_args = {"cond": SimpleNamespace(batch=self.parts), "cond_scale": self.cfg_scale}
        x = self.latent() if x is None else x
        with torch.no_grad():
            for step in range(steps):
                level = torch.full((len(x),), 900.0 - 400 * step if denoiser.classic_ddim_eps_estimation else 0.9 - 0.4 * step)
                x = x + 0.1 * denoiser(x, level, cond_scale=self.cfg_scale)
        return x


class WebUI:
    """The injected ``modules`` and what the tests steer with them."""

    def __init__(self, monkeypatch, engine=None):
        self.callbacks, self.limit, self.flux = Callbacks(), 99, False
        self.state = SimpleNamespace(interrupted=False)
        self.shared = SimpleNamespace(sd_model=engine or Engine(), opts=SimpleNamespace(use_old_scheduling=False), state=self.state)
        self.refiner = lambda denoiser: None
        named = {
            "shared": vars(self.shared), "devices": {"autocast": lambda disable=False: torch.autocast("cpu", enabled=False)},
            "prompt_parser": {"SdConditioning": SdConditioning, "get_learned_conditioning": self.encode, **SCHEDULES},
            "extra_networks": {"parse_prompt": parse_prompt},
            "sd_samplers": {"find_sampler_config": lambda name: SimpleNamespace(total_steps=lambda steps: steps)},
        }  # fmt: skip
        package = ModuleType("modules")
        monkeypatch.setitem(sys.modules, "modules", package)
        monkeypatch.setitem(sys.modules, "modules.script_callbacks", self.callbacks)
        package.script_callbacks = self.callbacks
        for name, values in named.items():
            module = ModuleType(f"modules.{name}")
            vars(module).update(values)
            monkeypatch.setitem(sys.modules, f"modules.{name}", module)
            setattr(package, name, module)

    @property
    def engine(self):
        return self.shared.sd_model

    def swap(self, engine):
        """The host loads another checkpoint."""
        self.shared.sd_model = sys.modules["modules.shared"].sd_model = engine

    def encode(self, model, prompts, steps, hires_steps=None, use_old_scheduling=False):
        if not self.flux and getattr(model.network, "vectors", None) is None:
            return get_learned_conditioning(model, prompts, steps, hires_steps, use_old_scheduling)
        return [[Entry(steps, {"crossattn": context(text), "vector": vector_of(text)})] for text in prompts]
