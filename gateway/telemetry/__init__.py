"""Metrics and logs: what happened, for those who run the gate."""
