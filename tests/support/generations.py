"""Pictures by HTTP from the standalone host with random weights and the extension's own script."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

REQUEST = {
    "prompt": "main",
    "negative_prompt": "bad",
    "width": 96,
    "height": 64,
    "steps": 3,
    "seed": 11,
    "sampler_name": "Euler a",
    "cfg_scale": 3.0,
}


def encoded(array):
    buffer = io.BytesIO()
    Image.fromarray(array.astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def pictures_of(answer) -> list[np.ndarray]:
    """(H, W, 3) int16 per picture of an answer."""
    assert answer.status_code == 200, answer.text
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"), np.int16) for image in answer.json()["images"]]
