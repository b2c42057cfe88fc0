"""LoRAs and embeddings of the running host: from the standalone's shelf, or from the WebUI's own lists."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib_regional.request.prompt.networks import Networks
from lib_regional.webui import network_names

HIJACK, PAGE = "modules.sd_hijack", "modules.ui_extra_networks_textual_inversion"


@pytest.fixture(autouse=True)
def no_host(monkeypatch):
    monkeypatch.setattr(network_names, "loaded", lambda: None)
    for name in ("networks", HIJACK, PAGE):
        monkeypatch.setitem(sys.modules, name, None)


def test_without_a_host_there_are_none():
    assert network_names.networks() == Networks()


def test_names_aliases_and_files_of_the_extension(monkeypatch):
    entries = {name: SimpleNamespace(filename=f"/loras/{name}.safetensors") for name in "ba"}
    listed = SimpleNamespace(available_networks=entries, available_network_aliases={**entries, "first": entries["a"]})
    monkeypatch.setitem(sys.modules, "networks", listed)
    found = network_names.networks()
    assert list(found.loras) == ["a", "b"] and found.aliases == ("first",) and found.loras["a"] == Path("/loras/a.safetensors")


@pytest.mark.parametrize("where", [HIJACK, PAGE])
def test_embeddings_of_the_text_encoder_or_of_the_page(monkeypatch, where):
    database = SimpleNamespace(
        word_embeddings={"ring": SimpleNamespace(filename="/e/ring.pt")}, skipped_embeddings={"big": SimpleNamespace(filename=None)}
    )
    holder = SimpleNamespace(embedding_db=database)
    if where == HIJACK:
        holder = SimpleNamespace(model_hijack=holder)
    monkeypatch.setitem(sys.modules, where, holder)
    assert network_names.networks().embeddings == {"big": Path("big"), "ring": Path("/e/ring.pt")}


def test_a_host_whose_text_encoder_has_none_is_asked_for_its_page(monkeypatch):
    monkeypatch.setitem(sys.modules, HIJACK, SimpleNamespace(model_hijack=SimpleNamespace()))
    monkeypatch.setitem(
        sys.modules, PAGE, SimpleNamespace(embedding_db=SimpleNamespace(word_embeddings={"a": SimpleNamespace(filename="/a.pt")}))
    )
    assert list(network_names.networks().embeddings) == ["a"]


def test_the_shelf_is_listed_again(monkeypatch, tmp_path):
    from lib_regional.standalone.model.lora_files import LoraShelf

    shelf = LoraShelf((tmp_path,))
    monkeypatch.setattr(network_names, "loaded", lambda: SimpleNamespace(lora_shelf=shelf))
    assert network_names.networks().loras == {}
    (tmp_path / "red.safetensors").write_bytes(b"")
    assert network_names.networks().loras == {"red": tmp_path / "red.safetensors"}
