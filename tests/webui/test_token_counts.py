"""Counting a text's tokens as the host that runs counts them, and never loading a model for it."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from webui import WebUI, checkpoint

from lib_regional.webui.token_counts import count_tokens


def lengths(text):
    """(tokens, limit) with one token for every word, as `modules.sd_hijack` answers."""
    words = len(text.split())
    return words, max(1, -(-words // 75)) * 75


@pytest.fixture
def webui(monkeypatch):
    """AUTOMATIC1111: ``shared.sd_model`` loads a checkpoint, ``sd_models.model_data`` has only the one in memory."""
    found = WebUI(monkeypatch, checkpoint())
    del found.shared.sd_model
    found.shared.__class__ = type("Shared", (ModuleType,), {"sd_model": property(lambda _: pytest.fail("a checkpoint was loaded"))})
    models, hijack = ModuleType("modules.sd_models"), ModuleType("modules.sd_hijack")
    models.model_data = SimpleNamespace(sd_model=None)
    hijack.model_hijack = SimpleNamespace(get_prompt_lengths=lengths)
    monkeypatch.setitem(sys.modules, "modules.sd_models", models)
    monkeypatch.setitem(sys.modules, "modules.sd_hijack", hijack)
    found.models = models
    return found


def test_without_a_model_nothing_is_loaded_and_nothing_counted(webui):
    assert count_tokens(["a b c", ""]) == [(0, 75), (0, 75)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a b c", (3, 75)), ("word " * 80, (80, 150)), ("a <lora:x:0.5:1> b", (2, 75)), ("a < b", (3, 75)), ("", (0, 75))],
)
def test_the_hosts_own_count_without_tags(webui, text, expected):
    webui.models.model_data.sd_model = SimpleNamespace(cond_stage_model=object())
    assert count_tokens([text]) == [expected]


def test_hosts_that_ask_for_the_text_encoder_are_given_it(webui, monkeypatch):
    """reForge and Forge Classic keep none in ``model_hijack``."""
    encoder = SimpleNamespace(lengths=lengths)
    hijack = SimpleNamespace(get_prompt_lengths=lambda text, cond_stage_model: cond_stage_model.lengths(text))
    monkeypatch.setattr(sys.modules["modules.sd_hijack"], "model_hijack", hijack)
    webui.models.model_data.sd_model = SimpleNamespace(cond_stage_model=encoder)
    assert count_tokens(["a b", "word " * 80]) == [(2, 75), (80, 150)]


def test_forges_engine_counts_for_itself(webui):
    webui.models.model_data.sd_model = SimpleNamespace(get_prompt_lengths_on_ui=lengths)
    assert count_tokens(["a b", "c"]) == [(2, 75), (1, 75)]


def test_of_several_tokenisers_the_longest_text_counts(monkeypatch):
    """The standalone host has no ``sd_models``: its model is what ``shared.sd_model`` is."""
    host = WebUI(monkeypatch, checkpoint())
    monkeypatch.delitem(sys.modules, "modules.sd_models", raising=False)
    by_words = lambda text, **_: {"input_ids": text.split()}  # noqa: E731
    by_letters = lambda text, **_: {"input_ids": list(text)}  # noqa: E731
    host.load(SimpleNamespace(tokenizers=[by_words, by_letters]))
    assert count_tokens(["a b", "x" * 76, ""]) == [(3, 75), (76, 150), (0, 75)]
