"""From a WebUI's ``p`` to a session: texts per batch, faults raised where hosts let them through, nothing left on ``p``."""

import copy
import sys
from types import SimpleNamespace

import pytest
from toy import toy_model

from lib_regional.request.errors import SettingsError
from lib_regional.webui import driver

MODEL = toy_model()


@pytest.fixture(autouse=True)
def no_host(monkeypatch):
    """Options are at their defaults: a standalone host that other tests of this process started and ended has none any more."""
    monkeypatch.delitem(sys.modules, "modules.shared", raising=False)


class Processing(SimpleNamespace):
    """The attributes of a WebUI's processing object that the glue reads."""

    def __init__(self, **more):
        given = {"prompts": ["main"], "negative_prompts": ["bad"], "steps": 10, "width": 64, "height": 64, "enable_hr": False}
        super().__init__(**{**given, **more}, sd_model=MODEL, extra_generation_params={}, seen=[])
        self.all_prompts, self.all_negative_prompts = list(self.prompts), list(self.negative_prompts)

    def sample(self, *args, **kwargs):
        self.seen.append((list(self.prompts), len(MODEL.call_listeners)))
        return "samples", args, kwargs


REGIONS = [{"box": [0, 0, 0.5, 1], "prompt": "a"}]


def generate(p, argument):
    driver.begin(p, argument)
    driver.begin_batch(p)
    return p.sample(1, two=2)


def test_disabled_leaves_the_processing_as_it_was():
    p = Processing()
    before = dict(vars(p))
    for argument in (None, "", {}, {"enabled": False}, '{"enabled": false}', {"enabled": False, "regions": [{"weight": -1}]}):
        assert generate(p, argument) == ("samples", (1,), {"two": 2})
    assert {k: v for k, v in vars(p).items() if k != "seen"} == {k: v for k, v in before.items() if k != "seen"}


def test_enabled_samples_within_a_session():
    p = Processing()
    assert generate(p, {"enabled": True, "regions": REGIONS}) == ("samples", (1,), {"two": 2})
    assert p.seen == [(["main"], 1)] and MODEL.call_listeners == []
    assert "Regional" in p.extra_generation_params


def test_split_prompts_leave_the_base_to_the_host():
    p = Processing(prompts=["a BREAK b", "c BREAK d"], negative_prompts=["x", "x"])
    generate(p, {"enabled": True, "text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}})
    assert p.seen[0][0] == ["a, b", "c, d"]
    assert p.all_prompts == ["a BREAK b", "c BREAK d"]


@pytest.mark.parametrize(
    ("argument", "field"),
    [
        pytest.param({"enabled": True, "regions": [{**REGIONS[0], "weight": -1}]}, "regions[0].weight", id="value"),
        pytest.param({"enabled": True, "text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}}, "text_from", id="pairing"),
        pytest.param("{broken", "", id="not JSON"),
        pytest.param({"enabled": True, "grid": {"ratios": "1,1", "direction": "columns"}, "regions": [{}]}, "grid", id="cells"),
    ],
)
def test_bad_input_is_raised_by_sample_and_the_next_generation_is_clean(argument, field):
    p = Processing()
    driver.begin(p, argument)
    with pytest.raises(SettingsError) as caught:
        p.sample()
    assert field in [problem.field for problem in caught.value.problems]
    assert p.seen == []
    assert generate(p, {"enabled": False})[0] == "samples"


def test_a_fault_while_sampling_leaves_nothing_installed():
    p = Processing()
    p.sample = lambda *a, **k: 1 / 0
    driver.begin(p, {"enabled": True, "regions": REGIONS})
    with pytest.raises(ZeroDivisionError):
        p.sample()
    assert MODEL.call_listeners == []


def test_a_reused_or_copied_processing_is_wrapped_once_and_samples_itself():
    p = Processing()
    generate(p, {"enabled": True, "regions": REGIONS})
    generate(p, {"enabled": True, "regions": REGIONS})
    assert [listeners for _, listeners in p.seen] == [1, 1]
    other = copy.copy(p)
    other.seen = []
    generate(other, {"enabled": True, "regions": REGIONS})
    assert len(other.seen) == 1 and len(p.seen) == 2


def test_hires_prompts_are_edited_like_the_first_ones():
    p = Processing(prompts=["a BREAK b"], enable_hr=True, hr_prompts=["a BREAK b"], hr_negative_prompts=["bad"], hr_second_pass_steps=4)
    generate(p, {"enabled": True, "text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}})
    assert p.hr_prompts == ["a, b"]


def kept_texts(p):
    """What the host keeps for a next generation with the same prompts: [what they were made of, conditionings]."""
    names = ("cached_c", "cached_uc", "cached_hr_c", "cached_hr_uc")
    kept = {name: [("main", 10), object()] for name in names}
    vars(p).update(kept)
    return kept


@pytest.mark.parametrize(
    "argument", [{"enabled": True, "regions": [{"weight": -1}]}, {"enabled": True, "text_from": "break"}], ids=["settings", "pairing"]
)
def test_a_refusal_leaves_no_marked_texts_to_the_next_generation(argument):
    """ControlNet marks them before sampling, and would take the marks out in the UNet's first call."""
    p = Processing(prompts=["a BREAK b"])
    kept = kept_texts(p)
    with pytest.raises(SettingsError):
        generate(p, argument)
    assert set(map(tuple, kept.values())) == {(None, None)} and not p.seen


def test_what_the_host_keeps_stays_where_sampling_ends_well():
    p = Processing()
    kept = kept_texts(p)
    before = {name: list(found) for name, found in kept.items()}
    generate(p, {"enabled": True, "regions": REGIONS})
    assert kept == before


def test_a_wrapper_below_somebody_elses_does_not_act_in_the_next_generation():
    p, prompts = Processing(), []
    generate(p, {"enabled": True, "regions": REGIONS})
    ours = p.sample
    p.sample = lambda *args, **kwargs: prompts.append(list(p.prompts)) or ours(*args, **kwargs)
    theirs = p.sample
    p.seen.clear()
    assert generate(p, {"enabled": False}) == ("samples", (1,), {"two": 2})
    assert p.seen == [(["main"], 0)] and p.sample is theirs
    generate(p, {"enabled": True, "regions": REGIONS})
    assert p.seen[1:] == [(["main"], 1)] and MODEL.call_listeners == []
    driver.begin(p, {"enabled": True, "regions": [{**REGIONS[0], "weight": -1}]})
    with pytest.raises(SettingsError):
        p.sample()
    generate(p, {"enabled": False})
    assert p.seen[-1] == (["main"], 0)
