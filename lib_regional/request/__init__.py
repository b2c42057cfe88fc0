"""What a regional picture is, without torch: geometry, settings, prompts, presets. Standard library only."""
