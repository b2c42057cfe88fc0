"""For a host's ``extensions/``, in tests alone: what its own IP-Adapter lacks for a comparison with the official code.

- The official code (tencent-ailab/IP-Adapter, ``IPAdapterPlus.get_image_embeds``) encodes zeros where a normed picture would be, for the
  negative rows of "plus". Forge and Forge Neo norm a black picture instead. sd-webui-controlnet has the published encoder's hidden states
  in a file: they fit no other.
- Forge Neo 2.26 sets ``device`` of the image encoder, which is a property of transformers 4.56: its IP-Adapter ends in an error, and the
  picture is made without it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from modules import paths, scripts


def zeroed(clip_vision, batch_size):
    """In place of ``zeroed_hidden_states`` of Forge's ``lib_ipadapter/IPAdapterPlus.py``."""
    from backend import memory_management

    memory_management.load_model_gpu(clip_vision.patcher)
    pixels = torch.zeros(batch_size, 3, 224, 224, device=clip_vision.load_device)
    hidden = clip_vision.model(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
    return hidden.to(memory_management.intermediate_device())


def encoded_zeros():
    """Hidden states of zeros, by the encoder in ``models/regional/image_encoder``."""
    from transformers import CLIPVisionModelWithProjection

    folder = Path(paths.models_path) / "regional" / "image_encoder"
    model = CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True, torch_dtype=torch.float32).eval()
    with torch.no_grad():
        return model(pixel_values=torch.zeros(1, 3, 224, 224), output_hidden_states=True).hidden_states[-2]


def settable_device():
    """Let Forge Neo note on which device the image encoder is."""
    from modules_forge import forge_version
    from transformers import CLIPVisionModelWithProjection

    if forge_version.version == "neo":
        CLIPVisionModelWithProjection.device = None


def in_forge(module):
    """``module``: Forge's ``lib_ipadapter.IPAdapterPlus``."""
    module.zeroed_hidden_states = zeroed
    settable_device()


def in_extension(module):
    """``module``: ``annotator.clipvision`` of sd-webui-controlnet."""
    module.clip_vision_h_uc = encoded_zeros()


class HostIPAdapter(scripts.Script):
    """Puts it there before a host's IP-Adapter runs for the first time, which may import its parts late."""

    done: set[str] = set()
    sorting_priority = -1

    def title(self):
        """Its name, which the test looks for."""
        return "Host's IP-Adapter"

    def show(self, is_img2img):
        """Always."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        """No inputs; a script without such a list is not listed by the API."""
        return []

    def before_process(self, p, *args):
        """Once for each of them."""
        for name, put in (("lib_ipadapter.IPAdapterPlus", in_forge), ("annotator.clipvision", in_extension)):
            if name in sys.modules and name not in HostIPAdapter.done:
                HostIPAdapter.done.add(name)
                put(sys.modules[name])
