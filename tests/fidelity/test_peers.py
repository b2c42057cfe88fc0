"""Other tools' requests hold the suite's own layouts: read back by the importers, and sent to a server that records them."""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from peers import PEERS, TILING, texts
from PIL import Image
from results import Results, in_turns
from suite import SAMPLING, VARIANTS, cases, sampling_text

from lib_regional.request.importers import import_text
from run import make_rows, origin, request_of

LAYOUTS = {(case.kind, case.number): case for case in cases() if case.number < 6}
BOXES = sorted({key for key, case in LAYOUTS.items() if case.kind != "diagonal"})
WITHIN = {
    "regional_prompter": set(TILING),
    "regional_prompter, latent": set(TILING),
    "tiled_diffusion": {*TILING, "free boxes"} - {"3×3"},
    "forge_couple": {kind for kind, _ in LAYOUTS},
}
"""The layouts that each tool can be asked for."""


class Recorder(BaseHTTPRequestHandler):
    """A WebUI that keeps what it is asked for and answers with a grey picture."""

    def _answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self._answer({"sd_model_checkpoint": "small"})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        file = io.BytesIO()
        Image.fromarray(np.full((request["height"], request["width"], 3), 128, np.uint8)).save(file, "PNG")
        self._answer({"images": [base64.b64encode(file.getvalue()).decode()]})

    def log_message(self, *_):
        pass


@pytest.fixture
def recorder():
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize("peer", PEERS)
def test_a_tool_is_asked_for_the_layouts_that_it_can_make(peer):
    asked = {kind for (kind, _), case in LAYOUTS.items() if PEERS[peer](case, SAMPLING) is not None}
    assert asked == WITHIN[peer]


@pytest.mark.parametrize("peer", PEERS)
def test_the_importers_find_the_same_boxes_and_texts(peer):
    for key in BOXES:
        case = LAYOUTS[key]
        request = PEERS[peer](case, SAMPLING)
        if request is None:
            continue
        settings = import_text(json.dumps(request)).settings
        found = {}
        for region in settings.layout().regions:
            b = region.shape.bounds
            found[tuple(round(v, 3) for v in (b.x0, b.y0, b.x1, b.y1))] = region.prompt
        wanted = {tuple(round(v, 3) for v in wish.shape["box"]): text for wish, text in zip(case.wishes, texts(case), strict=True)}
        free = {(0.0, 0.0, 1.0, 1.0)} if peer == "forge_couple" and case.kind == "free boxes" else set()
        assert {box: found[box] for box in wanted} == wanted, key
        assert set(found) - set(wanted) <= free


def test_masks_of_forge_couple_cover_every_pixel_once():
    case = LAYOUTS["diagonal", 0]
    arguments = PEERS["forge_couple"](case, SAMPLING)["alwayson_scripts"]["Forge Couple"]["args"]
    masks = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one["mask"])))) for one in arguments[7]]
    assert arguments[2] == "Mask" and (np.sum(masks, axis=0, dtype=int) == 255).all()


def test_several_tools_run_beside_each_other_on_one_webui_and_go_on(recorder, tmp_path):
    url = f"http://127.0.0.1:{recorder.server_port}"
    variants = ["plain", "attention_couple", *PEERS]
    tasks = list(in_turns([LAYOUTS["2 columns", 0], LAYOUTS["diagonal", 0]], variants, []))
    for _ in range(2):
        results = Results(tmp_path, origin([url]))
        make_rows(tasks, results, SAMPLING, [url])
    scripts = [next(iter(request.get("alwayson_scripts", {"": None}))) for request in recorder.requests]
    three = ["", "Regional", "Regional Prompter", "Regional Prompter", "Forge Couple", "Tiled Diffusion"]
    assert scripts == [*three, "", "Regional", "Forge Couple"]
    assert {request["seed"] for request in recorder.requests} == {case.seed for case, _ in tasks}
    assert len(results.of("regional_prompter", sampling_text(SAMPLING))) == 1


def test_other_variants_are_asked_as_before():
    case = LAYOUTS["2 columns", 0]
    assert request_of(case, "rag", SAMPLING)["alwayson_scripts"]["Regional"]["args"][0]["method"] == VARIANTS["rag"].method
