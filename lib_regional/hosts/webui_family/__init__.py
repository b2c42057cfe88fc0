"""Shared parts of the adapters of AUTOMATIC1111 and its descendants."""
