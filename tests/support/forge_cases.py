"""What the tests of the Forge adapter say with its double: hooks and sessions around a ``p``, and all that could be left behind."""

import copy

from forge_double import Processing
from isolation_cases import plan_of

from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.registry import find_host
from lib_regional.methods import open_session

HALVES = [{"box": [0, 0, 0.5, 1], "prompt": "left"}, {"box": [0.5, 0, 1, 1], "prompt": "right"}]
FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
SIZE = (64, 80)


def hooked(webui, p, **hooks):
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    return host.patched(Hooks(**hooks))


def session(webui, p, regions, method="attention_couple", **more):
    plan = plan_of(method, {"regions": regions, **more}, p.prompts, p.negatives, SIZE)
    host = find_host(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    return open_session(host, plan)


def snapshot(webui, *more):
    """Everything that a generation could leave behind, as it is now."""
    modules = [module for engine in (webui.engine, *more) for module in engine.unet.model.modules()]
    found = [{key: dict(value) if isinstance(value, dict) else value for key, value in vars(module).items()} for module in modules]
    lists = {kind: list(listeners) for kind, listeners in webui.callbacks.lists.items()}
    return found, copy.deepcopy(webui.engine.unet.model_options), lists


def rows_given(webui, p, steps=1, **hooks):
    """The roles, contexts, steps and grids that the first attention layer has at each call; ``hooks`` stand beside."""
    seen = []

    def look(call):
        if call.site.name.startswith("input"):
            seen.append((call.model.rows, call.context.clone(), call.model.step, call.model.latent, call.grid))

    with hooked(webui, p, cross_attention=look, **hooks):
        p.sample(steps)
    return seen


def plain(webui, prompts, negatives, **more):
    return Processing(webui, prompts, negatives).sample(2, **more)
