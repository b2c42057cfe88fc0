"""Names of the host's LoRAs: from the standalone's shelf, or from the WebUI's own extension."""

import sys
from types import SimpleNamespace

from lib_regional.webui import network_names


def test_without_a_host_there_are_none(monkeypatch):
    monkeypatch.setattr(network_names, "loaded", lambda: None)
    monkeypatch.setitem(sys.modules, "networks", None)
    assert network_names.lora_names() == ([], [])


def test_names_and_aliases_of_the_extension(monkeypatch):
    monkeypatch.setattr(network_names, "loaded", lambda: None)
    listed = SimpleNamespace(available_networks={"b": 1, "a": 2}, available_network_aliases={"a": 2, "b": 1, "first": 2})
    monkeypatch.setitem(sys.modules, "networks", listed)
    assert network_names.lora_names() == (["a", "b"], ["first"])


def test_the_shelf_is_listed_again(monkeypatch, tmp_path):
    from lib_regional.standalone.model.lora_files import LoraShelf

    shelf = LoraShelf((tmp_path,))
    monkeypatch.setattr(network_names, "loaded", lambda: SimpleNamespace(lora_shelf=shelf))
    assert network_names.lora_names() == ([], [])
    (tmp_path / "red.safetensors").write_bytes(b"")
    assert network_names.lora_names() == (["red"], [])
