"""The routes of /sdapi/v1."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request

from ....sources.picture import eight_bits, upright
from ...faults import RequestError
from ...generations import Generation
from ...host import Host
from ...pipeline import pictures
from ...pipeline.img2img import StableDiffusionProcessingImg2Img
from ...pipeline.infotext import parse_generation_parameters
from ...pipeline.processed import Processed
from ...pipeline.txt2img import StableDiffusionProcessingTxt2Img
from ...sampling.noise_levels import SCHEDULES
from ...sampling.samplers import ALL_SAMPLERS
from . import models
from .arguments import images_of, paste_infotext, prepared, processing_fields, script_arguments
from .extras import add_extras
from .faults import CheckedRoute, add_handlers
from .waiting import Pool, Repeated, result

PREFIX = "/sdapi/v1/"

PREVIEW_SECONDS = 0.2
"""How long a progress request waits for a new live preview before it is answered with the last one."""


def add_api(app: FastAPI, host: Host, listens: bool = False) -> None:
    """Add all routes. ``listens``: other machines are answered too."""
    add_handlers(app)
    api, router = Api(host, listens), APIRouter(route_class=CheckedRoute)
    posts: dict[str, Callable[..., Any]] = {
        "txt2img": api.txt2img,
        "img2img": api.img2img,
        "png-info": api.png_info,
        "interrupt": api.interrupt,
        "skip": api.skip,
        "options": api.set_options,
        "refresh-checkpoints": api.nothing,
        "refresh-vae": api.nothing,
        "reload-checkpoint": api.nothing,
        "refresh-loras": api.refresh_loras,
    }
    gets: dict[str, Callable[..., Any]] = {
        "progress": api.progress,
        "options": api.options,
        "scripts": api.scripts,
        "script-info": api.script_info,
        "samplers": api.samplers,
        "schedulers": api.schedulers,
        "upscalers": api.upscalers,
        "latent-upscale-modes": api.latent_upscale_modes,
        "sd-models": api.sd_models,
        "cmd-flags": api.cmd_flags,
        "memory": api.memory,
        "sd-vae": api.empty,
        "loras": api.loras,
        "hypernetworks": api.empty,
        "face-restorers": api.empty,
        "realesrgan-models": api.empty,
        "prompt-styles": api.empty,
        "extensions": api.empty,
        "embeddings": api.embeddings,
    }
    for method, routes in (("POST", posts), ("GET", gets)):
        for name, endpoint in routes.items():
            router.add_api_route(PREFIX + name, endpoint, methods=[method], tags=["sdapi"])
    add_extras(router, PREFIX)
    app.include_router(router)


class Api:
    """Endpoints over one host."""

    def __init__(self, host: Host, listens: bool = False) -> None:
        self._host = host
        self._conversions, self._encoding = Pool(2, "conversion"), Pool(1, "encoding")
        self._preview = Repeated(host.state.set_current_image, PREVIEW_SECONDS, "preview")
        self._listens = listens

    async def txt2img(self, request: models.Txt2ImgRequest, http: Request) -> models.ImageResponse:  # type: ignore[valid-type]
        """Pictures from a prompt."""
        return await self._generate(request, http, is_img2img=False)

    async def img2img(self, request: models.Img2ImgRequest, http: Request) -> models.ImageResponse:  # type: ignore[valid-type]
        """Pictures from pictures."""
        return await self._generate(request, http, is_img2img=True)

    async def _generate(self, request: Any, http: Request, *, is_img2img: bool) -> models.ImageResponse:
        generation = await self._conversions.run(lambda: self._submitted(request, is_img2img))
        processed = await result(generation, http)
        return await self._conversions.run(lambda: self._answer(request, processed))

    def _submitted(self, request: Any, is_img2img: bool) -> Generation[Processed]:
        """The request's generation in the line; bad input is refused before."""
        host = self._host
        pasted = paste_infotext(request, host.runner(is_img2img))
        args = script_arguments(request, host, is_img2img, pasted)
        fields = processing_fields(request)
        host.check_folders(request.override_settings or {}, "override_settings.")
        host.options.check_overrides(request.override_settings or {})
        if is_img2img:
            if not request.init_images:
                raise RequestError("img2img needs at least one picture in init_images.")
            fields["init_images"] = images_of(request.init_images, "init_images")
            fields["mask"] = eight_bits(upright(images_of([request.mask], "mask")[0])) if request.mask else None
        kind = StableDiffusionProcessingImg2Img if is_img2img else StableDiffusionProcessingTxt2Img

        def make() -> Processed:
            return host.run_busy(prepared(kind(sd_model=host.model, **fields), host, is_img2img, args, request.save_images))

        return host.submit("scripts_img2img" if is_img2img else "scripts_txt2img", make)

    def _answer(self, request: Any, processed: Processed) -> models.ImageResponse:
        options = {**self._host.options.all(), **(request.override_settings or {})}
        kind, quality = options["samples_format"], options["jpeg_quality"]
        images = [pictures.to_base64(image, kind, quality) for image in processed.images] if request.send_images else []
        parameters = request.model_dump()
        if "init_images" in parameters and not request.include_init_images:
            parameters["init_images"] = parameters["mask"] = None
        parameters.pop("include_init_images", None)
        return models.ImageResponse(images=images, parameters=parameters, info=processed.js())

    def loras(self) -> list[dict[str, Any]]:
        """The LoRAs that prompts may name."""
        return [
            {"name": file.name, "alias": file.alias, "path": file.path.name, "metadata": file.metadata}
            for file in self._host.model.loras.listed()
        ]

    def refresh_loras(self) -> None:
        """List the LoRA files again."""
        self._host.model.loras.shelf.refresh()

    def png_info(self, request: models.PngInfoRequest) -> models.PngInfoResponse:
        """The parameters in a picture."""
        info, items = pictures.parameters_of(images_of([request.image.strip()], "image")[0])
        params = parse_generation_parameters(info)
        self._host.callbacks.call("infotext_pasted", info, params)
        return models.PngInfoResponse(info=info, items=items, parameters=params)

    async def progress(self, skip_current_image: bool = False) -> models.ProgressResponse:
        """Progress of the running generation, with a preview of its current latents."""
        state = self._host.state
        share, started = state.progress(), state.time_start
        if share == 0 or started is None:
            return models.ProgressResponse(progress=0, eta_relative=0, state=state.dict(), textinfo=state.textinfo)
        past = time.time() - started
        current = None
        if not skip_current_image and self._host.options.live_previews_enable:
            await self._preview.run()
            image = state.current_image
            current = await self._encoding.run(lambda: pictures.to_base64(image)) if image else None
        return models.ProgressResponse(
            progress=share, eta_relative=past / share - past, state=state.dict(), current_image=current, textinfo=state.textinfo
        )

    async def interrupt(self) -> dict[str, Any]:
        """Stop the running generation at its next step."""
        self._host.state.interrupt()
        return {}

    async def skip(self) -> None:
        """Stop the running batch at its next step."""
        self._host.state.skip()

    def options(self) -> dict[str, Any]:
        """All options."""
        return self._host.options.all()

    def set_options(self, request: dict[str, Any]) -> None:
        """Set some options; nothing is set when one of them is unknown or does not fit."""
        options = self._host.options
        self._check_checkpoint(request.get("sd_model_checkpoint"))
        values = {key: value for key, value in request.items() if key != "sd_model_checkpoint"}
        for key, value in values.items():
            try:
                options.check(key, value)
            except (LookupError, TypeError) as error:
                raise RequestError(str(error.args[0])) from error
        self._host.check_folders(values)
        for key, value in values.items():
            options.set(key, value, is_api=True)

    def _check_checkpoint(self, name: Any) -> None:
        model = self._host.model
        known = (None, model.title, model.name, model.path.name if model.path else model.name)
        if name not in known:
            raise RequestError(f"model {name!r} not found: the standalone host runs {model.title} only; start it with --checkpoint.")

    def scripts(self) -> models.ScriptsList:
        """Titles of all scripts."""
        host = self._host
        return models.ScriptsList(txt2img=_names(host.txt2img.scripts), img2img=_names(host.img2img.scripts))

    def script_info(self) -> list[models.ScriptInfo]:
        """All scripts with their arguments."""
        scripts = [*self._host.txt2img.scripts, *self._host.img2img.scripts]
        return [models.ScriptInfo(**dataclasses.asdict(script.api_info)) for script in scripts if script.api_info is not None]

    def samplers(self) -> list[dict[str, Any]]:
        """All samplers."""
        return [{"name": spec.name, "aliases": list(spec.aliases), "options": {"scheduler": spec.schedule}} for spec in ALL_SAMPLERS]

    def schedulers(self) -> list[dict[str, Any]]:
        """All schedule types."""
        labels = ["Automatic", *SCHEDULES]
        return [{"name": _slug(label), "label": label, "aliases": None, "default_rho": -1, "need_inner_model": False} for label in labels]

    def upscalers(self) -> list[dict[str, Any]]:
        """Upscalers of the hires pass that work on pixels."""
        return [{"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": 4} for name in pictures.PIXEL_UPSCALERS]

    def latent_upscale_modes(self) -> list[dict[str, str]]:
        """Upscalers of the hires pass that work on latents."""
        return [{"name": name} for name in pictures.LATENT_UPSCALERS]

    def sd_models(self) -> list[dict[str, Any]]:
        """The model."""
        model = self._host.model
        return [
            {
                "title": model.title,
                "model_name": model.name,
                "hash": model.hash,
                "sha256": model.sha256,
                "filename": model.path.name if model.path else model.name,
                "config": None,
            }
        ]

    def cmd_flags(self) -> dict[str, Any]:
        """How the host was started."""
        return {"api": True, "nowebui": False, "listen": self._listens, "share": False}

    def memory(self) -> dict[str, Any]:
        """Main and GPU memory in bytes."""
        import torch

        ram = _main_memory()
        if not torch.cuda.is_available():
            return {"ram": ram, "cuda": {"error": "unavailable"}}
        left, total = torch.cuda.mem_get_info()
        return {"ram": ram, "cuda": {"system": {"free": left, "used": total - left, "total": total}}}

    def embeddings(self) -> dict[str, Any]:
        """None here."""
        return {"loaded": {}, "skipped": {}}

    def empty(self) -> list[Any]:
        """None here."""
        return []

    def nothing(self) -> None:
        """There is nothing to look for anew."""


def _names(scripts: Any) -> list[str]:
    return [script.name for script in scripts if script.name is not None]


def _slug(label: str) -> str:
    return label.lower().replace(" ", "_")


def _main_memory() -> dict[str, int]:
    """Bytes free, used and in all; zeros where the system does not report them."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES", "SC_AVPHYS_PAGES"} <= set(names):
        return {"free": 0, "used": 0, "total": 0}
    size, pages, free = (os.sysconf(name) for name in ("SC_PAGE_SIZE", "SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    return {"free": free * size, "used": (pages - free) * size, "total": pages * size}
