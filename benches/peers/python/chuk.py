"""A server on chuk-mcp-server, as its quick start has it. `stdio`, `http ADDRESS`."""

import sys

from chuk_mcp_server import ChukMCPServer

mcp = ChukMCPServer(name="peer-chuk")
LARGE = "The quick brown fox jumps over the lazy dog, 0123456789 times..\n" * 1024


@mcp.tool
def echo(message: str) -> str:
    """Echo the message back"""
    return message


@mcp.tool
def add(a: int, b: int) -> dict:
    """Add two integers"""
    return {"result": a + b}


@mcp.tool
def large() -> str:
    """Return 64 KiB of text"""
    return LARGE


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        mcp.run_stdio()
    else:
        mcp.run(host="127.0.0.1", port=int(sys.argv[2].rsplit(":", 1)[1]), debug=False, log_level="warning")
