"""What is kept for scores: which layer, at which steps, and the same score whether texts share a row or have rows of their own."""

from __future__ import annotations

import pytest
import torch

from lib_regional.engine.calls import AttentionCall, ModelCall, Row, Site, StepInfo
from lib_regional.engine.records.score_record import ScoreRecord
from lib_regional.request.layout.windows import Window, canvas_of
from lib_regional.request.settings import Settings

CANVAS, GRID, HEADS, WIDTH = (8, 16), (4, 8), 2, 4
SCORED = "up_blocks.1.attentions.1.transformer_blocks.0.attn2"
SITES = {
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2": (8, 16),
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2": (4, 8),
    "mid_block.attentions.0.transformer_blocks.0.attn2": (2, 4),
    "up_blocks.1.attentions.0.transformer_blocks.0.attn2": (4, 8),
    SCORED: (4, 8),
    "up_blocks.2.attentions.0.transformer_blocks.0.attn2": (8, 16),
}


def layout(**first):
    regions = [{"box": [0, 0, 0.5, 1], "prompt": "red hat", **first}, {"box": [0.5, 0, 1, 1], "prompt": "red shoe"}]
    return Settings.parse({"enabled": True, "regions": regions}).layout()


def places(text):
    return [(word, (at + 1,)) for at, word in enumerate(text.split())]


def attention_call(name, grid=None, index=12, total=20, hires=False, kind="cross", controlnet=False):
    grid = grid or SITES.get(name, GRID)
    model = ModelCall((Row(0, "cond"),), StepInfo(index, total, hires=hires), CANVAS)
    x = torch.zeros(1, grid[0] * grid[1], HEADS * WIDTH)
    same = lambda value: value  # noqa: E731
    return AttentionCall(Site(name, kind, controlnet), grid, model, x, x, HEADS, 0.5, same, same, same, same)


def of_a_pass(record, index=12):
    return [name for name, grid in SITES.items() if record.wants(attention_call(name, grid, index))]


def test_the_scored_layer_is_the_last_of_the_decoders_coarsest_grid():
    record = ScoreRecord(layout(), places)
    assert of_a_pass(record, 0) == []
    assert of_a_pass(record, 12) == [SCORED] and of_a_pass(record, 16) == [SCORED]
    assert [at for at in range(20) if of_a_pass(record, at)] == [12, 16]


@pytest.mark.parametrize("more", [{"hires": True}, {"controlnet": True}, {"kind": "self"}])
def test_other_calls_are_left_out(more):
    assert not ScoreRecord(layout(), places).wants(attention_call(SCORED, **more))


def test_a_region_of_few_steps_is_scored_at_their_middle():
    record = ScoreRecord(layout(steps=[0, 0.4]), places)
    assert [at for at in range(20) if of_a_pass(record, at)] == [4, 12, 16]


def queries():
    """Cells of the left half ask for direction 0, those of the right for direction 1, in every head."""
    q = torch.zeros(*GRID, HEADS, WIDTH)
    q[:, :4, :, 0], q[:, 4:, :, 1] = 6, 6
    return q.flatten(0, 1).flatten(1)


def keys(direction):
    """The second word answers to a direction, everything else to nothing."""
    k = torch.zeros(HEADS, 7, WIDTH)
    k[:, 2, direction] = 6
    return k


def shared(first=0, second=1):
    record, call = ScoreRecord(layout(), places), attention_call(SCORED)
    of_a_pass(record, 0), record.wants(call)
    sample = record.sample(call, 0, CANVAS, "", {0: "red hat", 1: "red shoe"})
    sample.keys.update({"red hat": keys(first), "red shoe": keys(second)})
    record.add_shared(sample, call, queries())
    return record.scores()[0]


def test_in_one_step_every_layer_may_be_it_and_one_counts():
    record = ScoreRecord(layout(), places)
    for name, grid in SITES.items():
        call = attention_call(name, grid, 0, 1)
        assert record.wants(call)
        sample = record.sample(call, 0, CANVAS, "", {0: "red hat", 1: "red shoe"})
        sample.keys.update({"red hat": keys(int(name != SCORED)), "red shoe": keys(int(name == SCORED))})
        record.add_shared(sample, call, queries() if grid == GRID else torch.zeros(grid[0] * grid[1], HEADS * WIDTH))
    assert record.scores()[0] == pytest.approx(shared())
    assert record.scores() == {}  # what was kept is forgotten


def test_words_in_their_place_and_in_the_others():
    right, wrong = shared(), shared(first=1, second=0)
    assert min(right.values()) > 0.85 and max(wrong.values()) < 0.15


def test_rows_of_their_own_have_the_score_of_a_shared_row():
    record = ScoreRecord(layout(), places)
    of_a_pass(record, 0)
    for at, (text, window) in enumerate((("red hat", Window(0, 0, 8, 8)), ("red shoe", Window(0, 8, 8, 16)))):
        call = attention_call(SCORED, (4, 4))
        assert record.wants(call)
        sample = record.sample(call, 0, CANVAS, "", {0: "red hat", 1: "red shoe"})
        own = queries().view(*GRID, -1)[:, 4 * at : 4 * at + 4].flatten(0, 1)
        record.add(sample, call, text, own, keys(at), window)
    assert record.scores()[0] == pytest.approx(shared())


def test_what_the_base_sees_is_outside():
    record, call = ScoreRecord(layout(), places), attention_call(SCORED)
    of_a_pass(record, 0), record.wants(call)
    sample = record.sample(call, 0, CANVAS, "red room", {0: "red hat"})
    record.add(sample, call, "red hat", queries(), keys(0), canvas_of(CANVAS))
    record.add(sample, call, None, queries(), keys(0), canvas_of(CANVAS))
    assert record.scores()[0][0] == pytest.approx(shared()[0], abs=0.01)
    assert ScoreRecord(layout(), places).scores() == {}
