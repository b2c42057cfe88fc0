"""What the tests of the AUTOMATIC1111 adapter share: a hooked host, hooks that look or answer, and all that must be as it was."""

from types import SimpleNamespace

import torch
from webui import WIDTH

from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.a1111.adapter import A1111Host


def site(webui, name="middle_block.1.transformer_blocks.0.attn2"):
    return webui.model.model.diffusion_model.get_submodule(name)


def snapshot(webui, *models):
    """`vars()` of everything that an adapter could touch: modules, their hook tables, their classes, callbacks, the model."""
    unets = [model.model.diffusion_model for model in (models or (webui.model,))]
    modules = [module for unet in unets for module in unet.modules()]
    own = [{k: dict(v) if "hooks" in k else id(v) for k, v in vars(m).items()} for m in modules]
    classes = {kind: dict(vars(kind)) for kind in {type(m) for m in modules}}
    lists = [list(found) for found in (*webui.callbacks.lists.values(), *webui.callbacks.ordered.values()) if found]
    return own, classes, lists, dict(vars(webui.model))


def rebuilt(call):
    q, k, v = (
        t.unflatten(-1, (call.heads, -1)).transpose(1, 2) for t in (call.to_q(call.x), call.to_k(call.context), call.to_v(call.context))
    )
    attended = torch.softmax(q @ k.transpose(-1, -2) * call.scale, -1) @ v
    return call.out(attended.transpose(1, 2).flatten(2))


def declining(seen):
    return lambda call: seen.append(call)


def hooked(webui, p=None, **hooks):
    return A1111Host(webui.model, p).patched(Hooks(**hooks))


def params_of(p):
    cond, uncond = p.conds()
    denoiser = SimpleNamespace(p=p, step=0, total_steps=4, sampler=SimpleNamespace(sampler_extra_args={"cond": cond}))
    count = sum(map(len, cond.batch))
    total = count + len(uncond)
    return SimpleNamespace(
        x=torch.zeros(total, 4, 10, 8), sigma=torch.ones(total), text_cond=torch.zeros(count, 77, WIDTH), denoiser=denoiser
    )
