"""Benchmarks of layouts: what is asked for by which method, the form that public evaluators read, and figures computed here."""
