"""Benchmarks on another machine, through the system's ssh."""
