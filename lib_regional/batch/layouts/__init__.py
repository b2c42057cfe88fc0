"""Layouts from elsewhere: data sets, benchmarks and models that take boxes; one module for each, and the way back."""
