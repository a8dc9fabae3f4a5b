"""Passes from one network to the next."""
