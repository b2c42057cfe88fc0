"""Two steps of every stage, interrupted and resumed, and the parts that training rests on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("tqdm")

from torch import nn  # noqa: E402

from lib_regional.standalone.train.__main__ import main  # noqa: E402
from lib_regional.standalone.train.data import captions, vocabulary  # noqa: E402
from lib_regional.standalone.train.data.latents import load_latents, object_cells, scaled_autoencoder  # noqa: E402
from lib_regional.standalone.train.data.scene import Scene, Thing, random_scene  # noqa: E402
from lib_regional.standalone.train.groupnorm import QuickGroupNorm  # noqa: E402
from lib_regional.standalone.train.progress import Average, Checkpoint, Run  # noqa: E402


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every stage ran for two steps and then for one more."""
    out = tmp_path_factory.mktemp("train")

    def stage(name: str, *words: object) -> None:
        main([name, "--out", str(out), *map(str, words)])

    for steps in (2, 3):
        stage("autoencoder", "--steps", steps, "--batch", 1)
    stage("latents", "--count", 10)
    for steps in (2, 3):
        stage("unet", "--steps", steps, "--batch", 2)
    for steps in (1, 2):
        stage("polish", "--steps", steps, "--batch", 1)
    stage("export", "--model", out / "model")
    return out


@pytest.mark.parametrize(("name", "step"), [("autoencoder", 3), ("unet", 3), ("polish", 2)])
def test_stage_resumes_and_ends_at_its_step(trained: Path, name: str, step: int) -> None:
    state = Checkpoint(trained / f"{name}.pt").load()
    assert state is not None and state["step"] == step and state["average"]["updates"] >= 1


def test_polish_leaves_the_encoder_alone(trained: Path) -> None:
    before, after = (Checkpoint(trained / f"{name}.pt").load()["average"]["weights"] for name in ("autoencoder", "polish"))
    assert all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith(("encoder", "quant_conv")))
    assert any(not torch.equal(value, after[name]) for name, value in before.items() if name.startswith("decoder"))


def test_cached_latents_have_unit_variance_and_come_back_through_the_scaled_autoencoder(trained: Path) -> None:
    groups = load_latents(trained)
    assert [len(group.scenes) for group in groups] == [8, 1, 1]
    assert float(groups[0].latents.std()) == pytest.approx(1, abs=0.02)
    from lib_regional.standalone.train.data.drawing import draw
    from lib_regional.standalone.train.networks import LATENT_SCALE
    from lib_regional.standalone.train.stages.autoencoder import to_tensor

    picture = to_tensor(draw(groups[0].scenes[0])[None])
    with torch.no_grad():
        latent = scaled_autoencoder(trained).encode(picture).latent_dist.mean * LATENT_SCALE
    assert (latent[0] - groups[0].latents[0]).abs().mean() < 0.05


def test_export_writes_one_file_that_diffusers_opens(trained: Path) -> None:
    from diffusers import UNet2DConditionModel

    folder = trained / "model"
    assert not list(folder.rglob("*.bin"))
    unet = UNet2DConditionModel.from_single_file(
        str(folder / "regional-small.safetensors"), config=str(folder / "diffusers"), subfolder="unet", local_files_only=True
    )
    average = Checkpoint(trained / "unet.pt").load()["average"]["weights"]
    assert torch.allclose(unet.conv_in.weight, average["unet.conv_in.weight"], atol=1e-3)


def test_log_has_its_columns(tmp_path: Path) -> None:
    from lib_regional.standalone.train.progress import Log

    Log(tmp_path / "a.csv", ("step", "loss")).write(step=1, loss=0.5)
    Log(tmp_path / "a.csv", ("step", "loss")).write(step=2, loss=0.25)
    assert list(csv.reader((tmp_path / "a.csv").open())) == [["step", "loss"], ["1", "0.5"], ["2", "0.25"]]


def test_rate_warms_up_stays_and_falls() -> None:
    run = Run(Path(), steps=1000, batch=1, rate=1.0, warmup=100, decay_from=0.6)
    assert [round(run.rate_at(step), 2) for step in (0, 99, 500, 800, 999)] == [0.01, 1.0, 1.0, 0.51, 0.02]


def test_average_follows() -> None:
    layer = nn.Linear(1, 1, bias=False)
    average = Average(layer, 0.9)
    with torch.no_grad():
        layer.weight.fill_(5.0)
    for _ in range(200):
        average.update(layer)
    assert float(average.weights["weight"]) == pytest.approx(5, abs=1e-3)


def test_quick_group_norm_is_the_plain_one() -> None:
    torch.manual_seed(0)
    plain, quick = nn.GroupNorm(8, 16), QuickGroupNorm(8, 16)
    nn.init.normal_(plain.weight)
    quick.load_state_dict(plain.state_dict())
    x, grad = torch.randn(3, 16, 6, 10) + 1, torch.randn(3, 16, 6, 10)
    results = []
    for norm in (plain, quick):
        leaf = x.clone().requires_grad_()
        output = norm(leaf)
        (output * grad).sum().backward()
        results.append((output.detach(), leaf.grad, norm.weight.grad, norm.bias.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


class TestCaptions:
    scenes = [random_scene(np.random.default_rng(i)) for i in range(300)]

    def texts(self, scenes: list[Scene]) -> list[str]:
        rng = np.random.default_rng(0)
        return [captions.caption(rng, scene) for scene in scenes]

    def test_single_things_are_named_right(self) -> None:
        for made in (scene for scene in self.scenes if len(scene.things) == 1):
            (text,) = self.texts([made])
            assert not text or f"{made.things[0].colour} {made.things[0].shape}" in text

    def test_colours_of_two_are_swapped_in_about_half(self) -> None:
        made = Scene(128, 128, ("sky",), (Thing("circle", "red", 32, 64, 20), Thing("square", "blue", 96, 64, 20)))
        rng = np.random.default_rng(1)
        texts = [text for text in (captions.caption(rng, made) for _ in range(2000)) if "circle" in text]
        right = sum("red circle" in text for text in texts) / len(texts)
        assert 0.48 < right < 0.62

    def test_about_a_tenth_is_empty_and_no_place_is_named(self) -> None:
        texts = self.texts(self.scenes * 4)
        assert 0.06 < sum(not text for text in texts) / len(texts) < 0.14
        assert not {"left", "right", "top", "bottom", "middle", "above", "below"} & set(" ".join(texts).replace(",", " ").split())


class TestVocabulary:
    texts = ["a red circle, on grass", "masterpiece, best quality, 8k, cyan ring", "river zebra 12 (ok)", ""]

    def test_cached_words_give_the_tokenizer_s_ids(self) -> None:
        whole = vocabulary.tokenizer()(self.texts, padding="max_length", truncation=True, max_length=77, return_tensors="np").input_ids
        assert np.array_equal(vocabulary.encode(self.texts), whole)

    def test_end_of_text_is_the_highest_row(self) -> None:
        rows = vocabulary.compact(vocabulary.encode(self.texts))
        assert int(rows.max()) == vocabulary.rows_in_use() - 1 and rows.argmax(-1).tolist()[3] == 1

    def test_strangers_are_unknown(self) -> None:
        rows = vocabulary.compact(vocabulary.encode([" ".join(captions.STRANGERS)]))
        assert set(rows[0, 1 : 1 + len(captions.STRANGERS)].tolist()) == {0}

    def test_widened_table_gives_the_same_vectors(self) -> None:
        table = torch.randn(vocabulary.rows_in_use(), 4)
        ids = vocabulary.encode(self.texts)
        wide = vocabulary.widen(table)
        assert wide.shape == (49408, 4)
        assert torch.equal(wide[torch.from_numpy(ids)], table[vocabulary.compact(ids)])

    def test_untrained_names_differ_from_the_unknown_word(self) -> None:
        table = torch.randn(vocabulary.rows_in_use(), 4)
        star = vocabulary.encode(["star"])[0, 1]
        assert not torch.equal(vocabulary.widen(table, ("star",))[star], table[0])


def test_object_cells_cover_the_thing() -> None:
    cells = object_cells(Scene(64, 64, ("sky",), (Thing("circle", "red", 32, 32, 18),)))
    assert cells[2:6, 2:6].all() and not cells[0].any()


def test_run_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Run(Path(), 0, 1)


def test_curves_read_the_later_run_of_a_step(tmp_path: Path) -> None:
    from lib_regional.standalone.train.measures.curves import draw_curves, read_log

    (tmp_path / "unet.csv").write_text("step,loss\n20,1\n40,0.5\n40,0.25\n60,0.2\n")
    assert read_log(tmp_path / "unet.csv") == {"step": [20, 40, 60], "loss": [1, 0.25, 0.2]}
    pytest.importorskip("matplotlib")
    (path,) = draw_curves(tmp_path, tmp_path / "images")
    assert path.stat().st_size > 1000
