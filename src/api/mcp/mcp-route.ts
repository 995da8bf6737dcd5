// `POST /mcp`: the Model Context Protocol over HTTP, without sessions: each request stands for itself. The SDK is
// loaded with the first of them.

import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { readJsonBody } from '../request/body.ts';
import { ApiProblem } from '../request/problem.ts';
import { type ApiApp, type ApiParts, refuseOtherMethods } from '../request/route.ts';
import type { Access, Gatekeeper } from '../request/security.ts';
import { holderOf } from '../request/task-access.ts';
import type { McpCaller } from './mcp-tools.ts';

export const MCP_PATH = '/mcp';

/** Mounts it. */
export function mountMcp(
  app: ApiApp,
  parts: ApiParts & { readonly version: string; readonly mcp?: (who: McpCaller) => McpHttpHandler },
): void {
  app.post(MCP_PATH, async (context) => {
    const { incoming, door } = context.env;
    const who = callerOf(parts.gate.admit(incoming, door), parts.gate, parts.version);
    const parsedBody = await readJsonBody(incoming, parts.maxBodyBytes);
    const handler = parts.mcp?.(who) ?? (await import('./mcp-tools.ts')).mcpHandler(parts.control, who);
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers))
      if (typeof value === 'string') headers.set(name, value);
    const request = new Request('http://localhost/mcp', { method: 'POST', headers });
    return await handler.fetch(request, { parsedBody });
  });
  refuseOtherMethods(app, MCP_PATH, ['POST'], parts);
}

function callerOf(access: Access, gate: Gatekeeper, version: string): McpCaller {
  if (access.kind === 'unknown') throw gate.unauthorized();
  if (access.kind === 'run')
    return {
      caller: { kind: 'run', run: access.run },
      scope: 'worker',
      own: { task: access.task, worktree: access.graph },
      holder: null,
      version,
    };
  if (access.page || access.scope === 'remote')
    throw new ApiProblem('forbidden', 'This token cannot be used for MCP.', {
      hint: 'create one with `supervisor token create NAME --scope worker`',
    });
  return { caller: { kind: 'operator' }, scope: access.scope, own: null, holder: holderOf(access), version };
}
