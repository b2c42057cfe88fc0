"""The request for a regional picture, without torch: geometry, settings, prompts, presets. Standard library only."""
