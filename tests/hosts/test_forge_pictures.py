"""What edits ask of a Forge engine: tokens as its text engine lays them out, and its autoencoder."""

import sys
from types import SimpleNamespace

import pytest
import torch

from lib_regional.core.errors import RegionalError
from lib_regional.hosts import forge_pictures
from lib_regional.hosts.a1111 import A1111Host
from lib_regional.hosts.forge import ForgeHost
from lib_regional.ports import Token

START, END = 100, 101
PIECES = {1: "a</w>", 2: "cath", 3: "edral</w>", 4: "here</w>"}


class TextEngine:
    """Chunks of 77 tokens as Forge's classic engine makes them: (start, tokens, end, padding), textual inversions as fixes."""

    id_start, id_end, id_pad = START, END, END
    tokenizer = SimpleNamespace(convert_ids_to_tokens=lambda token: PIECES[token])

    def tokenize_line(self, text):
        tokens, fixes = {"a cathedral": ([1, 2, 3], []), "a style here": ([1, 0, 0, 4], [(1, "style", 2)])}[text]
        body = [START, *tokens, *[END] * (76 - len(tokens))]
        told = [SimpleNamespace(offset=at, embedding=SimpleNamespace(name=name, vectors=count)) for at, name, count in fixes]
        return [SimpleNamespace(tokens=body, fixes=told)], len(tokens)


@pytest.fixture
def parser(monkeypatch):
    """The host's prompt parser: the last of a schedule's texts counts."""
    parse = SimpleNamespace(get_learned_conditioning_prompt_schedules=lambda texts, steps: [[[0, "no"], [steps, text]] for text in texts])
    monkeypatch.setitem(sys.modules, "modules", SimpleNamespace(prompt_parser=parse))


@pytest.mark.parametrize("name", ["text_processing_engine", "text_processing_engine_l"])
def test_pieces_of_words_with_their_places(parser, name):
    found = forge_pictures.tokens_of(SimpleNamespace(**{name: TextEngine()}), "a cathedral")
    assert found == [Token(1, "a", 0), Token(2, "cath", 1), Token(3, "edral", 1)]


def test_a_textual_inversion_is_one_word(parser):
    found = forge_pictures.tokens_of(SimpleNamespace(text_processing_engine=TextEngine()), "a style here")
    assert found == [Token(1, "a", 0), Token(2, "style", 1), Token(3, "", 1), Token(4, "here", 2)]


def test_a_model_without_chunks_is_refused(parser):
    with pytest.raises(RegionalError, match="text encoder"):
        forge_pictures.tokens_of(SimpleNamespace(text_processing_engine_t5=object()), "a cathedral")


def test_the_autoencoder_leaves_the_network_in_memory(monkeypatch):
    loaded = []
    monkeypatch.setattr(forge_pictures, "prepare_again", lambda model, x: loaded.append(tuple(x.shape)))
    model = SimpleNamespace(
        decode_first_stage=lambda x: x[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3).half(),
        encode_first_stage=lambda x: torch.nn.functional.avg_pool2d(x, 8),
    )
    pictures = forge_pictures.decode(model, torch.ones(2, 4, 3, 2))
    assert pictures.shape == (2, 3, 24, 16) and pictures.dtype == torch.float32
    assert forge_pictures.encode_picture(model, pictures).shape == (2, 3, 3, 2)
    assert loaded == [(2, 4, 3, 2), (2, 3, 3, 2)]


@pytest.mark.parametrize(
    ("asked", "strength", "fixed"),
    [(20, 1.0, False), (20, 0.75, False), (8, 1.0, True), (30, 0.4, True)],
    ids=["all", "part", "fixed", "few"],
)
@pytest.mark.parametrize("kind", [A1111Host, ForgeHost])
def test_the_levels_are_those_that_ddim_visits(monkeypatch, kind, asked, strength, fixed):
    """The WebUIs leave out the noisiest level and, since their loop ends one early, predict at all but the last."""

    def setup_img2img_steps(p, steps=None):
        if fixed:
            return int(asked / min(strength, 0.999)), asked - 1
        return asked, int(min(strength, 0.999) * asked)

    common = SimpleNamespace(setup_img2img_steps=setup_img2img_steps)
    monkeypatch.setitem(sys.modules, "modules", SimpleNamespace(sd_samplers_common=common))
    grid = torch.tensor(range(0, 1000, 1000 // setup_img2img_steps(None)[0])) + 1
    p = SimpleNamespace(sampler=SimpleNamespace(get_timesteps=lambda p, steps: grid.clip(0, 999)))
    visited = []
    schedule = grid.clip(0, 999)[: setup_img2img_steps(p)[1]]
    for i in range(len(schedule) - 1):  # the host's loop, after its formulas
        visited.append(int(schedule[len(schedule) - 1 - i]))
    *levels, end = kind(SimpleNamespace(), p).levels()
    assert levels == visited and end == int(schedule[0])
