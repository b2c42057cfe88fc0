"""LoRAs of regions on the small model: a region over everything is the plain prompt with the LoRA merged, and what must be refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("gradio")

from lora_files import CONV, LINEAR  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from lib_regional.request.errors import RegionalError, SettingsError  # noqa: E402
from lib_regional.standalone import binding  # noqa: E402
from lib_regional.standalone.host import Host  # noqa: E402
from lib_regional.standalone.model.loading import load_model  # noqa: E402
from lib_regional.standalone.server.app import create  # noqa: E402
from tests.support.lora_folder import dotted, write  # noqa: E402

KINDS = (*dict.fromkeys((*LINEAR, *CONV)), "norm")
PROMPT = "a red circle on grass"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loras")


@pytest.fixture(scope="module")
def application(folder: Path) -> tuple[Any, Host]:
    """The small model in single precision with the project's own script, and files of every kind of LoRA."""
    model = load_model(device="cpu")
    for kind in KINDS:
        write(folder / f"{kind.replace(' ', '_')}.safetensors", kind, model.unet, model.text_encoder)
    write(folder / "dotted.safetensors", "lora", model.unet, model.text_encoder, dotted)
    return create(model=model, loras=folder)


@pytest.fixture
def host(application: tuple[Any, Host]) -> Iterator[Host]:
    own = application[1]
    binding.bind(own)
    before = {name: value.clone() for name, value in own.model.unet.state_dict().items()}
    texts = {name: value.clone() for name, value in own.model.text_encoder.state_dict().items()}
    yield own
    assert all(torch.equal(value, before[name]) for name, value in own.model.unet.state_dict().items())
    assert all(torch.equal(value, texts[name]) for name, value in own.model.text_encoder.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in own.model.unet.modules())


Draw = Callable[..., np.ndarray]


@pytest.fixture
def draw(host: Host) -> Draw:
    """(prompt, regions, **more) -> pictures (B, H, W, 3) as integers."""

    def run(prompt: str, regions: list[dict[str, Any]] | None = None, settings: dict[str, Any] | None = None, **more: Any) -> np.ndarray:
        given = {"steps": 3, "seed": 5, "cfg_scale": 5.0, "sampler_name": "Euler", "width": 128, "height": 128, "do_not_save_samples": True}
        p = host.processing(False, prompt=prompt, **{**given, **more})
        if regions is not None:
            script = host.script("Regional")
            assert script is not None and p.script_args is not None
            args = list(p.script_args)
            args[script.args_from] = {"enabled": True, "regions": regions, **(settings or {})}
            p.script_args = args
        result = host.run(p)
        run.infotexts = result.infotexts  # type: ignore[attr-defined]
        return np.stack([np.asarray(image.convert("RGB")).astype(int) for image in result.images[result.index_of_first_image :]])

    return run


def full(prompt: str, **more: Any) -> list[dict[str, Any]]:
    return [{"box": [0, 0, 1, 1], "prompt": prompt, "feather": 0, **more}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_over_everything_is_the_plain_prompt_with_the_lora_merged(draw: Draw, kind: str) -> None:
    tag = f"<lora:{kind.replace(' ', '_')}:0.8>"
    merged, without = draw(PROMPT + tag, negative_prompt="blue"), draw(PROMPT, negative_prompt="blue")
    hooked = draw("night", full(PROMPT + tag), negative_prompt="blue")
    assert np.abs(merged - hooked).max() <= 1
    assert np.abs(merged - without).max() > 8


CASES = {
    "te and unet apart": ("<lora:lora:0.5:1.2>", {}),
    "unet alone": ("<lora:lora:te=0:unet=0.8>", {}),
    "text encoder alone": ("<lora:lora:te=1.5:unet=0>", {}),
    "negative strength": ("<lora:lora:-0.7>", {}),
    "fewer ranks": ("<lora:lora:1:1:2>", {}),
    "two LoRAs": ("<lora:lora:0.6><lora:lokr:0.5>", {}),
    "names of diffusers": ("<lora:dotted:0.8>", {}),
    "batch": ("<lora:lora:0.8>", {"batch_size": 2}),
    "no guidance": ("<lora:lora:0.8>", {"cfg_scale": 1.0}),
    "long prompt": ("<lora:lora:0.8>", {"prompt": PROMPT + ", nice" * 80}),
    "hires": ("<lora:lora:0.8>", {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.7, "width": 64, "height": 64}),
}


@pytest.mark.parametrize("case", CASES)
def test_neutral_cases(draw: Draw, case: str) -> None:
    tag, more = CASES[case]
    prompt = more.pop("prompt", PROMPT) if "prompt" in more else PROMPT
    plain = draw(prompt + tag, **more)
    assert np.abs(plain - draw("night", full(prompt + tag), **more)).max() <= 1
    assert np.abs(plain - draw(prompt, **more)).max() > 3


def test_cond_and_uncond_apart_make_no_difference(draw: Draw, host: Host) -> None:
    together = draw("night", full(PROMPT + "<lora:lora:0.8>"))
    host.options.data["batch_cond_uncond"] = False
    try:
        apart = draw("night", full(PROMPT + "<lora:lora:0.8>"))
    finally:
        host.options.data["batch_cond_uncond"] = True
    assert np.abs(together - apart).max() <= 1


def test_regions_with_one_lora_are_one_region_with_it(draw: Draw) -> None:
    text = PROMPT + "<lora:lora:0.8>"
    quarters = [{"box": [x, y, x + 0.5, y + 0.5], "prompt": text} for y in (0, 0.5) for x in (0, 0.5)]
    assert np.abs(draw("night", quarters) - draw(PROMPT + "<lora:lora:0.8>")).max() <= 1


def test_strengths_of_two_halves_differ(draw: Draw) -> None:
    halves = [{"box": [x, 0, x + 0.5, 1], "prompt": f"{PROMPT}<lora:lora:{s}>", "feather": 0} for x, s in ((0, 0.0), (0.5, 0.9))]
    change = np.abs(draw("night", halves)[0] - draw(PROMPT)[0])
    assert change[:, :40].mean() < change[:, 88:].mean()


def test_a_region_without_words_gives_the_base_its_lora(draw: Draw) -> None:
    assert np.abs(draw(PROMPT, full("<lora:lora:0.8>")) - draw(PROMPT + "<lora:lora:0.8>")).max() <= 1


def test_base_and_common_loras_act_everywhere(draw: Draw) -> None:
    plain = draw(PROMPT + "<lora:lora:0.8>")
    for settings in ({"base": {"prompt": PROMPT + "<lora:lora:0.8>"}}, {"common": "<lora:lora:0.8>"}):
        got = draw(PROMPT, [{"box": [0, 0, 0.5, 1], "prompt": PROMPT}], settings)
        assert np.abs(plain - got).max() <= 1


def test_a_split_prompt_gives_each_region_its_own(draw: Draw) -> None:
    grid = {"text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}, "base": {"prompt": "night"}}
    asked = [{"prompt": f"{PROMPT}<lora:lora:0.8>"}, {"prompt": "a blue square<lora:lokr:0.5>"}]
    expected = draw("night", asked, {"grid": grid["grid"]})
    split = draw(f"{PROMPT}<lora:lora:0.8> BREAK a blue square<lora:lokr:0.5>", [], grid)
    assert np.abs(expected - split).max() <= 1


def test_a_split_hires_prompt_gives_each_region_its_own(draw: Draw) -> None:
    more: dict[str, Any] = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.7, "width": 64, "height": 64}
    grid = {"text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}, "base": {"prompt": "night"}}
    asked = [{"prompt": f"{PROMPT}<lora:lora:0.8>"}, {"prompt": "a blue square<lora:lokr:0.5>"}]
    expected = draw("night", asked, {"grid": grid["grid"]}, **more)
    split = draw(f"{PROMPT}<lora:lora:0.8> BREAK a blue square<lora:lokr:0.5>", [], grid, **more)
    assert np.abs(expected - split).max() <= 1


def test_steps_of_a_region_bound_its_lora(draw: Draw, caplog: pytest.LogCaptureFixture) -> None:
    """A range in which no step begins is said in the log: few steps have few beginnings."""
    never = draw(PROMPT, full(PROMPT + "<lora:lora:0.8>", steps=[0.99, 1]))
    assert np.array_equal(never, draw(PROMPT))
    assert "Region 1" in caplog.text and "steps begins in its range, 0.99 to 1." in caplog.text
    caplog.clear()
    late = draw(PROMPT, full(PROMPT + "<lora:lora:0.8>", steps=[0.5, 1]))
    assert not np.array_equal(late, never) and "never acts" not in caplog.text


def test_hires_pass_may_have_other_loras(draw: Draw) -> None:
    more: dict[str, Any] = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.7, "width": 64, "height": 64}
    plain = draw(PROMPT + "<lora:lora:0.8>", hr_prompt=PROMPT + "<lora:lokr:0.8>", **more)
    regions = [{"box": [0, 0, 0.5, 1], "prompt": PROMPT}]
    both = draw(PROMPT + "<lora:lora:0.8>", regions, hr_prompt=PROMPT + "<lora:lokr:0.8>", **more)
    assert np.abs(plain - both).max() <= 1


def test_the_infotext_has_tags_and_hashes_and_gives_the_picture_again(draw: Draw, host: Host) -> None:
    first = draw(PROMPT, full("a blue square<lora:lora:0.8>"))
    text = draw.infotexts[0]  # type: ignore[attr-defined]
    digest = host.model.loras.shelf.get("lora").hash[:12]
    assert f'Lora hashes: "lora: {digest}"' in text and "<lora:lora:0.8>" in text
    draw(PROMPT)
    assert "Lora hashes" not in draw.infotexts[0]  # type: ignore[attr-defined]
    assert np.array_equal(first, draw(PROMPT, full("a blue square<lora:lora:0.8>")))


# ---------------------------------------------------------------- regions that are predictions of their own

APART = ("latent_couple", "multidiffusion", "latent_composite", "mask_conditioning")


@pytest.mark.parametrize("method", APART)
@pytest.mark.parametrize("tag", ["<lora:lora:0.5:1.2>", "<lora:lokr:0.8>"])
def test_so_it_is_with_every_method(draw: Draw, method: str, tag: str) -> None:
    plain = draw(PROMPT + tag, negative_prompt="blue", steps=5)
    assert np.abs(plain - draw("night", full(PROMPT + tag), {"method": method}, negative_prompt="blue", steps=5)).max() <= 1


@pytest.mark.parametrize("method", ["latent_couple", "mask_conditioning"])
def test_regions_with_one_lora_are_one_region_with_every_such_method(draw: Draw, method: str) -> None:
    halves = [{"box": [x, 0, x + 0.5, 1], "prompt": PROMPT + "<lora:lora:0.8>"} for x in (0, 0.5)]
    assert np.abs(draw("night", halves, {"method": method}) - draw(PROMPT + "<lora:lora:0.8>")).max() <= 1


def test_the_lora_of_one_region_is_not_the_others(draw: Draw) -> None:
    """One step from one noise leaves the other half's cells untouched; the autoencoder's norms, which see all, spread a little of it."""
    halves = [{"box": [x, 0, x + 0.5, 1], "prompt": PROMPT, "feather": 0} for x in (0, 0.5)]
    asked = [{**halves[0], "prompt": PROMPT + "<lora:lora:0.9>"}, halves[1]]
    without, with_lora = (draw("night", regions, {"method": "latent_couple"}, steps=1)[0] for regions in (halves, asked))
    change = np.abs(with_lora - without)
    assert change[:, :40].mean() > 2 and change[:, 96:].mean() < 0.1 * change[:, :40].mean()


# ---------------------------------------------------------------- what is refused


@pytest.fixture
def bad(folder: Path, application: tuple[Any, Host]) -> Iterator[Callable[[str, Any], None]]:
    """Writes a bad file, and takes it away again."""
    made: list[Path] = []

    def put(name: str, content: Any) -> None:
        path = folder / name
        made.append(path)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            save_file(content, path)

    yield put
    for path in made:
        path.unlink()
    application[1].model.loras.shelf.refresh()


LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def pair(rank: int, width: int = 64, value: float = 0.1) -> dict[str, torch.Tensor]:
    return {f"{LAYER}.lora_down.weight": torch.full((rank, width), value), f"{LAYER}.lora_up.weight": torch.full((64, rank), value)}


BAD = [
    ("missing", None, None, 'there is no LoRA "missing"'),
    ("pickled", "pickled.pt", b"\x80\x04.", "pickled.pt is a pickle file"),
    ("torn", "torn.safetensors", b"\x10\0\0\0\0\0\0\0{}", "torn.safetensors is not a readable safetensors file"),
    ("wide", "wide.safetensors", pair(2, 320), "wide.safetensors cannot be used: layer down_blocks_0"),
    ("sdxl", "sdxl.safetensors", {"lora_te2_x.alpha": torch.ones(1)}, "made for another kind of model"),
    ("rankless", "rankless.safetensors", pair(0), "rank 0"),
    ("nan", "nan.safetensors", pair(2, value=float("nan")), "NaN or infinite"),
    ("checkpoint", "checkpoint.safetensors", {"first_stage_model.x": torch.ones(1)}, "no part of any kind of LoRA"),
]


@pytest.mark.parametrize(("name", "file", "content", "says"), BAD, ids=[case[0] for case in BAD])
def test_what_cannot_be_used_is_named_with_file_and_region_before_sampling(
    draw: Draw, host: Host, bad: Callable[[str, Any], None], name: str, file: str | None, content: Any, says: str
) -> None:
    if file is not None:
        bad(file, content)
    calls: list[Any] = []
    host.model.call_listeners.append(calls.append)
    regions = [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": f"a hat<lora:{name}:1>"}]
    try:
        with pytest.raises(SettingsError) as caught:
            draw(PROMPT, regions)
    finally:
        host.model.call_listeners.remove(calls.append)
    assert 'Region 2 ("a hat' in str(caught.value) and says in str(caught.value)
    assert caught.value.body[0]["field"] == "regions[1].prompt" and calls == []


def test_a_disabled_region_may_name_anything(draw: Draw) -> None:
    regions = [{"box": [0, 0, 0.5, 1], "prompt": "a <lora:missing:1>", "enabled": False}]
    assert np.array_equal(draw(PROMPT, regions), draw(PROMPT))


def test_an_unknown_lora_on_the_whole_picture_is_a_warning(draw: Draw, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(draw(PROMPT + "<lora:missing:1>"), draw(PROMPT))
    assert "Lora not found: missing" in caplog.text


def test_after_a_fault_the_weights_are_the_models_own(draw: Draw, host: Host) -> None:
    before = draw(PROMPT)

    def fail(_: Any) -> None:
        raise RegionalError("stop")

    host.model.call_listeners.append(fail)
    try:
        with pytest.raises(RegionalError, match="stop"):
            draw(PROMPT + "<lora:lokr:1>", full("a<lora:lora:1>"))
    finally:
        host.model.call_listeners.remove(fail)
    assert np.array_equal(before, draw(PROMPT))


def test_the_api_lists_them(application: tuple[Any, Host]) -> None:
    from fastapi.testclient import TestClient

    client = TestClient(application[0], "http://127.0.0.1")
    found = {entry["name"]: entry for entry in client.get("/sdapi/v1/loras").json()}
    assert {"lora", "star", "shift", "outlines"} <= set(found)
    assert found["star"]["metadata"]["ss_network_module"] == "networks.lora" and found["star"]["alias"] == "star"
    assert client.post("/sdapi/v1/refresh-loras").status_code == 200
    request = {"prompt": "x", "steps": 1, "width": 64, "height": 64}
    settings = {"enabled": True, "regions": full("a<lora:missing:1>")}
    answer = client.post("/sdapi/v1/txt2img", json={**request, "alwayson_scripts": {"Regional": {"args": [settings]}}})
    assert answer.status_code == 422 and "missing" in json.dumps(answer.json()) and "Region 1" in json.dumps(answer.json())
