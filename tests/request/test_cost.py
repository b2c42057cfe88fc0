"""The estimate of what a picture costs, against counts by hand."""

from __future__ import annotations

import pytest

from lib_regional.request.cost import Cost, estimate
from lib_regional.request.methods.specs import METHODS
from lib_regional.request.prompt.region_prompts import plan_texts
from lib_regional.request.settings import Settings

QUADRANTS = [{"box": [x / 2, y / 2, (x + 1) / 2, (y + 1) / 2], "prompt": f"{x}{y}", "feather": 0} for y in (0, 1) for x in (0, 1)]
SQUARE = (1024, 1024)


def cost(
    method: str, regions: list[dict[str, object]], size: tuple[int, int] = SQUARE, with_texts: bool = True, **options: object
) -> float:
    settings = Settings.parse({"enabled": True, "method": method, "regions": regions, "options": {method: options}})
    return estimate(settings, size, plan_texts(settings, "main", "bad") if with_texts else None).ratio


def row(cells: int) -> float:
    """GFLOP of one row, counted on the dimensions of SD1.5."""
    return 3.0 + 0.1655 * cells + 7.3e-6 * cells**2


def test_counted_figures() -> None:
    """GFLOP that torch counts for one row of that UNet on n² cells."""
    for side, gflop in ((8, 13.63), (16, 45.85), (32, 180.1), (64, 803.3), (80, 1361), (96, 2148), (128, 4674)):
        assert row(side**2) == pytest.approx(gflop, rel=0.01)


ROW = row(128 * 128)
CASES = [
    pytest.param("attention_couple", QUADRANTS, {}, 1.016, id="attention couple"),
    pytest.param("latent_couple", QUADRANTS, {}, 5 / 2, id="four texts and one negative"),
    pytest.param("latent_couple", [{**q, "negative": "n"} for q in QUADRANTS], {}, 5 / 2, id="one negative for all"),
    pytest.param("latent_couple", [{**QUADRANTS[0], "negative": "n"}, *QUADRANTS[1:]], {}, 6 / 2, id="a negative more"),
    pytest.param("latent_couple", [{**QUADRANTS[0], "prompt": "a <lora:x:1>"}, *QUADRANTS[1:]], {}, 6 / 2, id="a LoRA, so a negative"),
    pytest.param("latent_couple", QUADRANTS[:3], {}, 5 / 2, id="a hole"),
    pytest.param("latent_couple", [{**q, "prompt": "same"} for q in QUADRANTS], {}, 1.0, id="one text"),
    pytest.param("latent_couple", [{**QUADRANTS[0], "prompt": ""}], {}, 1.0, id="no text"),
    pytest.param("latent_couple", [], {}, 1.0, id="no region"),
    pytest.param("latent_couple", QUADRANTS, {"mode": "crop", "halo": 0}, 8 * row(64 * 64) / (2 * ROW), id="crop"),
    pytest.param("latent_couple", QUADRANTS, {"mode": "crop", "halo": 8}, 8 * row(72 * 72) / (2 * ROW), id="crop with halo"),
    pytest.param("latent_couple", QUADRANTS[:1], {"mode": "crop", "halo": 0}, 1 + row(64 * 64) / ROW, id="crop and base"),
    pytest.param("latent_couple", [{**q, "steps": [0, 0.5]} for q in QUADRANTS], {}, (2.5 + 1) / 2, id="half of the steps"),
    pytest.param("mask_conditioning", QUADRANTS, {"base_strength": 1}, 6 / 2, id="strengths with the base"),
    pytest.param("latent_composite", QUADRANTS, {"alone": 0.5}, (8 * row(64 * 64) / (2 * ROW) + 1.016) / 2, id="composite"),
    pytest.param("latent_composite", QUADRANTS, {"alone": 0, "after": "latent_couple"}, 2.5, id="composite, latent couple"),
    pytest.param("latent_composite", QUADRANTS, {"alone": 0.25, "after": "nothing"}, 0.75 + row(4096) / ROW, id="composite, nothing"),
    pytest.param("multidiffusion", QUADRANTS, {}, 8 * row(64 * 64) / (2 * ROW), id="multidiffusion"),
    pytest.param("multidiffusion", [], {}, 9 * row(64 * 64) / ROW, id="windows of the base"),
    pytest.param("multidiffusion", [], {"window": 1024}, 1.0, id="one window"),
    pytest.param("multidiffusion", [], {"total": 0.5, "total_from": 0.5, "window": 1024}, 1.25, id="total in the second half"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "regions", "options", "expected"), CASES)
def test_estimates(method: str, regions: list[dict[str, object]], options: dict[str, object], expected: float) -> None:
    assert cost(method, regions, **options) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_an_estimate(method: str) -> None:
    shapes = [{"ellipse": [0, 0, 0.5, 1]}, {"polygon": [[0.5, 0], [1, 0], [1, 1]]}, {"mask": "rle:2x1:0,255"}]
    regions = [{**shape, "prompt": "a"} for shape in shapes]
    for with_texts in (True, False):
        assert 0.5 < cost(method, regions, (520, 776), with_texts) < 20


@pytest.mark.parametrize("method", ["mrgd", "p2p"])
def test_an_edit_runs_two_trajectories(method: str) -> None:
    regions = [{"box": [0, 0, 0.5, 1], "prompt": "a", "feather": 0}]
    alone = cost(method, regions, total=False)
    assert cost(method, regions, total=False, source={"regions": regions}) == pytest.approx(2 * alone)
    without = {"regions": []}
    assert cost(method, regions, total=False, source=without) == pytest.approx(alone + 1)  # the source is its base alone
    joined = cost(method, regions, total=True, t_total=0.5, halo=0)
    assert joined == pytest.approx(alone + 0.5)  # one more prediction of the whole picture, beside its shared negative


def test_polygons_and_ellipses_cover_what_they_cover() -> None:
    triangles = [{"polygon": [[0, 0], [1, 0], [1, 1]], "prompt": "a"}, {"polygon": [[0, 0], [1, 1], [0, 1]], "prompt": "b"}]
    assert cost("latent_couple", triangles) == pytest.approx(3 / 2)
    assert cost("latent_couple", [{"ellipse": [0, 0, 1, 1], "prompt": "a"}]) == pytest.approx(3 / 2)


def test_off_costs_nothing_more() -> None:
    assert estimate(Settings.parse({}), SQUARE).ratio == 1.0


def test_it_is_readable() -> None:
    assert Cost(1.0771).text == "about 1.1 × a plain picture" and Cost(12.4).text == "about 12 × a plain picture"
