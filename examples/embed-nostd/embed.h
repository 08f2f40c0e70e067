/* The protocol core as a static library: bytes in, bytes out, the time is told. One thread for each connection. */
#ifndef EMBED_H
#define EMBED_H

#include <stddef.h>
#include <stdint.h>

struct mcp_connection;

enum mcp_step {
    MCP_NEED_INPUT = 0, /* write what there is, then read */
    MCP_NEED_FLUSH = 1, /* only a write helps */
    MCP_CLOSED = 2      /* write what there is, then close */
};

struct mcp_connection *mcp_new(void);
void mcp_free(struct mcp_connection *);
/* Bytes that were read. */
void mcp_feed(struct mcp_connection *, const uint8_t *bytes, size_t length);
/* End of file, error and hang-up alike. */
void mcp_end_of_input(struct mcp_connection *);
/* Does all that can be done now. `instant`: microseconds, never back; `unix_ms`: the time of day. */
enum mcp_step mcp_turn(struct mcp_connection *, uint64_t instant, uint64_t unix_ms);
/* When a turn is due whatever happens, as an `instant`; UINT64_MAX for never. */
uint64_t mcp_wakeup(const struct mcp_connection *);
/* Moves bytes that wait to be written; says how many. A turn is due afterwards. */
size_t mcp_take(struct mcp_connection *, uint8_t *into, size_t room);

/* The host's part: called when the library cannot go on. Must not return. */
_Noreturn void mcp_host_panicked(void);

#endif
