"""Host adapters: the only modules, besides the entry script and the standalone host, that import a host."""
