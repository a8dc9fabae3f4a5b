"""Samples without images: pictures that are made up, chosen by what a network remembers."""
