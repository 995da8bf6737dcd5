// Nothing that we write makes a real wg unable to read: every command that reads is run on graphs with all that we write.
// `WG_BIN=/path/to/wg npm run test:wg`.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { eventually } from '../support/actors.ts';
import { besideRealWg, forEveryAge, REAL, type WgProject, wgProject } from '../support/real-wg.ts';

/** Commands that read, as each age spells them; null where an age has no such command. */
const READING: readonly (readonly [name: string, words: readonly string[]])[] = [
  ['list', ['list']],
  ['list', ['--json', 'list']],
  ['ready', ['ready']],
  ['show', ['show', 'finished']],
  ['show', ['--json', 'show', 'running']],
  ['status', ['status']],
  ['agents', ['agents']],
  ['agents', ['--json', 'agents']],
  ['log', ['log', 'finished', '--list']],
  ['log', ['log', '--operations']],
  ['artifact', ['artifact', 'finished']],
  ['context', ['context', 'waits']],
  ['msg', ['msg', 'list', 'finished']],
  ['trace', ['trace', 'show', 'finished']],
  ['why-blocked', ['why-blocked', 'waits']],
  ['check', ['check']],
  ['analyze', ['analyze']],
  ['coordinate', ['coordinate']],
  ['cycles', ['cycles']],
  ['dead-agents', ['dead-agents']],
  ['heartbeat', ['heartbeat', '--check']],
  ['forecast', ['forecast']],
  ['velocity', ['velocity']],
  ['workload', ['workload']],
  ['viz', ['viz', '--all', '--no-tui']],
  ['html', ['html', '--out', 'page']],
  ['cron', ['cron']],
  ['stats', ['stats']],
  ['metrics', ['metrics']],
];

besideRealWg('reading what we write', () => {
  let project: WgProject;
  beforeEach(async () => {
    project = await wgProject(
      '[limits]\nsafety_pass = "1s"\n[retry]\nattempts = 2\n[executors.away]\ntype = "external"\n',
    );
  });
  afterEach(() => project.remove());

  /** Tasks in every state that we bring them into. */
  async function everything(): Promise<void> {
    await project.add('finished', { exec: 'echo said; true' });
    await project.add('failed', { exec: 'exit 3', tags: ['executor:command'] });
    await project.add('running', { exec: 'exec sleep 300' });
    await project.add('away', { tags: ['executor:away'] });
    await project.add('waits', { exec: 'true', after: ['running'] });
    await project.draft('draft', { exec: 'true' });
    const { event } = await project.ours();
    await Promise.all([event('run.started', 'running'), event('run.handed-off', 'away')]);
    await project.reaches('finished', 'done');
    await project.reaches('failed', 'failed');
  }

  forEveryAge('every command that reads ends well', async () => {
    await everything();
    const refused: string[] = [];
    for (const [name, words] of READING) {
      if (!REAL?.can.commands.has(name)) continue;
      const { status, text } = await project.tryWg(...words);
      if (status !== 0) refused.push(`wg ${words.join(' ')}: ${status}: ${text.slice(0, 300)}`);
    }
    expect(refused).toEqual([]);
    const listed = JSON.parse(await project.wg('--json', 'list')) as { id: string; status: string }[];
    expect(Object.fromEntries(listed.map(({ id, status }) => [id, status]))).toMatchObject({
      finished: 'done',
      failed: 'failed',
      running: 'in-progress',
      away: 'in-progress',
      waits: 'open',
      draft: 'open',
    });
    if (REAL?.can.commands.has('html'))
      expect(existsSync(join(project.playground.repo, 'page', 'index.html'))).toBe(true);
  });

  forEveryAge('the terminal interface loads the graph', async () => {
    await everything();
    const session = `wg-${process.pid}`;
    const tmux = (...args: readonly string[]) =>
      new Promise<string>((resolve) => {
        const options = {
          cwd: project.playground.repo,
          env: { ...project.environment, TERM: 'xterm-256color' },
        };
        execFile('tmux', ['-L', session, ...args], options, (_error, stdout) => resolve(stdout));
      });
    await tmux('new-session', '-d', '-x', '160', '-y', '50', 'wg tui');
    try {
      const screen = await eventually(async () => {
        const text = await tmux('capture-pane', '-p');
        return text.includes('running') && text;
      });
      expect(screen).not.toMatch(/Failed to|panicked/);
    } finally {
      await tmux('kill-server');
    }
  });

  forEveryAge('messages, logs and artifacts of people stay, whatever we write', async () => {
    await project.draft('task', { exec: 'sleep 1; true' });
    await project.ours();
    await project.wg('log', 'task', 'a person was here', '--actor', 'alice');
    await project.wg('artifact', 'task', 'report.md');
    await project.release('task');
    await project.wg('msg', 'send', 'task', 'look at the report', '--from', 'agent-9');
    await project.reaches('task', 'done');
    const task = await project.show('task');
    expect(JSON.stringify(task.log)).toContain('a person was here');
    expect(task.artifacts).toEqual(['report.md']);
    expect(await project.wg('msg', 'list', 'task')).toContain('look at the report');
  });
});
