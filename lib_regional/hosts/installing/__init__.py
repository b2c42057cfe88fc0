"""Hooks on a network of torch modules: what every host's adapter installs in the same way."""
