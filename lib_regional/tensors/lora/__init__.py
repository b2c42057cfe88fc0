"""LoRA files and kinds as layer deltas, and deltas applied region by region."""
