"""A small fixed sample of the suite, in the test command: enough to notice when placing breaks, not to compare methods."""

import numpy as np
import pytest
from measure import areas, assess, figures, run
from suite import KINDS, cases, payload, singles

from run import served

pytestmark = pytest.mark.fidelity


@pytest.fixture(scope="module")
def make():
    with served() as made:
        yield made


def test_the_suite_is_fixed_and_large_enough():
    whole = list(cases())
    assert len(whole) >= 200 and whole == list(cases())
    assert {case.kind for case in whole} == set(KINDS)
    for case in whole:
        masks = np.stack(areas(case)).astype(int)
        assert masks.sum(0).max() == 1, "places must not overlap"


def test_the_judge_sees_what_stands_where():
    case = next(cases())
    empty = np.full((case.size[1], case.size[0], 3), 128, np.uint8)
    assert all(region.missing for region in assess(case, "plain", empty).judgement.regions)
    assert "alwayson_scripts" not in payload(case, "plain") and payload(case, "attention_couple")["alwayson_scripts"]


def test_attention_couple_places_what_the_plain_prompt_does_not(make):
    sample = [case for case in cases(0.1) if case.kind in ("2 columns", "2 rows", "3 columns")][::2]
    single, plain, couple = (
        figures([result.marks for result in run(asked, method, make)])
        for asked, method in ((singles(8), "plain"), (sample, "plain"), (sample, "attention_couple"))
    )
    assert single.placed >= 0.75
    assert couple.placed >= 0.7 * single.placed
    assert couple.placed >= plain.placed + 0.25
    assert plain.complete <= 0.3
