"""The UNet of this host: diffusers', which takes the control of a call beside its other arguments."""

from __future__ import annotations

from typing import Any

from diffusers import UNet2DConditionModel
from torch import Tensor

from .control import Control


class ControlledUNet(UNet2DConditionModel):  # type: ignore[misc]
    """``control=None`` is diffusers' own UNet, to the bit."""

    def forward(
        self, sample: Tensor, timestep: Any, encoder_hidden_states: Tensor, *args: Any, control: Control | None = None, **kwargs: Any
    ) -> Any:
        """See `UNet2DConditionModel.forward`; ``control`` gives the residuals of these very rows."""
        if control is not None:
            down, middle = control.residuals(sample, timestep, encoder_hidden_states, kwargs.get("added_cond_kwargs"))
            kwargs = {**kwargs, "down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        return super().forward(sample, timestep, encoder_hidden_states, *args, **kwargs)
