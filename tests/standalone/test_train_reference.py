"""What the small model's image adapter is trained on, that it begins as the words' own attention, and the files that are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from lib_regional.hosts.installing.sites import cross_layers  # noqa: E402
from lib_regional.sources.models.loading import PictureModels  # noqa: E402
from lib_regional.sources.references.adapters import read_adapter  # noqa: E402
from lib_regional.sources.references.prompts import projected  # noqa: E402
from lib_regional.sources.references.vision import encoder_for  # noqa: E402
from lib_regional.standalone.train.data.references import KINDS, SIDE, box_around, random_task, reference_picture  # noqa: E402
from lib_regional.standalone.train.data.scene import Scene, Thing, random_scene  # noqa: E402
from lib_regional.standalone.train.stages.reference import ADAPTER_NAME, TOKENS, PictureAdapter, Referred, write_reference  # noqa: E402


def test_a_reference_shows_its_kind_and_is_always_the_same() -> None:
    red, again, other = (reference_picture(("square", "red"), variant) for variant in (0, 0, 1))
    assert red.shape == (SIDE, SIDE, 3) and np.array_equal(red, again) and not np.array_equal(red, other)
    reddish = (red[..., 0].astype(int) - red[..., 1:].max(-1)) > 100
    assert 0.04 < reddish.mean() < 0.4


def test_the_box_holds_the_thing() -> None:
    thing = Thing("circle", "red", 40, 80, 20)
    for seed in range(20):
        weights = box_around(np.random.default_rng(seed), Scene(128, 128, ("sky",), (thing,)), thing)
        assert weights.shape == (16, 16) and weights[8:12, 3:7].min() == 1 and weights.min() >= 0 and weights.max() == 1


def test_words_name_the_others_alone() -> None:
    things = (Thing("circle", "red", 30, 30, 18), Thing("ring", "blue", 90, 90, 22))
    rng, found = np.random.default_rng(0), set()
    for _ in range(60):
        task = random_task(rng, Scene(128, 128, ("sky",), things))
        found.add(task.kind)
        if task.kind is not None:
            assert task.kind[0] not in task.text.split() and task.weights.max() == 1
        else:
            assert task.weights.max() == 0
    assert found == {None, ("circle", "red"), ("ring", "blue")}
    alone = [random_task(rng, random_scene(np.random.default_rng(n), count=1)) for n in range(40)]
    assert 8 < sum(task.weights.min() == 1 for task in alone) < 26


@pytest.fixture(scope="module")
def adapter(model):
    torch.manual_seed(3)
    return PictureAdapter(model.unet, torch.nn.LayerNorm(64)).eval()


def test_it_begins_with_the_keys_and_values_of_the_texts(model, adapter) -> None:
    layers = dict(model.unet.named_modules())
    names = [layer.name for layer in cross_layers(model.unet)]
    assert len(adapter.keys) == len(names) > 1
    for name, key, value in zip(names, adapter.keys, adapter.values, strict=True):
        assert torch.equal(key.weight, layers[name].to_k.weight) and torch.equal(value.weight, layers[name].to_v.weight)


def test_the_files_are_what_was_trained(model, adapter, tmp_path: Path) -> None:
    """Read as a user's would be: the keys at every layer are those that training computes, in half precision."""
    write_reference(adapter.state_dict(), tmp_path)
    found = read_adapter(tmp_path / ADAPTER_NAME)
    assert not found.misfit(cross_layers(model.unet)) and not found.resamples
    models = PictureModels(lambda: [tmp_path])
    with models.opened(encoder_for(models, False, found.encoder_width)) as opened, torch.no_grad():
        pixels = torch.randn(1, 3, SIDE, SIDE)
        embedding = opened.model(pixels).image_embeds
        layers = projected(found, torch.cat([embedding, torch.zeros_like(embedding)]))
        tokens = torch.cat([adapter.tokens(pixels, torch.ones(1)), adapter.tokens(pixels, torch.zeros(1))])
        assert tokens.shape == (2, TOKENS, 64) and not torch.allclose(tokens[0], tokens[1])
        for key, (k, _) in zip(adapter.keys, layers, strict=True):
            torch.testing.assert_close(k, key(tokens), atol=5e-3, rtol=5e-3)
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert size < 3 * 2**20


def test_training_computes_what_sampling_does(model, adapter) -> None:
    """The processor against the term written out, with the picture on half of the places."""
    name = next(one for one in model.unet.attn_processors if ".attn2." in one)
    attn = model.unet.get_submodule(name.removesuffix(".processor"))
    x, context, tokens = torch.randn(2, 16, attn.to_q.in_features), torch.randn(2, 7, 64), torch.randn(2, TOKENS, 64)
    weights = torch.zeros(2, 1, 4, 4)
    weights[..., :2] = 0.7
    processor = Referred(adapter.keys[0], adapter.values[0], {"tokens": tokens, "weights": weights})
    heads = attn.heads

    def attended(k, v):
        q, k, v = (one.unflatten(-1, (heads, -1)).transpose(1, 2) for one in (attn.to_q(x), k, v))
        return (torch.softmax(q @ k.transpose(-1, -2) * attn.scale, -1) @ v).transpose(1, 2).flatten(2)

    with torch.no_grad():
        picture = attended(adapter.keys[0](tokens), adapter.values[0](tokens))
        expected = attn.to_out[0](attended(attn.to_k(context), attn.to_v(context)) + weights.flatten(2).transpose(1, 2) * picture)
        torch.testing.assert_close(processor(attn, x, context), expected, atol=1e-4, rtol=1e-4)


def test_every_kind_has_a_picture() -> None:
    assert len(KINDS) == 36 and len({reference_picture(kind, 0).tobytes() for kind in KINDS}) == 36
