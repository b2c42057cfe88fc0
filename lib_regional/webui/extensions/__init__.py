"""What other extensions of the WebUI bring to regions."""
