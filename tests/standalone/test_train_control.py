"""The ControlNet of outlines: its control pictures, its file, and the stage on a few steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors.torch import load_file  # noqa: E402

from lib_regional.standalone.controlnet.files import SHIPPED, SHIPPED_NAME, load  # noqa: E402
from lib_regional.standalone.train.data.outlines import THICK, THIN, line_picture, random_lines  # noqa: E402
from lib_regional.standalone.train.data.scene import Scene, Thing  # noqa: E402
from lib_regional.standalone.train.progress import Run  # noqa: E402
from lib_regional.standalone.train.stages.control import Training, hints_of, train_control, write_control  # noqa: E402
from tests.support.random_model import random_model  # noqa: E402
from tests.support.small_controlnet import controlnet  # noqa: E402


def circle(radius=20.0):
    return Scene(128, 128, ("sand",), (Thing("circle", "red", 64, 64, radius),))


@pytest.mark.parametrize("width", [1.5, 2.5, 4.0])
def test_a_line_runs_along_the_edge_and_is_as_wide_as_asked(width) -> None:
    picture = line_picture(circle(), width).astype(float)
    assert picture.shape == (128, 128, 3) and (picture == picture[..., :1]).all()
    area = picture[..., 0].sum() / 255
    assert area == pytest.approx(2 * np.pi * 20 * width, rel=0.03)
    y, x = np.nonzero(picture[..., 0] > 128)
    assert np.abs(np.hypot(x + 0.5 - 64, y + 0.5 - 64) - 20).max() <= width / 2 + 0.5


def test_widths_are_drawn_at_random_and_no_thing_has_no_line() -> None:
    rng = np.random.default_rng(0)
    areas = [random_lines(circle(), rng).sum() / 3 / 255 / (2 * np.pi * 20) for _ in range(40)]
    assert min(areas) < THIN + 0.4 and max(areas) > THICK - 0.4
    assert line_picture(Scene(64, 64, ("sand",))).max() == 0


def test_the_file_has_the_published_names_and_comes_back_as_it_was(tmp_path: Path) -> None:
    training = Training("cpu", random_model())
    for conv in training.network.controlnet_down_blocks:
        torch.nn.init.normal_(conv.weight)
    write_control(training.network.state_dict(), tmp_path / "made.safetensors")
    assert load_file(tmp_path / "made.safetensors").keys() == controlnet(0.8).keys()
    loaded = load(tmp_path / "made.safetensors", random_model().unet).state_dict()
    for name, value in training.network.state_dict().items():
        torch.testing.assert_close(loaded[name], value, atol=1e-3, rtol=1e-3)


def test_before_training_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output convolutions begin at zero (Zhang et al. 2023, section 3.1)."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    model = random_model()
    training = Training("cpu", random_model())
    x, times = torch.randn(2, 4, 16, 16), torch.tensor([300, 700])
    with torch.no_grad():
        made = training.noise(x, times, ["", ""], hints_of([circle(), circle(9)], np.random.default_rng(0)))
        context = model.text_encoder(torch.from_numpy(encode_of(["", ""]))).last_hidden_state
        torch.testing.assert_close(made, model.unet(x, times, context).sample, atol=1e-4, rtol=1e-4)


def encode_of(texts):
    from lib_regional.standalone.train.data.vocabulary import encode

    return encode(texts)


@pytest.mark.slow
def test_the_stage_goes_on_where_it_was_and_leaves_the_model_alone(tmp_path: Path) -> None:
    run, model = Run(tmp_path, steps=2, batch=2, warmup=1, save_every=1, log_every=1), random_model()
    before = {name: value.clone() for name, value in model.unet.state_dict().items()}
    path = train_control(run, 2, tmp_path / "made", model)
    began = load_file(path)
    train_control(Run(**{**vars(run), "steps": 4}), 2, tmp_path / "made", model)
    rows = (tmp_path / "control.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3", "4"]
    after = load_file(path)
    assert any(not torch.equal(began[name], after[name]) for name in after)
    assert all(torch.equal(value, before[name]) for name, value in model.unet.state_dict().items())


def test_what_is_shipped_fits_the_shipped_model() -> None:
    file = SHIPPED / f"{SHIPPED_NAME}.safetensors"
    assert file.stat().st_size < 6 << 20 and load_file(file).keys() == controlnet(0.8).keys()
