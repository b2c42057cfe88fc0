"""reForge and Forge Classic, which keep the ``ldm_patched`` package."""
