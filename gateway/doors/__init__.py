"""How callers come in, one door a file."""
