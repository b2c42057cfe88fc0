"""Files that are damaged, or that lie about what is in them, are refused with a sentence or read without what is broken."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zlib

import pytest
import torch
from PIL import Image

from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.layout.png import SIGNATURE
from lib_regional.request.settings import Settings
from lib_regional.standalone.model import checkpoints, loading
from lib_regional.standalone.model.lora_files import LoraFile
from lib_regional.tensors.masks.weight_maps import weight_maps
from lib_regional.tensors.out_of_memory import is_out_of_memory

REQUEST = {"prompt": "a", "width": 64, "height": 64, "steps": 1, "seed": 1}


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks: bytes, pixels: bytes = b"", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (16, 16)).save(buffer, "PNG")
    whole = buffer.getvalue()
    end = chunk(b"IDAT", pixels) + chunk(b"IEND", b"") if pixels else whole[33:]
    return whole[:33] + b"".join(chunks) + end


def exif(entry: bytes) -> bytes:
    return png(chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0" + entry + b"\0\0\0\0"))


LYING = {
    "an EXIF that is no TIFF": png(chunk(b"eXIf", b"X")),
    "an empty EXIF": png(chunk(b"eXIf", b"")),
    "an EXIF in letters that are no digits": png(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  99\nzzzz")),
    "a block of EXIF that is a text": exif(b"\x69\x87\x02\0\x04\0\0\0abc\0"),
    "a block of EXIF in itself": exif(b"\x69\x87\x04\0\x01\0\0\0\x08\0\0\0"),
    "an orientation that there is not": exif(b"\x12\x01\x03\0\x01\0\0\0\x63\0\0\0"),
    "an orientation in letters": exif(b"\x12\x01\x02\0\x04\0\0\0abc\0"),
    "a text that cannot be unpacked": png(chunk(b"iTXt", b"parameters\0\1\0\0\0garbage")),
    "a text in another code": png(chunk(b"iTXt", b"parameters\0\0\0\0\0a\xed\xa0\x80\xff")),
    "a colour for transparency in a picture of two": png(chunk(b"tRNS", b"\0\1"), mode="1"),
}


def url(raw: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(raw).decode()


@pytest.mark.parametrize("name", LYING)
def test_pictures_that_lie_are_read_without_what_is_broken(served, name):
    client, _ = served
    text = url(LYING[name])
    for route, body in (
        ("/sdapi/v1/png-info", {"image": text}),
        ("/sdapi/v1/extra-single-image", {"image": text, "upscaler_1": "Lanczos", "upscaling_resize": 2}),
        ("/regional/v1/layers", {"picture": text, "settings": {"enabled": True, "regions": [{"box": [0, 0, 1, 1]}]}}),
        ("/regional/v1/preview", {"settings": {"enabled": True, "regions": [{"mask": text}]}, "width": 64, "height": 64}),
    ):
        assert client.post(route, json=body).status_code == 200, route
    assert client.post("/regional/v1/parameters", json={"picture": text}).status_code in (200, 422)
    assert client.post("/regional/v1/masks", json={"picture": text}).status_code in (200, 422)


def test_a_picture_with_an_exif_that_lies_is_sampled_from(served):
    client, _ = served
    text = url(LYING["an EXIF that is no TIFF"])
    assert client.post("/sdapi/v1/img2img", json={**REQUEST, "init_images": [text], "denoising_strength": 0.5}).status_code == 200


@pytest.mark.parametrize(
    "raw",
    [png(pixels=b"garbage"), png(pixels=zlib.compress(b"\0" * 10)), png(chunk(b"tRNS", b"\0")), png()[:-20] + b"\0" * 20],
    ids=["no zlib", "short", "transparency", "end"],
)
def test_a_mask_that_pillow_refuses_is_refused_with_its_region(raw):
    with pytest.raises(SettingsError, match="mask is a") as refused:
        asked = Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 1, 1]}, {"mask": url(raw), "name": "hat"}]})
        weight_maps(asked.layout(), 8, 8)
    assert refused.value.problems[0].field == "regions[1].mask" and 'Region 2 ("hat")' in str(refused.value)
    assert raw.startswith(SIGNATURE)


HEADS = [
    b'{"__metadata__":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"__metadata__":{"ss_output_name":{"a":[1,NaN]},"x":"\\ud800","y":null}}',
    b'{"__metadata__":[1]}',
    b"[]",
]
LORAS = [*(struct.pack("<Q", len(head)) + head for head in HEADS), b"", b"x", struct.pack("<Q", 2**64 - 1), struct.pack("<Q", 2**63) + b"a"]


@pytest.mark.parametrize("raw", LORAS, ids=["nested", "objects", "list", "no object", "empty", "byte", "huge", "beyond"])
def test_loras_with_damaged_heads_break_no_lookup(tmp_path, raw):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(raw)
    file = LoraFile(path)
    json.dumps([file.metadata, file.alias], allow_nan=False, ensure_ascii=False).encode()
    assert len(file.hash) == 64
    with pytest.raises(RegionalError, match="damaged"):
        file.read()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
def test_damaged_pickles_are_no_checkpoints(tmp_path, zipped):
    buffer, source, path = io.BytesIO(), random.Random(7), tmp_path / "damaged.ckpt"
    weights = {"state_dict": {"a.b": torch.ones(3, 2), "c": torch.zeros(2, dtype=torch.float16)}, "epoch": 5}
    torch.save(weights, buffer, _use_new_zipfile_serialization=zipped)
    for _ in range(300):
        raw = bytearray(buffer.getvalue())
        for _ in range(3):
            raw[source.randrange(len(raw))] = source.randrange(256)
        path.write_bytes(bytes(raw[: source.choice((len(raw), source.randrange(1, len(raw))))]))
        try:
            checkpoints.read(path)
        except checkpoints.CheckpointError as error:
            assert "damaged.ckpt" in str(error)


def test_too_little_memory_is_named(tmp_path, monkeypatch):
    path = tmp_path / "large.safetensors"
    path.write_bytes(b"0" * 100)
    names = ("cond_stage_model.transformer.x", "model.diffusion_model.input_blocks.x")
    monkeypatch.setattr(loading, "read", lambda _: dict.fromkeys(names, torch.ones(1)))
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")):
        assert is_out_of_memory(error)
        monkeypatch.setattr(loading, "whole", lambda weights: weights)
        monkeypatch.setattr(loading, "_unet_and_vae", _raising(error))
        with pytest.raises(checkpoints.CheckpointError, match=r"not enough memory to load large\.safetensors"):
            loading.load(path, None, torch.device("cpu"))


def test_a_generation_without_memory_is_no_500(client, host, monkeypatch):
    monkeypatch.setattr(host, "run_busy", _raising(RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")))
    answer = client.post("/sdapi/v1/txt2img", json=REQUEST)
    assert answer.status_code == 422 and "not enough memory" in answer.json()["detail"]


def _raising(error):
    def fail(*_args, **_kwargs):
        raise error

    return fail
