"""Noise, noise levels and windows of latents."""
