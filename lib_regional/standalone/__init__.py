"""The embedded default host and the small model it ships with."""
