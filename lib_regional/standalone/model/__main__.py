"""``python -m lib_regional.standalone.model FOLDER`` puts the small model into a WebUI's ``models/Stable-diffusion``."""

import argparse
from pathlib import Path

from . import install, install_loras, install_wide

parser = argparse.ArgumentParser("python -m lib_regional.standalone.model", description="Puts the small model into a WebUI.")
parser.add_argument("folder", type=Path, help="the WebUI's models/Stable-diffusion")
parser.add_argument("--wide", action="store_true", help="in SD 1.5's widths (0.7 GB), for Forge and others that read no yaml")
parser.add_argument("--loras", type=Path, metavar="FOLDER", help="the WebUI's models/Lora: its LoRAs too")
given = parser.parse_args()

print(install_wide(given.folder) if given.wide else install(given.folder))
for lora in install_loras(given.loras, given.wide) if given.loras else ():
    print(lora)
