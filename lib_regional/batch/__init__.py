"""Tables of layouts, made into pictures by many workers, and public benchmarks of layouts: ``python run.py batch`` and ``benchmark``."""
