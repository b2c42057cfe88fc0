"""The methods as rows of one table, without torch: `specs.METHODS`. What they compute is in ``lib_regional.methods``."""
