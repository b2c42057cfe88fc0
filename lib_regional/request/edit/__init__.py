"""Edits: the source layout, and which of its regions the target layout changes."""
