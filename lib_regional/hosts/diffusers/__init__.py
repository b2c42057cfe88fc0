"""diffusers: the standalone host."""
