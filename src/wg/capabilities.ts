// Probes a `wg` program once for what it can do: by its help, and by trying each rule in a throw-away folder. Also
// distinguishes WorksGood's wg from WireGuard's, which has the same name.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import { PROBED_STATUSES, type WgCapabilities, wgCapabilities } from '../domain/wg-capabilities.ts';
import type { Environment } from '../platform/environment.ts';

/** What a program called wg is. `unknown`: it could not be run, or its answers fit neither. */
export type WgProgram =
  | { readonly kind: 'worksgood'; readonly can: WgCapabilities }
  | { readonly kind: 'wireguard' }
  | { readonly kind: 'unknown'; readonly because: string };

/** A help text takes milliseconds; on a machine under load it may take seconds. */
const ANSWER_WITHIN_MS = 20_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Probes a program. Never rejects. Nothing outside a throw-away folder is read or written. */
export async function askWg(program: string, path: string | undefined): Promise<WgProgram> {
  let home = '';
  const ask = (...args: readonly string[]) => answerOf(program, args, home, path);
  try {
    home = mkdtempSync(join(tmpdir(), 'supervisor-wg-'));
    const help = await ask('--help-all');
    if (!isWorksGood(help.text)) return await otherProgram(ask, help);
    const loads = async (name: string, lines: readonly object[]) =>
      (await ask('--dir', graphFolder(home, name, lines), 'list')).ok;
    const satisfying = graphFolder(home, 'satisfying', satisfyingLines());
    const plain = graphFolder(home, 'plain', []);
    const registered = graphFolder(home, 'registered', []);
    writeRegistry(registered);
    const [ready, readsWaiting, readsBoundary, agents, addHelp, traceHelp] = await Promise.all([
      ask('--dir', satisfying, '--json', 'ready'),
      loads('waiting', [task('waiting', 'waiting')]),
      loads('boundary', [BOUNDARY]),
      ask('--dir', registered, '--json', 'agents'),
      ask('add', '--help'),
      ask('trace', '--help'),
      ask('--dir', plain, 'add', 'probe', '--id', 'probe'),
    ]);
    const added = lineOf(join(plain, 'graph.jsonl'), 'probe');
    await ask('--dir', plain, 'claim', 'probe', '--actor', 'probe');
    const can = wgCapabilities({
      ready: idsOf(ready.text),
      readsWaiting,
      readsBoundary,
      readsParked: agents.ok,
      added,
      claimed: lineOf(join(plain, 'graph.jsonl'), 'probe'),
      helpAll: help.text,
      addHelp: addHelp.text,
      traceHelp: traceHelp.text,
    });
    return { kind: 'worksgood', can };
  } catch (thrown) {
    // The throw-away folder could not be created or written: nothing was learnt.
    return { kind: 'unknown', because: messageOf(thrown) };
  } finally {
    if (home !== '') rmSync(home, { recursive: true, force: true });
  }
}

function isWorksGood(help: string): boolean {
  return /^wg\b.*task/im.test(help) && /^ {2}add\b/m.test(help);
}

async function otherProgram(
  ask: (...args: readonly string[]) => Promise<Answer>,
  first: Answer,
): Promise<WgProgram> {
  // WireGuard's answers an unknown subcommand with its usage, on standard error.
  const { text } = first.text === '' ? await ask('--help') : first;
  if (/wireguard|pubkey|syncconf|genkey/i.test(text)) return { kind: 'wireguard' };
  const said = text.trim().split('\n', 1)[0]?.slice(0, 200) ?? '';
  return { kind: 'unknown', because: said === '' ? 'it did not answer --help' : `it said: ${said}` };
}

interface Answer {
  readonly ok: boolean;
  readonly text: string;
}

function answerOf(
  program: string,
  args: readonly string[],
  home: string,
  path: string | undefined,
): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      {
        cwd: home,
        // Nothing of the user's own: no settings, no daemon, no account.
        env: {
          HOME: home,
          XDG_CONFIG_HOME: home,
          PATH: path,
          WG_USER: 'probe',
          LC_ALL: 'C.UTF-8',
        },
        timeout: ANSWER_WITHIN_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => resolve({ ok: error === null, text: stdout === '' ? stderr : stdout }),
    );
  });
}

const AT = '2026-01-01T00:00:00Z';

function task(id: string, status: string, after: readonly string[] = []): object {
  return { kind: 'task', id, title: id, status, ...(after.length > 0 ? { after } : {}) };
}

function satisfyingLines(): object[] {
  return PROBED_STATUSES.flatMap((status) => [
    task(status, status),
    task(`after-${status}`, 'open', [status]),
  ]);
}

const BOUNDARY = {
  kind: 'archivedboundary',
  id: 'archived',
  title: 'archived',
  status: 'done',
  archived_at: AT,
};

function graphFolder(home: string, name: string, lines: readonly object[]): string {
  const folder = join(home, name, '.wg');
  mkdirSync(join(folder, 'service'), { recursive: true });
  writeFileSync(join(folder, 'graph.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return folder;
}

function writeRegistry(folder: string): void {
  const entry = {
    id: 'agent-1',
    // A pid that no system assigns.
    pid: 2_147_483_647,
    task_id: 'none',
    executor: 'shell',
    started_at: AT,
    last_heartbeat: AT,
    status: 'parked',
    output_file: join(folder, 'output.log'),
  };
  const registry = { agents: { 'agent-1': entry }, next_agent_id: 2 };
  writeFileSync(join(folder, 'service', 'registry.json'), JSON.stringify(registry));
}

function idsOf(text: string): string[] {
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return [];
    return value.flatMap((one: unknown) =>
      typeof one === 'object' && one !== null && 'id' in one && typeof one.id === 'string' ? [one.id] : [],
    );
  } catch {
    // Not the answer of any known age: nothing counts as satisfied, so nothing starts too early.
    return [];
  }
}

function lineOf(path: string, id: string): Record<string, unknown> | null {
  try {
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const value: unknown = line.startsWith('{') ? JSON.parse(line) : null;
      if (typeof value === 'object' && value !== null && 'id' in value && value.id === id)
        return value as Record<string, unknown>;
    }
  } catch {
    // It wrote nothing readable: then it proves nothing either.
  }
  return null;
}

/** The nature of programs, probed once for each state of their file. */
export interface WgKnowledge {
  /** What is known so far; undefined: not probed yet, or replaced since. */
  known(program: string): WgProgram | undefined;
  /** Probes it, unless it is known. Never rejects. */
  ask(program: string): Promise<WgProgram>;
}

/** Programs remembered at most: more than any PATH contains. */
const MOST_PROGRAMS = 20;

/** Knowledge about the programs of this machine, kept for as long as this process lives. */
export function createWgKnowledge(
  { variables }: Pick<Environment, 'variables'>,
  asking: (program: string) => Promise<WgProgram> = (program) => askWg(program, variables.PATH),
): WgKnowledge {
  const answers = new Map<string, WgProgram>();
  const underWay = new Map<string, Promise<WgProgram>>();
  return {
    known: (program) => answers.get(printOf(program)),
    ask(program) {
      const print = printOf(program);
      const known = answers.get(print);
      if (known) return Promise.resolve(known);
      const running =
        underWay.get(print) ??
        asking(program)
          .then((answer) => {
            if (answers.size >= MOST_PROGRAMS) answers.clear();
            answers.set(print, answer);
            return answer;
          })
          .finally(() => underWay.delete(print));
      underWay.set(print, running);
      return running;
    },
  };
}

/** Identifies the state of a program's file: an upgrade is probed again. */
function printOf(program: string): string {
  const found = statSync(program, { throwIfNoEntry: false });
  return found ? `${program}\0${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}` : program;
}
