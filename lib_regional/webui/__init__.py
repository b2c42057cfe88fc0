"""A generation on ``p`` of a WebUI: driver, options page, X/Y/Z axes, templates, page errors."""
