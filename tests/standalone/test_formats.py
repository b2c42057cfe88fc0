"""Pictures in the format that ``samples_format`` names, with their parameters."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from lib_regional.standalone.pipeline import pictures


@pytest.mark.parametrize(("kind", "format"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
def test_answers_and_files_have_the_format_and_the_parameters(client, host, kind, format):
    asked = {"prompt": "a 漢 😀, b", "width": 64, "height": 64, "steps": 1, "seed": 3, "save_images": True}
    answer = client.post("/sdapi/v1/txt2img", json={**asked, "override_settings": {"samples_format": kind, "jpeg_quality": 95}})
    assert answer.status_code == 200, answer.text[:300]
    text = answer.json()["images"][0]
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    assert image.format == format and image.size == (64, 64)
    info = client.post("/sdapi/v1/png-info", json={"image": text}).json()
    assert info["parameters"]["Prompt"] == "a 漢 😀, b" and info["parameters"]["Seed"] == "3"
    newest = max((host.output / "outputs" / "txt2img-images").iterdir(), key=lambda path: path.name)
    assert newest.name.endswith(f"-3.{kind}") and Image.open(newest).format == format


def test_parameters_beyond_exif_are_left_out_with_a_warning(caplog):
    image = Image.new("RGBA", (8, 8))
    image.info["parameters"] = "a" * 40_000
    written = Image.open(io.BytesIO(pictures.file_bytes(image, "jpg")))
    assert written.format == "JPEG" and pictures.parameters_of(written)[0] == "" and "longer than EXIF" in caplog.text
