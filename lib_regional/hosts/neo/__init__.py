"""Forge Neo, as far as it differs from Forge."""
