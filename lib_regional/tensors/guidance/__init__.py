"""Losses, segmentation and alignment for edits, and the measures of an edit."""
