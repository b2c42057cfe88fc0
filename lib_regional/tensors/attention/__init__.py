"""Regional cross-attention, joint attention, isolation, and records of attention maps."""
