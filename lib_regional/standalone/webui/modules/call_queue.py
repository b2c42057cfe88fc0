"""The lock of generations."""

from lib_regional.standalone.host import generating as queue_lock

__all__ = ["queue_lock"]
