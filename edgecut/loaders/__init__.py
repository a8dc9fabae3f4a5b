"""From a file, or a Python object, to a ``Network``."""
