"""What the adapter meets in reForge and Forge Classic where they differ from Forge, small, with random weights.

Both have ``forge_objects``, ``conditioning_modifiers`` and the batching of conditions that `forge_double` keeps; nothing here is their
code.
Facts kept (reForge main of March 2026, Forge Classic of February 2025):

1.  A network's ``model_sampling`` is made of two classes; the one named ``V_PREDICTION`` is among them for such checkpoints. There is no
    ``predictor``.
2.  ``modules_forge.forge_sampler.sampling_prepare(patcher, x=)`` loads the patcher's network; ``backend`` does not exist.
3.  reForge asks every entry of a condition for its ``size()`` before it decides how many conditions run together.
4.  Classic samples the first step of every pass at CFG 1, and then without the negative ("skip early" of 0 still counts step 0).
5.  The hires pass is announced once.
6.  A patcher's ``add_patches(patches, strength)`` puts patches of its own keys beside those that are there. They are merged when the
    patcher is loaded, and unmerged when another clone of the same model is: that one is loaded instead of it.
7.  reForge's clones share one ``backup`` of entries with ``weight``; Classic's have one each, of tensors.
8.  ``lora.load_lora(weights, keys)``: patches by key, with what was not used beside them in Classic. reForge's patches are objects with
    ``name`` and ``weights`` where a class knows them, and tuples ``(kind, values)`` otherwise; Classic's are always tuples, and know no
    ``dora_scale``.
9.  The merge is ``lora.calculate_weight`` in reForge, where a patch has five values, and a method of the patcher in Classic, where it has
    three. Both work in place.
10. Before texts are encoded, ``forge_objects.clip.patcher`` is loaded.
"""

from __future__ import annotations

import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace

import forge_double
import forge_networks
import torch
from torch import nn

FILES = "/models"
_Kept = namedtuple("_Kept", "weight inplace_update")


# ---------------------------------------------------------------- sampling


class V_PREDICTION:
    pass


class EPS:
    pass


class ClassicDenoiser(forge_double.Denoiser):
    """Fact 4."""

    def forward(self, x, sigma, cond_scale=3.0):
        return super().forward(x, sigma, 1.0 if self.step == 0 else cond_scale)


DENOISERS = {"reforge": forge_double.Denoiser, "classic": ClassicDenoiser}


def entries_of(parts):
    """Modules by name put in place of the hosts'."""
    for name, values in parts.items():
        module = ModuleType(name)
        vars(module).update(values)
        yield name, module


class WebUI(forge_double.WebUI):
    """``kind``: ``reforge`` or ``classic``. Facts 1 to 5."""

    def __init__(self, monkeypatch, kind, velocity=False, **engine):
        super().__init__(monkeypatch, forge_double.Engine(forge_networks.Network(**engine)))
        self.kind, self.prepared, self.measured = kind, [], []
        model = self.engine.unet.model
        del model.predictor
        model.model_sampling = type("ModelSampling", (V_PREDICTION if velocity else EPS,), {})()
        modules = {
            "modules_forge": {},
            "modules_forge.forge_sampler": {"sampling_prepare": lambda unet, x: self.prepared.append((unet, x))},
        }
        for name, module in entries_of(modules):
            monkeypatch.setitem(sys.modules, name, module)
        chunked = forge_double.chunked
        if kind == "reforge":
            monkeypatch.setattr(forge_double, "chunked", lambda conditions, limit: chunked(self.weighed(conditions), limit))
            monkeypatch.setattr(forge_double.Condition, "size", lambda entry: list(entry.cond.size()), raising=False)

    def weighed(self, conditions):
        """Fact 3."""
        for condition, _ in conditions:
            self.measured.append({key: entry.size() for key, entry in condition["model_conds"].items()})
        return conditions


class Processing(forge_double.Processing):
    """Fact 5; the denoiser lacks Forge's ``predictor``."""

    def __init__(self, webui, *texts):
        super().__init__(webui, *texts, kind=_without_predictor(DENOISERS[webui.kind]))


def _without_predictor(kind):
    inner = property(lambda denoiser: SimpleNamespace(inner_model=denoiser.p.webui.shared.sd_model))
    return type(kind.__name__, (kind,), {"inner_model": inner})


# ---------------------------------------------------------------- LoRAs


class Patcher:
    """Facts 6, 7, 9. ``shared`` says whether clones share their backup."""

    def __init__(self, model, shared, backup=None):
        self.model, self.shared, self.patches = model, shared, {}
        self.backup = {} if backup is None or not shared else backup

    def clone(self):
        other = Patcher(self.model, self.shared, self.backup)
        other.patches = {key: list(patches) for key, patches in self.patches.items()}
        return other

    def add_patches(self, patches, strength_patch=1.0, strength_model=1.0):
        known = self.model.state_dict()
        for key in (key for key in patches if key in known):
            extra = (None, None) if self.shared else ()
            self.patches.setdefault(key, []).append((strength_patch, patches[key], strength_model, *extra))

    def calculate_weight(self, patches, weight, key):
        for strength, patch, *_ in patches:
            merge(weight, patch, strength)
        return weight

    def load(self):
        for key, patches in self.patches.items():
            weight = self.model.get_parameter(key)
            self.backup[key] = _Kept(weight.detach().clone(), False) if self.shared else weight.detach().clone()
            weight.data = self.calculate_weight(patches, weight.detach().clone(), key)

    def unload(self):
        for key, kept in self.backup.items():
            self.model.get_parameter(key).data = kept.weight if self.shared else kept
        self.backup.clear()


def merge(weight, patch, strength):
    """Fact 9, for products and differences; in place."""
    kind, values = (patch.name, patch.weights) if hasattr(patch, "name") else patch
    if kind == "diff":
        weight += strength * values[0]
        return
    up, down, alpha = values[:3]
    delta = ((alpha / len(down)) * up.flatten(1) @ down.flatten(1)).view(weight.shape)
    if len(values) > 4 and values[4] is not None:
        whole = weight + delta
        delta = whole * (values[4] / whole.norm(dim=0, keepdim=True)) - weight
    weight += strength * delta


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.text = nn.ModuleDict({"fc1": nn.Linear(24, 16)})


class Loader:
    """A host's LoRA side: files kept in a dictionary, models that are loaded, an engine. Facts 6 to 10."""

    def __init__(self, monkeypatch, kind, network, contents, unet_keys, text_keys):
        self.kind, self.contents, self.loaded = kind, contents, []
        self.names = {"unet": unet_keys, "text": text_keys}
        model = nn.Module()
        model.diffusion_model = network
        self.text = Text()
        clip = self._clip(Patcher(self.text, kind == "reforge"))
        self.objects = SimpleNamespace(unet=Patcher(model, kind == "reforge"), clip=clip)
        self.objects.shallow_copy = lambda: SimpleNamespace(**vars(self.objects))
        self.engine = SimpleNamespace(forge_objects=self.objects)
        entries = {Path(file).stem: SimpleNamespace(filename=f"{FILES}/{file}") for file in contents}
        networks = SimpleNamespace(
            available_networks=entries, available_network_aliases=entries, loaded_networks=[], list_available_networks=lambda: None
        )
        monkeypatch.setitem(sys.modules, "networks", networks)
        for name, module in entries_of(self._modules()):
            monkeypatch.setitem(sys.modules, name, module)
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)

    def _modules(self):
        lora = {"load_lora": self.load_lora, "model_lora_keys_unet": self._keys("unet"), "model_lora_keys_clip": self._keys("text")}
        more = {
            "ldm_patched": {}, "ldm_patched.modules": {}, "ldm_patched.modules.lora": lora,
            "ldm_patched.modules.utils": {"load_torch_file": self.read},
            "ldm_patched.modules.model_management": {"current_loaded_models": self.loaded, "load_model_gpu": self.load},
        }  # fmt: skip
        if self.kind == "reforge":
            lora["calculate_weight"] = lambda patches, weight, key: Patcher(nn.Module(), True).calculate_weight(patches, weight, key)
            more["ldm_patched.modules.lora_convert"] = {"convert_lora": dict}
        return more

    def _clip(self, patcher):
        clip = SimpleNamespace(cond_stage_model=self.text, patcher=patcher, add_patches=patcher.add_patches)
        clip.clone = lambda: self._clip(patcher.clone())
        return clip

    def _keys(self, part):
        return lambda model, keys: dict(self.names[part])

    def read(self, filename, safe_load):
        assert safe_load
        return dict(self.contents[Path(filename).name])

    def load(self, patcher):
        """Fact 6."""
        for entry in [entry for entry in self.loaded if entry.model.model is patcher.model]:
            self.loaded.remove(entry)
            entry.model.unload()
        self.loaded.append(SimpleNamespace(model=patcher))
        patcher.load()

    def encode(self, x):
        """Fact 10; x (B, 24) -> (B, 16)."""
        self.load(self.engine.forge_objects.clip.patcher)
        with torch.no_grad():
            return self.text.text["fc1"](x)

    def load_lora(self, weights, keys, **more):
        """Fact 8."""
        found, used = {}, set()
        for name, target in keys.items():
            part = {key.removeprefix(name + "."): value for key, value in weights.items() if key.startswith(name + ".")}
            used.update(f"{name}.{key}" for key in part)
            if "lora_up.weight" in part:
                values = (part["lora_up.weight"], part["lora_down.weight"], float(part["alpha"]), part.get("lora_mid.weight"))
                newer = SimpleNamespace(name="lora", weights=(*values, part.get("dora_scale"), None))
                found[target] = newer if self.kind == "reforge" else ("lora", values)
            if "diff" in part:
                found[target] = ("diff", (part["diff"],))
            if "diff_b" in part:
                found[target.removesuffix("weight") + "bias"] = ("diff", (part["diff_b"],))
        assert (self.kind == "reforge") == (more == {"log_missing": False})
        return found if self.kind == "reforge" else (found, {key: value for key, value in weights.items() if key not in used})
