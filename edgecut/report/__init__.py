"""What was built and measured, for people: one self-contained page, or a sheet of numbers."""
