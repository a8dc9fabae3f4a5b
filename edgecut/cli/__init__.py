"""The command line: it parses, calls the pipeline and renders; nothing else prints or exits."""
