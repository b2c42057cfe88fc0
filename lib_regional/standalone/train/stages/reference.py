"""Trains an image encoder and an IP-Adapter for the small model on drawn pictures, and writes both as the published ones are.

Ye et al. 2023, "IP-Adapter": the UNet is frozen; keys and values of the picture's tokens begin as those of the texts. The tokens begin as
the context of the words that name the thing: for the first steps they are trained to be that, which needs no UNet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ....sources.references.vision import normed
from ...model import FOLDER
from ...model.loading import load_model
from ..data.drawing import draw
from ..data.lora_pictures import Subject
from ..data.references import KINDS, SIDE, VARIANTS, Task, random_task, reference_pictures
from ..data.scene import Scene, random_scene
from ..data.vocabulary import encode
from ..groupnorm import quicken
from ..networks import CONTEXT_WIDTH
from ..progress import Average, Checkpoint, Log, Run, autocast, set_rate, spread, steps_of
from .lora import noise_loss, subject_latents

REFERENCES = FOLDER / "references"
ENCODER_NAME, ADAPTER_NAME = "regional-small-encoder", "ip-adapter_regional-small.safetensors"
TOKENS = 4
"""Start, colour, shape and end of the words that name a thing; as many as published adapters have."""
EMBEDDING = 64
WORDS = 0.3
"""Share of the steps in which the tokens are trained to be words."""
ENCODER: dict[str, Any] = {
    "image_size": SIDE, "patch_size": 8, "hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 3,
    "projection_dim": EMBEDDING,
}  # fmt: skip


def _mostly_one(rng: np.random.Generator) -> Scene:
    return random_scene(rng, count=1 if rng.random() < 0.6 else None)


SUBJECT = Subject(draw, _mostly_one)


class PictureAdapter(nn.Module):
    """Encoder, projection, and keys and values for each of a UNet's cross-attentions, in diffusers' own order of them."""

    def __init__(self, unet: nn.Module, norm: nn.LayerNorm) -> None:
        """``norm`` is the text encoder's last one: contexts have its scale."""
        super().__init__()
        self.encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**ENCODER, attn_implementation="eager"))
        self.proj = nn.Linear(EMBEDDING, TOKENS * CONTEXT_WIDTH)
        self.norm = nn.LayerNorm(CONTEXT_WIDTH)
        self.norm.load_state_dict(norm.state_dict())
        processors: dict[str, Any] = unet.attn_processors  # type: ignore[assignment]
        layers: list[Any] = [unet.get_submodule(name.removesuffix(".processor")) for name in processors if ".attn2." in name]
        self.keys = nn.ModuleList(_copied(layer.to_k) for layer in layers)
        self.values = nn.ModuleList(_copied(layer.to_v) for layer in layers)

    def tokens(self, pictures: Tensor, kept: Tensor) -> Tensor:
        """pictures (B, 3, SIDE, SIDE), normed -> context tokens (B, TOKENS, C); those of no picture where ``kept`` (B,) is 0."""
        embeddings = self.encoder(pictures).image_embeds * kept[:, None]
        found: Tensor = self.norm(self.proj(embeddings).unflatten(-1, (TOKENS, CONTEXT_WIDTH)))
        return found


def _copied(layer: nn.Linear) -> nn.Linear:
    made = nn.Linear(layer.in_features, layer.out_features, bias=False)
    made.load_state_dict({"weight": layer.weight.detach().float()})
    return made


class Referred:
    """An attention processor of diffusers: the layer's own attention and the pictures' term."""

    def __init__(self, key: nn.Module, value: nn.Module, current: dict[str, Tensor]) -> None:
        """``current``: the batch's tokens (B, T, C) and weights (B, 1, h, w)."""
        self._key, self._value, self._current = key, value, current

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        """Processor interface of diffusers: (B, L, C) -> (B, L, C)."""
        q = attn.head_to_batch_dim(attn.to_q(hidden_states))
        own = self._attended(attn, q, attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states))
        tokens = self._current["tokens"]
        picture = self._attended(attn, q, self._key(tokens), self._value(tokens))
        side = round(hidden_states.shape[1] ** 0.5)
        weights = F.adaptive_avg_pool2d(self._current["weights"], side).flatten(1)[..., None]
        done: Tensor = attn.to_out[0](own + weights.to(own.dtype) * picture)
        return done

    @staticmethod
    def _attended(attn: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = attn.get_attention_scores(q, attn.head_to_batch_dim(k))
        found: Tensor = attn.batch_to_head_dim(torch.bmm(scores, attn.head_to_batch_dim(v)))
        return found


class Training:
    """The frozen model with an adapter in its cross-attentions."""

    def __init__(self, device: str) -> None:
        from diffusers.models.attention_processor import AttnProcessor

        self.model = load_model(device=device)
        unet = self.model.unet
        self.device = self.model.device
        self.adapter = PictureAdapter(unet, self.model.text_encoder.text_model.final_layer_norm.float()).to(self.device)
        self._current: dict[str, Tensor] = {}
        pairs = iter(zip(self.adapter.keys, self.adapter.values, strict=True))
        unet.set_attn_processor(
            {name: Referred(*next(pairs), self._current) if ".attn2." in name else AttnProcessor() for name in unet.attn_processors}
        )
        quicken(unet)
        self._pictures = torch.from_numpy(reference_pictures())

    def contexts(self, texts: list[str]) -> Tensor:
        """(B, 77, C) of the frozen text encoder."""
        with torch.no_grad():
            found: Tensor = self.model.text_encoder(torch.from_numpy(encode(texts)).to(self.device)).last_hidden_state
        return found

    def pictures(self, kinds: list[tuple[str, str] | None], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A drawn reference of each kind, normed, and which there are (0: none)."""
        chosen = [KINDS.index(kind) if kind else 0 for kind in kinds]
        levels = self._pictures[chosen, rng.integers(VARIANTS, size=len(kinds)).tolist()]
        return normed(levels).to(self.device), torch.tensor([float(kind is not None) for kind in kinds], device=self.device)

    def words_loss(self, batch: int, rng: np.random.Generator) -> Tensor:
        """Error of the tokens as the context of the words that name the thing."""
        kinds = [KINDS[at] for at in rng.integers(len(KINDS), size=batch)]
        target = self.contexts([f"{colour} {shape}" for shape, colour in kinds])[:, :TOKENS].float()
        with autocast(self.device.type):
            tokens = self.adapter.tokens(*self.pictures(list(kinds), rng))
        return (tokens.float() - target).square().mean()

    def noise_loss(self, tasks: list[Task], latents: Tensor, objects: Tensor, rng: np.random.Generator) -> Tensor:
        """`lora.noise_loss` under the tasks' references."""
        context = self.contexts([task.text for task in tasks])

        def predict(noisy: Tensor, times: Tensor) -> Tensor:
            with autocast(self.device.type):
                self._current["tokens"] = self.adapter.tokens(*self.pictures([task.kind for task in tasks], rng))
                self._current["weights"] = torch.from_numpy(np.stack([task.weights for task in tasks]))[:, None].to(self.device)
                return self.model.unet(noisy, times, context).sample.float()

        return noise_loss(predict, self.device, latents, objects, rng)


def train_reference(run: Run, pictures: int, target: Path | None = None) -> Path:
    """Trains (or resumes) encoder and adapter, and writes them; returns the adapter's file."""
    torch.manual_seed(run.seed)
    training = Training(run.device)
    adapter = training.adapter
    latents, objects = subject_latents(run.out, "reference", SUBJECT, pictures, run.seed, training.model)
    scenes = [SUBJECT.scene(at, run.seed) for at in range(pictures)]
    optimiser = torch.optim.AdamW(adapter.parameters(), run.rate, betas=(0.9, 0.99), weight_decay=0.01)
    average, checkpoint, start = Average(adapter, 0.99), Checkpoint(run.out / "reference.pt"), 0
    if state := checkpoint.load(run.device):
        adapter.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.load(state["average"])
        start = state["step"]
    log, losses = Log(run.out / "reference.csv", ("step", "loss")), []
    rng = np.random.default_rng([run.seed, start])
    torch.manual_seed(run.seed + start)
    for step in steps_of(run, start, "reference"):
        set_rate(optimiser, run.rate_at(step))
        if step < WORDS * run.steps:
            loss = training.words_loss(run.batch, rng)
        else:
            chosen = rng.integers(pictures, size=run.batch)
            loss = training.noise_loss([random_task(rng, scenes[at]) for at in chosen], latents[chosen], objects[chosen], rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
        optimiser.step()
        average.update(adapter)
        losses.append(loss.detach())
        if (step + 1) % run.log_every == 0:
            log.write(step=step + 1, loss=spread(losses))
            losses = []
        if (step + 1) % run.save_every == 0 or step + 1 == run.steps:
            checkpoint.save(step + 1, model=adapter.state_dict(), optimiser=optimiser.state_dict(), average=average.state())
            write_reference(average.weights, target or REFERENCES)
    return (target or REFERENCES) / ADAPTER_NAME


def write_reference(weights: dict[str, Tensor], folder: Path) -> None:
    """Weights of a `PictureAdapter` -> a folder of transformers with the encoder, and an IP-Adapter file, in half precision."""
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**ENCODER))
    encoder.load_state_dict({name.removeprefix("encoder."): one for name, one in weights.items() if name.startswith("encoder.")})
    encoder.half().save_pretrained(folder / ENCODER_NAME, safe_serialization=True)
    parts = {f"image_proj.{name}": one for name, one in weights.items() if name.startswith(("proj.", "norm."))}
    for name, one in weights.items():
        kind, _, rest = name.partition(".")
        if kind in ("keys", "values"):
            number = 2 * int(rest.partition(".")[0]) + 1
            parts[f"ip_adapter.{number}.to_{kind[0]}_ip.weight"] = one
    path = folder / ADAPTER_NAME
    save_file({name: one.half().contiguous().cpu() for name, one in parts.items()}, path)
    for file in (path, *(folder / ENCODER_NAME).iterdir()):
        file.chmod(0o644)
