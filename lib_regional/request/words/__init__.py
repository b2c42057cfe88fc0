"""Masks that are found by words of the base prompt: the shape, where the words are in a prompt, and which layouts may have it."""
