"""Templates of Dynamic Prompts in texts that it does not see: refused while it is on, plain text while it is not."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from lib_regional.request.errors import SettingsError
from lib_regional.request.settings import Settings
from lib_regional.webui.templates import refuse_templates


@pytest.fixture
def opts(monkeypatch):
    modules, shared = ModuleType("modules"), ModuleType("modules.shared")
    modules.shared, shared.opts = shared, SimpleNamespace()
    monkeypatch.setitem(sys.modules, "modules", modules)
    monkeypatch.setitem(sys.modules, "modules.shared", shared)
    return shared.opts


def processing(enabled=True, title="Dynamic Prompts v2.17.1"):
    other = SimpleNamespace(title=lambda: "Regional", args_from=0, args_to=1)
    script = SimpleNamespace(title=lambda: title, args_from=1, args_to=3)
    return SimpleNamespace(scripts=SimpleNamespace(alwayson_scripts=[other, script]), script_args=["{}", enabled, False])


def told(text, field="prompt", **more):
    return Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a", field: text, **more}]})


def fields(p, settings):
    """Which fields are refused."""
    try:
        refuse_templates(p, settings)
    except SettingsError as error:
        return [problem.field for problem in error.problems]
    return []


@pytest.mark.parametrize("text", ["a {red|blue} hat", "{2$$a|b|c}", "a __colour__ hat", "__a/b*__", "{a\n|b}"])
@pytest.mark.parametrize("field", ["prompt", "negative"])
def test_a_template_in_a_regions_text_is_refused_by_name(opts, text, field):
    with pytest.raises(SettingsError, match=r"Region 1.*Dynamic Prompts draws in the main prompt") as refused:
        refuse_templates(processing(), told(text, field))
    (problem,) = refused.value.problems
    assert problem.field == f"regions[0].{field}" and problem.value == text


@pytest.mark.parametrize("settings", [{"common": "{a|b}, "}, {"base": {"prompt": "__x__"}}, {"base": {"negative": "{a|b}"}}], ids=str)
def test_so_it_is_in_the_common_and_base_texts(opts, settings):
    with pytest.raises(SettingsError, match=r"common|base\.prompt|base\.negative"):
        refuse_templates(processing(), Settings.parse({"enabled": True, **settings}))


@pytest.mark.parametrize("text", ["(a:1.2) [b|c] <lora:x__y:1>", "snake_case a__b", "{ unclosed", "", "a } b {"])
def test_what_is_no_template_is_let_through(opts, text):
    assert fields(processing(), told(text)) == []


def test_without_the_extension_braces_are_text(opts):
    for p in (processing(enabled=False), processing(title="Other"), SimpleNamespace(), SimpleNamespace(scripts=None)):
        assert fields(p, told("{red|blue}")) == []


def test_a_disabled_region_has_no_text(opts):
    assert fields(processing(), told("{red|blue}", enabled=False)) == []


def test_the_users_own_marks_count(opts):
    opts.dp_parser_variant_start, opts.dp_parser_variant_end, opts.dp_parser_wildcard_wrap = "<<", ">>", "%%"
    for text, found in (("{a|b} __c__", []), ("<<a|b>>", ["regions[0].prompt"]), ("%%c%%", ["regions[0].prompt"])):
        assert fields(processing(), told(text)) == found
