// Beside a real wg: `WG_BIN=/path/to/wg npm run test:wg`. Where none is named, one line says that it was skipped.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, personEnvironment } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const WG = process.env.WG_BIN ?? '';
const installed = WG !== '' && existsSync(WG);

(installed ? describe : describe.skip)(
  installed ? `beside ${WG}` : 'skipped: no real wg here; WG_BIN=/path/to/wg npm run test:wg runs this',
  () => {
    let playground: Playground;
    let supervised: Supervised | null = null;
    let environment: Record<string, string | undefined>;

    beforeEach(async () => {
      playground = await createPlayground();
      const bin = join(playground.folder, 'bin');
      await mkdir(bin);
      await symlink(WG, join(bin, 'wg'));
      environment = personEnvironment(playground.folder, { PATH: `${bin}:${process.env.PATH}` });
      await wg('init');
      // Without a model to ask, nothing of the agency can run.
      await writeFile(
        join(graph(), 'config.toml'),
        '[agency]\nauto_assign = false\nauto_evaluate = false\nflip_enabled = false\n',
      );
      await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
    });
    afterEach(async () => {
      await supervised?.stop({ cancelAgents: true });
      supervised = null;
      if (existsSync(join(graph(), 'service', 'state.json'))) await wg('service', 'stop');
      await playground.remove();
    });

    const graph = () =>
      ['.wg', '.workgraph'].map((name) => join(playground.repo, name)).find((path) => existsSync(path)) ??
      join(playground.repo, '.wg');

    async function wg(...args: readonly string[]): Promise<string> {
      const { stdout } = await promisify(execFile)(WG, args, { cwd: playground.repo, env: environment });
      return stdout;
    }
    const show = async (id: string) =>
      JSON.parse(await wg('--json', 'show', id)) as Record<string, unknown> & { status: string };
    const reaches = (id: string, status: string) =>
      eventually(async () => {
        const task = await show(id);
        return task.status === status && task;
      });
    const begin = async () => {
      supervised = await supervise(playground, { variables: environment });
      return supervised;
    };

    test('add, publish, done: dependents follow, and every wg command reads what we wrote', async () => {
      await wg('add', 'First', '--id', 'first', '--exec', 'echo first >>ran');
      await wg('add', 'Second', '--id', 'second', '--after', 'first', '--exec', 'echo second >>ran');
      await begin();
      expect((await show('first')).status).toBe('open');
      await wg('publish', 'first');
      await reaches('second', 'done');
      expect(readFileSync(join(playground.repo, 'ran'), 'utf8')).toBe('first\nsecond\n');
      for (const command of [
        ['list', '--all'],
        ['agents'],
        ['status'],
        ['trace', 'first'],
        ['show', 'first'],
      ])
        expect(await wg(...command)).not.toBe('');
      expect((await readdir(graph())).filter((name) => name.startsWith('.graph.tmp'))).toEqual([]);
    });

    test('fail and retry', async () => {
      await wg('add', 'Flaky', '--id', 'flaky', '--no-place', '--exec', 'test -e ok');
      await begin();
      await reaches('flaky', 'failed');
      await writeFile(join(playground.repo, 'ok'), '');
      await wg('retry', 'flaky');
      await reaches('flaky', 'done');
    });

    test('agents, heartbeat, unclaim and kill', async () => {
      await wg('add', 'Long', '--id', 'long', '--no-place', '--exec', 'exec sleep 300');
      const { event, count } = await begin();
      const { agent, pid } = await event('run.started', 'long');
      const agents = await eventually(async () => {
        const text = await wg('--json', 'agents');
        return text.includes(agent) && text.includes(String(pid)) && text;
      });
      expect(agents).toContain('long');
      await wg('heartbeat', agent);
      await wg('unclaim', 'long');
      await eventually(() => count('run.started', 'long') === 2);
      const again = await eventually(async () => {
        const task = await show('long');
        return task.status === 'in-progress' && task.assigned !== agent && String(task.assigned);
      });
      await wg('kill', again);
      await eventually(() => supervised?.supervisor.dispatcher.runner.live.size === 0);
      await supervised?.supervisor.quiet();
      expect((await show('long')).status).toBe('open');
    });

    test('a service that is started is yielded to; when it stops, work goes on', async () => {
      await begin();
      await wg('service', 'start', '--no-coordinator-agent', '--max-agents', '0');
      await wg('add', 'Later', '--id', 'later', '--no-place', '--tag', 'executor:command', '--exec', 'true');
      await eventually(() => {
        for (const one of supervised?.supervisor.decided?.decision.verdicts.values() ?? [])
          if (one.code === 'wg-daemon') return true;
        return false;
      });
      await wg('service', 'stop');
      await reaches('later', 'done');
    });
  },
);
