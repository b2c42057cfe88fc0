"""IP-Adapters from the user's folders: tokens and layers against the formulas written out, the genuine encoder, and what is refused."""

from __future__ import annotations

import math

import ip_adapter_files as files
import pytest
import torch
import torch.nn as nn
from PIL import Image

from lib_regional.engine.references import CrossLayer
from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.references.fields import Reference
from lib_regional.sources.models.loading import PictureModels
from lib_regional.sources.picture import open_drawn
from lib_regional.sources.references import prompts
from lib_regional.sources.references.adapters import find_adapters, look_at, read_adapter
from lib_regional.sources.references.vision import clip_pixels, on_white
from lib_regional.tensors.references.projections import linear_tokens, resampled_tokens

CONTEXT = 16
LAYERS = [CrossLayer(f"layer{n}", inner, CONTEXT) for n, inner in enumerate((32, 64, 64, 32))]
KINDS = {"linear": files.linear(CONTEXT), "plus": files.resampler(CONTEXT)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """models/regional with an encoder, and a ControlNet folder with adapters."""
    root = tmp_path_factory.mktemp("models")
    files.vision(root / "regional" / "encoder")
    files.save(root / "cn" / "ip-adapter_tiny.safetensors", KINDS["linear"], files.attention(LAYERS))
    files.save(root / "cn" / "more" / "ip-adapter-plus_tiny.bin", KINDS["plus"], files.attention(LAYERS))
    files.save(root / "cn" / "ip-adapter_other.safetensors", files.linear(12), files.attention([CrossLayer("x", 32, 12)]))
    (root / "cn" / "control_canny.safetensors").write_bytes(b"")
    return root


def references(folder):
    return prompts.References([folder / "regional", folder / "cn"], PictureModels(lambda: [folder / "regional"]))


def asked(model=None, **more):
    return Reference({"image": files.picture_url(), "model": model, **more})


def loaded(module, weights):
    module.load_state_dict(weights)
    return module


class Slow(nn.Module):
    """A resampler's block as Flamingo's figure 5 draws it, one head after the other."""

    def __init__(self, weights, prefix):
        super().__init__()
        self.w = {name.removeprefix(prefix): one for name, one in weights.items() if name.startswith(prefix)}

    def norm(self, name, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return (x - mean) / (var + 1e-5).sqrt() * self.w[name + ".weight"] + self.w[name + ".bias"]

    def forward(self, x, queries):
        a, b = self.norm("0.norm1", x), self.norm("0.norm2", queries)
        q, both = b @ self.w["0.to_q.weight"].T, torch.cat([a, b], 1) @ self.w["0.to_kv.weight"].T
        inner = q.shape[-1]
        answers = []
        for at in range(0, inner, 64):
            k, v = both[..., at : at + 64], both[..., inner + at : inner + at + 64]
            answers.append((q[..., at : at + 64] @ k.transpose(1, 2) / math.sqrt(64)).softmax(-1) @ v)
        queries = queries + torch.cat(answers, -1) @ self.w["0.to_out.weight"].T
        h = self.norm("1.0", queries) @ self.w["1.1.weight"].T
        return queries + (h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))) @ self.w["1.3.weight"].T


def test_the_linear_projection_is_its_formula():
    weights, embeddings = KINDS["linear"], files.random(2, files.EMBEDDING, seed=9)
    proj, norm = nn.Linear(files.EMBEDDING, 4 * CONTEXT), nn.LayerNorm(CONTEXT)
    loaded(proj, {name: weights[f"proj.{name}"] for name in ("weight", "bias")})
    loaded(norm, {name: weights[f"norm.{name}"] for name in ("weight", "bias")})
    expected = norm(proj(embeddings).view(2, 4, CONTEXT))
    torch.testing.assert_close(linear_tokens(weights, embeddings, CONTEXT), expected)


def test_the_resampler_is_its_formula():
    weights, hidden = KINDS["plus"], files.random(2, 17, files.HIDDEN, seed=9, scale=1)
    x = hidden @ weights["proj_in.weight"].T + weights["proj_in.bias"]
    queries = weights["latents"].repeat(2, 1, 1)
    for layer in range(4):
        queries = Slow(weights, f"layers.{layer}.")(x, queries)
    out = queries @ weights["proj_out.weight"].T + weights["proj_out.bias"]
    expected = nn.functional.layer_norm(out, (CONTEXT,), weights["norm_out.weight"], weights["norm_out.bias"])
    torch.testing.assert_close(resampled_tokens(weights, hidden), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "kind"), [("ip-adapter_tiny", "linear"), ("ip-adapter-plus_tiny.bin", "plus")])
def test_a_reference_is_the_genuine_encoder_and_the_files_weights(folder, name, kind):
    import transformers as hf

    found = references(folder).prompt(asked(name), LAYERS, "f", "Region 1")
    model = hf.CLIPVisionModelWithProjection.from_pretrained(folder / "regional" / "encoder").eval()
    size = {"shortest_edge": files.SIDE}
    processor = hf.CLIPImageProcessor(size=size, crop_size={"height": files.SIDE, "width": files.SIDE})
    picture = open_drawn(files.picture_url()).convert("RGB")
    with torch.no_grad():
        pixels = processor(picture, return_tensors="pt").pixel_values
        if kind == "plus":
            features = [model(one, output_hidden_states=True).hidden_states[-2] for one in (pixels, torch.zeros_like(pixels))]
            project = resampled_tokens
        else:
            embedding = model(pixels).image_embeds
            features, project = [embedding, torch.zeros_like(embedding)], lambda w, e: linear_tokens(w, e, CONTEXT)
        weights = {name: one.half().float() for name, one in KINDS[kind].items()}
        tokens = [project(weights, one)[0] for one in features]
    assert list(found.layers) == [layer.name for layer in LAYERS] and found.tokens == (5 if kind == "plus" else 4)
    for at, layer in enumerate(LAYERS):
        for part, pair in zip("kv", found.layers[layer.name], strict=True):
            weight = files.attention(LAYERS)[f"{2 * at + 1}.to_{part}_ip.weight"].half().float()
            torch.testing.assert_close(pair, torch.stack([token @ weight.T for token in tokens]), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(64, 48), (31, 50), (32, 32), (20, 300)])
def test_pixels_are_those_of_clips_processor(size):
    import transformers as hf

    picture = open_drawn(files.picture_url(3, size)).convert("RGB")
    processor = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    expected = processor(picture, return_tensors="pt").pixel_values
    torch.testing.assert_close(clip_pixels(picture, 32), expected, atol=1e-5, rtol=1e-5)


def test_what_is_transparent_is_white():
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    assert [on_white(picture).getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


def test_without_a_name_the_first_that_fits_is_taken_and_faces_come_last(folder, tmp_path):
    assert [one.name for one in find_adapters([folder / "cn"])] == [
        "ip-adapter-plus_tiny.bin", "ip-adapter_other.safetensors", "ip-adapter_tiny.safetensors",
    ]  # fmt: skip
    files.save(tmp_path / "ip-adapter-face_tiny.safetensors", KINDS["linear"], files.attention(LAYERS))
    assert [one.name for one in find_adapters([tmp_path, folder / "cn"])][-1] == "ip-adapter-face_tiny.safetensors"
    found = references(folder).prompt(asked(), LAYERS, "f", "Region 1")
    assert found.tokens == 5, "the plus adapter comes first, and the other one is for another model"


def test_a_picture_is_encoded_once(folder, monkeypatch):
    calls = []
    monkeypatch.setattr(prompts, "encoded", lambda *args, made=prompts.encoded: calls.append(1) or made(*args))
    prompts._layers.cache_clear()
    first, again = (references(folder).prompt(asked("ip-adapter_tiny", weight=w), LAYERS, "f", "") for w in (0.5, 1.5))
    assert len(calls) == 1 and all(first.layers[name][0] is again.layers[name][0] for name in first.layers)
    references(folder).prompt(Reference({"image": files.picture_url(1), "model": "ip-adapter_tiny"}), LAYERS, "f", "")
    assert len(calls) == 2


def test_looking_reads_shapes_alone(folder):
    looked, read = (one(folder / "cn" / "ip-adapter_tiny.safetensors") for one in (look_at, read_adapter))
    assert all(k.is_meta and v.is_meta for k, v in looked.layers) and not any(one.is_meta for one in read.projection.values())
    assert [k.shape for k, _ in looked.layers] == [k.shape for k, _ in read.layers] and read.layers[0][0].dtype is torch.float32


SDXL = [CrossLayer(f"layer{n}", 640, 2048) for n in range(70)]


def refused(folder, reference, layers=LAYERS):
    with pytest.raises(SettingsError) as caught:
        references(folder).prompt(reference, layers, "regions[0].reference", 'Region 1 ("a")')
    (problem,) = caught.value.problems
    assert problem.where == 'Region 1 ("a")'
    return problem


def test_an_adapter_for_another_model_is_named(folder):
    problem = refused(folder, asked("ip-adapter_tiny"), SDXL)
    assert problem.field == "regions[0].reference.model" and '"ip-adapter_tiny.safetensors"' in problem.message
    assert "4 cross-attention layers with contexts of 16 numbers" in problem.message
    assert "this model 70 cross-attention layers with contexts of 2048 numbers (SDXL)" in problem.message
    assert "There is no IP-Adapter for this model" in refused(folder, asked(), SDXL).message


def test_a_missing_adapter_says_what_is_there(folder, tmp_path):
    assert "there are ip-adapter-plus_tiny.bin, ip-adapter_other.safetensors" in refused(folder, asked("nobody")).message
    assert "put one, for example ip-adapter_sd15.safetensors" in refused(tmp_path, asked()).message


def test_a_missing_encoder_says_what_is_needed(folder, tmp_path):
    files.save(tmp_path / "cn" / "ip-adapter.safetensors", KINDS["linear"], files.attention(LAYERS))
    assert "gives 24 numbers: There is no CLIP vision model" in refused(tmp_path, asked()).message
    files.vision(tmp_path / "regional" / "narrow", embedding=8)
    assert 'do not fit: "narrow" (it gives 8)' in refused(tmp_path, asked()).message


@pytest.mark.parametrize("image", ["data:image/png;base64,AAAA", "data:image/svg+xml;base64,PHN2Zz4="])
def test_a_picture_that_is_none_is_named(folder, image):
    problem = refused(folder, Reference({"image": image}))
    assert problem.field == "regions[0].reference.image" and "the reference picture cannot be used" in problem.message


def full_face():
    return {"proj.0.weight": torch.zeros(4, 4), "proj.3.weight": torch.zeros(4)}


def with_loras():
    return {**files.attention(LAYERS), "0.to_q_lora.down.weight": torch.zeros(4, 4)}


WRONG = [
    pytest.param(full_face(), files.attention(LAYERS), "full face", id="full face"),
    pytest.param(KINDS["linear"], with_loras(), "FaceID has LoRAs there", id="FaceID"),
    pytest.param(files.linear(12), files.attention(LAYERS), "do not go together", id="shapes"),
    pytest.param({**files.linear(CONTEXT), "more": torch.zeros(1)}, files.attention(LAYERS), "of another kind", id="more"),
    pytest.param({"latents": torch.zeros(1, 2, 3)}, {"1.to_k_ip.weight": torch.zeros(2, 2)}, "more in its layers", id="no values"),
    pytest.param({}, {}, "it is no IP-Adapter", id="empty"),
]


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize(("projection", "layers", "says"), WRONG)
def test_files_of_other_kinds_are_named(tmp_path, projection, layers, says, suffix):
    path = files.save(tmp_path / f"ip-adapter{suffix}", projection, layers)
    with pytest.raises(RegionalError, match=f'"ip-adapter{suffix}" cannot be used: .*{says}'):
        look_at(path)


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def test_damaged_files_and_programs_are_refused(tmp_path, capsys):
    (tmp_path / "ip-adapter.safetensors").write_bytes(b"no weights")
    (tmp_path / "ip-adapter.bin").write_bytes(b"no weights")
    torch.save({"image_proj": Harmful()}, tmp_path / "ip-adapter-2.bin")
    for name in ("ip-adapter.safetensors", "ip-adapter.bin", "ip-adapter-2.bin"):
        with pytest.raises(RegionalError, match="is damaged, or holds more than weights"):
            look_at(tmp_path / name)
    assert "run" not in capsys.readouterr().out
