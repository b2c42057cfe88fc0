"""Workers that make the pictures of jobs, and the queue in front of them."""
