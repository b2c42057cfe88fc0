"""Every adapter on the double of its host, behind one interface: host, network, sampled steps, and all that could be left behind.

`Double` says what each one offers. Prompts are "main" and "bad"; latents have 10×6 cells, networks 10×6 and 5×3 tokens.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache

import forge_double
import forge_networks
import ldm_patched_double
import torch
import webui as a1111_double
from diffusers import UNet2DConditionModel
from lora_files import lora
from network_doubles import ForgeEngine, a1111_networks
from network_doubles import forge_networks as forge_loras
from safetensors.torch import save_file
from torch import Tensor, nn
from toy import WIDTH, toy_model

from lib_regional.engine.calls import DenoiserCall, ModelCall, Row, StepInfo
from lib_regional.engine.hooks import Hooks
from lib_regional.engine.ports import Host
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.standalone.model.lora_files import LoraShelf
from lib_regional.standalone.model.lora_weights import Loras

CELLS = (10, 6)
VECTOR = 4
SIZES = torch.tensor([64.0, 80, 0, 0, 64, 80])
"""SDXL's sizes in diffusers."""
LAYER = ".attn1.to_q"
"""A LoRA's layer, by the end of its name."""


class Double:
    """``host`` over ``model``; ``rows`` are the roles of one call of ``network``: the second, as Classic's first has no negative."""

    host: Host
    kind: type
    time: str
    """A layer without a spatial axis."""
    factor = 1
    """What the host multiplies its pooled texts by."""
    model: object
    network: nn.Module
    rows: tuple[Row, ...]
    interrupt: type[BaseException] = a1111_double.Interrupted
    """How the host ends sampling; its sampler lets it pass or not."""

    def sample(self, steps: int = 2) -> Tensor:
        """Sample as the host does -> latent (1, 4, 10, 6)."""
        raise NotImplementedError

    def others(self) -> Tensor:
        """What a generation of somebody else gives."""
        raise NotImplementedError

    def bare(self, x: Tensor, contexts: list[Tensor]) -> Tensor:
        """The network itself on its own inputs, at the second step."""
        raise NotImplementedError

    def context(self, text: str) -> Tensor:
        """A text's context (77, WIDTH)."""
        return a1111_double.context(text)

    def double_vectors(self, monkeypatch) -> None:
        """The host's pooled texts are twice what they were."""
        self.factor = 2

    def vector(self, row: int) -> Tensor:
        """The pooled text of a row, where the network reads one, as `Conditioning.vector` holds it."""
        return vectors_of(len(self.rows))[row]

    def change_weights(self) -> None:
        """The host loads other weights into the same network."""
        raise NotImplementedError

    def read_loras(self, tmp_path, monkeypatch, layers: dict[str, dict[str, Tensor]] | None) -> None:
        """The host knows a LoRA "x" with parts by layer; None: it has no LoRAs at all."""
        raise NotImplementedError

    def lists(self) -> object:
        """Callbacks, listeners and options of the host."""
        raise NotImplementedError

    def denoisers(self) -> list[object]:
        """The objects that a pass made."""
        return []

    def put_on_top(self, layer: nn.Module, called: list[int]):
        """Another extension's patch of an attention layer, which calls what it found; returns how it is taken off."""
        found = layer.forward

        def forward(*args, **kwargs):
            called.append(1)
            return found(*args, **kwargs)

        layer.forward = forward
        return lambda: setattr(layer, "forward", found)

    def current(self, layer: nn.Module) -> object:
        """What runs the attention layer now."""
        return vars(layer).get("forward")

    # ------------------------------------------------------------------ the same everywhere

    def under(self, **hooks):
        """``host.patched`` with these hooks."""
        return self.host.patched(Hooks(**hooks))

    def cross(self) -> list[tuple[str, nn.Module]]:
        return [(name, module) for name, module in self.network.named_modules() if name.endswith(".attn2")]

    def named(self, end: str) -> str:
        return next(name for name, _ in self.network.named_modules() if name.endswith(end))

    def state(self):
        """Modules with their tables of hooks, their classes, and `lists`."""
        modules = list(self.network.modules())
        own = [
            {key: {k: id(v) for k, v in value.items()} if isinstance(value, dict) else id(value) for key, value in vars(m).items()}
            for m in modules
        ]
        return own, {kind: dict(vars(kind)) for kind in {type(m) for m in modules}}, self.lists()

    def patched_denoisers(self) -> list[object]:
        return [denoiser for denoiser in self.denoisers() if "forward" in vars(denoiser)]


class A1111(Double):
    kind = A1111Host
    time = "time_embed.0"
    rows = (Row(0, "cond"), Row(0, "uncond"))

    def __init__(self, monkeypatch, vectors=False):
        self.model = checkpoint(vectors)
        self.webui = a1111_double.WebUI(monkeypatch, self.model)
        self.network = self.model.model.diffusion_model
        self.p = a1111_double.Processing(self.webui, width=8 * CELLS[1])
        self.host = A1111Host(self.model, self.p)
        self.p.before_sampling[:] = [scaled, self.host.begin_pass]
        self.made, self.monkeypatch = [], monkeypatch
        if vectors:
            self._give_vectors(monkeypatch)

    def _give_vectors(self, monkeypatch):
        network = self.network

        def unet(denoiser, x, contexts):
            with torch.no_grad():
                return network(x, timesteps=torch.full((len(x),), 500), context=contexts, y=self.factor * vectors_of(len(x)))

        monkeypatch.setattr(a1111_double.Denoiser, "unet", unet)

    def sample(self, steps=2):
        made = self.p.sample(steps)
        self.made.append(self.p.sampler.model_wrap_cfg)
        return made

    def others(self):
        made = self.bare(torch.ones(3, 4, *CELLS), [self.context(text) for text in "abc"])
        return torch.cat([made, a1111_double.Processing(self.webui, width=8 * CELLS[1]).sample()])

    def bare(self, x, contexts):
        with torch.no_grad():
            return self.network(x, torch.full((len(x),), 500), context=torch.stack(contexts))

    def change_weights(self):
        self.monkeypatch.setattr(self.model.sd_checkpoint_info, "filename", "two.safetensors")

    def read_loras(self, tmp_path, monkeypatch, layers):
        if layers is not None:
            a1111_networks(monkeypatch, self.network, {"x": ("lora", layers)})

    def lists(self):
        callbacks = self.webui.callbacks
        return [list(found) for found in (*callbacks.lists.values(), *callbacks.ordered.values()) if found], dict(vars(self.model))

    def denoisers(self):
        return [*self.made, *([self.p.sampler.model_wrap_cfg] if hasattr(self.p, "sampler") else [])]


@lru_cache
def checkpoint(vectors):
    """With SDXL's second conditioning, or without; made once, as every test leaves it as it was."""
    made = a1111_double.checkpoint()
    if vectors:
        torch.manual_seed(5)
        network = made.model.diffusion_model
        network.num_classes, network.label_emb = "continuous", nn.Linear(VECTOR, 128).requires_grad_(False)
    return made


def scaled(p):
    p.sampler.model_wrap_cfg.sampler.sampler_extra_args["cond_scale"] = 3.0


class Forge(Double):
    kind = ForgeHost
    time = "time"
    rows = (Row(0, "uncond"), Row(0, "cond"))
    processing = forge_double.Processing

    def __init__(self, monkeypatch, vectors=False):
        self.webui = self._webui(monkeypatch, vectors)
        self.vectors = vectors
        self.model = self.webui.engine
        self.network = self.model.network
        self.p = self.processing(self.webui)
        self.host = ForgeHost(self.model, self.p)
        self.p.before_sampling[:] = [self.host.begin_pass]

    def _webui(self, monkeypatch, vectors):
        return forge_double.WebUI(monkeypatch, ForgeEngine(forge_networks.Network(vectors=vectors)))

    def sample(self, steps=2):
        return self.p.sample(steps, self.p.latent(*CELLS))

    def others(self):
        return self.processing(self.webui, ["inner"]).sample(1)

    def bare(self, x, contexts):
        with torch.no_grad():
            return self.network(x, torch.full((len(x),), 0.5), context=torch.stack(contexts), transformer_options={})

    def double_vectors(self, monkeypatch):
        monkeypatch.setattr(forge_double, "vector_of", lambda text: 2 * forge_networks.vector_of(text))

    def vector(self, row):
        return forge_networks.vector_of("main" if self.rows[row].role == "cond" else "bad")

    def change_weights(self):
        self.model.current_lora_hash += "2"

    def read_loras(self, tmp_path, monkeypatch, layers):
        if layers is not None:
            forge_loras(monkeypatch, self.network, {"x": ("lora", layers)})

    def lists(self):
        kept = {kind: list(listeners) for kind, listeners in self.webui.callbacks.lists.items()}
        return kept, {key: dict(value) if isinstance(value, dict) else list(value) for key, value in self.model.unet.model_options.items()}

    def denoisers(self):
        return self.p.denoisers


class Reforge(Forge):
    name = "reforge"
    processing = ldm_patched_double.Processing

    def _webui(self, monkeypatch, vectors):
        return ldm_patched_double.WebUI(monkeypatch, self.name, vectors=vectors)

    def read_loras(self, tmp_path, monkeypatch, layers):
        if layers is None:
            return
        keys = {f"lora_unet_{name.replace('.', '_')}": f"diffusion_model.{name}.weight" for name in layers}
        contents = {"x.safetensors": file_of(layers)}
        loader = ldm_patched_double.Loader(monkeypatch, self.name, self.network, contents, keys, {})
        loader.objects.unet.model_options = {}
        self.webui.swap(loader.engine)


class Classic(Reforge):
    name = "classic"


class Diffusers(Double):
    kind = DiffusersHost
    time = "time_embedding.linear_1"
    rows = (Row(0, "cond"), Row(0, "uncond"))

    def __init__(self, monkeypatch, vectors=False):
        self.model = toy_model()
        self.vectors = vectors
        if vectors:
            torch.manual_seed(0)
            self.model.unet = UNet2DConditionModel(
                sample_size=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=WIDTH, attention_head_dim=2,
                down_block_types=("CrossAttnDownBlock2D",) * 2, up_block_types=("CrossAttnUpBlock2D",) * 2, addition_embed_type="text_time",
                addition_time_embed_dim=4, projection_class_embeddings_input_dim=VECTOR + 6 * 4,
            ).eval()  # fmt: skip
        self.network = self.model.unet
        self.host = DiffusersHost(self.model)

    def sample(self, steps=2):
        """Guidance and a step of 0.1, hooks around each guided prediction as in the standalone host."""
        x = torch.randn(1, 4, *CELLS, generator=torch.Generator().manual_seed(3))
        with contextlib.suppress(self.interrupt):
            for index in range(steps):
                x = x + 0.1 * self._guided(x, StepInfo(index, steps, 0.9, False, 3.0))
        return x

    def _guided(self, x, step):
        def run():
            cond, uncond = self._predict(x, step).chunk(2)
            return uncond + 3 * (cond - uncond)

        for hook in self.model.denoiser_hooks:
            return hook(DenoiserCall(x, step, 1.0, 0.9, run))
        return run()

    def _predict(self, x, step):
        for listener in list(self.model.call_listeners):
            listener(ModelCall(self.rows, step, CELLS))
        return self._run(torch.cat([x, x]), [self.context("main"), self.context("bad")])

    def _run(self, x, contexts):
        vectors, sizes = self.factor * vectors_of(len(x)), SIZES.expand(len(x), -1)
        more = {"added_cond_kwargs": {"text_embeds": vectors, "time_ids": sizes}} if self.vectors else {}
        with torch.no_grad():
            return self.network(x, 100, torch.stack(contexts), **more).sample

    def others(self):
        return self._run(torch.ones(3, 4, *CELLS), [self.context(text) for text in "abc"])

    def bare(self, x, contexts):
        return self._run(x, contexts)

    def vector(self, row):
        return torch.cat([super().vector(row), SIZES])

    def change_weights(self):
        self.model.loras.version += 1

    def read_loras(self, tmp_path, monkeypatch, layers):
        self.model.loras = None
        if layers is not None:
            save_file(file_of(layers), tmp_path / "x.safetensors")
            self.model.loras = Loras(self.network, (), LoraShelf((tmp_path,)))

    def lists(self):
        return list(self.model.call_listeners), list(self.model.denoiser_hooks)

    def put_on_top(self, layer, called):
        found = layer.processor

        class Theirs:
            def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
                called.append(1)
                return found(attn, hidden_states, encoder_hidden_states, attention_mask, temb)

        layer.set_processor(Theirs())
        return lambda: layer.set_processor(found)

    def current(self, layer):
        return layer.processor


def vectors_of(count: int) -> Tensor:
    """Pooled texts (B, V), another one in each row."""
    return torch.arange(1.0, 1 + count * VECTOR).view(count, VECTOR)


def lora_of(double: Double) -> dict[str, dict[str, Tensor]]:
    """Parts of one LoRA on one layer of a double's network."""
    name = double.named(LAYER)
    return {name: lora(tuple(double.network.get_submodule(name).weight.shape))}


def file_of(layers: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """A file in kohya's names."""
    return {f"lora_unet_{name.replace('.', '_')}.{part}": value for name, parts in layers.items() for part, value in parts.items()}


ADAPTERS = {"a1111": A1111, "forge": Forge, "reforge": Reforge, "classic": Classic, "diffusers": Diffusers}
