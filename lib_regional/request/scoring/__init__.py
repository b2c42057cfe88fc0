"""Scores of regions, and candidates ranked by them, as a request asks for them."""
