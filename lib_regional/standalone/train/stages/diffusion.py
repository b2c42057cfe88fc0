"""Trains the UNet and the text encoder together on cached latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..data.captions import caption
from ..data.latents import SHARES, Latents, grow, load_latents
from ..data.vocabulary import compact, encode, rows_in_use
from ..groupnorm import quicken
from ..networks import build_text_encoder, build_unet
from ..parallel import average_gradients, join
from ..progress import Average, Checkpoint, Log, Run, autocast, set_rate, spread, steps_of
from ..sampling import STEPS, alphas_cumprod

SNR_LIMIT = 5.0
OBJECT_WEIGHT = 3.0
NAME = "unet.pt"
AVERAGE_EVERY, AVERAGE_DECAY = 4, 0.996
"""The weights are averaged every fourth step: it costs as much as a sixteenth of a step."""


@dataclass(frozen=True)
class Models:
    """The two networks that are trained together."""

    unet: UNet2DConditionModel
    text: CLIPTextModel

    def both(self) -> nn.ModuleDict:
        return nn.ModuleDict({"unet": self.unet, "text": self.text})


def build(device: str = "cpu") -> Models:
    """Fresh networks, laid out for speed on the device."""
    unet, text = build_unet(), build_text_encoder(rows_in_use())
    if torch.device(device).type == "cpu":
        # Sequences of 16 to 384 with two heads: a plain batched product in bf16 beats the fused attention several times.
        unet.set_attn_processor(AttnProcessor())
        quicken(unet)
    return Models(unet.to(device), text.to(device))


def timestep_odds(alphas: Tensor) -> tuple[NDArray[np.float64], Tensor]:
    """Probability (1000,) to draw each time and the loss weight (1000,) that makes the expected loss min-SNR weighted.

    Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy".
    Drawing in proportion to the weight lowers the variance.
    """
    snr = alphas / (1 - alphas)
    wanted = snr.clamp(max=SNR_LIMIT) / snr
    odds = 0.9 * wanted / wanted.sum() + 0.1 / len(wanted)
    return odds.double().numpy() / float(odds.double().sum()), wanted / wanted.mean() / (odds * len(odds))


@dataclass(frozen=True)
class Batch:
    """latents (B,4,h,w), weight (B,1,h,w) with mean 1, rows (B,77)."""

    latents: Tensor
    weight: Tensor
    rows: Tensor


def random_batch(rng: np.random.Generator, group: Latents, count: int) -> Batch:
    """Pictures of one size with fresh captions."""
    chosen = rng.integers(len(group.scenes), size=count)
    texts = [caption(rng, group.scenes[i]) for i in chosen]
    weight = 1 + (OBJECT_WEIGHT - 1) * grow(group.objects[chosen])
    return Batch(group.latents[chosen], weight / weight.mean(), compact(encode(texts)))


class Trainer:
    """The state of the training: networks, optimiser, average."""

    def __init__(self, run: Run) -> None:
        torch.manual_seed(run.seed)
        self.run, self.models = run, build(run.device)
        self.module = self.models.both()
        table = [self.models.text.get_input_embeddings().weight]
        rest = [weight for weight in self.module.parameters() if weight is not table[0]]
        # No decay on the table: rows of words that do not occur in a batch would fade.
        groups = [{"params": rest, "weight_decay": 0.01}, {"params": table, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, run.rate, betas=(0.9, 0.99), fused=True)
        self.average = Average(self.module, AVERAGE_DECAY)
        self.checkpoint = Checkpoint(run.out / NAME)
        self.start = 0
        self.alphas = alphas_cumprod()
        self.odds, self.weights = timestep_odds(self.alphas)
        if state := self.checkpoint.load(run.device):
            self.module.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average.load(state["average"])
            self.start = state["step"]

    def loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Weighted error of the predicted noise."""
        device = self.run.device
        times = torch.from_numpy(rng.choice(STEPS, len(batch.latents), p=self.odds))
        alpha = self.alphas[times].view(-1, 1, 1, 1)
        noise = torch.randn_like(batch.latents)
        noisy = (alpha.sqrt() * batch.latents + (1 - alpha).sqrt() * noise).to(device, memory_format=torch.channels_last)
        with autocast(device):
            context = self.models.text(batch.rows.to(device)).last_hidden_state
            predicted = self.models.unet(noisy, times.to(device), context).sample
        weight = (batch.weight * self.weights[times].view(-1, 1, 1, 1)).to(device)
        loss: Tensor = ((predicted.float() - noise.to(device)).square() * weight).mean()
        return loss

    def step(self, step: int, batch: Batch, rng: np.random.Generator) -> Tensor:
        set_rate(self.optimiser, self.run.rate_at(step))
        loss = self.loss(batch, rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.module.parameters())
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimiser.step()
        if step % AVERAGE_EVERY == 0:
            self.average.update(self.module)
        return loss.detach()

    def save(self, step: int) -> None:
        self.checkpoint.save(step, model=self.module.state_dict(), optimiser=self.optimiser.state_dict(), average=self.average.state())


def train_unet(run: Run) -> Models:
    """Trains (or resumes) and returns the averaged networks."""
    rank, processes = join(run.device)
    trainer, groups = Trainer(run), load_latents(run.out)
    log = Log(run.out / "unet.csv", ("step", "loss"))
    torch.manual_seed(run.seed + 1000 * rank + trainer.start)
    sizes, rng = np.random.default_rng(run.seed + trainer.start), np.random.default_rng([run.seed, trainer.start, rank])
    losses = []
    for step in steps_of(run, trainer.start, "unet", quiet=rank > 0):
        group = groups[int(sizes.choice(len(groups), p=SHARES))]  # the same in every process: their steps take equally long
        losses.append(trainer.step(step, random_batch(rng, group, max(1, run.batch // processes)), rng))
        if rank > 0:
            losses.clear()
            continue
        if (step + 1) % run.log_every == 0:
            log.write(step=step + 1, loss=spread(losses))
            losses = []
        if (step + 1) % run.save_every == 0 or step + 1 == run.steps:
            trainer.save(step + 1)
    return load_models(run.out, run.device)


def load_models(out: Path, device: str = "cpu") -> Models:
    """The averaged networks."""
    state = Checkpoint(out / NAME).load(device)
    if state is None:
        raise FileNotFoundError(f"No UNet in {out}: train the stage `unet` first.")
    models = build(device)
    models.both().load_state_dict(state["average"]["weights"])
    for module in (models.unet, models.text):
        module.eval()
    return models
