"""Masks by models: tiny ones of the genuine classes, loaded from disk as a user's would be, against those classes themselves."""

import numpy as np
import picture_models
import pytest
import torch
import transformers
from PIL import Image

from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.sources.models import depth, kinds, words
from lib_regional.sources.models.loading import PictureModels
from lib_regional.sources.models.ways import find_masks

NAMES = "clipseg grounding_dino sam dpt zoedepth depth_anything".split()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = tmp_path_factory.mktemp("regional")
    for name in NAMES:
        getattr(picture_models, name)(place / name)
    return place


@pytest.fixture(scope="module")
def models(root):
    return PictureModels(lambda: [root])


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 72, 3), np.uint8))


def test_all_are_listed_with_their_kinds(models):
    listed = models.listed()
    assert {one["name"]: one["kind"] for one in listed["models"]} == {
        **{name: name for name in ("clipseg", "grounding_dino", "sam")}, "depth_anything": "depth", "dpt": "depth", "zoedepth": "depth",
    }  # fmt: skip
    assert all(one["usable"] for one in listed["models"])
    assert {kind["name"]: kind["missing"] is None for kind in listed["kinds"]} == {
        **dict.fromkeys(("clipseg", "grounding_dino", "sam", "depth"), True), "clip_vision": False,
    }  # fmt: skip


def test_words_give_a_mask_for_each_phrase(models, picture):
    greys = find_masks(models, "words", picture, {"words": "red, hat, red", "threshold": None})
    assert [mask.name for mask in greys] == ["red", "hat"] and greys[0].mask.shape == (48, 72)
    level = float(np.median(greys[0].mask)) / 255
    cut = find_masks(models, "words", picture, {"words": "red", "threshold": level})
    assert set(np.unique(cut[0].mask)) == {0, 255}
    assert np.array_equal(cut[0].mask[greys[0].mask > level * 255 + 1], np.full((greys[0].mask > level * 255 + 1).sum(), 255))
    with pytest.raises(RegionalError, match='"hat" was not found: the highest value is 0'):
        find_masks(models, "words", picture, {"words": "hat", "threshold": 1.0})


def test_boxes_are_those_of_the_model_itself(models, root, picture):
    folder = root / "grounding_dino"
    with models.opened(models.choose("grounding_dino")) as opened:
        found = words.word_boxes(opened, picture, ["Red hat", "dog"], 0.0)
    processor = transformers.GroundingDinoProcessor.from_pretrained(folder)
    model = transformers.GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    inputs = processor(images=picture, text="red hat. dog.", return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    (own,) = processor.post_process_grounded_object_detection(outputs, inputs.input_ids, 0.0, 0.0)
    for box in found:
        assert min(np.abs(own["boxes"].clamp(0, 1).numpy() - box.box).max(1)) < 1e-5
    assert {box.phrase for box in found} <= {0, 1} and found == sorted(found, key=lambda box: -box.score)


def test_a_phrase_has_the_score_of_its_best_token():
    logits = torch.tensor([[9.0, 1.0, -2.0, 0.5, 3.0, -9.0, 8.0]])
    tokens = [(0, 0), (0, 3), (4, 7), (7, 8), (9, 12), (12, 13), (0, 0)]  # [CLS] red hat . dog . [SEP]
    scores = words.phrase_scores(logits, tokens, [(0, 7), (9, 12), (20, 22)])
    assert torch.allclose(scores, torch.tensor([[1.0, 3.0, -torch.inf]]).sigmoid())


def test_doubles_of_a_phrase_are_left_out():
    boxes = torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.31, 0.3, 0.2, 0.2], [0.31, 0.3, 0.2, 0.2], [0.8, 0.8, 0.8, 0.2], [0.5, 0.5, 0.1, 0.1]])
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.1], [0.1, 0.7], [0.6, 0.1], [0.2, 0.2]])
    kept = words.best_boxes(boxes, scores, 0.3)
    assert [(box.phrase, round(box.score, 1)) for box in kept] == [(0, 0.9), (1, 0.7), (0, 0.6)]
    assert kept[2].box == pytest.approx((0.4, 0.7, 1.0, 0.9))


def winners(models, picture):
    """The phrases that have a box: with random weights one may win every box."""
    with models.opened(models.choose("grounding_dino")) as opened:
        boxes = words.word_boxes(opened, picture, ["red hat", "dog"], 0.0)
    return [phrase for at, phrase in enumerate(["red hat", "dog"]) if any(box.phrase == at for box in boxes)]


def test_objects_become_regions_together_or_each(models, picture):
    given = {"words": "red hat, dog", "threshold": 0.0}
    names = winners(models, picture)
    plain = find_masks(models, "boxes", picture, {**given, "words": ", ".join(names), "outlines": False, "separate": True})
    assert len(plain) > len(names)
    joined = find_masks(models, "boxes", picture, {**given, "words": ", ".join(names), "outlines": False})
    assert [mask.name for mask in joined] == names
    for mask in joined:
        union = np.maximum.reduce([one.mask for one in plain if one.name == mask.name])
        assert np.array_equal(mask.mask, union)
    outlined = find_masks(models, "boxes", picture, {**given, "words": ", ".join(names)})
    assert any(not np.array_equal(one.mask, other.mask) for one, other in zip(outlined, joined, strict=True))
    with pytest.raises(RegionalError, match="Not found with a score of 1.0 or more: red hat, dog"):
        find_masks(models, "boxes", picture, {**given, "threshold": 1.0})


CLICKED = [
    {"clicks": [[0.5, 0.5]]},
    {"box": [0.1, 0.1, 0.6, 0.6]},
    {"clicks": [[0.5, 0.5], [0.1, 0.1, 0]], "box": [0, 0, 1, 1]},
]


@pytest.mark.parametrize("given", CLICKED)
def test_clicks_and_boxes_give_the_outline_of_the_model_itself(models, root, picture, given):
    (found,) = find_masks(models, "click", picture, given)
    processor = transformers.SamProcessor.from_pretrained(root / "sam")
    model = transformers.SamModel.from_pretrained(root / "sam").eval()
    size = np.array(picture.size)
    asked = {}
    if "clicks" in given:
        asked["input_points"] = [[(np.array(click[:2]) * size).tolist() for click in given["clicks"]]]
        asked["input_labels"] = [[click[2] if len(click) > 2 else 1 for click in given["clicks"]]]
    if "box" in given:
        asked["input_boxes"] = [[(np.array(given["box"]) * np.tile(size, 2)).tolist()]]
    inputs = processor(picture, return_tensors="pt", **asked)
    with torch.no_grad():
        outputs = model(
            **{name: value.float() if value.is_floating_point() else value for name, value in inputs.items() if "sizes" not in name},
            multimask_output=len(asked) == 2 and "input_boxes" not in asked,
        )
    (masks,) = processor.image_processor.post_process_masks(outputs.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"])
    assert np.array_equal(found.mask > 0, masks[0, int(outputs.iou_scores[0, 0].argmax())].numpy())


@pytest.mark.parametrize("name", ["dpt", "zoedepth", "depth_anything"])
def test_depth_is_that_of_the_model_itself_and_slices_fill_the_picture(models, root, picture, name):
    near = depth.nearness(models, models.choose("depth", name), picture)
    model = transformers.AutoModelForDepthEstimation.from_pretrained(root / name).eval()
    plain = {"do_pad": False} if name == "zoedepth" else {}
    inputs = transformers.AutoImageProcessor.from_pretrained(root / name)(picture, return_tensors="pt", **plain)
    with torch.no_grad():
        own = model(**inputs).predicted_depth
    own = 1 / own.clamp(1e-4, 1e4) if name == "zoedepth" else own
    expected = torch.nn.functional.interpolate(own[None] if own.dim() == 3 else own, (48, 72), mode="bilinear")[0, 0]
    assert torch.allclose(near, expected, rtol=1e-4, atol=1e-6)
    slices = find_masks(models, "depth", picture, {"slices": 4, "spacing": "area", "softness": 0.1, "model": name})
    assert np.array_equal(sum(mask.mask.astype(int) for mask in slices), np.full((48, 72), 255))
    assert [mask.name for mask in slices] == ["near", "depth 2", "depth 3", "far"]


def test_a_metric_depth_anything_is_known_by_its_config(tmp_path, picture):
    picture_models.depth_anything(tmp_path / "metric", "metric")
    models = PictureModels(lambda: [tmp_path])
    with models.opened(models.choose("depth")) as opened:
        assert depth.is_metric(opened.model.config)


def rendered() -> tuple[torch.Tensor, np.ndarray]:
    """A scene with known depth: a ball before a wall before the sky. Nearness (64, 96), and which of the three each pixel shows."""
    rows, columns = np.mgrid[0:64, 0:96]
    ball = (rows - 40) ** 2 + (columns - 30) ** 2 < 15**2
    wall = (rows > 20) & ~ball
    shown = np.where(ball, 0, np.where(wall, 1, 2))
    return torch.tensor(np.choose(shown, [1.0, 0.5, 0.0])), shown


def test_a_rendered_scene_is_cut_into_its_things():
    near, shown = rendered()
    slices = depth.depth_masks(near, (0, 1 / 3, 2 / 3, 1), 0.0)
    for at, mask in enumerate(slices):
        assert np.array_equal(mask.mask == 255, shown == at)
    (middle,) = depth.depth_masks(near, (0.3, 0.7), 0.0)
    assert np.array_equal(middle.mask, slices[1].mask)


def test_a_slice_without_a_pixel_and_flat_pictures_are_refused():
    near, _ = rendered()
    with pytest.raises(RegionalError, match="lies in this slice: move"):
        depth.depth_masks(near, (0.2, 0.3), 0.0)
    assert [bool(mask.mask.any()) for mask in depth.depth_masks(near, (0, 0.2, 0.3, 1), 0.0)] == [True, False, True]
    with pytest.raises(RegionalError, match="equally far"):
        depth.depth_masks(torch.ones(8, 8), (0, 0.5, 1), 0.0)


def test_moving_a_border_runs_no_model(models, picture, monkeypatch):
    find_masks(models, "slice", picture, {"model": "dpt"})
    monkeypatch.setattr(PictureModels, "opened", None)
    moved = find_masks(models, "slice", picture, {"near": 0.2, "far": 1, "model": "dpt"})
    assert moved[0].mask.any()


@pytest.mark.parametrize(
    ("way", "given", "field"),
    [
        ("words", {}, "words"), ("words", {"words": " , "}, "words"), ("words", {"words": "a", "threshold": 2}, "threshold"),
        ("words", {"words": "a", "slices": 2}, "slices"), ("words", {"words": "a", "model": "dpt"}, "model"),
        ("words", {"words": "a", "model": "nothing"}, "model"), ("boxes", {"words": "a", "sam": "clipseg"}, "sam"),
        ("click", {}, "clicks"), ("click", {"clicks": [[0.5, 1.5]]}, "clicks"), ("click", {"clicks": [[0.5, 0.5, 0]]}, "clicks"),
        ("click", {"box": [0.5, 0, 0.5, 1]}, "box"), ("depth", {"slices": 1}, "slices"), ("depth", {"spacing": "x"}, "spacing"),
        ("slice", {"near": 0.5, "far": 0.5}, "far"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(models, picture, way, given, field):
    with pytest.raises(SettingsError) as refused:
        find_masks(models, way, picture, given)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_a_class_that_transformers_lacks_leaves_the_others(models, picture, monkeypatch):
    names = kinds._class_names() - {"GroundingDinoForObjectDetection", "ZoeDepthForDepthEstimation"}
    monkeypatch.setattr(kinds, "_class_names", lambda: names)
    listed = models.listed()
    rows = {row["name"]: row for row in listed["kinds"]}
    assert "has no GroundingDinoForObjectDetection" in rows["grounding_dino"]["missing"]
    assert rows["depth"]["models"] == ["depth_anything", "dpt"] and "ZoeDepth" in rows["depth"]["lacking"][0]
    with pytest.raises(RegionalError, match="Grounding DINO cannot be used: the installed transformers .* has no Grounding"):
        find_masks(models, "boxes", picture, {"words": "a"})
    assert find_masks(models, "depth", picture, {"spacing": "area"})
