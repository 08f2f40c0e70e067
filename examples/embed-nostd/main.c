/* A host for the library: the contract's loop over standard input and output, in C. */
#include "embed.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t micros(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

_Noreturn void mcp_host_panicked(void) { abort(); }

/* Rule 2: whatever there is goes out. A pipe that blocks here keeps the peer from sending more, which is fine for one
   connection; see `embed-epoll` for many. */
static int flush(struct mcp_connection *connection) {
    uint8_t bytes[1024];
    size_t count;
    while ((count = mcp_take(connection, bytes, sizeof bytes)) > 0) {
        for (size_t done = 0; done < count;) {
            ssize_t written = write(STDOUT_FILENO, bytes + done, count - done);
            if (written < 0) return -1;
            done += (size_t)written;
        }
    }
    return 0;
}

/* Rule 4: how long to sleep at most, in milliseconds, rounded up; -1 for as long as it takes. */
static int patience(const struct mcp_connection *connection) {
    uint64_t at = mcp_wakeup(connection), now = micros(CLOCK_MONOTONIC);
    if (at == UINT64_MAX) return -1;
    if (at <= now) return 0;
    uint64_t left = (at - now + 999) / 1000;
    return left > 60000 ? 60000 : (int)left;
}

int main(void) {
    struct mcp_connection *connection = mcp_new();
    uint8_t bytes[1024];
    for (;;) {
        enum mcp_step step =
            mcp_turn(connection, micros(CLOCK_MONOTONIC), micros(CLOCK_REALTIME) / 1000);
        if (flush(connection) < 0) break;
        if (step == MCP_CLOSED) break;
        if (step == MCP_NEED_FLUSH) continue; /* it is flushed: rule 5 */
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, patience(connection)) > 0) {
            ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
            if (count > 0)
                mcp_feed(connection, bytes, (size_t)count);
            else
                mcp_end_of_input(connection);
        }
    }
    mcp_free(connection);
    return 0;
}
