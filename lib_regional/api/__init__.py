"""HTTP routes under /regional/v1/: schema, checks, preview of the weight maps, presets."""
