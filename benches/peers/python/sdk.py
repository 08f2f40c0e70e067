"""A server on the official Python SDK. `stdio`, `http ADDRESS stateful|json`."""

import logging
import sys

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

logging.disable(logging.INFO)
mcp = MCPServer("peer-python", log_level="WARNING")
LARGE = "The quick brown fox jumps over the lazy dog, 0123456789 times..\n" * 1024


class Sum(BaseModel):
    result: int


@mcp.tool(structured_output=False)
def echo(message: str) -> str:
    """Echo the message back"""
    return message


@mcp.tool()
def add(a: int, b: int) -> Sum:
    """Add two integers"""
    return Sum(result=a + b)


@mcp.tool(structured_output=False)
def large() -> str:
    """Return 64 KiB of text"""
    return LARGE


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        mcp.run()
    else:
        import uvicorn

        json = sys.argv[3] == "json"
        app = mcp.streamable_http_app(stateless_http=json, json_response=json)
        port = int(sys.argv[2].rsplit(":", 1)[1])
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
