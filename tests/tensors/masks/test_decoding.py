"""Masks at the size they are used at: the same values as whole, and memory that large ones do not keep."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib_regional.request.layout.mask_codecs import PNG_PREFIX, encode_rle
from lib_regional.request.layout.png import MAX_TEXT
from lib_regional.tensors.byte_cache import ByteCache
from lib_regional.tensors.masks import decoding as mask_image
from lib_regional.tensors.masks.decoding import decode_mask, mask_at

ROOT = Path(__file__).resolve().parents[2]
RANDOM = np.random.default_rng(0)


def png(picture: Image.Image, **options) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return PNG_PREFIX + base64.b64encode(buffer.getvalue()).decode()


def soft(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width), dtype=np.uint8)


def modes() -> dict[str, Image.Image]:
    grey = Image.fromarray(soft(37, 53))
    colour = Image.fromarray(RANDOM.integers(0, 256, (37, 53, 4), dtype=np.uint8), "RGBA")
    return {
        "1": grey.convert("1"),
        "L": grey,
        "LA": Image.merge("LA", (grey, grey.transpose(Image.Transpose.FLIP_TOP_BOTTOM))),
        "RGB": colour.convert("RGB"),
        "RGBA": colour,
        "P": colour.convert("RGB").quantize(16),
        "16 bit": Image.fromarray(soft(37, 53).astype(np.uint16) * 257),
    }


def whole(picture: Image.Image) -> torch.Tensor:
    """Luminance times alpha of the whole picture, in float."""
    if picture.mode.startswith("I"):
        return torch.from_numpy(np.asarray(picture).astype(np.float32) / 65535)
    rgba = picture.convert("RGBA")
    grey, alpha = (np.asarray(plane, np.float32) / 255 for plane in (rgba.convert("RGB").convert("L"), rgba.getchannel("A")))
    return torch.from_numpy(grey * alpha)


def weights(length: int, wanted: int) -> torch.Tensor:
    """(wanted, length): triangles around the wanted pixels' centres, as wide as these are, each with the sum 1."""
    scale = length / wanted
    centres = (torch.arange(wanted, dtype=torch.float64) + 0.5) * scale
    pixels = torch.arange(length, dtype=torch.float64) + 0.5
    triangles = (1 - (pixels[None] - centres[:, None]).abs() / max(scale, 1)).clamp_min(0)
    return triangles / triangles.sum(1, keepdim=True)


def resized(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return (weights(image.shape[0], size[0]) @ image.double() @ weights(image.shape[1], size[1]).T).float()


@pytest.fixture(autouse=True)
def nothing_kept():
    mask_image._kept.clear()
    yield
    mask_image._kept.clear()


@pytest.mark.parametrize("picture", modes().values(), ids=modes())
@pytest.mark.parametrize("size", [(37, 53), (8, 8), (5, 100), (100, 5), (64, 64), (1, 1)], ids=str)
@pytest.mark.parametrize("strip", [1, 200, 10**9])
def test_strips_make_the_whole(picture, size, strip, monkeypatch):
    monkeypatch.setattr(mask_image, "_STRIP", strip)
    expected = resized(whole(picture), size)
    for _ in range(2):  # the second one from what is kept
        torch.testing.assert_close(mask_at(png(picture), *size), expected, atol=0.5 / 255 + 1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (700, 3), (3, 700), (300, 300)], ids=str)
def test_long_masks(shape, monkeypatch):
    monkeypatch.setattr(mask_image, "_STRIP", 512)
    levels = soft(*shape)
    data = encode_rle(shape[1], shape[0], levels.tobytes())
    expected = torch.from_numpy(levels.astype(np.float32) / 255)
    torch.testing.assert_close(mask_at(data, 16, 16), resized(expected, (16, 16)), atol=1e-5, rtol=0)
    torch.testing.assert_close(decode_mask(data), expected)


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1)], ids=str)
def test_rows_longer_than_any_picture_are_averaged_first(shape, monkeypatch):
    monkeypatch.setattr(mask_image, "_LONGEST", 999)
    levels = np.sort(soft(*shape), axis=None).reshape(shape)
    found = mask_at(encode_rle(shape[1], shape[0], levels.tobytes()), 8, 8)
    torch.testing.assert_close(found, resized(torch.from_numpy(levels / 255), (8, 8)), atol=2e-3, rtol=0)


def test_a_16_bit_mask_keeps_its_levels():
    levels = (np.arange(64, dtype=np.uint16) * 13).reshape(8, 8)
    torch.testing.assert_close(decode_mask(png(Image.fromarray(levels))), torch.from_numpy(levels.astype(np.float32) / 65535))


def test_what_is_given_out_is_the_callers_own():
    data = encode_rle(64, 64, soft(64, 64).tobytes())
    for size in ((4, 4), (64, 64)):
        first = mask_at(data, *size)
        kept = first.clone()
        first.zero_()
        assert torch.equal(mask_at(data, *size), kept)


def test_inference_mode_leaves_nothing_behind():
    data = encode_rle(64, 64, soft(64, 64).tobytes())
    with torch.inference_mode():
        mask_at(data, 4, 4), mask_at(data, 64, 64)
    assert not mask_at(data, 4, 4).is_inference() and not mask_at(data, 64, 64).is_inference()


def test_the_smaller_of_what_was_read_and_what_was_used_is_kept():
    data = encode_rle(100, 100, soft(100, 100).tobytes())
    mask_at(data, 200, 200)
    assert mask_image._kept.size == 100 * 100
    mask_image._kept.clear()
    mask_at(data, 20, 20)
    assert mask_image._kept.size == 20 * 20 * 4


def test_the_cache_has_a_limit_in_bytes():
    cache = ByteCache(1000)
    for number in range(10):
        cache.put(number, np.zeros(300, np.uint8))
        cache.get(0)
    assert cache.size == 900 and cache.get(0) is not None and cache.get(1) is None and cache.get(9) is not None
    cache.put("large", np.zeros(1001, np.uint8))
    assert cache.get("large") is None and cache.size == 900
    cache.put(0, np.zeros(1000, np.uint8))
    assert cache.size == 1000
    assert mask_image._kept.largest == mask_image.CACHE_BYTES == 64 * 1024 * 1024


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "iCCP"])
def test_packed_texts_of_a_mask_are_not_unpacked(kind):
    """Which hosts allow more of than Pillow does by itself: nothing in a mask needs them."""
    info, options = PngInfo(), {}
    if kind == "iCCP":
        options["icc_profile"] = b"\0" * 8 * MAX_TEXT
    else:
        (info.add_text if kind == "zTXt" else info.add_itxt)("x", "a" * 8 * MAX_TEXT, zip=True)
    data = png(Image.fromarray(soft(8, 8)), pnginfo=info, **options)
    assert len(data) < 100_000
    assert decode_mask(data).shape == (8, 8)


BOMBS = """
import sys, time
sys.path.insert(0, {root!r})
import base64, io
import torch
torch.set_num_threads(1)
from PIL import Image
from lib_regional.request.settings import Settings
from lib_regional.tensors.masks.weight_maps import weight_maps


def memory(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))


def run(masks):
    regions = [{{"mask": mask, "prompt": "a"}} for mask in masks]
    weight_maps(Settings.parse({{"enabled": True, "regions": regions}}).layout(), 32, 32)


def rle(side, number):
    return f"rle:{{side}}x{{side}}:0*{{side * side // 2 + number}},255*{{side * side - side * side // 2 - number}}"


def png(side):
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("1").resize((side, side)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


bits = png({side})
run([rle(64, 0), png(64)])
before = memory("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
for masks in ([rle({side}, number) for number in range(10)], [bits], ["rle:1x{pixels}:255*{pixels}"], ["rle:{pixels}x1:255*{pixels}"]):
    run(masks)
print(memory("VmRSS") - before, memory("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
def test_masks_that_unpack_to_much_cost_no_memory_for_good():
    """In a process of its own: what the allocator gives back to the system counts, and torch's memory is not Python's."""
    side = 3000
    code = BOMBS.format(root=str(ROOT), side=side, pixels=side * side)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    kept, peak = map(int, done.stdout.split())
    assert kept < 64 + 36, f"{kept} MB are kept"
    # One at a time: what Pillow or a run makes of it, its bytes, and a strip in float.
    assert peak < 150, f"{peak} MB at the peak"
