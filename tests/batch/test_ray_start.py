"""Ray's start on a busy machine, with a double of the module: it gives its processes 30 seconds and then raises a bare ``Exception``."""

from __future__ import annotations

from typing import Any

import pytest

from lib_regional.batch.running.ray_workers import STARTS, EngineOptions, _start
from lib_regional.request.errors import RegionalError


class SlowRay:
    """A Ray whose first ``late`` starts time out."""

    def __init__(self, late: int) -> None:
        self.late, self.asked, self.running = late, list[dict[str, Any]](), False

    def init(self, **options: Any) -> None:
        assert not self.running
        self.asked.append(options)
        self.running = True
        if len(self.asked) <= self.late:
            raise Exception("The current node timed out during startup.")

    def shutdown(self) -> None:
        self.running = False


def test_a_start_that_timed_out_is_made_again() -> None:
    ray = SlowRay(STARTS - 1)
    _start(ray, EngineOptions(workers=2))
    assert ray.running and len(ray.asked) == STARTS
    assert all(options == ray.asked[0] for options in ray.asked) and ray.asked[0]["num_cpus"] >= 2


def test_a_machine_on_which_ray_does_not_start_is_named_and_nothing_is_left_running() -> None:
    ray = SlowRay(STARTS)
    with pytest.raises(RegionalError, match="Ray does not start on this machine .*timed out during startup"):
        _start(ray, EngineOptions(workers=1))
    assert not ray.running and len(ray.asked) == STARTS
