// The official Inspector's command line against `mcp demo`, as a user would type it.
//
//     node inspector.mjs --stdio PATH_TO_MCP
//     node inspector.mjs --http URL

import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ROW_LIMIT, expect, finish, options, row } from './rows.mjs';

const target = options();
const program = join(dirname(fileURLToPath(import.meta.url)), 'node_modules/.bin/mcp-inspector');
const server = target.stdio ? [target.stdio, 'demo', '--stdio'] : [target.http, '--transport', 'http'];

function inspect(...words) {
    const command = [program, '--cli', ...server, ...words];
    return new Promise((resolve, reject) => {
        execFile(process.execPath, command, { timeout: ROW_LIMIT }, (error, stdout, stderr) => {
            if (error) reject(new Error(`${error.message} ${stderr}`));
            else resolve(JSON.parse(stdout));
        });
    });
}

const label = (what) => `${target.transport}/inspector/${what}`;

await row(label('list tools'), async () => {
    const { tools } = await inspect('--method', 'tools/list');
    expect(tools.some((tool) => tool.name === 'add'), tools);
});

await row(label('call'), async () => {
    const result = await inspect('--method', 'tools/call', '--tool-name', 'add', '--tool-arg', 'a=2', 'b=40');
    expect(JSON.stringify(result).includes('42'), result);
});

await row(label('list resources'), async () => {
    const { resources } = await inspect('--method', 'resources/list');
    expect(resources.some((resource) => resource.uri === 'test://static-text'), resources);
});

await row(label('read'), async () => {
    const result = await inspect('--method', 'resources/read', '--uri', 'test://static-text');
    expect(result.contents[0].text, result);
});

await row(label('list prompts'), async () => {
    const { prompts } = await inspect('--method', 'prompts/list');
    expect(prompts.some((prompt) => prompt.name === 'explain'), prompts);
});

finish();
