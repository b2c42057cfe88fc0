"""The table of few steps: which rows it compares, and that the LoRA is asked for."""

import numpy as np
import pytest
from few_steps import SAMPLINGS, few_steps_table, lcm, shared
from measure import Marks, Place
from peers import PEERS
from results import Results, Row, digest
from suite import cases, payload, sampling_text

from run import request_of

FIRST = [case for case in cases() if case.number < 2]
GREY = np.full((128, 128, 3), 128, np.uint8)


def kept(results, case, sampling, right):
    places = tuple(Place(one, True, False, 0, 0) for one in right)
    results.add(
        Row("rag", sampling_text(*sampling), case.kind, case.number, case.seed, digest(payload(case, "rag")), 1.0, Marks(places, 0, ())),
        GREY,
    )


def test_only_layouts_that_every_sampling_has_are_compared(tmp_path):
    results = Results(tmp_path, {"host": "test"})
    for number, sampling in enumerate(SAMPLINGS):
        kept(results, FIRST[0], sampling, (True, number < 2))
    kept(results, FIRST[1], SAMPLINGS[0], (False, False))
    assert [len(rows) for rows in shared(results, "rag", SAMPLINGS)] == [1] * len(SAMPLINGS)
    line = few_steps_table(results, ["rag", "plain"]).splitlines()[-1]
    assert line == "| rag | 1 | 100% / 100% | 100% / 100% | 50% / 0% | 50% / 0% | 50% / 0% |"


def test_a_sampling_with_a_lora_has_a_name_of_its_own():
    names = [sampling_text(*one) for one in SAMPLINGS]
    assert len(set(names)) == len(names) and sampling_text(*lcm(4, 1)) == "LCM, 4 steps, CFG 1, lcm"


@pytest.mark.parametrize("method", ["plain", "rag", *PEERS])
def test_the_lora_acts_on_the_whole_picture(method):
    sampling, lora = lcm(4, 1)
    without, request = request_of(FIRST[0], method, sampling), request_of(FIRST[0], method, sampling, lora)
    assert without is not None and request is not None
    assert request == {**without, "prompt": without["prompt"] + " <lora:lcm:1>"}
