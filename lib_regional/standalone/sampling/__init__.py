"""Samplers, guidance and conditioning of the standalone host."""
