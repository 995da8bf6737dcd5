// docs/schedules.md says nothing that is not so: its commands are run, its tables read, its settings loaded.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseMachineConfig } from '../../src/config/load.ts';
import { parseSchedule } from '../../src/decide/schedules/schedule.ts';
import { schedulePolicy, wholeSchedulePolicy } from '../../src/settings/schedule-policy.ts';
import { command } from '../cli/fake-surroundings.ts';
import { createPlayground } from '../support/playground.ts';

const text = readFileSync(new URL('../../docs/schedules.md', import.meta.url), 'utf8');

/** A command line as a shell would take it apart. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
}

const shown = [...text.matchAll(/<!-- test: (.*) -->\n```text\n([\s\S]*?)```/g)];
test.each(
  shown.map((match) => [match[1] ?? '', match[2] ?? '']),
)('supervisor %s prints what is shown', async (line, expected) => {
  const { out, status } = await command({}, ...words(line));
  expect(status).toBe(0);
  expect(out.replaceAll(/ +$/gm, '')).toBe(expected);
});

test('every form in the table can be read, and is once or recurring as it says', () => {
  const rows = [...text.matchAll(/^\| (`.*?) \| (once|again|the usual).* \|$/gm)];
  expect(rows).toHaveLength(5);
  for (const [, forms = '', says] of rows)
    for (const [, form = ''] of forms.matchAll(/`([^`]+)`/g)) {
      const parsed = parseSchedule(form, 'Europe/Berlin');
      if (!parsed.ok) throw new Error(`${form}: ${parsed.problem}`);
      expect([form, parsed.schedule.kind === 'cron']).toEqual([form, says !== 'once']);
    }
});

test('the commands at the top do what they say, in this order', async () => {
  const playground = await createPlayground();
  try {
    await playground.writeGraph(playground.repo, []);
    const [, script = ''] = /```sh\n([\s\S]*?)```/.exec(text) ?? [];
    for (const line of script.trim().split('\n')) {
      const [, ...args] = words(line);
      const { status, err } = await command({ cwd: playground.repo, home: playground.folder }, ...args);
      expect([line, status, err]).toEqual([line, 0, '']);
    }
    const tasks = await playground.readGraph(playground.repo);
    expect(tasks.get('nightly-report')).toMatchObject({
      schedule: '30 3 * * *',
      timezone: 'Europe/Berlin',
      tags: ['timezone:Europe/Berlin', 'schedule:30 3 * * *'],
    });
    expect(tasks.get('deploy-to-staging')).toMatchObject({ schedule: '14:00', executor: 'deploy-agent' });
  } finally {
    await playground.remove();
  }
});

describe('settings', () => {
  const blocks = [...text.matchAll(/```toml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  test('load', () => {
    expect(blocks).toHaveLength(2);
    for (const block of blocks)
      expect(parseMachineConfig('/x/supervisor.toml', block, { home: '/home/ada' }).problems).toEqual([]);
  });
  test('those of [schedule] are the defaults', () => {
    const { config } = parseMachineConfig('/x/supervisor.toml', blocks[0] ?? '', { home: '/home/ada' });
    expect(config.schedule).toEqual(parseMachineConfig(null, '', { home: '/home/ada' }).config.schedule);
    expect(config.schedule).toEqual(wholeSchedulePolicy({}));
    expect(config.profiles.get('backup')).toMatchObject({
      timezone: 'Europe/Berlin',
      policy: schedulePolicy({ catchup: 'skip', overlap: 'replace' }),
    });
  });
});
