"""Pure functions on tensors: masks, weight maps, attention. No host, no settings, no state."""
