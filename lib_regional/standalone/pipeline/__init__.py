"""A generation of the standalone host, from parameters to pictures."""
