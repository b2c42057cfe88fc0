"""Training of the small model on pictures that the project draws itself."""
