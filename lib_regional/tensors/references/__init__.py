"""Pictures as prompts: from what an image encoder gives to the keys and values of cross-attention."""
