"""How does a server on version 1 of the official MCP SDK behave? As mcp_app.py says; it knows the legacy revisions alone."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("mcp_app.py")), run_name="__main__")
