"""Attention in which text and picture share one sequence: its bias, and the same in groups of tokens without one."""
