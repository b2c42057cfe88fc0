"""Scripts on this host behave as on a WebUI: loading, order of calls, arguments, faults."""

from __future__ import annotations

import importlib
import logging
import sys

import pytest
from fastapi.testclient import TestClient

from lib_regional.standalone import binding
from lib_regional.standalone.scripts.script import Script
from lib_regional.standalone.server.app import create, default_scripts
from lib_regional.webui import options
from tests.standalone.conftest import written

REQUEST = {"prompt": "a circle<lora:x:1>", "width": 64, "height": 64, "steps": 2, "seed": 1}

METHODS = """setup before_process process before_process_batch after_extra_networks_activate process_batch process_before_every_sampling
before_hr post_sample postprocess_batch postprocess_batch_list postprocess_image postprocess_maskoverlay postprocess_image_after_composite
postprocess""".split()

RECORDER = f"""
import sys
import gradio as gr
from modules import scripts, script_callbacks, shared, processing

LOG, PROMPTS, PATH, ARGS = [], {{}}, list(sys.path), []
FOLDER = scripts.basedir()

class Recorder(scripts.Script):
    def title(self): return "Recorder"
    def show(self, is_img2img): return scripts.AlwaysVisible
    def ui(self, is_img2img):
        LOG.append(("ui", is_img2img))
        box, number = gr.Textbox("hello", label="Text"), gr.Slider(0, 10, value=3, step=1, label="Number")
        self.infotext_fields = [(box, "Recorded"), (number, lambda params: params.get("Number"))]
        self.paste_field_names = ["Recorded"]
        return [box, number]

def recording(name):
    def method(self, p, *args, **kwargs):
        LOG.append(name)
        PROMPTS[name] = (list(p.prompts), p.c is not None)
        ARGS.append(args[-2:])
    return method

for name in {METHODS!r}:
    setattr(Recorder, name, recording(name))

for event in ("cfg_denoiser", "cfg_denoised", "cfg_after_cfg"):
    getattr(script_callbacks, "on_" + event)(lambda params, event=event: LOG.append(event))
script_callbacks.on_before_ui(lambda: LOG.append("before_ui"))
script_callbacks.on_app_started(lambda demo, app: LOG.append(("app_started", demo, type(app).__name__)))
script_callbacks.on_model_loaded(lambda model: LOG.append("model_loaded"))
script_callbacks.on_script_unloaded(lambda: LOG.append("unloaded"))
"""

BATCH = ["before_process_batch", "after_extra_networks_activate", "process_batch", "process_before_every_sampling"]
CALL = ["cfg_denoiser", "cfg_denoised", "cfg_after_cfg"]
DONE = ["post_sample", "postprocess_batch", "postprocess_batch_list", "postprocess_image", "postprocess_maskoverlay",
        "postprocess_image_after_composite"]  # fmt: skip


def probe(host):
    """The namespace of the first script file."""
    return host.script_classes[0].module


@pytest.fixture(scope="module")
def recorded(model, tmp_path_factory):
    """Application and host of the recorder, and what it saw when it was loaded."""
    app, host = create(model=model, scripts=written(tmp_path_factory.mktemp("recorder") / "scripts", [RECORDER]))
    return app, host, list(probe(host).LOG)


@pytest.fixture
def recorder(recorded):
    app, host, _ = recorded
    binding.bind(host)
    return TestClient(app, "http://127.0.0.1", raise_server_exceptions=False), host, probe(host)


def test_loading(recorder, recorded):
    _, host, module = recorder
    log = recorded[2]
    assert [type(script).__name__ for script in host.txt2img.scripts] == ["Recorder", "ControlNetScript"]
    root = host.script_classes[0].basedir
    assert root == module.FOLDER and root in module.PATH and root not in sys.path
    assert log[0] == "before_ui" and log[-2:] == ["model_loaded", ("app_started", None, "FastAPI")]
    assert {entry for entry in log if entry[0] == "ui"} == {("ui", False), ("ui", True)}


def test_the_order_of_one_generation(recorder):
    client, _, module = recorder
    module.LOG.clear()
    assert client.post("/sdapi/v1/txt2img", json={**REQUEST, "n_iter": 2}).status_code == 200
    batch = BATCH + CALL * 2 + DONE
    assert ["setup", "before_process", "process", *batch, *batch, "postprocess"] == module.LOG


def test_the_order_with_hires(recorder):
    client, _, module = recorder
    module.LOG.clear()
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_second_pass_steps": 1, "denoising_strength": 0.5}
    assert client.post("/sdapi/v1/txt2img", json={**REQUEST, **hires}).status_code == 200
    passes = [*CALL * 2, "before_hr", "process_before_every_sampling", *CALL]
    assert ["setup", "before_process", "process", *BATCH, *passes, *DONE, "postprocess"] == module.LOG


def test_tags_are_there_before_they_are_parsed_and_conds_come_after_process_batch(recorder):
    client, _, module = recorder
    client.post("/sdapi/v1/txt2img", json=REQUEST)
    assert module.PROMPTS["before_process_batch"] == (["a circle<lora:x:1>"], False)
    assert module.PROMPTS["process_batch"] == (["a circle"], False)
    assert module.PROMPTS["process_before_every_sampling"] == (["a circle"], True)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (None, ("hello", 3)),
        ({}, ("hello", 3)),
        ({"args": []}, ("hello", 3)),
        ({"args": ["bye"]}, ("bye", 3)),
        ({"args": ["bye", 4, "more"]}, ("bye", 4)),
        ({"args": [{"any": ["JSON"]}, None]}, ({"any": ["JSON"]}, None)),
    ],
    ids=str,
)
def test_arguments(recorder, given, want):
    client, _, module = recorder
    scripts = {} if given is None else {"alwayson_scripts": {"RECORDER": given}}
    assert client.post("/sdapi/v1/txt2img", json={**REQUEST, **scripts}).status_code == 200
    assert module.ARGS[-1] == want


def test_arguments_from_an_infotext_and_the_requests_own_before_them(recorder):
    client, _, module = recorder
    text = "a square\nSteps: 3, Sampler: DDIM, CFG scale: 4.0, Seed: 9, Size: 72x80, Recorded: noted, Number: 7"
    answer = client.post("/sdapi/v1/txt2img", json={"infotext": text, "width": 64})
    assert answer.status_code == 200 and module.ARGS[-1] == ("noted", 7)
    answered = answer.json()["parameters"]
    want = {"prompt": "a square", "steps": 3, "sampler_name": "DDIM", "cfg_scale": 4.0, "seed": 9, "width": 64, "height": 80}
    assert {key: answered[key] for key in want} == want
    client.post("/sdapi/v1/txt2img", json={"infotext": text, "alwayson_scripts": {"Recorder": {"args": ["mine"]}}})
    assert module.ARGS[-1] == ("mine", 7)


def test_loading_again_forgets_the_old_callbacks(with_scripts):
    client, host = with_scripts(RECORDER)
    module = probe(host)
    host.load_scripts([])
    assert module.LOG[-1] == "unloaded"
    module.LOG.clear()
    client.post("/sdapi/v1/txt2img", json=REQUEST)
    assert module.LOG == []


FAULTY = """
from modules import scripts, script_callbacks
class Faulty(scripts.Script):
    def title(self): return "Faulty"
    def show(self, is_img2img): return scripts.AlwaysVisible
    def process(self, p, *args): raise ValueError("from process")
    def postprocess_image(self, p, pp, *args): raise ValueError("from postprocess_image")
def broken(params): raise ValueError("from a callback")
script_callbacks.on_cfg_denoiser(broken)
"""


def test_faults_in_methods_and_callbacks_are_logged_and_the_picture_is_made(with_scripts, caplog, host):
    client, _ = with_scripts(FAULTY, RECORDER)
    with caplog.at_level(logging.ERROR):
        answer = client.post("/sdapi/v1/txt2img", json=REQUEST)
    assert answer.status_code == 200
    for line in ("from process", "from postprocess_image", "from a callback", "probe_0.py"):
        assert line in caplog.text


def test_a_file_that_fails_does_not_stop_the_others(with_scripts, caplog):
    with caplog.at_level(logging.ERROR):
        _, host = with_scripts("import nothing_of_this_name", RECORDER)
    assert "nothing_of_this_name" in caplog.text and host.txt2img.find("Recorder") is not None


def test_an_imported_base_class_is_registered_too(with_scripts):
    _, host = with_scripts("from modules.scripts import Script\nclass Own(Script):\n    def title(self): return 'Own'")
    assert [found.script_class for found in host.script_classes] == [Script, probe(host).Own]
    assert host.txt2img.find("own") is not None


WRAPPER = """
from modules import scripts, shared
from lib_regional.request.errors import RegionalError
LOG = []
class Wrapper(scripts.Script):
    error = RegionalError("Region 3 is not to my liking.")
    def title(self): return "Wrapper"
    def show(self, is_img2img): return scripts.AlwaysVisible
    def process(self, p, *args):
        inner = p.sample
        def sample(*a, **k):
            try:
                LOG.append("open")
                if p.prompt == "bad": raise self.error
                return inner(*a, **k)
            finally:
                LOG.append("close")
        p.sample = sample
    def postprocess(self, p, processed, *args): LOG.append("postprocess")
"""


def test_a_wrapped_sample_unwinds_and_its_error_reaches_the_client(with_scripts):
    client, host = with_scripts(WRAPPER)
    log = probe(host).LOG
    answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, "prompt": "bad"})
    assert (answer.status_code, answer.json()["detail"], log) == (422, "Region 3 is not to my liking.", ["open", "close"])
    assert (
        client.post("/sdapi/v1/txt2img", json={**REQUEST, "enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5}).status_code == 200
    )
    assert log == ["open", "close", "open", "close", "postprocess"]


def test_a_wrapped_sample_unwinds_on_an_interrupt(with_scripts):
    client, host = with_scripts(WRAPPER)
    host.callbacks.add("cfg_after_cfg", lambda _: host.state.interrupt())
    assert client.post("/sdapi/v1/txt2img", json={**REQUEST, "n_iter": 3}).status_code == 200
    assert probe(host).LOG == ["open", "close", "postprocess"]


SELECTABLE = """
import gradio as gr
from modules import scripts
from modules.processing import process_images
class Twice(scripts.Script):
    def title(self): return "Twice"
    def ui(self, is_img2img): return [gr.Number(1, label="More")]
    def run(self, p, more):
        p.seed = 100 + int(more)
        return process_images(p)
"""


def test_a_selectable_script_runs_the_generation(with_scripts):
    client, _ = with_scripts(SELECTABLE)
    answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, "script_name": "twice", "script_args": [5]})
    assert answer.status_code == 200 and '"seed": 105' in answer.json()["info"]
    refused = client.post("/sdapi/v1/txt2img", json={**REQUEST, "alwayson_scripts": {"Twice": {"args": [5]}}})
    assert refused.status_code == 422 and "selectable" in refused.text
    assert client.post("/sdapi/v1/txt2img", json={**REQUEST, "script_name": "nobody"}).status_code == 422


def test_the_modules_package_is_the_running_host_s(with_scripts):
    _, host = with_scripts(
        "from modules import shared, devices, sd_samplers, paths, errors, images, infotext_utils, prompt_parser, extra_networks\n"
        "import modules.generation_parameters_copypaste\n"
        "SEEN = (shared.sd_model, shared.opts, shared.state)\n"
        "from modules import scripts\nclass Any(scripts.Script):\n    def title(self): return 'Any'"
    )
    assert (host.model, host.options, host.state) == probe(host).SEEN


ASKED = """
from modules import scripts, script_callbacks, shared
def started(_, app): app.add_api_route("/who", lambda: {"steps": shared.opts.data.get("who", "")})
script_callbacks.on_app_started(started)
class Any(scripts.Script):
    def title(self): return "Any"
"""


def test_two_hosts_in_one_process_answer_with_their_own_state(model, tmp_path):
    files = written(tmp_path / "extension" / "scripts", [ASKED])
    apps = [create(model=model, scripts=files, output=tmp_path / name) for name in ("first", "second")]
    clients = [TestClient(app, "http://127.0.0.1") for app, _ in apps]
    for (_, host), name in zip(apps, ("first", "second"), strict=True):
        host.options.data["who"] = name
    assert [client.get("/who").json()["steps"] for client in clients] == ["first", "second"]
    for client, (_, host) in zip(clients, apps, strict=True):
        client.post("/sdapi/v1/txt2img", json={**REQUEST, "save_images": True}).raise_for_status()
        assert list(host.output.rglob("*.png")), "saved in the folder of the host that was asked"
    binding.unbind(apps[1][1])
    assert clients[0].get("/who").json()["steps"] == "first", "whichever was made or unbound last"


def test_after_the_last_host_its_options_are_missing_and_the_defaults_are_read(host):
    binding.unbind(host)
    try:
        with pytest.raises(binding.NoHostError, match="has not been started"):
            binding.current()
        assert not hasattr(importlib.import_module("modules.shared"), "opts")
        assert options.chosen(options.INFOTEXT) == options.DEFAULTS[options.INFOTEXT]
    finally:
        binding.bind(host)


def test_the_extensions_own_entry_is_loaded(model):
    _, host = create(model=model)
    for runner in (host.txt2img, host.img2img):
        assert [script.name for script in runner.alwayson_scripts] == ["regional", "controlnet"]
    assert default_scripts()[0].name == "regional.py"
