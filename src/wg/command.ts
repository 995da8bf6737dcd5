// The `wg` command, if there is one on PATH: it carries out transitions whose rules only it knows. Exit 0 is no proof
// of anything (wg-rules 9.5): callers read the graph again.

import { execFile } from 'node:child_process';
import type { GraphPath } from '../domain/ids.ts';
import type { WgCapabilities } from '../domain/wg-capabilities.ts';
import { type Environment, onPath } from '../platform/environment.ts';
import { createWgKnowledge, type WgKnowledge } from './capabilities.ts';

/** How a wg command ended. */
export interface WgAnswer {
  readonly ok: boolean;
  /** Its exit status; null if it was stopped for taking too long, or could not be started. */
  readonly status: number | null;
  /** The end of its output, standard error first; one text for people. */
  readonly said: string;
}

export interface WgCommand {
  /**
   * Full path of `wg`, or null if there is none. Looked up each time: it may be installed meanwhile. One that is
   * known to be WireGuard's is skipped.
   */
  path(): string | null;
  /** What the program at `path` can do, probed once; null if there is none, or if that cannot be determined. */
  capabilities(): Promise<WgCapabilities | null>;
  /** Runs `wg --dir GRAPH …`; at most `timeoutMs`. Never rejects. */
  run(
    graph: GraphPath,
    args: readonly string[],
    options?: { readonly timeoutMs?: number },
  ): Promise<WgAnswer>;
}

/** The `wg` command of this machine, as far as judging needs it. */
export interface WgHere {
  readonly onPath: boolean;
  readonly can: WgCapabilities | null;
}

/** Finds it, and probes it if necessary. Never rejects. */
export async function lookForWg(wg: Pick<WgCommand, 'path' | 'capabilities'>): Promise<WgHere> {
  const can = await wg.capabilities();
  return { onPath: wg.path() !== null, can };
}

/** Ordinary commands take milliseconds; wg's daemon may hold the graph's lock for ten seconds and more. */
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const SAID_CHARS = 1500;

/**
 * Variables that make wg take its caller for an agent, or merge worktrees into the main checkout (wg-rules 9.6). None
 * of them may come from our parent process.
 */
const NOT_OURS = /^(WG_|CLAUDECODE$|CLAUDE_CODE_ENTRYPOINT$)/;

/** The command as found in this environment. */
export function createWgCommand(
  environment: Pick<Environment, 'variables'>,
  knowledge: WgKnowledge = createWgKnowledge(environment),
): WgCommand {
  const path = () => {
    for (const program of onPath('wg', environment))
      if (knowledge.known(program)?.kind !== 'wireguard') return program;
    return null;
  };
  return {
    path,
    async capabilities() {
      for (const program of onPath('wg', environment)) {
        const found = await knowledge.ask(program);
        if (found.kind !== 'wireguard') return found.kind === 'worksgood' ? found.can : null;
      }
      return null;
    },
    run(graph, args, { timeoutMs = DEFAULT_TIMEOUT_MS } = {}) {
      const program = path();
      if (program === null)
        return Promise.resolve({ ok: false, status: null, said: 'there is no wg on PATH' });
      const variables: Record<string, string> = {};
      for (const [name, value] of Object.entries(environment.variables))
        if (value !== undefined && !NOT_OURS.test(name)) variables[name] = value;
      const { WG_USER } = environment.variables;
      variables.WG_DIR = graph;
      variables.WG_USER = WG_USER || 'supervisor';
      // A NUL would make the system refuse the whole command.
      const clean = args.map((arg) => arg.replaceAll('\0', ''));
      return new Promise((resolve) => {
        execFile(
          program,
          ['--dir', graph, ...clean],
          { env: variables, timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES, killSignal: 'SIGKILL' },
          (error, stdout, stderr) => {
            const said = `${stderr}\n${stdout}`.trim().slice(-SAID_CHARS);
            if (!error) return resolve({ ok: true, status: 0, said });
            const status = typeof error.code === 'number' ? error.code : null;
            const why =
              status === null ? `${error.killed ? `no answer within ${timeoutMs} ms` : error.message}` : '';
            resolve({ ok: false, status, said: [why, said].filter((text) => text !== '').join(': ') });
          },
        );
      });
    },
  };
}
