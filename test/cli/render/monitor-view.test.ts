import { describe, expect, test } from '@jest/globals';
import { BEGIN, type MonitorState, press, withReport } from '../../../src/cli/monitor/state.ts';
import { AROUND_ROWS, monitorLines } from '../../../src/cli/render/monitor-view.ts';
import { textWidth } from '../../../src/cli/render/text-width.ts';
import type { HeldReport, InboxItem, StatusReport } from '../../../src/domain/report.ts';
import { fakeContext } from '../fake-surroundings.ts';
import { HOSTILE, NOW, runReport, statusReport } from './reports.ts';

const context = fakeContext({
  home: '/home/me',
  now: NOW,
  columns: 80,
  isTTY: true,
  variables: { NO_COLOR: '1' },
});
const SHOP = '/home/me/src/shop';
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();

const item = (more: Partial<InboxItem> = {}): InboxItem => ({
  ...{ kind: 'failed', code: 'failed', task: 'render', id: 'wt1~render', title: 'Render', worktree: SHOP },
  ...{ because: 'failed 3 of 3: exit 2', since: ago(40), blocks: 0, tasks: ['render'] },
  command: 'supervisor retry render',
  action: 'retry',
  ...more,
});
const held = (task: string, more: Partial<HeldReport> = {}): HeldReport => ({
  ...{
    task,
    worktree: SHOP,
    state: 'waiting',
    code: 'dependency',
    because: 'waits for render',
    next_at: null,
  },
  ...more,
});
const report = (more: Partial<StatusReport> = {}): StatusReport => ({
  ...statusReport(),
  inbox: [
    item({
      kind: 'question',
      task: 'cart',
      tasks: ['cart'],
      because: 'Stripe or Adyen?',
      options: ['Stripe', 'Adyen'],
      command: 'supervisor answer cart TEXT',
      action: 'answer',
    }),
    item(),
  ],
  runs: [runReport({ task: 'fraud', worktree: `${SHOP}-x`, progress: 'half of it' })],
  held: [held('render'), held('after-it')],
  ...more,
});

/** The state after these keys: letters as they are, others by name. */
function pressed(
  keys: readonly string[],
  from: MonitorState = withReport({ ...BEGIN, height: 10 }, report()),
) {
  let state = from;
  let wish: ReturnType<typeof press>['wish'] = null;
  for (const key of keys)
    ({ state, wish } = press(state, {
      name: key,
      text: key.length === 1 ? key : '',
      ctrl: false,
    }));
  return { state, wish };
}
const shown = (state: MonitorState) => monitorLines(state, context);

describe('the list', () => {
  test('what waits for a person, what runs, what does not: each once, ids whole, in the window', () => {
    const lines = shown(pressed([]).state);
    expect(lines).toHaveLength(10 + AROUND_ROWS);
    expect(lines.at(-2)).toBe('$ supervisor answer cart TEXT');
    expect(lines.slice(2, 10)).toEqual([
      'Needs you 2',
      '> ? cart  shop    40 min  Stripe or Adyen?',
      '  ✗ render  shop    40 min  failed 3 of 3: exit 2',
      'Running 1',
      expect.stringMatching(/^ {2}▸ fraud {2}shop-x {2}.* {2}half of it$/),
      'Not running 1',
      '  · after-it  shop    waiting: waits for render',
      '',
    ]);
    expect(lines.at(-1)).toMatch(/^j k move · Enter why/);
  });

  test('what others have claimed runs too: by whom, where, since when', () => {
    const claimed = [
      { task: 'theirs', worktree: SHOP, agent: HOSTILE, since: ago(7) },
      { task: 'unsaid', worktree: SHOP, agent: null, since: null },
      { task: 'cart', worktree: SHOP, agent: 'agent-1', since: ago(1) },
    ];
    const lines = shown(withReport({ ...BEGIN, height: 10 }, report({ claimed })));
    expect(lines.find((line) => line.includes('theirs'))).toMatch(
      /^ {2}▹ theirs {2}shop {4}7 min {2}claimed by Fix/,
    );
    expect(lines.find((line) => line.includes('unsaid'))).toMatch(/claimed by an unnamed agent/);
    expect(lines).toContain('Running 3');
    // A supervisor of an earlier version does not tell of them.
    expect(withReport(BEGIN, report()).rows.some(({ kind }) => kind === 'claimed')).toBe(false);
  });

  test('nothing is wider than the window, nothing hostile reaches it, a long id is whole', () => {
    const long = 'a-task-with-a-very-long-name-that-takes-most-of-the-window';
    const state = withReport(
      { ...BEGIN, height: 10 },
      report({
        inbox: [item({ because: HOSTILE.repeat(9) })],
        held: [held(long, { because: HOSTILE })],
        runs: [],
      }),
    );
    const lines = shown(state);
    for (const line of lines) {
      expect(textWidth(line)).toBeLessThanOrEqual(80);
      expect(line).not.toMatch(/\p{Control}/u);
    }
    expect(lines.join('\n')).toContain(long);
  });

  test('moves within it, keeps its choice when rows come and go, and scrolls to it', () => {
    expect(pressed(['j', 'down']).state.at).toBe(2);
    expect(pressed(['k', 'k']).state.at).toBe(0);
    expect(pressed(['G']).state.at).toBe(3);
    const { state } = pressed(['j']);
    const newer = withReport(state, report({ inbox: [item()] }));
    expect(shown(newer).find((line) => line.startsWith('>'))).toContain('render');
    const gone = withReport(state, report({ inbox: [], runs: [], held: [held('other')] }));
    expect(gone.at).toBe(0);
    const many = report({ held: Array.from({ length: 50 }, (_, n) => held(`t${n}`)) });
    const end = pressed(['G'], withReport({ ...BEGIN, height: 10 }, many)).state;
    expect(shown(end).at(-3)).toMatch(/^> · t49 /);
  });

  test('/ filters while it is typed, Enter keeps it, Esc shows all again', () => {
    const typing = pressed(['/', 'h', 'a', 'l', 'f']).state;
    expect(shown(typing).filter((line) => /^[> ] [▸·✗?]/.test(line))).toEqual([
      expect.stringMatching(/^> ▸ fraud/),
    ]);
    expect(shown(typing).at(-2)).toBe('/half_');
    const kept = pressed(['return'], typing).state;
    expect(shown(kept).at(-2)).toBe('filter: half; Esc shows all');
    expect(pressed(['escape'], kept).state.filter).toBe('');
    // What is typed are letters, not keys.
    expect(pressed(['/', 'q']).wish).toBeNull();
  });
});

describe('what a key wishes for', () => {
  test('r tries once more, q leaves, and so does Ctrl-C at any time', () => {
    expect(pressed(['j', 'r']).wish).toMatchObject({
      kind: 'retry',
      row: { task: 'render', worktree: SHOP },
    });
    expect(pressed(['q']).wish).toEqual({ kind: 'quit' });
    const { state } = pressed(['/', 'x']);
    expect(press(state, { name: 'c', text: '', ctrl: true }).wish).toEqual({ kind: 'quit' });
  });

  test('finished work is not repeated by one press: d and x keep it, as the inbox says, each after a warning', () => {
    const rewound = { kind: 'rewound', command: 'supervisor done render', action: 'done' } as const;
    const state = withReport({ ...BEGIN, height: 10 }, report({ inbox: [item(rewound)] }));
    expect(shown(state).at(-2)).toBe('$ supervisor done render');
    for (const [key, kind, says] of [
      ['r', 'retry', /finished and would be repeated \(d keeps it\): r again/],
      ['d', 'done', /marks it as done.*: d again/],
      ['x', 'done', /marks it as done.*: x again/],
    ] as const) {
      const once = pressed([key], state);
      expect(once.wish).toBeNull();
      expect(shown(once.state).at(-2)).toMatch(says);
      expect(pressed([key], once.state).wish).toMatchObject({ kind, row: { task: 'render' } });
      // Also while its reasons are read; any other key in between takes it back.
      expect(pressed(['w', key, key], state).wish).toMatchObject({ kind });
      expect(pressed(['k', key], once.state).wish).toBeNull();
      expect(pressed(['/', 'escape', key], once.state).wish).toBeNull();
    }
    expect(pressed(['r', 'd'], state).wish).toBeNull();
    // Another task has come to its place.
    const other = withReport(
      pressed(['r'], state).state,
      report({ inbox: [item({ ...rewound, task: 'b' })] }),
    );
    expect(pressed(['r'], other).wish).toBeNull();
  });

  test('x does what the inbox names, and only what it names', () => {
    expect(pressed(['x']).state.typing).toMatchObject({ for: 'answer', text: '', row: { kind: 'question' } });
    expect(pressed(['j', 'x']).wish).toMatchObject({ kind: 'retry', row: { task: 'render' } });
    expect(pressed(['j', 'd'])).toMatchObject({
      wish: null,
      state: { note: expect.stringMatching(/nothing says/) },
    });
    const of = (more: Partial<InboxItem>) =>
      withReport({ ...BEGIN, height: 10 }, report({ inbox: [item(more)] }));
    const stale = of({ kind: 'stale', command: 'supervisor release render', action: 'release' });
    expect(pressed(['x'], stale).wish).toBeNull();
    expect(pressed(['x', 'x'], stale).wish).toMatchObject({ kind: 'release' });
    const held = of({ kind: 'untrusted', command: 'supervisor trust /shop', action: null });
    expect(pressed(['x'], held)).toMatchObject({ wish: null, state: { note: '$ supervisor trust /shop' } });
    expect(pressed(['G', 'x']).state.note).toBe('no one waits there');
  });

  test('a answers what is asked, by a text or the number of an offered answer', () => {
    const typing = pressed(['a', '2']).state;
    expect(shown(typing).at(-2)).toBe('answer [1 Stripe | 2 Adyen]: 2_');
    expect(pressed(['return'], typing).wish).toMatchObject({
      kind: 'answer',
      row: { task: 'cart' },
      text: 'Adyen',
    });
    expect(pressed(['a', 'n', 'o', 'return']).wish).toMatchObject({ text: 'no' });
    // Whatever comes while one types: the answer stays one to the question that was read.
    const asksElse = report({
      inbox: [item({ kind: 'question', task: 'drop', because: 'Drop it?', action: 'answer' })],
    });
    const meanwhile = withReport(typing, asksElse);
    expect(shown(meanwhile).at(-2)).toBe('answer [1 Stripe | 2 Adyen]: 2_');
    expect(pressed(['return'], meanwhile).wish).toMatchObject({
      row: { task: 'cart', because: 'Stripe or Adyen?' },
      text: 'Adyen',
    });
    expect(pressed(['a', 'x', 'backspace', 'return']).wish).toBeNull();
    expect(shown(pressed(['j', 'a']).state).at(-2)).toBe('no one asks there');
  });

  test('Enter shows why, l the log, which follows until one goes up; Esc leads back', () => {
    const why = pressed(['j', 'return']);
    expect(why.wish).toEqual({ kind: 'look' });
    const lines = Array.from({ length: 30 }, (_, n) => `line ${n}`);
    const detail = (state: MonitorState) =>
      state.detail ? { ...state, detail: { ...state.detail, lines } } : state;
    expect(shown(detail(why.state)).slice(2, 4)).toEqual(['Why render, 21 more', 'line 0']);
    const log = detail(pressed(['j', 'l']).state);
    expect(shown(log)[11]).toBe('line 29');
    const up = pressed(['k'], log).state;
    expect(shown(up)[11]).toBe('line 28');
    expect(pressed(['G'], up).state.detail?.top).toBeNull();
    // Every line can be reached, and nothing before or behind them.
    expect(shown(pressed(['g', 'k'], log).state)[3]).toBe('line 0');
    expect(pressed(['r'], log).wish).toMatchObject({ kind: 'retry', row: { task: 'render' } });
    expect(pressed(['escape'], up).state.detail).toBeNull();
  });

  test('? shows every key, and any key leads back', () => {
    const help = pressed(['?']).state;
    expect(shown(help).join('\n')).toMatch(/try it once more/);
    expect(shown(help).at(-1)).toBe('any key closes this');
    for (const line of shown(help)) expect(textWidth(line)).toBeLessThanOrEqual(80);
    // The last key of the line is how one leaves: it must not be cut.
    expect(shown(pressed([]).state).at(-1)).toMatch(/q quit$/);
    expect(pressed(['x'], help).state.isHelp).toBe(false);
  });
});
