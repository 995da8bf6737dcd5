// More ways in which git puts older states of a graph back, and what `on_rewind` makes of them.

import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LOST_AT_MOST } from '../../src/decide/retry.ts';
import { eventually, supervisor } from '../support/actors.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const GRACE = '[limits]\nrewind_grace = "400ms"\n';
const told = () => join(playground.folder, 'ran');
const go = () => join(playground.folder, 'go');
const graph = () => join(playground.repo, '.workgraph', 'graph.jsonl');
const agent = (id: string, act = '') =>
  `echo "start ${id}" >> ${told()}; ${act} until [ -e ${go()} ]; do sleep 0.05; done; echo "end ${id}" >> ${told()}`;
const ran = async () => (await readFile(told(), 'utf8').catch(() => '')).trim().split('\n');
const git = (...args: string[]) => playground.git(playground.repo, ...args);

async function commitGraph(tasks: readonly TaskLine[]): Promise<void> {
  await playground.writeGraph(playground.repo, tasks);
  await git('add', '-f', '.workgraph/graph.jsonl');
  await git('commit', '-q', '-m', 'Plan');
}

const says = (id: string, fields: Record<string, unknown>) =>
  eventually(async () => {
    const found = (await playground.readGraph(playground.repo).catch(() => null))?.get(id);
    return found && Object.entries(fields).every(([key, value]) => found[key] === value) ? found : null;
  });

describe('`on_rewind = "rerun"`', () => {
  test('an older line of a task that has finished is run again', async () => {
    await commitGraph([{ id: 't', exec: `echo t >> ${told()}` }]);
    await playground.writeConfig(`on_rewind = "rerun"\n${GRACE}`);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 't');
    await git('checkout', '--', '.');
    await supervised.nth(2, 'run.settled', 't');
    await says('t', { status: 'done' });
    expect(await ran()).toEqual(['t', 't']);
  });

  test('an agent whose line was rewound is ended, and that counts: it rests longer each time, and is parked', async () => {
    await commitGraph([{ id: 't', exec: agent('t', 'git checkout -- .;') }]);
    await playground.writeConfig(`on_rewind = "rerun"\n[limits]\nrewind_grace = "50ms"\n`);
    const rests: number[] = [];
    supervised = await supervise(playground, {
      wrap: {
        ledger: (ledger) => ({
          ...ledger,
          setPause(pause) {
            // No one waits for that here.
            const until = pause.code === 'lost-claim' ? 1 : pause.until;
            if (pause.code === 'lost-claim') rests.push((pause.until ?? 0) - Date.now());
            ledger.setPause({ ...pause, until });
          },
        }),
      },
    });
    const running = supervised;
    const parked = await eventually(async () => {
      // git takes the file away for a moment while it puts another one there.
      const why = await running.control.why({ task: 't' }).catch(() => null);
      return why?.code === 'parked' ? why : null;
    });
    expect(parked.because).toContain(`taken away from its agents ${LOST_AT_MOST} times in a row`);
    expect(supervised.count('run.opened', 't')).toBe(LOST_AT_MOST);
    expect(await supervised.event('run.stopping', 't')).toMatchObject({ reason: 'lost-claim' });
    expect(rests).toHaveLength(LOST_AT_MOST - 2);
    expect(rests).toEqual([...rests].sort((a, b) => a - b));
    expect(rests[0]).toBeGreaterThan(0);
  }, 60_000);
});

describe('`git pull --rebase --autostash` beside a running task', () => {
  /** What a colleague pushed meanwhile, and the file in which it is. */
  const pushed = async (file: string, text: string) => {
    const origin = join(playground.folder, 'origin');
    const theirs = join(playground.folder, 'theirs');
    await playground.git(playground.folder, 'clone', '-q', '--bare', playground.repo, origin);
    await playground.git(playground.folder, 'clone', '-q', origin, theirs);
    await appendFile(join(theirs, file), text);
    await playground.git(theirs, 'add', '-f', file);
    await playground.git(theirs, 'commit', '-q', '-m', 'Theirs');
    await playground.git(theirs, 'push', '-q', 'origin', 'HEAD:main');
    return origin;
  };
  const started = async () => {
    await commitGraph([
      { id: 't', exec: agent('t') },
      { id: 'other', executor: 'external' },
    ]);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    await supervised.event('run.started', 't');
    await says('t', { status: 'in-progress' });
    await says('other', { status: 'in-progress' });
    return supervised;
  };

  test('its claim comes back with the stash: the agent continues, and its result is written once', async () => {
    const running = await started();
    const origin = await pushed('notes.txt', 'theirs');
    await git('pull', '-q', '--rebase', '--autostash', origin, 'main');
    await writeFile(go(), '');
    await running.event('run.settled', 't');
    await says('t', { status: 'done' });
    expect(await ran()).toEqual(['start t', 'end t']);
    expect([running.count('run.stopping', 't'), running.count('run.opened', 'other')]).toEqual([0, 1]);
  });

  test('where the stash conflicts, the graph is held; once a person has solved that, the result is written', async () => {
    const running = await started();
    const theirs = { kind: 'task', id: 'theirs', title: 'Theirs', status: 'open', paused: true };
    const origin = await pushed('.workgraph/graph.jsonl', `${JSON.stringify(theirs)}\n`);
    await git('pull', '-q', '--rebase', '--autostash', origin, 'main').catch(() => {
      // Some ages of git tell the conflict by their exit status, too.
    });
    expect(await readFile(graph(), 'utf8')).toContain('<<<<<<<');
    const held = await eventually(async () => {
      const [row] = (await running.control.status()).worktrees;
      return row?.state === 'watched' ? null : row;
    });
    expect(held).toMatchObject({ state: 'held', because: expect.stringContaining('graph.jsonl') });
    await writeFile(go(), '');
    await running.event('run.finished', 't');
    // Theirs it is: the claim of `t` is not in it.
    await git('checkout', '-q', 'HEAD', '--', '.workgraph/graph.jsonl');
    await says('t', { status: 'done' });
    await says('theirs', { status: 'open' });
    expect(await ran()).toEqual(['start t', 'end t']);
    expect(running.count('run.stopping', 't')).toBe(0);
  });
});

test('a task that is gone from a committed graph: its agent continues, and its result is written when the line is back', async () => {
  await commitGraph([{ id: 'other', executor: 'external' }]);
  await playground.writeGraph(playground.repo, [
    { id: 'other', executor: 'external' },
    { id: 't', exec: agent('t') },
  ]);
  await playground.writeConfig(GRACE);
  supervised = await supervise(playground);
  const running = supervised;
  await supervised.event('run.started', 't');
  await says('t', { status: 'in-progress' });
  await git('stash', '-q');
  await eventually(async () => JSON.stringify(await running.control.status()).includes('is gone from'));
  await writeFile(go(), '');
  await supervised.event('run.finished', 't');
  await git('checkout', '-q', '--', '.');
  await git('stash', 'pop', '-q');
  await says('t', { status: 'done' });
  expect(await ran()).toEqual(['start t', 'end t']);
  expect(supervised.count('run.stopping', 't')).toBe(0);
});

test('a report for a task that is gone from a committed graph is kept, and written when the line is back', async () => {
  await commitGraph([{ id: 'other', executor: 'external' }]);
  await playground.writeGraph(playground.repo, [
    { id: 'other', executor: 'external' },
    { id: 'far', executor: 'external' },
  ]);
  await playground.writeConfig(GRACE);
  supervised = await supervise(playground);
  const running = supervised;
  const { run } = await supervised.event('run.handed-off', 'far');
  await supervised.event('run.handed-off', 'other');
  await git('stash', '-q');
  await eventually(async () => JSON.stringify(await running.control.status()).includes('is gone from'));
  const report = { task: 'far', caller: { kind: 'run', run }, result: 'succeeded' } as const;
  expect(await supervised.control.complete(report)).toMatchObject({ duplicate: false });
  expect(await supervised.control.complete(report)).toMatchObject({ duplicate: true });
  await expect(supervised.control.complete({ ...report, result: 'failed' })).rejects.toMatchObject({
    code: 'conflict',
  });
  await git('checkout', '-q', '--', '.');
  await git('stash', 'pop', '-q');
  await says('far', { status: 'done' });
  expect(supervised.count('run.opened', 'far')).toBe(1);
});

describe('after the end', () => {
  const begin = async () => {
    await commitGraph([{ id: 't', exec: `echo t >> ${told()}` }]);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 't');
    await says('t', { status: 'done' });
    return supervised;
  };

  test('git switch to a branch from before: written again there', async () => {
    const running = await begin();
    await git('branch', 'older');
    await git('commit', '-q', '-a', '-m', 'Done');
    await git('switch', '-q', 'older');
    await running.event('result.restored', 't');
    await says('t', { status: 'done' });
    expect(await ran()).toEqual(['t']);
  });

  test('git rebase that drops the commit with the result', async () => {
    const running = await begin();
    await git('commit', '-q', '-a', '-m', 'Done');
    await git('commit', '-q', '--allow-empty', '-m', 'More');
    await git('rebase', '-q', '--onto', 'HEAD~2', 'HEAD~1');
    await running.event('result.restored', 't');
    await says('t', { status: 'done' });
    expect(await ran()).toEqual(['t']);
  });

  test('git merge with the union driver, which keeps both lines', async () => {
    await writeFile(join(playground.repo, '.gitattributes'), '*.jsonl merge=union\n');
    await git('add', '-f', '.gitattributes');
    const running = await begin();
    await git('branch', 'theirs', 'HEAD');
    await git('commit', '-q', '-a', '-m', 'Done');
    await git('switch', '-q', 'theirs');
    await running.event('result.restored', 't');
    await says('t', { status: 'done' });
    await git('commit', '-q', '-a', '-m', 'Done again');
    await git('merge', '-q', '--no-edit', 'main');
    const why = await eventually(async () => {
      const found = await running.control.why({ task: 't' }).catch(() => null);
      return found?.status === 'done' || found?.state === 'held' ? found : null;
    });
    expect(['finished', 'held']).toContain(why.state);
    await running.control.reload();
    expect(await ran()).toEqual(['t']);
    expect(running.count('run.opened', 't')).toBe(1);
  });
});

describe('a result that no run came to', () => {
  test('`supervisor done` beside a running supervisor: a rewind does not run it', async () => {
    await commitGraph([
      { id: 't', after: ['first'], exec: `echo t >> ${told()}` },
      { id: 'first', executor: 'external', paused: true },
    ]);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    const { duplicate } = await supervised.control.complete({
      task: 'first',
      caller: { kind: 'operator' },
      result: 'succeeded',
    });
    expect(duplicate).toBe(false);
    await supervised.event('run.settled', 't');
    await git('checkout', '--', '.');
    await supervised.event('result.restored', 't');
    await says('first', { status: 'done' });
    expect(await ran()).toEqual(['t']);
    expect(supervised.count('run.opened', 'first')).toBe(0);
  });

  test('`supervisor done` while no supervisor runs', async () => {
    await commitGraph([{ id: 't', exec: `echo t >> ${told()}` }]);
    await playground.writeConfig(GRACE);
    // The first start makes the ledger; this one begins nothing.
    supervised = await supervise(playground, { start: false });
    await supervised.stop({ cancelAgents: true });
    supervised = null;
    expect((await supervisor(playground, ['done', 't'])).status).toBe(0);
    await says('t', { status: 'done' });
    await git('checkout', '--', '.');
    expect(await readFile(graph(), 'utf8')).toContain('"open"');
    supervised = await supervise(playground);
    await supervised.event('result.restored', 't');
    await says('t', { status: 'done' });
    expect(supervised.count('run.opened', 't')).toBe(0);
  });
});

describe('a claim that git merged into another worktree', () => {
  /** A branch that merges the graph with the claim in it, while the agent works. */
  const mergedInto = async (exec: string) => {
    await playground.writeGraph(playground.repo, [{ id: 't', created_at: '2027-01-01T00:00:00Z', exec }]);
    await git('add', '-f', '.workgraph/graph.jsonl');
    await git('commit', '-q', '-m', 'Plan');
    const other = join(playground.folder, 'other');
    await git('worktree', 'add', '-q', '-b', 'other', other);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    await supervised.event('run.started', 't');
    await git('commit', '-q', '-a', '-m', 'Everything so far');
    await playground.git(other, 'merge', '-q', '--no-edit', 'main');
    expect((await playground.readGraph(other)).get('t')).toMatchObject({ status: 'in-progress' });
    return other;
  };
  const statusIn = async (worktree: string) =>
    (await playground.readGraph(worktree).catch(() => null))?.get('t')?.status;

  test('gets the result there, too', async () => {
    const other = await mergedInto(agent('t'));
    await writeFile(go(), '');
    await eventually(async () => (await statusIn(other)) === 'done');
    await says('t', { status: 'done' });
    expect(await ran()).toEqual(['start t', 'end t']);
  });

  test('is released there, too, when its run was given up', async () => {
    const other = await mergedInto(agent('t'));
    await supervisor(playground, ['cancel', 't', '--worktree', playground.repo]);
    await says('t', { status: 'open' });
    await eventually(async () => (await statusIn(other)) === 'open');
    expect(await ran()).toEqual(['start t']);
  }, 40_000);

  test.each([
    ['as it was', {}],
    ['with other words', { description: 'of another branch' }],
  ])(
    'is released where a later attempt has ended elsewhere: %s',
    async (_how, changes) => {
      const exec = `${agent('t')}; [ -e ${go()}.well ]`;
      const created_at = '2027-01-01T00:00:00Z';
      // So that the two attempts are not of agents of one name.
      await commitGraph([
        { id: 'first', created_at, exec: 'true' },
        { id: 't', created_at, after: ['first'], exec },
      ]);
      const other = await playground.worktree('other');
      await playground.writeConfig(`${GRACE}[retry]\nattempts = 2\nbackoff = "1h"\nmax_backoff = "1h"\n`);
      supervised = await supervise(playground);
      await supervised.event('run.started', 't');
      const claimed = (await playground.readGraph(playground.repo)).get('t') as TaskLine;
      expect(claimed).toMatchObject({ status: 'in-progress' });
      await writeFile(go(), '');
      await supervised.event('run.settled', 't');
      // A branch without the task: the next attempt is made in the other worktree.
      const first = (await playground.readGraph(playground.repo)).get('first') as TaskLine;
      await playground.writeGraph(playground.repo, [first]);
      await writeFile(`${go()}.well`, '');
      await supervised.supervisor.markEverything();
      await supervised.control.retry({ task: 't', worktree: other });
      await eventually(async () => (await statusIn(other)) === 'done');
      await playground.writeGraph(playground.repo, [first, { ...claimed, ...changes }]);
      await says('t', { status: 'open' });
      await supervised.supervisor.markEverything();
      const { state, code, because } = await supervised.control.why({
        task: 't',
        worktree: playground.repo,
      });
      expect([state, code, because]).toEqual([
        'held',
        'rewound',
        expect.stringContaining('supervisor done t'),
      ]);
      expect(await ran()).toEqual(['start t', 'end t', 'start t', 'end t']);
    },
    40_000,
  );
});

test('a claim that git brings back is older than the result, though the clock was set back in between', async () => {
  const clock = createFakeClock('2027-03-10T08:00:00Z');
  await playground.writeGraph(playground.repo, [{ id: 't', executor: 'external' }]);
  await playground.writeConfig('[limits]\nrewind_grace = "0"\n');
  supervised = await supervise(playground, { clock });
  await supervised.event('run.handed-off', 't');
  const claimed = await readFile(graph());
  clock.jump(-1_800_000);
  await supervised.supervisor.tick();
  await supervised.control.complete({ task: 't', caller: { kind: 'operator' }, result: 'succeeded' });
  await says('t', { status: 'done' });
  await writeFile(graph(), claimed);
  supervised.supervisor.markEverything();
  await supervised.event('result.restored', 't');
  await says('t', { status: 'done' });
});
