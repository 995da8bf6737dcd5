import { describe, expect, test } from '@jest/globals';
import { remainder, statusView, worktreeTable } from '../../../src/cli/render/status-view.ts';
import { textWidth } from '../../../src/cli/render/text-width.ts';
import type { HeldReport } from '../../../src/domain/report.ts';
import { fakeContext } from '../fake-surroundings.ts';
import { HOSTILE, NOW, runReport, statusReport, worktreeReport } from './reports.ts';

const NOW_TEXT = new Date(NOW).toISOString();
const context = fakeContext({ home: '/home/me', now: NOW });
const held = (more: Partial<HeldReport> = {}): HeldReport => ({
  task: 'deploy',
  worktree: '/home/me/src/shop',
  state: 'held',
  code: 'no-profile',
  because: 'no executor deploy-agent is configured',
  next_at: null,
  ...more,
});

describe('statusView', () => {
  test('a running supervisor in one line, then worktrees and runs', () => {
    const [head, , ...rest] = statusView(statusReport(), context).split('\n');
    expect(head).toBe('supervisor running · pid 1 · up 2 h · 3 of 8 running · 1 queued');
    const text = rest.join('\n');
    expect(text).toMatch(/~\/src\/shop +shop +main +watched +1 +2 +1 +3 +4 +17 +1\n/);
    expect(text).toMatch(/Running\n.*\nfix-auth-bug .*claude.*agent-7 .*3 min ago/);
    expect(text).not.toContain('PAUSED');
  });

  test('what the machine lacks is in the first line, each once', () => {
    const report = statusReport();
    const short = (kind: 'memory' | 'load' | 'disk', because: string) => ({ kind, because, since: NOW_TEXT });
    const machine = {
      at: NOW_TEXT,
      ...{ memory: null, load: null },
      short: [short('memory', 'm'), short('disk', 'a'), short('disk', 'b'), short('load', 'l')],
    };
    const [head] = statusView({ ...report, limits: { ...report.limits, machine } }, context).split('\n');
    expect(head).toMatch(/ · 1 queued · short of memory · short of disk · overloaded$/);
  });

  test('says clearly that none is running', () => {
    const stopped = {
      ...statusReport().supervisor,
      running: false,
      pid: null,
      started_at: null,
      state: 'stopped',
    };
    expect(statusView(statusReport({ supervisor: stopped }), context)).toMatch(
      /^no supervisor is running: start one with `supervisor run`\n/,
    );
  });

  test('observing is said', () => {
    const supervisor = { ...statusReport().supervisor, mode: 'observe' };
    expect(statusView(statusReport({ supervisor }), context)).toContain('observe mode: nothing is started');
  });

  test('no worktrees: what to do', () => {
    expect(statusView(statusReport({ worktrees: [] }), context)).toContain('[[repos]]');
  });

  test('a reason that many tasks share is said once', () => {
    const full = (task: string) => held({ task, state: 'queued', because: 'the machine runs 4 of 4' });
    const text = statusView(statusReport({ held: ['a', 'b', 'c', 'd'].map(full) }), context);
    expect(text).toMatch(/^4 tasks .*queued .*the machine runs 4 of 4/m);
    expect(statusView(statusReport({ held: ['a', 'b'].map(full) }), context)).toMatch(/^a, b /m);
  });

  test('reasons: what needs a person comes first, a long list is cut and counted', () => {
    const many = Array.from({ length: 30 }, (_, n) =>
      held({ task: `wait-${n}`, state: 'waiting', because: `waits for task ${n}` }),
    );
    const text = statusView(statusReport({ held: [...many, held()] }), context);
    expect(text.indexOf('deploy ')).toBeLessThan(text.indexOf('wait-0'));
    expect(text).toContain('… and 11 more: `supervisor list` shows every one');
    expect(text).not.toContain('wait-25');
  });

  test('problems of the machine and of worktrees', () => {
    const text = statusView(
      statusReport({
        problems: [{ code: 'watch', message: 'out of inotify watches' }],
        worktrees: [worktreeReport({ problems: [{ code: 'invalid-line', message: 'line 3 is not JSON' }] })],
      }),
      context,
    );
    expect(text).toContain('Problems\n! out of inotify watches\n! ~/src/shop: line 3 is not JSON\n');
  });

  test('a terminal of 40 columns, hostile text everywhere: fits, harmless', () => {
    const narrow = fakeContext({
      home: '/home/me',
      now: NOW,
      isTTY: true,
      columns: 40,
      flags: { color: false },
    });
    const text = statusView(
      statusReport({
        worktrees: [worktreeReport({ path: `/home/me/${HOSTILE}`, branch: HOSTILE, repo: HOSTILE })],
        runs: [runReport({ task: HOSTILE, executor: HOSTILE, progress: HOSTILE })],
        held: [held({ task: HOSTILE, because: HOSTILE })],
        schedules: [{ task: HOSTILE, worktree: '/x', schedule: HOSTILE, next_at: '2026-06-01T14:00:00Z' }],
        problems: [{ code: 'x', message: `${HOSTILE} and a long story about what to do next` }],
      }),
      narrow,
    );
    expect(text).not.toMatch(/[^\P{Control}\n]/u);
    const [, ...lines] = text.split('\n');
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(40);
  });
});

test('worktrees come with their reason', () => {
  const text = worktreeTable(
    [worktreeReport({ state: 'missing', because: 'its folder is not there' })],
    context,
    {
      because: true,
    },
  );
  expect(text).toContain('its folder is not there');
});

describe('remainder', () => {
  test('what is under way and what waits', () => {
    const text = remainder(
      statusReport({
        runs: [runReport({ phase: 'handed-off', executor: 'n8n', task: 'sign-off' })],
        held: [held()],
      }),
      context,
    );
    expect(text).toMatch(/^Still under way\n[\s\S]*sign-off[\s\S]*\nNot running\n[\s\S]*deploy/);
  });

  test('nothing', () => {
    expect(remainder(statusReport({ runs: [] }), context)).toBe('nothing is left to do\n');
  });
});
