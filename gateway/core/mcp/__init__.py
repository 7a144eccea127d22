"""The Model Context Protocol, as the gate's own door and the dialect `mcp` both need it."""
