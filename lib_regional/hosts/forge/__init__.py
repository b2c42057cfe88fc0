"""Forge and its family."""
