"""Trains an image encoder and an IP-Adapter for the small model on drawn pictures, and writes both as the published ones are.

Ye et al. 2023, "IP-Adapter": the UNet is frozen; keys and values of the picture's tokens begin as those of the texts. What the adapter is
taught is what words do: the tokens are trained to be the context of the words that name the thing, keys and values to add at every
cross-attention what those words add there. The UNet runs on a few pictures once, and nothing is differentiated through it. Words of two
things differ little from each other, so the tokens are also asked which of all things' words they are nearest to: by their error alone the
encoder found colours and no shapes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ....sources.references.vision import normed
from ...model import FOLDER
from ...model.loading import load_model
from ..data.captions import caption
from ..data.drawing import draw
from ..data.lora_pictures import Subject
from ..data.references import KINDS, SIDE, VARIANTS, reference_pictures
from ..data.scene import Scene, random_scene
from ..data.vocabulary import encode
from ..networks import CONTEXT_WIDTH
from ..progress import Run, autocast, fit
from ..sampling import STEPS, alphas_cumprod
from .diffusion import timestep_odds
from .lora import subject_latents

REFERENCES = FOLDER / "references"
ENCODER_NAME, ADAPTER_NAME = "regional-small-encoder", "ip-adapter_regional-small.safetensors"
TOKENS = 4
"""Start, colour, shape and end of the words that name a thing; as many as published adapters have."""
EMBEDDING = 64
ADDED = 0.3
"""Weight of the layers' error beside that of the tokens."""
NAMED = 0.2
"""Weight of the question which thing it is beside the tokens' error."""
SHARP = 20.0
"""Logits of it are the negative errors to every thing's words, times this."""
ASKED = 3
"""One in so many of a batch is asked at the layers."""
TIMES = 2
"""Noise levels at which each picture is recorded."""
RECORDED = 24
"""Pictures in a call of the UNet while recording."""
MISSING = 0.1
"""Share of the batch without a picture, for classifier-free guidance."""
NOBODY = len(KINDS)
"""The kind of no picture."""
SHIFT = 4
"""Pixels by which a reference is shifted at most, so that the encoder sees no picture twice."""
ENCODER: dict[str, Any] = {
    "image_size": SIDE, "patch_size": 8, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4,
    "projection_dim": EMBEDDING,
}  # fmt: skip
SUBJECT = Subject(draw, lambda rng: random_scene(rng, count=1))


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


def attended(attn: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """A layer of diffusers: (B, L, C), (B, T, C), (B, T, C) -> (B, L, C), before the output projection."""
    q, k, v = (attn.head_to_batch_dim(one) for one in (queries, keys, values))
    found: Tensor = attn.batch_to_head_dim(torch.bmm(attn.get_attention_scores(q, k), v))
    return found


class Recording:
    """An attention processor of diffusers that keeps a layer's queries and what the words of the things add to its answer."""

    def __init__(self, without: dict[str, Tensor]) -> None:
        """``without``: the batch's context (B, 77, C) without the things, under "context"."""
        self._without = without
        self._kept: list[tuple[Tensor, Tensor]] = []

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        """Processor interface of diffusers: (B, L, C) -> (B, L, C)."""
        queries, less = attn.to_q(hidden_states), self._without["context"]
        own, rest = (attended(attn, queries, attn.to_k(one), attn.to_v(one)) for one in (encoder_hidden_states, less))
        self._kept.append((queries.half(), (own - rest).half()))
        done: Tensor = attn.to_out[0](own)
        return done

    def taken(self) -> tuple[Tensor, Tensor]:
        """Queries and what was added, (N, L, C) each; kept no longer."""
        queries, added = (torch.cat(parts) for parts in zip(*self._kept, strict=True))
        self._kept.clear()
        return queries, added


def varied(levels: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures (B, h, w, 3), each shifted by some pixels (its border repeated), some mirrored."""
    n, h, w, _ = levels.shape
    rows, columns = (np.arange(side) + rng.integers(-SHIFT, SHIFT + 1, (n, 1)) for side in (h, w))
    columns = np.where(rng.random((n, 1)) < 0.5, columns, w - 1 - columns)
    each, y, x = np.arange(n)[:, None, None], rows.clip(0, h - 1)[:, :, None], columns.clip(0, w - 1)[:, None]
    return levels[each, y, x]


class Training:
    """The frozen model, an adapter for it, and what words do at its cross-attentions."""

    def __init__(self, device: str) -> None:
        self.model = load_model(device=device)
        self.device = self.model.device
        texts: Any = self.model.text_encoder.text_model
        self.adapter = PictureAdapter(self.model.unet, texts.final_layer_norm.float()).to(self.device)
        self._pictures = torch.from_numpy(reference_pictures())
        texts = [f"{colour} {shape}" for shape, colour in KINDS]
        self._words = self._contexts([*texts, ""])[:, :TOKENS].float()
        self._kinds = np.zeros(0, np.int64)
        self._seen: list[tuple[Any, Tensor, Tensor]] = []

    @torch.no_grad()
    def _contexts(self, texts: list[str]) -> Tensor:
        """(B, 77, C) of the frozen text encoder."""
        found: Tensor = self.model.text_encoder(torch.from_numpy(encode(texts)).to(self.device)).last_hidden_state
        return found

    def _tokens(self, kinds: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Context tokens (B, TOKENS, C) of a drawn reference of each kind; `NOBODY`: of no picture."""
        there = kinds != NOBODY
        levels = varied(self._pictures[np.where(there, kinds, 0), rng.integers(VARIANTS, size=len(kinds))], rng)
        with autocast(self.device.type):
            tokens = self.adapter.tokens(normed(levels).to(self.device), torch.from_numpy(there).float().to(self.device))
        return tokens.float()

    @torch.no_grad()
    def record(self, latents: Tensor, scenes: list[Scene], rng: np.random.Generator) -> None:
        """Runs the model on noisy pictures with one thing each, and keeps what the thing's words add at every layer."""
        from diffusers.models.attention_processor import AttnProcessor

        unet, without = self.model.unet, dict[str, Tensor]()
        processors = {name: Recording(without) if ".attn2." in name else AttnProcessor() for name in unet.attn_processors}
        unet.set_attn_processor(dict(processors))
        odds, _ = timestep_odds(alphas_cumprod())
        for start in range(0, len(scenes), RECORDED):
            part = scenes[start : start + RECORDED]
            texts = [thing_and_ground(scene, rng) for scene in part]
            without["context"] = self._contexts([ground for _, ground in texts])
            times = torch.from_numpy(rng.choice(STEPS, len(part), p=odds))
            noisy = noised(latents[start : start + RECORDED], times).to(self.device)
            unet(noisy, times.to(self.device), self._contexts([f"{thing}, {ground}" if ground else thing for thing, ground in texts]))
        self._kinds = np.array([KINDS.index((scene.things[0].shape, scene.things[0].colour)) for scene in scenes])
        layers = [unet.get_submodule(name.removesuffix(".processor")) for name in processors]
        both = zip(layers, processors.values(), strict=True)
        self._seen = [(layer, *one.taken()) for layer, one in both if isinstance(one, Recording)]

    def loss(self, batch: int, rng: np.random.Generator) -> Tensor:
        """Error of the tokens as the context of the words that name the thing, and of what they add at the layers."""
        at = rng.integers(len(self._kinds), size=batch)
        kinds = np.where(rng.random(batch) < MISSING, NOBODY, self._kinds[at])
        tokens = self._tokens(kinds, rng)
        few = slice(batch // ASKED)
        return words_error(tokens, self._words, kinds) + ADDED * self._layers_error(tokens.detach()[few], at[few], kinds[few] != NOBODY)

    def _layers_error(self, tokens: Tensor, at: NDArray[np.int64], there: NDArray[np.bool_]) -> Tensor:
        """Relative error of what the tokens (b, T, C) add at the recorded queries ``at``, as what the words do; no picture adds nothing."""
        errors, given = [], torch.from_numpy(there).float().to(self.device)[:, None, None]
        for (layer, queries, added), key, value in zip(self._seen, self.adapter.keys, self.adapter.values, strict=True):
            found, wanted = attended(layer, queries[at].float(), key(tokens), value(tokens)), added[at].float()
            errors.append((found - given * wanted).square().mean() / wanted.square().mean())
        return torch.stack(errors).mean()


def words_error(tokens: Tensor, words: Tensor, kinds: NDArray[np.int64]) -> Tensor:
    """tokens (B, T, C), words of every kind and, last, of no picture (K + 1, T, C), the kind of each row -> error.

    The mean squared error to the kind's own words, and the cross-entropy of the kind among all kinds by these errors.
    """
    errors = (tokens[:, None] - words).square().mean((2, 3))
    wanted = torch.from_numpy(kinds).to(errors.device)
    return errors.gather(1, wanted[:, None]).mean() + NAMED * F.cross_entropy(-SHARP * errors, wanted)


def thing_and_ground(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """The words of the scene's thing, and a caption of the rest."""
    (thing,) = scene.things
    return f"a {thing.colour} {thing.shape}", caption(rng, replace(scene, things=()))


def noised(latents: Tensor, times: Tensor) -> Tensor:
    """Latents of unit variance (B, 4, h, w) at the noise of their timesteps."""
    alpha = alphas_cumprod()[times].view(-1, 1, 1, 1)
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * torch.randn_like(latents)


def train_reference(run: Run, pictures: int, target: Path | None = None) -> Path:
    """Trains (or resumes) encoder and adapter, and writes them; returns the adapter's file."""
    torch.manual_seed(run.seed)
    training = Training(run.device)
    adapter = training.adapter
    latents, _ = subject_latents(run.out, "reference", SUBJECT, pictures, run.seed, training.model)
    scenes = [SUBJECT.scene(at, run.seed) for at in range(pictures)]
    training.record(latents.repeat(TIMES, 1, 1, 1), scenes * TIMES, np.random.default_rng(run.seed))
    folder = target or REFERENCES
    fit(run, "reference", adapter, lambda rng: training.loss(run.batch, rng), lambda weights: write_reference(weights, folder))
    return folder / ADAPTER_NAME


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
