"""Peak memory of a generation's first steps ÷ plain, the UNet's weights included, as upper bounds: counted on shapes alone, in fp16."""

from __future__ import annotations

import pytest
import torch
from living import weights_of, with_peak
from shapes import ShapeModel
from steps import Case

from lib_regional.methods.key_values import CACHE_LIMIT

_TENSOR = torch.empty(1)
pytestmark = pytest.mark.skipif(
    _TENSOR.untyped_storage() is not _TENSOR.untyped_storage(), reason="this PyTorch has no lasting object for a storage to count by"
)


def ratio(model: ShapeModel, case: Case) -> float:
    with torch.inference_mode():
        weights, plain, made = weights_of(model), with_peak(model, None), with_peak(model, case)
    assert plain.kept < 2**20 and made.kept <= CACHE_LIMIT + 2**25
    return (weights + made.peak) / (weights + plain.peak)


@pytest.mark.parametrize("count", [4, 16])
def test_sd15_at_512(count: int) -> None:
    assert ratio(ShapeModel("sd15"), Case(f"couple, {count}", count)) <= 1.05


@pytest.mark.slow
@pytest.mark.parametrize(("count", "cache"), [(4, True), (16, True), (16, False)])
def test_sdxl_at_1024(count: int, cache: bool) -> None:
    case = Case("couple", count, options={"cache": cache})
    assert ratio(ShapeModel("sdxl"), case) <= 1.05
