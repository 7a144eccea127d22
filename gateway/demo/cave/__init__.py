"""A small CAVE deployment: a global server, two local ones, three datastacks."""
