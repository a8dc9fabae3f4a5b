"""Tests of edgecut.remote."""
