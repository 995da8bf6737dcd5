// The life of tasks beside a real wg: what its commands do to them while our supervisor works on the same graph, seen from
// both sides. `WG_BIN=/path/to/wg npm run test:wg`.

import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { eventually, supervisor } from '../support/actors.ts';
import {
  AUGUST,
  besideRealWg,
  eachInProject,
  forAges,
  forEveryAge,
  linesOf,
  MARCH,
  MAY,
  REAL,
  type WgProject,
} from '../support/real-wg.ts';

besideRealWg('the life of tasks', () => {
  let project: WgProject;
  eachInProject((made) => {
    project = made;
  });

  forEveryAge('added, edited, released: dependents follow', async () => {
    const { wg } = project;
    await project.draft('first', { exec: 'echo first >>ran' });
    await project.draft('second', { exec: 'echo second >>ran', after: ['first'] });
    await project.ours();
    await project.weSay('first', 'paused');
    await wg('edit', 'first', '--title', 'Another title', '--add-tag', 'kept');
    await project.release('first');
    await project.release('second');
    await project.reaches('second', 'done');
    expect(linesOf(project)).toEqual(['first', 'second']);
    expect(await project.show('first')).toMatchObject({ title: 'Another title', tags: ['kept'] });
    await project.weSay('first', 'finished');
    expect(readdirSync(project.graph()).filter((name) => name.startsWith('.graph.tmp'))).toEqual([]);
  });

  forEveryAge('paused and resumed', async () => {
    const { wg } = project;
    await project.draft('task', { exec: 'echo task >>ran' });
    await project.ours();
    await project.release('task');
    await project.reaches('task', 'done');
    await project.draft('other', { exec: 'echo other >>ran', after: ['task'] });
    await wg('pause', 'other').catch(() => '');
    await project.weSay('other', 'paused');
    await wg('resume', 'other');
    await project.reaches('other', 'done');
    expect(linesOf(project)).toEqual(['task', 'other']);
  });

  forEveryAge('failed, then tried again', async () => {
    await project.add('flaky', { exec: 'test -e ok' });
    await project.ours();
    await project.reaches('flaky', 'failed');
    expect(await project.weSay('flaky', 'finished')).toContain('status 1');
    await writeFile(join(project.playground.repo, 'ok'), '');
    await project.wg('retry', 'flaky');
    await project.reaches('flaky', 'done');
  });

  forEveryAge(
    'claimed by a person: nothing of the supervisor starts it, and unclaiming gives it to us',
    async () => {
      const { wg } = project;
      await project.draft('task', { exec: 'echo task >>ran' });
      await wg('resume', 'task');
      await wg('claim', 'task', '--actor', 'alice');
      await project.ours();
      await project.weSay('task', 'alice');
      expect(linesOf(project)).toEqual([]);
      await wg('unclaim', 'task');
      await eventually(() => linesOf(project).length === 1);
      await project.reaches('task', 'done');
    },
  );

  forAges(
    [MARCH, MAY],
    'newer ones end a task through a candidate',
    'ended by a person: dependents follow',
    async () => {
      await project.add('person', { tags: ['executor:external'] });
      await project.add('next', { exec: 'echo next >>ran', after: ['person'] });
      await project.ours();
      await project.weSay('person', 'running');
      await project.wg('done', 'person');
      await project.reaches('next', 'done');
      expect(linesOf(project)).toEqual(['next']);
    },
  );

  forEveryAge('failed by a person: our agent is ended and the reason is shown', async () => {
    await project.add('long', { exec: 'exec sleep 300' });
    const ours = await project.ours();
    await ours.event('run.started', 'long');
    await project.wg('fail', 'long', '--reason', 'it took too long');
    await eventually(() => ours.runs.attended().length === 0);
    expect(await project.weSay('long', 'finished')).toContain('it took too long');
    expect((await project.show('long')).status).toBe('failed');
  });

  forEveryAge('agents, heartbeat, unclaim and kill', async () => {
    const { wg, show } = project;
    await project.add('long', { exec: 'exec sleep 300' });
    const { event, count, runs } = await project.ours();
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
    await eventually(async () => (await wg('--json', 'agents')).includes(again));
    await wg('kill', again);
    // The newer ones pause what they kill; March opens it, and so it starts again.
    if (REAL?.can.age === MARCH) return void (await eventually(() => count('run.started', 'long') === 3));
    await eventually(() => runs.attended().length === 0);
    await project.weSay('long', 'paused');
    expect([count('run.started', 'long'), (await show('long')).status]).toEqual([2, 'open']);
  });

  forEveryAge('an abandoned dependency satisfies as in this age', async () => {
    await project.draft('given-up', { exec: 'false' });
    await project.add('next', { exec: 'echo next >>ran', after: ['given-up'] });
    await project.ours();
    await project.weSay('next', 'waiting');
    await project.wg('abandon', 'given-up', '--reason', 'not needed');
    if (REAL?.can.satisfying.includes('abandoned')) {
      await project.reaches('next', 'done');
      expect(linesOf(project)).toEqual(['next']);
    } else {
      expect(await project.weSay('next', 'dependency-abandoned')).toContain('abandoned');
      expect(linesOf(project)).toEqual([]);
    }
  });

  forEveryAge('archived: what was done leaves the graph, the rest continues', async () => {
    await project.add('old', { exec: 'echo old >>ran' });
    await project.draft('young', { exec: 'echo young >>ran', after: ['old'] });
    await project.ours();
    await project.reaches('old', 'done');
    await project.wg('archive', ...(REAL?.can.age === MARCH ? [] : ['--yes']));
    await project.release('young');
    await project.reaches('young', 'done');
    expect(linesOf(project)).toEqual(['old', 'young']);
  });

  forAges([MAY, AUGUST], 'March cannot wait', 'parked by its agent until a task is done', async () => {
    await project.draft('other', { exec: 'true' });
    await project.add('parked', {
      exec: 'test -e again && exit 0; touch again; wg wait parked --until task:other=done; exec sleep 5',
    });
    await project.ours();
    await project.reaches('parked', 'waiting');
    await project.weSay('parked', 'waiting');
    await project.release('other');
    await project.reaches('parked', 'done');
  });

  forAges(
    [MAY, AUGUST],
    'March knows no cron',
    'a recurring task runs when it is due, and says when next',
    async () => {
      // Six fields: every other second.
      const flags = ['--cron', '*/2 * * * * *'];
      await project.add('ticks', { exec: 'echo tick >>ran', flags });
      const { count } = await project.ours();
      await eventually(() => linesOf(project).length >= 3 && count('run.started', 'ticks') >= 3);
      await project.wg('pause', 'ticks');
      await project.weSay('ticks', 'paused');
      expect((await project.show('ticks')).status).toBe('open');
    },
  );

  forEveryAge('handed over: adopt stops the service and work continues', async () => {
    await project.startDaemon();
    await project.add('task', { tags: ['executor:command'], exec: 'echo task >>ran' });
    await project.ours();
    expect(await project.weSay('task', 'wg-daemon')).toContain('supervisor adopt');
    expect(linesOf(project)).toEqual([]);
    const { status, stdout, stderr } = await supervisor(project.playground, ['adopt'], {
      env: { PATH: String(project.environment.PATH) },
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('stopped');
    await project.reaches('task', 'done');
  });

  forEveryAge('a service is yielded to while it is there, paused, resumed and reloaded', async () => {
    const { wg } = project;
    await project.ours();
    await project.startDaemon();
    await project.add('later', { tags: ['executor:command'], exec: 'true' });
    await project.weSay('later', 'wg-daemon');
    for (const words of ['pause', 'resume', 'reload']) {
      await wg('service', words);
      expect((await project.show('later')).status).toBe('open');
      await project.weSay('later', 'wg-daemon');
    }
    await wg('service', 'stop');
    await project.reaches('later', 'done');
  });
});
