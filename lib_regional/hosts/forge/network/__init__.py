"""Forge's network: attention layers, joint attention, arguments, gradients."""
