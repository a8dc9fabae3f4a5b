"""Benchmarks and the demo: run from the checkout, never shipped."""
