"""The page and the API of the standalone host."""
