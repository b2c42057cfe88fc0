"""Text encoding against naive references: chunks, emphasis, schedules, AND, and SDXL's two encoders."""

from __future__ import annotations

import logging

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from lib_regional.standalone.model.clip_text import Chunker, ClipTower
from lib_regional.standalone.model.stable_diffusion import StandaloneModel
from lib_regional.standalone.sampling.conditioning import (
    SdConditioning,
    cond_at,
    get_learned_conditioning,
    get_multicond_learned_conditioning,
    reconstruct_multicond_batch,
    stack_contexts,
)
from lib_regional.standalone.sampling.noise_levels import NoiseLevels

START, END = 49406, 49407


@pytest.fixture(scope="module")
def chunker(model) -> Chunker:
    return model.towers[0].chunker


def words(chunker: Chunker, text: str) -> list[int]:
    """Token ids of a plain text."""
    return chunker.tokenizer(text, add_special_tokens=False, truncation=False)["input_ids"]


def naive_context(model, token_rows: list[list[int]], weight_rows: list[list[float]]) -> torch.Tensor:
    """Every chunk through the encoder alone, times its weights, with its mean restored."""
    parts = []
    for tokens, weights in zip(token_rows, weight_rows, strict=True):
        ids = [START] + tokens + [END] * (76 - len(tokens))
        scale = [1.0] + weights + [1.0] * (76 - len(weights))
        z = model.text_encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
        scaled = z * torch.tensor(scale)[:, None]
        parts.append(scaled * z.mean() / scaled.mean())
    return torch.cat(parts)


def test_one_chunk_is_the_plain_encoder(model, chunker):
    cond = model.encode(["a red circle on grass"])[0]
    assert cond.vector is None
    tokens = words(chunker, "a red circle on grass")
    torch.testing.assert_close(cond.crossattn, naive_context(model, [tokens], [[1.0] * len(tokens)]))


@pytest.mark.parametrize(
    ("text", "weighted"),
    [
        ("a (red:1.5) circle", [("a", 1), ("red", 1.5), ("circle", 1)]),
        ("a ((red)) [circle]", [("a", 1), ("red", 1.21), ("circle", 1 / 1.1)]),
        (r"a \(red\) circle", [("a (red) circle", 1)]),
    ],
    ids=["number", "brackets", "escaped"],
)
def test_emphasis_multiplies_and_restores_the_mean(model, chunker, text, weighted):
    tokens, weights = [], []
    for piece, weight in weighted:
        ids = words(chunker, piece)
        tokens += ids
        weights += [weight] * len(ids)
    torch.testing.assert_close(model.encode([text])[0].crossattn, naive_context(model, [tokens], [weights]), rtol=1e-4, atol=1e-5)


def test_a_long_prompt_is_split_after_75_tokens(model, chunker):
    text = " ".join(["circle"] * 100)
    tokens = words(chunker, text)
    assert len(tokens) == 100
    chunks = chunker.chunks(text)
    assert [chunk.tokens[1:76] for chunk in chunks] == [tokens[:75], tokens[75:] + [END] * 50]
    assert all(len(chunk.tokens) == 77 == len(chunk.weights) for chunk in chunks)
    assert model.encode([text])[0].crossattn.shape == (154, 64)


def test_a_full_chunk_is_broken_at_a_near_comma(chunker):
    text = " ".join(["circle"] * 70) + ", " + " ".join(["square"] * 10)
    first, second = chunker.chunks(text)
    comma, square = words(chunker, ",")[0], words(chunker, "square")[0]
    assert first.tokens[71] == comma and first.tokens[72:] == [END] * 5
    assert second.tokens[1:11] == [square] * 10 and second.tokens[11] == END


def test_a_far_comma_does_not_break_a_chunk(chunker):
    text = " ".join(["circle"] * 40) + ", " + " ".join(["square"] * 60)
    first, second = chunker.chunks(text)
    assert END not in first.tokens[1:76] and second.tokens.count(END) == 77 - 1 - 26


def test_break_begins_a_chunk(model, chunker):
    got = model.encode(["red BREAK blue square"])[0].crossattn
    red, blue = words(chunker, "red"), words(chunker, "blue square")
    torch.testing.assert_close(got, naive_context(model, [red, blue], [[1.0], [1.0, 1.0]]))


@pytest.mark.parametrize("text", ["", "   "], ids=["empty", "blank"])
def test_an_empty_prompt_is_one_empty_chunk(chunker, text):
    assert [chunk.tokens for chunk in chunker.chunks(text)] == [[START] + [END] * 76]


def test_texts_are_encoded_each_on_its_own(model):
    texts = ["a (red:1.4) circle", "blue", "a, " * 50]
    together = model.encode(texts)
    assert all(torch.equal(model.encode([text])[0].crossattn, cond.crossattn) for text, cond in zip(texts, together, strict=True))


def test_a_schedule_changes_after_its_step_as_in_the_webui(model):
    (schedule,) = model.encode_schedules(["a [red:blue:0.5] circle"], 20)
    assert [end for end, _ in schedule] == [11, 21]
    (entries,) = get_learned_conditioning(model, SdConditioning(["a [red:blue:0.5] circle"]), 20)
    assert [entry.end_at_step for entry in entries] == [10, 20]
    red, blue = (model.encode([f"a {colour} circle"])[0].crossattn for colour in ("red", "blue"))
    assert torch.equal(cond_at(entries, 10), red) and torch.equal(cond_at(entries, 11), blue) and torch.equal(cond_at(entries, 99), blue)


def test_and_gives_weighted_parts_in_rows(model):
    both = get_multicond_learned_conditioning(model, SdConditioning(["red AND blue :0.5", "green"]), 10)
    images, rows = reconstruct_multicond_batch(both, 0)
    assert images == [[(0, 1.0), (1, 0.5)], [(2, 1.0)]]
    assert rows.shape == (3, 77, 64)
    assert torch.equal(rows[2], model.encode(["green"])[0].crossattn)


def test_shorter_contexts_repeat_their_last_vector():
    short, long = torch.randn(2, 3), torch.randn(4, 3)
    stacked = stack_contexts([short, long])
    assert torch.equal(stacked[0], torch.stack([short[0], short[1], short[1], short[1]])) and torch.equal(stacked[1], long)


def test_tags_do_not_reach_the_encoder_and_are_named(model, caplog):
    with caplog.at_level(logging.WARNING):
        cond = model.encode(["a red circle<lora:shiny:0.8>"])[0]
    assert torch.equal(cond.crossattn, model.encode(["a red circle"])[0].crossattn)
    assert "shiny" in caplog.text


@pytest.fixture(scope="module")
def sdxl(model) -> StandaloneModel:
    common = {"vocab_size": 49408, "num_hidden_layers": 3, "num_attention_heads": 2, "eos_token_id": END, "bos_token_id": START}
    torch.manual_seed(0)
    first = CLIPTextModel(CLIPTextConfig(hidden_size=16, intermediate_size=32, pad_token_id=END, **common)).eval()
    second = CLIPTextModelWithProjection(
        CLIPTextConfig(hidden_size=24, intermediate_size=32, projection_dim=20, pad_token_id=0, hidden_act="gelu", **common)
    ).eval()
    chunker = model.towers[0].chunker
    towers = ClipTower(first, chunker, penultimate=True), ClipTower(second, chunker, penultimate=True, projected=True, pad=0)
    return StandaloneModel(None, None, towers, NoiseLevels(torch.linspace(0.99, 0.01, 10)), "sdxl", "tiny")


def test_sdxl_joins_the_last_layer_but_one_of_both_encoders(sdxl, chunker):
    cond = sdxl.encode(["a red circle"], size=(64, 128))[0]
    tokens = [START, *words(chunker, "a red circle"), END]
    first, second = sdxl.text_encoders
    with torch.no_grad():
        one = first(torch.tensor([tokens + [END] * (77 - len(tokens))]), output_hidden_states=True).hidden_states[-2][0]
        two = second(torch.tensor([tokens + [0] * (77 - len(tokens))]), output_hidden_states=True)
    torch.testing.assert_close(cond.crossattn, torch.cat([one, two.hidden_states[-2][0]], -1))
    torch.testing.assert_close(cond.vector[:-6], two.text_embeds[0])
    assert cond.vector[-6:].tolist() == [128, 64, 0, 0, 128, 64]


def test_sdxl_takes_zeros_for_an_empty_negative_only(sdxl):
    negative, positive = sdxl.encode([""], negative=True)[0], sdxl.encode([""])[0]
    assert not negative.crossattn.any() and not negative.vector[:-6].any() and negative.vector[-6:-4].tolist() == [512, 512]
    assert positive.crossattn.any()


def test_sdxl_pools_the_first_chunk(sdxl):
    long = " ".join(["circle"] * 100)
    cond, first = sdxl.encode([long])[0], sdxl.encode([" ".join(["circle"] * 75)])[0]
    assert cond.crossattn.shape == (154, 40)
    torch.testing.assert_close(cond.vector[:-6], first.vector[:-6])
