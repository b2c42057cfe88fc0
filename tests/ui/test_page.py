"""The page of the standalone host: its files, its HTML, and what its buttons do, without a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from fastapi.testclient import TestClient
from PIL import Image

from lib_regional.request.errors import RegionalError, settings_error
from lib_regional.request.settings import Settings
from lib_regional.standalone.server import app as host_app
from lib_regional.standalone.server.page_assets import browser_files, head_html, number_of, without_foreign
from tests.support.random_model import random_model

ROOT = Path(__file__).parents[2]
HALVES = {"enabled": True, "regions": [{"prompt": "a red circle"}, {"prompt": "a blue square"}], "grid": {"ratios": "1,1"}}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    application, host = host_app.create(nowebui=False, model=random_model(), output=tmp_path_factory.mktemp("out"))
    yield application, host
    host.close()


@pytest.fixture(scope="module")
def client(served):
    return TestClient(served[0], "http://127.0.0.1")


@pytest.fixture(scope="module")
def run():
    from lib_regional.standalone.server import page_run

    return page_run


def settings_text(settings=HALVES) -> str:
    return json.dumps(settings)


def test_page_has_the_webuis_element_ids(client):
    page = client.get("/").text
    for tab in ("txt2img", "img2img"):
        names = (
            "prompt neg_prompt width height steps sampling cfg_scale seed batch_count batch_size generate interrupt skip gallery".split()
        )
        for elem_id in (*(f"{tab}_{name}" for name in names), f"html_info_{tab}", f"html_log_{tab}", f"regional_{tab}_state"):
            assert f'"elem_id":"{elem_id}"' in page.replace(": ", ":"), elem_id


def test_page_loads_host_files_then_the_extensions(client):
    page = client.get("/").text
    order = ["1_host.js", "2_page.js", "page.css", "regional.js", "style.css"]
    places = [page.index(f"/{name}?") for name in order]
    assert places == sorted(places)
    assert max(places) < page.index("</head>")
    for address in (f".{part}" for part in ("/page-files/host/1_host.js", f"/page-files/{number_of(ROOT)}/style.css")):
        assert client.get(address.lstrip(".")).status_code == 200


def test_nothing_is_fetched_from_other_machines(client):
    assert not re.findall(r"<(?:script|link)\b[^>]*(?:src|href)=\"https?://", client.get("/").text)
    own = b'<script src="./b.js"></script>'
    page = b'<link\n rel="preconnect"\n href="https://a.example"\n/><script\n src="https://a.example/x.js"\n async\n></script>'
    assert without_foreign(page + own) == own


@pytest.mark.parametrize("name", ["../page.py", "host/../../page.py", "host/%2e%2e/page.py", "nothing.js", ""])
def test_only_listed_files_are_served(client, name):
    assert client.get(f"/page-files/{name}").status_code in (404, 307)


def test_addresses_are_escaped(tmp_path):
    folder = tmp_path / 'a"b<c'
    (folder / "javascript").mkdir(parents=True)
    (folder / "javascript" / "x.js").write_text("1")
    (folder / "javascript" / "m.mjs").write_text("1")
    html = head_html(browser_files([folder]))
    assert '"b<c' not in html
    assert 'type="module"' in html


def test_routes_of_scripts_are_reachable_behind_the_page(client):
    assert client.get("/regional/v1/presets").status_code == 200
    assert client.get("/sdapi/v1/progress").status_code == 200


def values_of(fields, **changes):
    return [changes.get(name, getattr(component, "value", None)) for name, component in fields.items()]


@pytest.fixture(scope="module")
def txt2img(served, run):
    import gradio as gr

    from lib_regional.standalone.server import page

    with gr.Blocks():
        return page._generation_tab(served[1], "txt2img", page.SMALL)


def test_generate_gives_pictures_with_infotext(served, run, txt2img):
    generate = run.generator(served[1], "txt2img", txt2img.fields, run.PictureFolder())
    files, shown, info, log = generate(*values_of(txt2img.fields, steps=2, seed=5, batch_size=2, width=64, height=64), settings_text())
    assert log == ""
    assert len(files) == 3, "the grid and two pictures"
    with Image.open(files[1]) as image:
        assert image.format == "PNG"
        assert image.info["parameters"] == shown.infotexts[1]
    assert "Regional" in info
    assert run.last_seed(shown, 2) == 6
    picture, infotext = run.chosen_picture(shown, 2)
    assert picture.size == (64, 64)
    assert "Seed: 6" in infotext


def test_generate_names_every_problem(served, run, txt2img):
    generate = run.generator(served[1], "txt2img", txt2img.fields, run.PictureFolder())
    bad = {**HALVES, "regions": [{"weight": -1, "name": "<b>"}, {"base_share": 2}]}
    files, shown, info, log = generate(*values_of(txt2img.fields, steps=1), settings_text(bad))
    assert (files, info) == ([], "")
    assert shown.files == ()
    assert "weight must be 0 or more" in log
    assert "base_share must be 1 or less" in log
    assert "(&quot;&lt;b&gt;&quot;)" in log


def test_img2img_without_a_picture_says_so(served, run):
    fields = {"image": None, **dict.fromkeys(("steps", "cfg_scale", "n_iter", "batch_size", "denoising_strength", "seed"), 1)}
    given = {**fields, "prompt": "", "negative": "", "sampler": "Euler", "scheduler": "Automatic", "width": 64, "height": 64, "mask": None}
    with pytest.raises(RegionalError, match="img2img needs a picture"):
        run._processing(served[1], "img2img", given)


def test_infotext_fills_prompts_controls_and_panel(run, txt2img):
    settings = Settings.parse(HALVES)
    regional = json.dumps(json.dumps(settings.to_json()))
    parameters = "Steps: 12, Sampler: Euler, Schedule type: Karras, CFG scale: 4.5, Seed: 9, Size: 192x128"
    infotext = f"grass\nNegative prompt: ugly\n{parameters}, Regional: {regional}"
    paste = txt2img.paste
    updates = dict(zip([component.elem_id for component in paste.targets], paste.values(infotext), strict=True))

    def value(elem_id):
        return updates[elem_id].get("value")

    assert (value("txt2img_prompt"), value("txt2img_neg_prompt")) == ("grass", "ugly")
    assert (value("txt2img_steps"), value("txt2img_cfg_scale"), value("txt2img_seed")) == (12, 4.5, 9)
    assert (value("txt2img_width"), value("txt2img_height")) == (192, 128)
    assert (value("txt2img_sampling"), value("txt2img_scheduler")) == ("Euler", "Karras")
    assert value("txt2img_enable_hr") is False
    assert Settings.parse(value("regional_txt2img_state")) == settings


def test_damaged_regions_do_not_hinder_the_rest(run, txt2img):
    paste = txt2img.paste
    values = paste.values('grass\nSteps: 12, Sampler: Euler, CFG scale: 4.5, Seed: 9, Regional: "{\\"enabled\\": 3}"')
    updates = dict(zip([component.elem_id for component in paste.targets], values, strict=True))
    assert updates["txt2img_prompt"]["value"] == "grass"
    assert updates["txt2img_steps"]["value"] == 12
    assert "enabled must be true or false" in json.loads(updates["regional_txt2img_state"]["value"])["unreadable"]


def test_an_empty_infotext_changes_nothing(run, txt2img):
    assert all("value" not in update for update in txt2img.paste.values("  "))


def test_long_masks_are_not_shown_in_full(run):
    html = run.info_html('x: "data:image/png;base64,' + "A" * 5000 + '"')
    assert len(html) < 300
    assert "characters" in html


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (settings_error("regions[0].weight", -1, "0 or more"), "regions[0].weight must be 0 or more, got -1."),
        (RegionalError("<script>"), "&lt;script&gt;"),
        (ValueError("<i>"), "ValueError: &lt;i&gt;"),
    ],
    ids=["settings", "regional", "other"],
)
def test_errors_are_text(run, error, text):
    html = run.error_html(error)
    assert text in html
    assert "<script>" not in html


def test_old_pictures_go(run, monkeypatch):
    monkeypatch.setattr(run, "_KEPT", 2)
    folder = run.PictureFolder()
    paths = [Path(folder.add(Image.new("RGB", (8, 8)))) for _ in range(4)]
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_a_picture_without_parameters_says_so(run):
    infotext, html = run.read_picture(Image.new("RGB", (8, 8)))
    assert infotext == ""
    assert "no generation parameters" in html
    assert run.read_picture(None) == ("", "")


def test_send_to_takes_the_regions_along(served):
    """The WebUIs copy from tab to tab those fields of both whose second member is among the paste field names of the first."""
    txt2img, img2img = (served[1].runner(is_img2img) for is_img2img in (False, True))
    names = txt2img.paste_field_names
    sent, taken = ([box.elem_id for box, name in tab.infotext_fields if name in names] for tab in (txt2img, img2img))
    assert (sent, taken) == (["regional_txt2img_state"], ["regional_img2img_state"])
