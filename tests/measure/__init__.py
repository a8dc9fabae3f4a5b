"""Tests of edgecut.measure."""
