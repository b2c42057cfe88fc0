"""The main thread of reForge and Forge Classic, small: what is raised in a task is printed and forgotten, its result stays None."""

import gc
import sys
import weakref
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import pytest
from toy import toy_model

from lib_regional.request.errors import RegionalError
from lib_regional.webui import driver


class Task:
    def __init__(self, func):
        self.func, self.result = func, None

    def work(self):
        self.result = self.func()


class ForgeTask(Task):
    """Forge's own, which keeps what was raised."""

    def __init__(self, func):
        super().__init__(func)
        self.exception = None


def run(task):
    """As the host's loop does; then as its page does with the result."""
    with suppress(Exception):
        task.work()
    return task.result


@pytest.fixture(params=[Task, ForgeTask])
def task_of(request, monkeypatch):
    module = ModuleType("modules_forge.main_thread")
    module.Task = request.param
    monkeypatch.setitem(sys.modules, "modules_forge.main_thread", module)
    return request.param


def picture(argument, sample=lambda: "latent"):
    """A generation as the host's ``process_images`` makes it."""

    def generate():
        p = SimpleNamespace(sample=sample, sd_model=toy_model(), scripts=None)
        driver.begin(p, argument)
        return [p.sample(), "infotext"]

    return generate


WRONG = {"enabled": True, "method": "no such method", "regions": [{"box": [0, 0, 1, 1], "prompt": "a"}]}


def test_the_page_is_shown_what_was_wrong(task_of):
    task = task_of(picture(WRONG))
    result = run(task)
    if task_of is ForgeTask:
        assert result is None
        return
    with pytest.raises(RegionalError, match="no such method"):
        list(result)


def test_good_pictures_and_others_faults_are_the_hosts_business(task_of):
    def fails():
        raise ValueError("not ours")

    assert run(task_of(picture(None))) == ["latent", "infotext"]
    assert run(task_of(picture(None, fails))) is None


def test_the_error_is_raised_as_everywhere_and_its_frames_are_let_go(task_of):
    class Big:
        pass

    kept = []

    def generate():
        big = Big()
        kept.append(weakref.ref(big))
        return picture(WRONG)()

    task = task_of(generate)
    with pytest.raises(RegionalError, match="no such method"):
        task.work()
    gc.collect()
    assert kept[0]() is None


def test_without_such_a_thread_nothing_changes(monkeypatch):
    monkeypatch.delitem(sys.modules, "modules_forge.main_thread", raising=False)
    with pytest.raises(RegionalError, match="no such method"):
        Task(picture(WRONG)).work()
