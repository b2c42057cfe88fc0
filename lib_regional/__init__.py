"""Regional: prompts, weights and LoRAs that act where they are drawn."""
