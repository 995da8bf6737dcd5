// The differential test: random changes of the supervisor, written as we write them, are given to the loader of a real wg. It must
// read every graph and every registry, and say of each task and agent what we say.
// `WG_BIN=/path/to/wg npm run test:wg`; `WG_PATCHES=20000` is the long form.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { resultPatch, verifyFailedPatch } from '../../src/decide/readiness/completion-need.ts';
import { orphanPatch } from '../../src/decide/reconcile/orphans.ts';
import {
  claimPatch,
  completionPatch,
  releasePatch,
  reopenPatch,
  settlePatch,
  type TaskPatch,
} from '../../src/decide/settle.ts';
import type { Failed, FailureKind, Succeeded } from '../../src/domain/outcome.ts';
import type { TaskDetail } from '../../src/domain/task.ts';
import { createGraphStore } from '../../src/graph/store.ts';
import { applyPatch } from '../../src/graphs/task-writes.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker } from '../../src/platform/flock.ts';
import { appendOperation } from '../../src/wg/operations-log.ts';
import { createRegistry, NO_PID } from '../../src/wg/registry.ts';
import { besideRealWg, eachInProject, forEveryAge, REAL, type WgProject } from '../support/real-wg.ts';

const PATCHES = Number(process.env.WG_PATCHES ?? 1000);
const SEED = Number(process.env.WG_SEED ?? 1);
/** Tasks of one graph, which one call of wg reads. */
const TASKS = 200;
const PATCHES_A_GRAPH = 1000;

/** Mulberry32: the same numbers for the same seed, so that a failure can be had again. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Chance = ReturnType<typeof chance>;
function chance(seed: number) {
  const next = numbers(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T;
  return { below, one, half: () => next() < 0.5 };
}

/** Texts that agents and people come up with. */
const TEXTS = [
  'plain words',
  '',
  'two\nlines\r\nand a tab\t',
  'quotes " and \\ and \u0000 and \u001b[31m',
  'Überraschung 漢字 🦀 \u202e',
  'half a pair \ud83d and more',
  '{"kind":"task"}',
  'x'.repeat(5000),
];
const FAILURES: readonly FailureKind[] = [
  'exit',
  'reported',
  'timeout',
  'silent',
  'interrupted',
  'unreachable',
  'refused',
  'rate-limited',
  'provider',
];

function usageOf({ below, half }: Chance) {
  return half()
    ? {}
    : { usage: { inputTokens: below(1e9), outputTokens: below(1e6), costUsd: below(1e6) / 7 } };
}

function succeeded(by: Chance): Succeeded {
  const artifacts = by.one<unknown>([
    undefined,
    null,
    'a.md',
    ['a.md', 'b'],
    { url: 'x', n: [1, null] },
    7,
    [],
  ]);
  return {
    kind: 'succeeded',
    ...(by.half() ? { summary: by.one(TEXTS) } : {}),
    ...(artifacts === undefined ? {} : { artifacts }),
    ...usageOf(by),
  };
}

function failed(by: Chance): Failed {
  return {
    kind: 'failed',
    failure: by.one(FAILURES),
    message: by.one(TEXTS),
    retryable: by.half(),
    ...usageOf(by),
  };
}

/** One of our changes to a task; null where it changes nothing. */
function change(task: TaskDetail, by: Chance, now: number): TaskPatch | null {
  const agent = `agent-${by.below(50) + 1}`;
  const session = by.half() ? {} : { session: `s-${by.below(9)}` };
  const rest = { agent, now, hasOpenEvaluation: false, ...session };
  switch (by.below(9)) {
    case 0:
      return claimPatch({ task, agent, now, executorName: by.one(TEXTS), external: by.half() });
    case 1:
      return settlePatch({ task, outcome: succeeded(by), retry: null, ...rest });
    case 2: {
      const at = now + by.below(1e9);
      const retry = by.half()
        ? ({ again: true, at, counted: by.half(), because: by.one(TEXTS) } as const)
        : null;
      return settlePatch({ task, outcome: failed(by), retry, ...rest });
    }
    case 3:
      return releasePatch({
        task,
        agent,
        now,
        because: by.one(TEXTS),
        paused: by.half(),
        failedStart: by.half(),
      });
    case 4: {
      const reason = { reason: by.one(TEXTS), summary: by.one(TEXTS) };
      const result = by.half() ? 'succeeded' : 'failed';
      return completionPatch({ task, result, now, hasOpenEvaluation: false, artifacts: ['x'], ...reason });
    }
    case 5:
      return reopenPatch({ task, now });
    case 6:
      return resultPatch(task, succeeded(by), agent, now);
    case 7:
      return verifyFailedPatch(task, by.one(TEXTS), by.below(4), agent, now);
    default:
      return orphanPatch({ task: task.id, agent, because: by.one(TEXTS) }, now);
  }
}

besideRealWg('random changes of the supervisor', () => {
  let project: WgProject;
  eachInProject((made) => {
    project = made;
  });

  forEveryAge(`${PATCHES} changes: it loads, and says the same status of every task`, async () => {
    const clock = systemClock();
    for (let made = 0, seed = SEED; made < PATCHES; made += PATCHES_A_GRAPH, seed++) {
      const by = chance(seed);
      const lines = Array.from({ length: TASKS }, (_, n) => ({
        kind: 'task',
        id: `t-${n}`,
        title: by.one(TEXTS.filter((text) => !text.includes('\ud83d') && text !== '')),
        status: by.one(['open', 'in-progress', 'done', 'failed', 'abandoned', 'blocked']),
        created_at: '2026-02-01T00:00:00+00:00',
        ...(by.half() ? { exec: 'true', tags: ['a', 'executor:command'] } : {}),
        ...(n > 0 && by.half() ? { after: [`t-${by.below(n)}`] } : {}),
        ...(by.half() ? { cycle_config: { max_iterations: 3 } } : {}),
      }));
      const file = join(project.graph(), 'graph.jsonl');
      writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      const store = createGraphStore({
        graph: project.graph(),
        locker: createLocker(),
        clock,
        limits: { maxLineBytes: 1024 * 1024, maxGraphBytes: 1024 * 1024 * 1024 },
      });
      await store.refresh();
      await store.change((draft) => {
        for (let n = 0; n < Math.min(PATCHES_A_GRAPH, PATCHES); n++) {
          const id = `t-${by.below(TASKS)}`;
          const task = draft.detail(id);
          const patch = task && change(task, by, clock.now());
          if (patch) applyPatch(draft, id, patch);
        }
      });
      const ours = [...(await store.refresh()).tasks.values()].map(({ id, status }) => `${id} ${status}`);
      await store.close();
      const text = await project.wg('--json', 'list');
      const theirs = (JSON.parse(text) as { id: string; status: string }[]).map(
        ({ id, status }) => `${id} ${status}`,
      );
      expect([seed, theirs.sort()]).toEqual([seed, ours.sort()]);
    }
  });

  forEveryAge('agents: it reads the registry, and lists each that we registered', async () => {
    const by = chance(SEED);
    const registry = createRegistry({ graph: project.graph(), locker: createLocker(), clock: systemClock() });
    for (let round = 0; round < Math.ceil(PATCHES / 1000); round++) {
      const agents = await registry.allocate(
        Array.from({ length: 20 }, (_, n) => ({
          task_id: `t-${n}`,
          executor: by.one(['claude', 'command', 'http', 'external']),
          ...(by.half() ? { worktree_path: by.one(TEXTS) } : {}),
        })),
      );
      await registry.update(
        Array.from({ length: 200 }, () => ({
          agent: by.one(agents.slice(5)),
          ...(by.half() ? { pid: 4_000_000 + by.below(1000) } : {}),
          ...(by.half() ? { heartbeat: true } : {}),
          ...(by.half()
            ? { status: by.one(['starting', 'working', 'done', 'failed', 'dead'] as const) }
            : {}),
        })),
      );
    }
    const text = await project.wg('--json', 'agents');
    const listed = (JSON.parse(text) as { id: string; pid: number }[]).map(({ id, pid }) => `${id} ${pid}`);
    const ours = [...registry.entries().values()].map(({ id, pid }) => `${id} ${pid}`);
    expect(ours.some((line) => line.endsWith(` ${NO_PID}`))).toBe(true);
    expect(listed.sort()).toEqual(ours.sort());
  });

  forEveryAge('the operations log: it reads what we add to its own lines', async () => {
    const by = chance(SEED);
    await project.draft('t-1', { exec: 'true' });
    mkdirSync(join(project.graph(), 'log'), { recursive: true });
    for (let n = 0; n < 200; n++)
      appendOperation(
        project.graph(),
        {
          op: by.one(['claim', 'unclaim', 'done', 'fail', 'retry', 'edit']),
          task_id: 't-1',
          ...(by.half() ? { actor: by.one(TEXTS) } : {}),
          ...(by.half() ? { detail: { text: by.one(TEXTS), nested: { n: by.below(9) } } } : {}),
        },
        Date.parse('2026-02-01T00:00:00Z') + n,
      );
    const text = await project.wg('log', '--operations');
    expect(text).toContain('t-1');
    if (REAL?.can.commands.has('trace')) await project.wg('trace', 'show', 't-1');
  });
});
