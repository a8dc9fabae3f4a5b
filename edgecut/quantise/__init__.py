"""Quantisers: a float artifact, or the network itself, becomes an int8 or float16 artifact."""
