"""Generations within a generation: the host's own img2img on a part of the picture that was just made."""
