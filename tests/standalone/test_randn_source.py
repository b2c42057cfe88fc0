"""``randn_source`` NV: the numbers of NVIDIA's generator, in pictures, in regions' seeds, and where a picture is sampled twice."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lib_regional.standalone.sampling.noise import ImageNoise
from lib_regional.standalone.sampling.philox import PhiloxGenerator, encrypted

NV = {"override_settings": {"randn_source": "NV"}}
LEFT, RIGHT = {"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_known_answers_of_the_algorithms_authors(counter, key, words):
    made = encrypted([np.array([word], np.uint64) for word in counter], np.array(key, np.uint64))
    assert tuple(int(word[0]) for word in made) == words


def test_the_numbers_of_a_cuda_device():
    """``torch.manual_seed(0); torch.randn(3, 4, device="cuda")``."""
    known = [-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709]
    known += [-1.07454231, -0.36314407, -1.67105067, 2.26550497]
    torch.testing.assert_close(PhiloxGenerator(0).randn((3, 4)), torch.tensor(known).reshape(3, 4), rtol=0, atol=1e-6)


def test_seeds_of_64_bits_and_later_draws_differ_and_are_unit_noise():
    small, large = PhiloxGenerator(7), PhiloxGenerator(7 + (1 << 40))
    drawn = torch.stack([small.randn((4, 64, 64)), small.randn((4, 64, 64)), large.randn((4, 64, 64))])
    correlation = torch.corrcoef(drawn.flatten(1))
    assert (correlation - torch.eye(3)).abs().max() < 0.03
    assert drawn.mean().abs() < 0.02 and (drawn.std() - 1).abs() < 0.02
    assert torch.equal(PhiloxGenerator(-1).randn((3,)), PhiloxGenerator((1 << 64) - 1).randn((3,)))


def test_an_images_noise_does_not_depend_on_its_place_in_the_batch():
    batch, single = ImageNoise((4, 3, 5), [7, 8], source="NV"), ImageNoise((4, 3, 5), [8], source="NV")
    for _ in range(2):
        assert torch.equal(batch.next()[1], single.next()[0])


def test_a_picture_has_it_names_it_and_is_made_again_from_its_infotext(post):
    plain, made = post(steps=2).json(), post(steps=2, **NV).json()
    (text,) = json.loads(made["info"])["infotexts"]
    assert plain["images"] != made["images"] and "RNG: NV" in text
    again = post(infotext=text, steps=2).json()
    assert again["images"] == made["images"]
    assert post(steps=2).json()["images"] == plain["images"]


def test_a_seed_over_the_whole_canvas_is_the_picture_of_that_seed(make):
    region = {"box": [0, 0, 1, 1], "feather": 0, "base_share": 0, "prompt": "main", "seed": 77}
    (made,), (wanted,) = make({"regions": [region]}, steps=2, **NV), make(steps=2, seed=77, **NV)
    (other,) = make(steps=2, seed=77)
    assert abs(made - wanted).max() <= 1 < abs(other - wanted).max()


def test_a_picture_that_is_sampled_twice_begins_twice_with_its_noise(make):
    source = {"enabled": True, "regions": [LEFT, RIGHT]}
    repaint = {"method": "repaint", "regions": [LEFT, RIGHT], "options": {"repaint": {"source": source, "regions": [1]}}}
    (before,), (made,) = make(source, steps=2, **NV), make(repaint, steps=2, **NV)
    assert abs(made - before).max() <= 1


def test_latent_noise_under_a_mask_is_of_the_same_generator(host):
    host.options.data["randn_source"] = "NV"
    p = host.processing(True, inpainting_fill=2)
    p.seeds, p.mask, p.nmask = [3], torch.zeros(4, 8, 8), torch.ones(4, 8, 8)
    assert torch.equal(p._filled(torch.zeros(1, 4, 8, 8))[0], PhiloxGenerator(3).randn((4, 8, 8)))


def test_another_source_is_refused_with_those_that_there_are(client):
    answer = client.post("/sdapi/v1/txt2img", json={"prompt": "a", "override_settings": {"randn_source": "GPU"}})
    assert answer.status_code == 422 and "one of CPU, NV" in answer.text
