"""A program for a fresh process that has nothing but the packages of every WebUI: all others are blocked by an import hook.

    python only_host_packages.py a1111     imports every module but the programs' own, then runs scripts/regional.py on that host's double,
                                           from its loading to a picture
    python only_host_packages.py forge     the same without the import of every module

It prints "done", or fails with what was imported and should not have been.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EVERYWHERE = ("torch", "numpy", "pillow", "einops", "gradio", "fastapi", "starlette", "pydantic", "safetensors")
"""What AUTOMATIC1111 and the Forge family install by their own pins, by the names that pip knows."""
DOUBLES = ("omegaconf",)
"""What the genuine UNet in A1111's double needs; that host has it too."""
OURS = {"lib_regional", "install", "ldm", "webui", "forge_double", "forge_networks"}
HALVES = [{"box": [0, 0, 0.5, 1], "prompt": "one"}, {"box": [0.5, 0, 1, 1], "prompt": "two"}]


# ---------------------------------------------------------------- the import hook


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_requirements(names: Sequence[str]) -> set[str]:
    """The installed distributions of these names and all that they require, without their extras."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        wanted = map(Requirement, lines)
        waiting += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def top_level(distribution: metadata.Distribution) -> set[str]:
    """Names of the modules and packages that a distribution brings, from its list of files."""
    first = {file.parts[0] for file in distribution.files or () if file.suffix in (".py", ".so", ".pyd")}
    return {name.partition(".")[0] for name in first}


class Blocked(MetaPathFinder):
    """Finds no top-level module but those of the standard library and of ``allowed`` distributions, whoever asks for it."""

    def __init__(self, allowed: Sequence[str], modules: set[str]) -> None:
        self._allowed = modules | set(sys.stdlib_module_names)
        for name in with_requirements(allowed):
            self._allowed |= top_level(metadata.distribution(name))
        self.refused: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise for what is blocked, and leave the rest to the next finder."""
        if name.partition(".")[0] not in self._allowed and not name.startswith("_sysconfigdata"):
            self.refused.append(name)
            raise ModuleNotFoundError(f"{name} is blocked: not every WebUI has it", name=name)


def block(modules: set[str]) -> Blocked:
    finder = Blocked([*EVERYWHERE, *DOUBLES], modules)
    for name in {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"__main__", "packaging", Path(__file__).stem}:
        assert name.startswith(("_", "distutils")), f"{name} was there before the program began"
    sys.meta_path.insert(0, finder)
    for name in ("diffusers", "transformers", "scipy", "skimage"):
        if name not in finder._allowed:
            assert not importable(name), name
    return finder


def importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


# ---------------------------------------------------------------- every module


def modules_of_webuis() -> Iterator[str]:
    """Found by their files: `pkgutil.walk_packages` would import packages of our own programs on its way."""
    import lib_regional

    root = Path(lib_regional.__file__).parent
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[1:2] not in (("standalone",), ("batch",)):
            yield ".".join(parts).removesuffix(".__init__")


def import_all() -> None:
    names = sorted(modules_of_webuis())
    assert len(names) > 100, names
    for name in names:
        importlib.import_module(name)


# ---------------------------------------------------------------- the script on a double


class Patch:
    """What the doubles ask of pytest's monkeypatch; nothing is undone, the process ends."""

    def setitem(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        mapping[key] = value

    def delitem(self, mapping: dict[Any, Any], key: Any, raising: bool = True) -> None:
        mapping.pop(key, None)


class Script:
    """``modules.scripts.Script``"""


def add_page(webui: Any, folder: Path) -> dict[str, list[Any]]:
    """Give the double's ``modules`` what a script file finds there; kind of callback -> those that were registered."""
    registered: dict[str, list[Any]] = {kind: [] for kind in ("on_app_started", "on_before_ui", "on_ui_settings")}
    for kind, callbacks in registered.items():
        setattr(webui.callbacks, kind, callbacks.append)
    scripts = ModuleType("modules.scripts")
    vars(scripts).update(Script=Script, AlwaysVisible=object(), basedir=lambda: str(folder), scripts_data=[])
    sys.modules["modules.scripts"] = sys.modules["modules"].scripts = scripts  # type: ignore[attr-defined]
    shared = sys.modules["modules.shared"]
    shared.OptionInfo = lambda default, *_, **__: default  # type: ignore[attr-defined]
    shared.opts.add_option = lambda key, default: setattr(shared.opts, key, default)  # type: ignore[attr-defined]
    return registered


def load_script() -> Any:
    """The script file's class, executed as the hosts do: the extension's folder is on the path for that time alone."""
    sys.path.insert(0, str(ROOT))
    spec = importlib.util.spec_from_file_location("regional.py", ROOT / "scripts" / "regional.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(ROOT))
    return module.Script


def double_of(host: str) -> tuple[Any, Any]:
    """(webui, kind of ``p``)"""
    if host == "a1111":
        import webui as double
    else:
        import forge_double as double  # type: ignore[no-redef]
    return double.WebUI(Patch()), double.Processing


def make_picture(webui: Any, kind: Any, script: Any) -> tuple[Any, Any]:
    """The latents of two steps, without regions and with two, through the script's methods in the hosts' order."""
    found = []
    for argument in (None, {"enabled": True, "regions": HALVES}):
        p = kind(webui)
        for key, value in given_to_scripts(p).items():
            vars(p).setdefault(key, value)
        script.process(p, argument)
        script.before_process_batch(p)
        script.process_batch(p)
        p.before_sampling.append(script.process_before_every_sampling)
        found.append(p.sample(2))
        script.postprocess_batch_list(p, SimpleNamespace(images=[]))
    return found[0], found[1]


def given_to_scripts(p: Any) -> dict[str, Any]:
    negatives = getattr(p, "negatives", ["bad"])
    return {
        "negative_prompts": negatives, "all_prompts": list(p.prompts), "all_negative_prompts": list(negatives), "steps": 2, "width": 64,
        "height": 80, "enable_hr": False, "extra_generation_params": {}, "sd_model": p.webui.shared.sd_model,
    }  # fmt: skip


def check_routes(registered: dict[str, list[Any]]) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()
    for callback in registered["on_app_started"]:
        callback(None, app)
    client = TestClient(app, base_url="http://127.0.0.1:7860")
    answer = client.post("/regional/v1/validate", json={"settings": {"enabled": True, "regions": HALVES}, "width": 64, "height": 80})
    assert answer.status_code == 200, answer.text


def run_script(host: str, folder: Path) -> None:
    webui, kind = double_of(host)
    registered = add_page(webui, folder)
    script = load_script()()
    for callback in [*registered["on_before_ui"], *registered["on_ui_settings"]]:
        callback()
    import gradio as gr

    with gr.Blocks():
        for tab in (False, True):
            assert script.show(tab) is not None and len(script.ui(tab)) == 1
    assert script.title() == "Regional"
    check_routes(registered)
    plain, regional = make_picture(webui, kind, script)
    assert float((regional - plain).abs().max()) > 1e-3
    assert not webui.callbacks.logged, webui.callbacks.logged


def main(host: str, folder: str) -> None:
    sys.path.insert(0, str(ROOT))
    finder = block(OURS | {"modules"})
    if host == "a1111":
        import_all()
    run_script(host, Path(folder))
    ours = [name for name in finder.refused if name in sys.modules]
    assert not ours, ours
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
