"""Collage refine as a request asks for it."""
