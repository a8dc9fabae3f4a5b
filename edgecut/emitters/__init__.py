"""Emitters: a network becomes the file of one runtime."""
