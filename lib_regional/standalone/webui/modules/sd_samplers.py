"""Samplers."""

from lib_regional.standalone.sampling.samplers import ALL_SAMPLERS, SamplerSpec, find_sampler

__all__ = ["all_samplers", "all_samplers_map", "find_sampler_config", "visible_sampler_names"]

all_samplers = list(ALL_SAMPLERS)
all_samplers_map = {sampler.name: sampler for sampler in all_samplers}
samplers_for_img2img = samplers = all_samplers


def find_sampler_config(name: str | None) -> SamplerSpec:
    """The sampler with this label."""
    return find_sampler(name or all_samplers[0].name)


def visible_sampler_names() -> list[str]:
    """All labels."""
    return [sampler.name for sampler in all_samplers]
