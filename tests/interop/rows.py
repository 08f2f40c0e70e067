"""How a row of a Python SDK is tried and printed, and what both SDKs say to `mcp demo`.

Owns the limits, the count of failures and the answers to forms. Nothing here imports an SDK.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

# One row must never hold up the others for longer than this, in seconds.
ROW_LIMIT = 20

# Survives JSON, line framing and SSE only if all of them are right.
CITY = "Zürich\r\nと \u2028 \\ \"🏔\""

_failed = 0


def fail(name: str, why: str) -> None:
    global _failed
    _failed += 1
    print(f"FAIL {name}: {why}")


def exit_code() -> int:
    return 1 if _failed else 0


async def row(name: str, body: Callable[[], Awaitable[None]]) -> None:
    try:
        with anyio.fail_after(ROW_LIMIT):
            await body()
    except Exception as error:  # noqa: BLE001 - every way to fail is a failed row
        if isinstance(error, TimeoutError):
            fail(name, f"nothing happened for {ROW_LIMIT} s")
        else:
            fail(name, " ".join(repr(error).split())[:400])
    else:
        print(f"ok {name}")


def skip(name: str, why: str) -> None:
    print(f"skip {name}: {why}")


def expect(condition: object, seen: object) -> None:
    if not condition:
        raise AssertionError(f"got {seen!r}")


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await anyio.sleep(0.01)


def answer_form(schema: dict[str, Any]) -> dict[str, Any]:
    """An acceptable answer for any form: its defaults, and something plausible for what is required."""
    content: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        if "default" in field:
            content[name] = field["default"]
        elif name not in schema.get("required", []):
            continue
        elif "enum" in field:
            content[name] = field["enum"][0]
        elif "oneOf" in field:
            content[name] = field["oneOf"][0]["const"]
        elif field["type"] == "array":
            items = field["items"]
            content[name] = [items["enum"][0] if "enum" in items else items["anyOf"][0]["const"]]
        else:
            low = field.get("minimum", 1)
            formats = {"email": "ada@example.com", "date": "2026-07-28", "uri": "https://example.com/"}
            text = formats.get(field.get("format", ""), "Ada")
            content[name] = {"string": text, "integer": low, "number": low, "boolean": True}[field["type"]]
    return content
