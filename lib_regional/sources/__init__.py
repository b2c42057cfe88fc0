"""Masks from pictures."""
