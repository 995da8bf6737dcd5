// What a program called wg is and can do, asked of programs that answer as each kind of them does.

import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { WgProgram } from '../../src/wg/capabilities.ts';
import { askWg, createWgKnowledge } from '../../src/wg/capabilities.ts';
import { createWgCommand, lookForWg } from '../../src/wg/command.ts';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'wg-capabilities-')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function program(script: string, name = 'wg'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
const ask = (path: string) => askWg(path, process.env.PATH);

/** Answers each probe; `more` comes first and may answer differently. */
const answers = (more = '') => `
case "$*" in
${more}
--help-all) printf 'wg - task management\\n\\nCommands:\\n  add             Add\\n  publish         Publish\\n' ;;
'add --help') printf '      --id <ID>\\n      --exec-mode <M>\\n  -x, --exec <C>\\n' ;;
'trace --help') printf 'Usage: trace [OPTIONS] [ID]\\n' ;;
*' --json ready') echo '[{"id":"after-done"},{"id":"after-abandoned"}]' ;;
*' add probe --id probe') echo '{"kind":"task","id":"probe","paused":true}' >"$2/graph.jsonl" ;;
*' claim probe --actor probe') echo '{"kind":"task","id":"probe","lifecycle":{}}' >"$2/graph.jsonl" ;;
*) echo "$HOME" >>'${folder}/homes'; exit 1 ;;
esac`;

describe('asking a program', () => {
  test('each ability by what it does', async () => {
    const path = await program(answers("*' --json agents') echo '[]' ;;"));
    expect(await ask(path)).toEqual({
      kind: 'worksgood',
      can: {
        age: '2026-05',
        satisfying: ['done', 'abandoned'],
        waitingStatuses: false,
        archivedBoundaries: false,
        parkedAgents: true,
        candidates: false,
        lifecycle: true,
        drafts: true,
        addVerify: false,
        addNoPlace: false,
        addExec: true,
        addCron: false,
        traceTask: true,
        commands: new Set(['add', 'publish']),
      },
    });
  });

  test.each([
    ['claims without it', "*' claim probe --actor probe') ;;"],
    ['cannot claim', '*\' claim probe --actor probe\') rm -rf "$2"; exit 1 ;;'],
  ])('one that %s leaves no lifecycle', async (_name, line) => {
    const found = await ask(await program(answers(line)));
    expect(found).toMatchObject({ kind: 'worksgood', can: { lifecycle: false, drafts: true } });
  });

  test('with a home that is thrown away, and nothing of an agent in its environment', async () => {
    process.env.WG_TASK_ID = 'outer';
    try {
      await ask(await program(`env >>'${folder}/env'\n${answers()}`));
    } finally {
      delete process.env.WG_TASK_ID;
    }
    expect(readFileSync(join(folder, 'env'), 'utf8')).not.toContain('outer');
    const homes = readFileSync(join(folder, 'homes'), 'utf8').trim().split('\n');
    expect(homes.filter((home) => home === '' || home === process.env.HOME || existsSync(home))).toEqual([]);
  });

  test.each([
    ['answers in no JSON', "*' --json ready') echo sorry ;;"],
    ['answers with something else', `*' --json ready') echo '{"tasks":[]}' ;;`],
    ['answers with endless output', "*' --json ready') yes ;;"],
    ['refuses', "*' --json ready') exit 2 ;;"],
  ])('one that %s lets nothing start too early', async (_name, line) => {
    const found = await ask(await program(answers(line)));
    expect(found).toMatchObject({ kind: 'worksgood', can: { satisfying: [] } });
  });

  test("WireGuard's is distinguished", async () => {
    const path = await program(
      `printf 'Invalid subcommand: --help-all\\nUsage: wg <cmd> [<args>]\\n\\nAvailable subcommands:\\n  genkey: Generates a new private key\\n' >&2; exit 1`,
    );
    expect(await ask(path)).toEqual({ kind: 'wireguard' });
  });

  test.each([
    ['says nothing', 'exit 1', 'it did not answer --help'],
    ['is something else', 'echo a word game', 'it said: a word game'],
    ['dies of a signal', 'kill -9 $$', 'it did not answer --help'],
  ])('one that %s is unknown', async (_name, script, because) => {
    expect(await ask(await program(script))).toEqual({ kind: 'unknown', because });
  });

  test('one that cannot be run is unknown', async () => {
    expect(await ask(join(folder, 'absent'))).toMatchObject({ kind: 'unknown' });
  });
});

describe('knowing it', () => {
  const greeted = (): [WgProgram[], (path: string) => Promise<WgProgram>] => {
    const told: WgProgram[] = [];
    return [
      told,
      async (path) => {
        const answer: WgProgram = { kind: 'unknown', because: path };
        told.push(answer);
        return answer;
      },
    ];
  };

  test('asked once, also when several ask at once, and again when the program was replaced', async () => {
    const path = await program('exit 0');
    const [told, asking] = greeted();
    const knowledge = createWgKnowledge({ variables: {} }, asking);
    expect(knowledge.known(path)).toBeUndefined();
    await Promise.all([knowledge.ask(path), knowledge.ask(path)]);
    await knowledge.ask(path);
    expect(told).toHaveLength(1);
    await program('exit 0 # upgraded');
    expect(knowledge.known(path)).toBeUndefined();
    await knowledge.ask(path);
    expect(told).toHaveLength(2);
  });

  test("the command passes WireGuard's over, also where another wg comes later on PATH", async () => {
    await program("printf '  genkey: Generates\\n' >&2; exit 1");
    const wg = createWgCommand({ variables: { PATH: `${folder}:/bin:/usr/bin` } });
    expect(wg.path()).toBe(join(folder, 'wg'));
    expect(await lookForWg(wg)).toEqual({ onPath: false, can: null });
    expect(wg.path()).toBeNull();
  });
});
