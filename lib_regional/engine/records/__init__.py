"""What a generation records while it samples: attention maps, and what regions are scored by."""
