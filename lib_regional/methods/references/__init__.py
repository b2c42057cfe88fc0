"""Reference pictures of regions, whatever the method is."""
