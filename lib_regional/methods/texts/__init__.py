"""What a text is to the attention besides its tokens: words that act against what they name."""
