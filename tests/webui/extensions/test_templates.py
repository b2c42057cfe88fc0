"""Templates of Dynamic Prompts in the settings' own texts: drawn by its library for every picture, and refused where that cannot be."""

import json
import random
import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

from lib_regional.engine.plan import plan_pass
from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import KEY, from_infotext
from lib_regional.request.settings import Settings
from lib_regional.webui import options
from lib_regional.webui.extensions.templates import drawn_settings
from lib_regional.webui.recording import Recording


@pytest.fixture
def opts(monkeypatch):
    modules, shared = ModuleType("modules"), ModuleType("modules.shared")
    modules.shared, shared.opts = shared, SimpleNamespace()
    monkeypatch.setitem(sys.modules, "modules", modules)
    monkeypatch.setitem(sys.modules, "modules.shared", shared)
    return shared.opts


class Generator:
    """Its `RandomPromptGenerator`, as far as it is called here: variants and wildcards of one word, drawn by the seed."""

    def __init__(self, wildcards, unlink_seed_from_prompt=False, ignore_whitespace=False, parser_config=None):
        self.wildcards, self.marks, self.unlinked = wildcards, parser_config, unlink_seed_from_prompt

    def generate(self, template, num_images=1, *, seeds=None):
        assert num_images == 1 and (seeds is None) == self.unlinked
        drawn, (start, end, wrap) = random.Random(seeds[0] if seeds else 7), map(re.escape, self.marks.values())
        if "$$" in template:
            raise ValueError("more are wanted than there are")
        text = re.sub(f"{start}(.*?){end}", lambda found: drawn.choice(found[1].split("|")), template)
        return [re.sub(f"{wrap}(.*?){wrap}", lambda found: drawn.choice(self.wildcards.get(found[1], [found[0]])), text)]


@pytest.fixture(autouse=True)
def library(monkeypatch):
    for name, attribute, value in (("generators", "RandomPromptGenerator", Generator), ("parser.config", "ParserConfig", dict)):
        module = ModuleType(f"dynamicprompts.{name}")
        setattr(module, attribute, value)
        monkeypatch.setitem(sys.modules, f"dynamicprompts.{name}", module)


COLOURS = ["red", "green", "blue"]


def processing(enabled=True, title="Dynamic Prompts v2.17.1", seeds=range(5, 13), unlinked=False):
    other = SimpleNamespace(title=lambda: "Regional", args_from=0, args_to=1)
    script = SimpleNamespace(title=lambda: title, args_from=1, args_to=13, _wildcard_manager={"colour": COLOURS})
    arguments = ["{}", enabled, *[False] * 10, unlinked]
    return SimpleNamespace(scripts=SimpleNamespace(alwayson_scripts=[other, script]), script_args=arguments, all_seeds=list(seeds))


def asking(text, field="prompt", **more):
    return Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a", field: text, **more}]})


def fields(p, settings):
    """Which fields are refused."""
    try:
        drawn_settings(p, settings)
    except SettingsError as error:
        return [problem.field for problem in error.problems]
    return []


@pytest.mark.parametrize("text", ["a {red|green|blue} hat", "a __colour__ hat"])
@pytest.mark.parametrize("field", ["prompt", "negative"])
def test_each_picture_draws_by_its_own_seed(opts, text, field):
    drawn = [getattr(one.regions[0], field) for one in drawn_settings(processing(), asking(text, field))]
    assert len(drawn) == 8 and {*drawn} == {f"a {colour} hat" for colour in COLOURS}
    assert drawn[2:4] == [getattr(one.regions[0], field) for one in drawn_settings(processing(seeds=(7, 8)), asking(text, field))]


def test_regions_with_one_template_draw_by_themselves(opts):
    two = [{"box": [0, 0, 0.5, 1], "prompt": "__colour__"}, {"box": [0.5, 0, 1, 1], "prompt": "__colour__"}]
    found = drawn_settings(processing(), Settings.parse({"enabled": True, "regions": two}))
    assert any(one.regions[0].prompt != one.regions[1].prompt for one in found)


def test_common_and_base_texts_are_drawn_and_the_rest_is_kept(opts):
    texts = {"common": "{a|b}, ", "base": {"prompt": "__colour__", "negative": "{c}", "joined": True}}
    settings = Settings.parse({"enabled": True, **texts, "regions": [{"box": [0, 0, 1, 1], "prompt": "plain", "weight": 0.5}]})
    for one in drawn_settings(processing(), settings):
        assert one.common in ("a, ", "b, ") and one.base.prompt in COLOURS and one.base.negative == "c" and one.base.joined
        assert one.regions == settings.regions


def test_seeds_may_be_unlinked(opts):
    assert len({one.regions[0].prompt for one in drawn_settings(processing(unlinked=True), asking("__colour__"))}) == 1


def test_pictures_are_planned_and_written_with_what_was_drawn(opts, monkeypatch):
    monkeypatch.setattr(options, "chosen", lambda _: True)
    settings = asking("a __colour__ hat")
    each = drawn_settings(processing(), settings)[:3]
    texts = plan_pass(settings, ["x"] * 3, [""] * 3, 4, each).texts
    assert [one.regions[0] for one in texts] == [one.regions[0].prompt for one in each]
    p = SimpleNamespace(prompts=["x"] * 3, extra_generation_params={KEY: json.dumps(settings.to_json())})
    Recording(settings, None).keep(p, each)
    written = p.extra_generation_params[KEY]
    assert [from_infotext({KEY: written(index=at)}) for at in range(3)] == list(each)
    assert from_infotext({KEY: written(index=0, use_main_prompt=True)}) == from_infotext({KEY: str(written)}) == settings


@pytest.mark.parametrize("text", ["a {red|blue} hat", "{2$$a|b|c}", "a __colour__ hat", "__a/b*__", "{a\n|b}"])
@pytest.mark.parametrize("field", ["prompt", "negative"])
def test_where_the_extension_is_off_a_template_is_refused_by_name(opts, text, field):
    with pytest.raises(SettingsError, match=r"Region 1.*Dynamic Prompts draws where it is switched on") as refused:
        drawn_settings(processing(enabled=False), asking(text, field))
    (problem,) = refused.value.problems
    assert problem.field == f"regions[0].{field}" and problem.value == text


@pytest.mark.parametrize(
    ("text", "says"),
    [("{3$$a|b}", "cannot draw: more are wanted"), ("a __nothing__", '"__nothing__", which Dynamic Prompts left as it is')],
)
def test_what_cannot_be_drawn_is_named(opts, text, says):
    with pytest.raises(SettingsError, match=f"Region 1.*{says}"):
        drawn_settings(processing(), asking(text))


def test_texts_that_are_compared_with_a_sources_have_none(opts):
    source = {"regions": [{"box": [0, 0, 1, 1], "prompt": "a"}], "prompt": "x", "seed": 1}
    settings = Settings.parse({**asking("__colour__").to_json(), "method": "mrgd", "options": {"mrgd": {"source": source}}})
    with pytest.raises(SettingsError, match=r"Region 1.*cannot be compared with the source that mrgd goes out from"):
        drawn_settings(processing(), settings)


@pytest.mark.parametrize("settings", [{"common": "{a|b}, "}, {"base": {"prompt": "__x__"}}, {"base": {"negative": "{a|b}"}}], ids=str)
def test_so_it_is_in_the_common_and_base_texts(opts, settings):
    with pytest.raises(SettingsError, match=r"common|base\.prompt|base\.negative"):
        drawn_settings(processing(enabled=False), Settings.parse({"enabled": True, **settings}))


@pytest.mark.parametrize("text", ["(a:1.2) [b|c] <lora:x__y:1>", "snake_case a__b", "{ unclosed", "", "a } b {"])
def test_what_is_no_template_is_let_through(opts, text):
    assert fields(processing(enabled=False), asking(text)) == [] and drawn_settings(processing(), asking(text)) == ()


def test_without_the_extension_braces_are_text(opts):
    for p in (processing(title="Other"), SimpleNamespace(), SimpleNamespace(scripts=None)):
        assert fields(p, asking("{red|blue}")) == []


def test_a_disabled_region_has_no_text(opts):
    assert fields(processing(enabled=False), asking("{red|blue}", enabled=False)) == []


def test_the_users_own_marks_count(opts):
    opts.dp_parser_variant_start, opts.dp_parser_variant_end, opts.dp_parser_wildcard_wrap = "<<", ">>", "%%"
    for text, found in (("{a|b} __c__", []), ("<<a|b>>", ["regions[0].prompt"]), ("%%c%%", ["regions[0].prompt"])):
        assert fields(processing(enabled=False), asking(text)) == found
