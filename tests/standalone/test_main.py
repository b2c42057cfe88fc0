"""The command line of the standalone host."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib_regional.standalone.__main__ import main, parser

ROOT = Path(__file__).resolve().parents[2]


def test_help_comes_at_once():
    begin = time.process_time()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lib_regional.standalone", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "--checkpoint" in done.stdout and time.process_time() - begin < 5
    assert not {"torch", "gradio", "diffusers"} & {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_options():
    options = parser().parse_args(["--port", "7999", "--no-browser", "--nowebui", "--checkpoint", "a.safetensors"])
    assert (options.port, options.no_browser, options.nowebui, options.checkpoint) == (7999, True, True, Path("a.safetensors"))


def test_a_checkpoint_that_cannot_be_used_is_named_without_a_traceback(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    assert main(["--checkpoint", str(tmp_path / "x.gguf")]) == 1
    assert capsys.readouterr().err == "Error: x.gguf must be a .safetensors or .ckpt file.\n"


@pytest.mark.parametrize("arguments", [["--port", "many"], ["--unknown"]])
def test_wrong_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "usage:" in capsys.readouterr().err


def test_who_may_use_it():
    assert (parser().parse_args([]).listen, parser().parse_args([]).allow_host) == (None, [])
    assert parser().parse_args(["--listen"]).listen == "0.0.0.0"
    options = parser().parse_args(["--listen", "192.168.1.5", "--allow-host", "a", "--allow-host", "b:80"])
    assert (options.listen, options.allow_host) == ("192.168.1.5", ["a", "b:80"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--listen", "203.0.113.1"], '--listen must be an address of this machine, got "203.0.113.1".'),
        (["--allow-host", "http://a"], "--allow-host must be a name or name:port"),
    ],
)
def test_addresses_that_are_none_are_said_before_anything_is_loaded(arguments, says, capsys, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setattr("lib_regional.standalone.server.app.create", lambda *_, **__: pytest.fail("nothing is loaded"))
    assert main(arguments) == 1
    assert says in capsys.readouterr().err
