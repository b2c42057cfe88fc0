"""What the small model's image adapter is taught, that it begins as the words' own attention, and the files that are written."""

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
from lib_regional.standalone.train.data.references import KINDS, SIDE, reference_picture  # noqa: E402
from lib_regional.standalone.train.data.scene import Scene, Thing  # noqa: E402
from lib_regional.standalone.train.stages.reference import (  # noqa: E402
    ADAPTER_NAME,
    SHIFT,
    TOKENS,
    PictureAdapter,
    Recording,
    attended,
    thing_and_ground,
    varied,
    words_error,
    write_reference,
)


def test_a_reference_shows_its_kind_and_is_always_the_same() -> None:
    red, again, other = (reference_picture(("square", "red"), variant) for variant in (0, 0, 1))
    assert red.shape == (SIDE, SIDE, 3) and np.array_equal(red, again) and not np.array_equal(red, other)
    reddish = (red[..., 0].astype(int) - red[..., 1:].max(-1)) > 100
    assert 0.04 < reddish.mean() < 0.4


def test_no_picture_is_seen_twice_and_things_stay_whole() -> None:
    red = torch.from_numpy(np.stack([reference_picture(("square", "red"), 0)] * 16))
    seen = varied(red, np.random.default_rng(0))
    assert seen.shape == red.shape and len({one.numpy().tobytes() for one in seen}) > 12
    inner = red[0, SHIFT:-SHIFT, SHIFT:-SHIFT].numpy().tobytes()
    places = [(dy, dx) for dy in range(2 * SHIFT + 1) for dx in range(2 * SHIFT + 1)]
    side = SIDE - 2 * SHIFT
    for one in seen:
        both = (one, one.flip(1))
        assert any(way[dy : dy + side, dx : dx + side].numpy().tobytes() == inner for way in both for dy, dx in places)


def test_the_words_name_the_thing_and_the_caption_the_rest() -> None:
    scene = Scene(128, 128, ("sky",), (Thing("circle", "red", 30, 30, 18),))
    found = [thing_and_ground(scene, np.random.default_rng(seed)) for seed in range(30)]
    assert {thing for thing, _ in found} == {"a red circle"} and any("sky" in rest for _, rest in found)
    assert not any("red" in rest or "circle" in rest for _, rest in found)


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


def test_what_words_add_at_a_layer_is_recorded_and_the_layer_as_it_was(model) -> None:
    name = next(one for one in model.unet.attn_processors if ".attn2." in one)
    attn = model.unet.get_submodule(name.removesuffix(".processor"))
    x, context, less = torch.randn(2, 16, attn.to_q.in_features), torch.randn(2, 7, 64), torch.randn(2, 7, 64)
    recording = Recording({"context": less})
    with torch.no_grad():
        torch.testing.assert_close(recording(attn, x, context), attn(x, context), atol=1e-5, rtol=1e-4)
        queries, added = recording.taken()
        torch.testing.assert_close(queries.float(), attn.to_q(x), atol=2e-3, rtol=2e-3)
        q, k, v = (one.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for one in (attn.to_q(x), attn.to_k(less), attn.to_v(less)))
        rest = (torch.softmax(q @ k.transpose(-1, -2) * attn.scale, -1) @ v).transpose(1, 2).flatten(2)
        torch.testing.assert_close(attended(attn, attn.to_q(x), attn.to_k(less), attn.to_v(less)), rest, atol=1e-5, rtol=1e-4)
        own = attended(attn, attn.to_q(x), attn.to_k(context), attn.to_v(context))
        torch.testing.assert_close(added.float(), own - rest, atol=2e-3, rtol=2e-3)


def test_tokens_between_two_things_cost_more_than_their_distance() -> None:
    """Equally far from its own words, a token that is nearer to another thing's costs more: errors alone would not part them."""
    words = torch.zeros(3, 1, 4)
    words[1, 0, 0], words[2, 0, 1] = 1.0, 1.0
    kinds = np.array([0])
    assert words_error(words[:1], words, kinds) < 0.05
    towards, away = torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)
    towards[0, 0, 0], away[0, 0, 0] = 0.6, -0.6
    assert words_error(towards, words, kinds) > words_error(away, words, kinds) + 0.1


def test_every_kind_has_a_picture() -> None:
    assert len(KINDS) == 36 and len({reference_picture(kind, 0).tobytes() for kind in KINDS}) == 36
