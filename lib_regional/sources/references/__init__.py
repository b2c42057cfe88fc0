"""Reference pictures: adapters and image encoders of the user's folders."""
