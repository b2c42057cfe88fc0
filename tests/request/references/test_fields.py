"""A region's reference in settings, infotext and cost."""

from __future__ import annotations

import pytest

from lib_regional.request.axes import with_axes
from lib_regional.request.cost import estimate
from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import from_infotext, to_infotext
from lib_regional.request.methods.specs import serving
from lib_regional.request.prompt.region_prompts import plan_texts
from lib_regional.request.references.fields import Reference
from lib_regional.request.settings import Settings

IMAGE = "data:image/png;base64,AAAA"
HALF = {"box": [0, 0, 0.5, 1]}


def settings(reference: object, method: str = "attention_couple", **region: object) -> Settings:
    return Settings.parse({"enabled": True, "method": method, "regions": [{**HALF, **region, "reference": reference}]})


def test_what_is_not_given_has_its_default_and_is_not_written() -> None:
    made = settings({"image": IMAGE, "weight": 1, "steps": [0, 1], "model": None})
    reference = made.regions[0].reference
    assert reference is not None
    assert (reference.image, reference.weight, reference.steps, reference.model) == (IMAGE, 1.0, (0.0, 1.0), None)
    assert made.to_json()["regions"][0]["reference"] == {"image": IMAGE}
    assert Settings.parse(made.to_json()) == made and hash(made.regions[0]) == hash(Settings.parse(made.to_json()).regions[0])


def test_what_is_given_is_kept() -> None:
    given = {"image": IMAGE, "weight": 0.5, "steps": [0.1, 0.75], "model": "ip-adapter_sd15.safetensors"}
    made = settings(given)
    assert made.to_json()["regions"][0]["reference"] == given
    assert from_infotext(to_infotext(made)) == made


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "null or an object with image"),
        ({}, "image is missing"),
        ({"image": None}, "image must be a picture as a data URL"),
        ({"image": "data:text/plain;base64,AAAA"}, "image must be a picture as a data URL"),
        ({"image": IMAGE, "weight": 2.5}, "weight must be 2 or less, got 2.5"),
        ({"image": IMAGE, "weight": -1}, "weight must be 0 or more"),
        ({"image": IMAGE, "steps": [0.5, 0.5]}, "steps must be two numbers from 0 to 1, the first below the second"),
        ({"image": IMAGE, "model": 3}, "model must be a text or null"),
        ({"image": IMAGE, "strength": 1}, '"strength" is not a known key'),
    ],
)
def test_bad_input_names_the_field(given: object, says: str) -> None:
    with pytest.raises(SettingsError, match="reference must be null or an object") as caught:
        settings(given)
    assert caught.value.problems[0].field == "regions[0].reference" and says in str(caught.value)


def test_methods_without_it_name_those_that_have_it() -> None:
    assert serving("reference") == (
        "attention_couple", "latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning", "repaint", "collage",
    )  # fmt: skip
    with pytest.raises(SettingsError, match="reference must be null with the method sequential"):
        settings({"image": IMAGE}, "sequential").check_method()


def test_a_reference_whose_picture_has_no_room_is_left_out_of_the_parameters() -> None:
    made = settings({"image": IMAGE, "weight": 0.5}, picture=IMAGE)
    asked: list[object] = []

    def reduce(texts):  # type: ignore[no-untyped-def]
        asked.append(list(texts))
        return [texts[0], None]

    found = from_infotext(to_infotext(made, reduce_pictures=reduce))
    assert asked == [[IMAGE, IMAGE]] and found is not None
    assert found.regions[0].reference is None and found.regions[0].picture == IMAGE
    small = from_infotext(to_infotext(made, reduce_pictures=lambda texts: [texts[0], IMAGE + "AAAA"]))
    assert small is not None and small.regions[0].reference == Reference({"image": IMAGE + "AAAA", "weight": 0.5})


def test_it_costs_the_predictions_that_it_makes() -> None:
    """Latent couple predicts a region without a text only where it has a reference, both of its roles, while it acts."""
    texts = {text: plan_texts(settings(None, prompt=text), "main", "bad") for text in ("", "a")}

    def cost(reference: object, text: str = "") -> float:
        made = settings(reference, "latent_couple", prompt=text)
        return estimate(made, (512, 512), texts[text]).ratio

    assert cost(None) == pytest.approx(1) and cost(None, "a") == pytest.approx(1.5)
    assert cost({"image": IMAGE}) == pytest.approx(2) and cost({"image": IMAGE}, "a") == pytest.approx(2)
    assert cost({"image": IMAGE, "steps": [0, 0.5]}) == pytest.approx(1.5)
    assert cost({"image": IMAGE, "weight": 0}, "a") == pytest.approx(1.5)


def test_an_axis_weighs_the_references_that_are_there() -> None:
    asked = {"enabled": True, "regions": [{**HALF, "reference": {"image": IMAGE, "steps": [0, 0.5]}}, HALF]}

    def weighed(text: str) -> list[dict[str, object] | None]:
        found = Settings.parse(with_axes(asked, {"reference": text}))
        return [region.get("reference") for region in found.to_json()["regions"]]

    assert weighed("0.25") == weighed("1:0.25") == [{"image": IMAGE, "weight": 0.25, "steps": [0, 0.5]}, None]
    for text in ("2:0.5", "x", "3", "none"):
        with pytest.raises(SettingsError, match="reference"):
            weighed(text)
