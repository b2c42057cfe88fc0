"""``python -m lib_regional.standalone.model FOLDER`` puts the small model into a WebUI's ``models/Stable-diffusion``."""

import sys
from pathlib import Path

from . import install

if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
    sys.exit(__doc__)
print(install(Path(sys.argv[1])))
