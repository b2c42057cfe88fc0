"""LoRA tags as AUTOMATIC1111 reads them."""

from __future__ import annotations

import pytest

from lib_regional.request.errors import SettingsError
from lib_regional.request.prompt.lora_tags import LoraTag, raw_tags, split_tags, with_tags, without_tags

READ = [
    ("<lora:a>", LoraTag("a")),
    ("<lora:a:0.8>", LoraTag("a", 0.8, 0.8)),
    ("<lyco:a:0.8>", LoraTag("a", 0.8, 0.8)),
    ("<lora:a:0.5:-1>", LoraTag("a", 0.5, -1.0)),
    ("<lora:a:0.5:1:4>", LoraTag("a", 0.5, 1.0, 4)),
    ("<lora:a:te=0.5>", LoraTag("a", 0.5, 0.5)),
    ("<lora:a:unet=0.5>", LoraTag("a", 1.0, 0.5)),
    ("<lora:a:0.3:te=0.5:unet=2:dyn=8>", LoraTag("a", 0.5, 2.0, 8)),
    ("<lora:a b (v1):1e-1>", LoraTag("a b (v1)", 0.1, 0.1)),
    ("<lora:a=b=c:1>", LoraTag("a=b=c", 1.0, 1.0)),
]


@pytest.mark.parametrize(("text", "tag"), READ, ids=[text for text, _ in READ])
def test_a_tag_is_read(text: str, tag: LoraTag) -> None:
    found = split_tags(f"x {text}y")
    assert (found.text, found.loras) == ("x y", (tag,))
    assert without_tags(f"x {text}y") == "x y" and raw_tags(f"x {text}y") == (text,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<lora:a:much>", 'a number, got "much"'),
        ("<lora:a:nan>", 'a number, got "nan"'),
        ("<lora:a:1:inf>", 'a number, got "inf"'),
        ("<lora:a:dyn=0>", 'a whole number of 1 or more, got "0"'),
        ("<lora:a:1:1:2.5>", '"2.5"'),
        ("<lora:te=1>", "names no LoRA"),
    ],
)
def test_a_tag_that_cannot_be_read_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        split_tags(f"a cat {text}", "Region 2", "regions[1].prompt")
    assert str(caught.value).startswith("Region 2: ") and says in str(caught.value) and text in str(caught.value)
    assert caught.value.body[0]["field"] == "regions[1].prompt"


def test_other_kinds_stay_and_order_is_kept() -> None:
    found = split_tags("<lora:b:1>a <hypernet:h:1> cat<lora:a:0.5:0.25:2>")
    assert found.text == "a <hypernet:h:1> cat"
    assert found.loras == (LoraTag("b"), LoraTag("a", 0.5, 0.25, 2))
    assert split_tags(with_tags(found.text, found.loras)) == found


def test_a_text_without_tags_stays_as_it_is() -> None:
    assert split_tags("a (cat:1.2), <3") == split_tags("a (cat:1.2), <3").__class__("a (cat:1.2), <3", ())
