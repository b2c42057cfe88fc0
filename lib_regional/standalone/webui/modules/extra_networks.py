"""``<name:arguments>`` tags."""

from lib_regional.standalone.pipeline.extra_networks import parse_prompt, parse_prompts

__all__ = ["parse_prompt", "parse_prompts"]
