import { describe, expect, test } from '@jest/globals';
import { taskDetailView, taskTable } from '../../../src/cli/render/task-view.ts';
import { textWidth } from '../../../src/cli/render/text-width.ts';
import type { TaskDetailReport } from '../../../src/domain/report.ts';
import { fakeContext } from '../fake-surroundings.ts';
import { HOSTILE, NOW, runReport, taskReport } from './reports.ts';

const context = fakeContext({ home: '/home/me', now: NOW });

function detail(more: Partial<TaskDetailReport> = {}): TaskDetailReport {
  return {
    ...taskReport(),
    description: 'First line\n  second\n',
    artifacts: [{ result: 'three' }, 'notes.md'],
    log: [{ timestamp: '2026-06-01T11:00:00Z', actor: 'agent-7', message: 'began' }],
    fields: { exec: 'make', timeout: '30m', tags: ['x'] },
    runs: [runReport()],
    ...more,
  };
}

test('taskTable has a row a task, with its reason', () => {
  const text = taskTable(
    [taskReport(), taskReport({ task: 'b', state: 'finished', status: 'done' })],
    context,
  );
  expect(text).toMatch(
    /\nfix-auth-bug +held +open +deploy-agent +50 +~\/src\/shop +Fix auth bug +no executor/,
  );
  expect(text).toMatch(/\nb +finished +done +deploy-agent +50 +~\/src\/shop +Fix auth bug\n/);
});

describe('taskDetailView', () => {
  test('everything that is there', () => {
    const text = taskDetailView(detail(), context);
    expect(text).toMatch(/^Fix auth bug\n {2}task +fix-auth-bug {2}wt25b6be56~fix-auth-bug\n/);
    expect(text).toContain('held: no executor deploy-agent is configured');
    expect(text).toContain('Description\n  First line\n    second\n');
    expect(text).toContain('"result": "three"');
    expect(text).toContain('  notes.md\n');
    expect(text).toMatch(/exec +make\n/);
    expect(text).toMatch(/1 h ago +agent-7 +began/);
    expect(text).toContain('run_01M816WQHJG2G511TENRMJBHHW');
  });

  test('and nothing of what is not', () => {
    const text = taskDetailView(
      detail({ description: ' ', artifacts: [], log: [], fields: {}, runs: [] }),
      context,
    );
    expect(text).not.toMatch(/Description|Artifacts|Log|Runs/);
  });

  test('hostile text is harmless in every place', () => {
    const report = detail({
      ...{
        title: HOSTILE,
        task: HOSTILE,
        because: HOSTILE,
        executor: HOSTILE,
        tags: [HOSTILE],
        after: [HOSTILE],
      },
      ...{ description: HOSTILE, artifacts: [HOSTILE, { [HOSTILE]: HOSTILE }], fields: { exec: HOSTILE } },
      log: [{ timestamp: HOSTILE, actor: HOSTILE, message: HOSTILE }],
    });
    expect(taskDetailView(report, context)).not.toMatch(/[^\P{Control}\n]/u);
    expect(taskTable([report], context).split('\n')).toHaveLength(3);
  });

  test('the table fits 40 columns', () => {
    const narrow = fakeContext({ now: NOW, isTTY: true, columns: 40, flags: { color: false } });
    for (const line of taskTable([taskReport({ title: HOSTILE })], narrow).split('\n'))
      expect(textWidth(line)).toBeLessThanOrEqual(40);
  });
});
