"""Reference pictures of regions as a request asks for them."""
