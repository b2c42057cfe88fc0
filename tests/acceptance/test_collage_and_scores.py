"""Pictures laid into regions and refined; scores of regional pictures, and the best of several candidates."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from client import HALVES, Made, regional
from PIL import Image
from test_contract import read_back

TEXTS = ("a red circle on grass", "a blue square on grass")
REGIONS = [{**half, "prompt": text, "feather": 0} for half, text in zip(HALVES, TEXTS, strict=True)]
NO_GRID = {"return_grid": False}


# ---------------------------------------------------------------- collage


@pytest.fixture(scope="module")
def laid(webui) -> np.ndarray:
    """The collage itself (128, 128, 3): halves of two pictures that the model can make, side by side."""
    left, right = (webui.make(prompt=f"a {what} on sand", seed=n).pixels[0] for n, what in enumerate(["yellow ring", "cyan cross"]))
    return np.concatenate([left[:, :64], right[:, 64:]], 1)


def data_url(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def collage(laid: np.ndarray, left: float, right: float, **more):
    pictures = [data_url(laid[:, :64]), data_url(laid[:, 64:])]
    regions = [
        {**region, "picture": picture, "fit": "stretch", "denoise": strength}
        for region, picture, strength in zip(REGIONS, pictures, (left, right), strict=True)
    ]
    options = {"collage": {"colour": "#208020", "outside": 0.0, **more}}
    return {"version": 2, **regional(regions, method="collage", options=options)}


def test_strength_0_keeps_every_byte_of_what_was_laid(webui, laid):
    kept, moved = (np.abs(webui.make(collage(laid, 0, right)).pixels[0] - laid) for right in (0.0, 0.9))
    assert kept.max() == 0
    assert moved[:, :64].max() == 0 and moved[:, 64:].mean() > 2


def test_more_strength_goes_further_from_the_collage(webui, laid):
    little, much = (np.abs(webui.make(collage(laid, strength, strength)).pixels[0] - laid).mean() for strength in (0.3, 1.0))
    assert 0 < little < 0.7 * much


def test_a_collage_on_the_picture_of_img2img(webui, laid):
    made = webui.make()
    settings = collage(laid, 0, 0, colour=None)
    settings["regions"] = settings["regions"][:1]
    got = webui.make(settings, "img2img", init_images=[data_url(made.pixels[0])], denoising_strength=0.5).pixels[0]
    assert np.abs(got[:, :64] - laid[:, :64]).max() == 0 and np.abs(got[:, 64:] - made.pixels[0][:, 64:]).max() == 0


def test_a_collage_comes_back_from_its_infotext(webui, laid):
    made = webui.make(collage(laid, 0.2, 0.6))
    settings = json.loads(read_back(webui, made))
    assert settings["method"] == "collage" and [region["denoise"] for region in settings["regions"]] == [0.2, 0.6]
    again = np.abs(webui.make(settings).pixels[0] - made.pixels[0])
    assert again.mean() < 6, "the parameters keep pictures as WebP"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"picture": "data:image/png;base64,bm8="}, "picture", id="no picture"),
        pytest.param({"denoise": 1.5}, "denoise must be 1 or less", id="strength"),
    ],
)
def test_bad_pictures_are_refused(webui, laid, change, words):
    settings = collage(laid, 0, 0)
    settings["regions"][0].update(change)
    assert words in webui.refused(settings)


# ---------------------------------------------------------------- scores


def scores(made: Made) -> list[float]:
    """Of each picture in order."""
    found = [re.search(r'Regional score: "?([\d.]+) \(1: [\d.]+, 2: [\d.]+\)', text) for text in made.infotexts]
    assert all(found), made.infotexts
    return [float(match[1]) for match in found if match]


def scored(**options):
    return {"version": 2, **regional(REGIONS, options={"scores": options} if options else {})}


def test_a_score_is_in_the_infotext_and_changes_no_pixel(webui):
    on, off = webui.make(scored()), webui.make(scored(enabled=False))
    assert 0 <= scores(on)[0] <= 1 and "Regional score" not in off.infotexts[0]
    assert np.array_equal(on.pixels[0], off.pixels[0])


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion", "latent_composite", "rag"])
def test_methods_with_predictions_of_their_own_have_scores_too(webui, method):
    assert len(scores(webui.make({"version": 2, **regional(REGIONS, method=method)}, batch_size=2, override_settings=NO_GRID))) == 2


def test_the_best_of_several_seeds_is_returned_as_it_comes_alone(webui):
    seed = webui.common["seed"]
    alone = [webui.make(scored(), seed=seed + n) for n in range(3)]
    best = max(range(3), key=lambda n: scores(alone[n])[0])
    made = webui.make(scored(candidates=3), override_settings=NO_GRID)
    assert len(made.pngs) == 1 and f"Seed: {seed + best}," in made.infotexts[0]
    assert np.array_equal(made.pixels[0], alone[best].pixels[0])
    every = webui.make(scored(candidates=3, keep="all"), override_settings=NO_GRID)
    assert scores(every) == sorted((scores(one)[0] for one in alone), reverse=True)


def test_more_candidates_than_the_host_makes_are_refused(webui):
    assert "candidates" in webui.refused(scored(candidates=101))


def test_nothing_stays_behind(webui, plain, laid):
    webui.make(scored(candidates=2))
    webui.make(collage(laid, 0, 0.5))
    assert webui.make().pngs == plain.pngs
