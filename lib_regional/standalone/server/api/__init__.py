"""The WebUI's HTTP interface, /sdapi/v1."""

from .sdapi import add_api

__all__ = ["add_api"]
