"""Progress of the running generation, and requests to stop it. Read by the progress API from another thread."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from .faults import StoppedError


class Interrupted(Exception):
    """Raised at the start of a model call after an interrupt or a skip; the sampler ends with what it has."""


@dataclass
class State:
    """The WebUI's ``shared.state``."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    server_stops: bool = False
    """The server ends: no generation begins any more. Set by `stop_server` and never reset."""
    job: str = ""
    job_no: int = 0
    job_count: int = 0
    processing_has_refined_job_count: bool = False
    job_timestamp: str = "0"
    sampling_step: int = 0
    sampling_steps: int = 0
    current_latent: Tensor | None = None
    current_image: Image.Image | None = None
    current_image_sampling_step: int = 0
    id_live_preview: int = 0
    textinfo: str | None = None
    time_start: float | None = None
    server_start: float = field(default_factory=time.time)
    preview: Callable[[Tensor], Image.Image] | None = None
    """Makes a small picture of the latents (B,4,H,W) for the live preview."""

    def skip(self) -> None:
        """End the current batch at the next model call."""
        self.skipped = True

    def interrupt(self) -> None:
        """End the whole generation at the next model call."""
        self.interrupted = True

    def stop_generating(self) -> None:
        """End the generation after the current batch."""
        self.stopping_generation = True

    def stop_server(self) -> None:
        """End the running generation at its next model call, without a picture, and let none begin."""
        self.server_stops = self.interrupted = True

    def check_server(self) -> None:
        """Raises `StoppedError` when the server is being stopped."""
        if self.server_stops:
            raise StoppedError

    def nextjob(self) -> None:
        """One pass is done."""
        self.job_no += 1
        self.sampling_step = 0
        self.current_image_sampling_step = 0

    def begin(self, job: str = "(unknown)") -> None:
        """Reset for a new generation. Raises `StoppedError` when the server is being stopped."""
        self.skipped = self.interrupted = self.stopping_generation = self.processing_has_refined_job_count = False
        self.job, self.job_no, self.job_count = job, 0, -1
        self.job_timestamp = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
        self.sampling_step = self.sampling_steps = self.current_image_sampling_step = self.id_live_preview = 0
        self.current_latent = self.current_image = self.textinfo = None
        self.time_start = time.time()
        self.check_server()

    def end(self) -> None:
        """Reset after a generation, however it ended; requests to stop it are cleared."""
        self.job, self.job_no, self.job_count = "", 0, 0
        self.current_latent = self.time_start = None
        self.skipped = self.interrupted = self.stopping_generation = False

    def dict(self) -> dict[str, Any]:
        """The snapshot that the API shows."""
        return {
            "skipped": self.skipped,
            "interrupted": self.interrupted,
            "stopping_generation": self.stopping_generation,
            "job": self.job,
            "job_count": self.job_count,
            "job_timestamp": self.job_timestamp,
            "job_no": self.job_no,
            "sampling_step": self.sampling_step,
            "sampling_steps": self.sampling_steps,
        }

    def progress(self) -> float:
        """Share done, 0..1; 0 when nothing runs."""
        if self.job_count == 0:
            return 0.0
        share = 0.01
        if self.job_count > 0:
            share += self.job_no / self.job_count
            if self.sampling_steps > 0:
                share += self.sampling_step / self.sampling_steps / self.job_count
        return min(share, 1.0)

    def set_current_image(self) -> None:
        """Make the live preview from the latest latent, at most once per step."""
        latent, step = self.current_latent, self.sampling_step
        if latent is not None and self.preview is not None and (self.current_image is None or step > self.current_image_sampling_step):
            self.assign_current_image(self.preview(latent))
            self.current_image_sampling_step = step

    def assign_current_image(self, image: Image.Image) -> None:
        """Show this picture as the live preview."""
        self.current_image = image
        self.id_live_preview += 1
