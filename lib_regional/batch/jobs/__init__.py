"""From a table to jobs: rows, templates, requests, checks and the plan."""
