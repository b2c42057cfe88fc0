"""Host adapters: the only place, beside the entry script and the standalone host, that knows a host."""
