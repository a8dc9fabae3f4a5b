"""The schemas of what the commands print with ``--json``, as JSON Schema (draft 7)."""
