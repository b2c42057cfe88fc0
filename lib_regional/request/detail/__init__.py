"""The detail pass of regions as a request asks for it."""
