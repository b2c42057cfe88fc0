"""Prompts: splitting them among regions, schedules and emphasis, LoRA tags and their scope."""
