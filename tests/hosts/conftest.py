"""The doubles of every host's adapter."""

from __future__ import annotations

import pytest
from adapters import ADAPTERS


@pytest.fixture(params=ADAPTERS)
def double(request, monkeypatch):
    return ADAPTERS[request.param](monkeypatch)


@pytest.fixture(params=ADAPTERS)
def with_vectors(request, monkeypatch):
    return ADAPTERS[request.param](monkeypatch, vectors=True)
