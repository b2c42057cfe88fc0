"""What several methods share: contexts, region predictions, region LoRA, region noise."""
