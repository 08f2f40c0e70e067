// A server on the official TypeScript SDK. `stdio`, `http ADDRESS stateful|json`.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { toNodeHandler, NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import * as z from 'zod';

const LARGE = 'The quick brown fox jumps over the lazy dog, 0123456789 times..\n'.repeat(1024);
const echo = z.object({ message: z.string() });
const add = z.object({ a: z.number().int(), b: z.number().int() });
const sum = z.object({ result: z.number().int() });
const text = (text) => ({ content: [{ type: 'text', text }] });

function make() {
  const server = new McpServer({ name: 'peer-ts', version: '1.0.0' });
  server.registerTool('echo', { description: 'Echo the message back', inputSchema: echo }, async ({ message }) => text(message));
  server.registerTool('add', { description: 'Add two integers', inputSchema: add, outputSchema: sum }, async ({ a, b }) => {
    const structuredContent = { result: a + b };
    return { ...text(JSON.stringify(structuredContent)), structuredContent };
  });
  server.registerTool('large', { description: 'Return 64 KiB of text' }, async () => text(LARGE));
  return server;
}

const [kind, address, mode] = process.argv.slice(2);
const listen = (handler) => createServer(handler).listen(Number(address.split(':')[1]), '127.0.0.1');
if (kind === 'stdio') {
  serveStdio(make);
} else if (mode === 'stateful') {
  const sessions = new Map();
  listen(async (request, response) => {
    try {
      const id = request.headers['mcp-session-id'];
      let transport = id && sessions.get(id);
      if (!transport) {
        if (id) {
          response.statusCode = 404;
          return response.end();
        }
        transport = new NodeStreamableHTTPServerTransport({
          sessionIdGenerator: () => randomUUID(),
          onsessioninitialized: (id) => sessions.set(id, transport),
        });
        transport.onclose = () => sessions.delete(transport.sessionId);
        await make().connect(transport);
      }
      await transport.handleRequest(request, response);
    } catch (error) {
      console.error(error);
      response.statusCode = 500;
      response.end();
    }
  });
} else {
  const handler = toNodeHandler(createMcpHandler(make, { responseMode: 'json' }));
  listen((request, response) => handler(request, response));
}
