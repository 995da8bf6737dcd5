// `mcp`: the running supervisor as an MCP server on standard input and output.

import { readApiFile } from '../../api/api-file.ts';
import { carryMcp } from '../../api/mcp/mcp-stdio.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { ownSupervisor } from '../connect.ts';
import type { Context } from '../context.ts';

/** Ends with its input. */
export async function mcp(context: Context): Promise<number> {
  const { stream } = context.stdin;
  if (stream === undefined || context.stdin.isTTY)
    throw new SupervisorError(
      'usage',
      'an MCP client talks to this on standard input, and that is a terminal',
      {
        hint: 'configure it in the client: command `supervisor`, argument `mcp`',
      },
    );
  const { apiFile } = await context.paths();
  const { SUPERVISOR_RUN_ID, SUPERVISOR_TOKEN } = context.environment.variables;
  // An agent speaks for its own run, and can do no more than that.
  const token = SUPERVISOR_RUN_ID && SUPERVISOR_TOKEN ? SUPERVISOR_TOKEN : null;
  await carryMcp({
    input: stream,
    write: (text) => context.out(text),
    async reach() {
      const socket = ownSupervisor(context) ?? (await readApiFile(apiFile))?.socket;
      if (socket !== undefined) return { socket, token };
      throw new SupervisorError('not-running', 'no supervisor is running', {
        hint: 'start one with `supervisor run`',
      });
    },
  });
  return 0;
}
