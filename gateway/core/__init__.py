"""Decisions and values: pure, and without asyncio, sockets, the clock or the environment."""
