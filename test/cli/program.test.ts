import { describe, expect, test } from '@jest/globals';
import { createProgram, usageSentence } from '../../src/cli/program.ts';
import { command, fakeSurroundings } from './fake-surroundings.ts';

/** Every command, as the words that call it. */
const CALLS: string[][] = createProgram(fakeSurroundings(), () => {})
  .commands.filter((each) => !each.name().startsWith('__'))
  .flatMap((each) => [[each.name()], ...each.commands.map((inner) => [each.name(), inner.name()])]);

describe('help', () => {
  test('every command of the contract is there', () => {
    const names = CALLS.map((call) => call.join(' '));
    const contract = [
      ...[
        'run',
        'status',
        'why',
        'list',
        'show',
        'add',
        'edit',
        'done',
        'fail',
        'claim',
        'release',
        'heartbeat',
        'runs',
      ],
      ...[
        'logs',
        'cancel',
        'retry',
        'worktrees',
        'executors',
        'executors test',
        'schedule',
        'pause',
        'resume',
        'drain',
      ],
      ...[
        'reload',
        'config check',
        'config example',
        'config schema',
        'config path',
        'trust',
        'doctor',
        'demo',
        'drill',
      ],
    ];
    expect(names).toEqual(expect.arrayContaining(contract));
  });

  test.each(CALLS.map((call) => ({ name: call.join(' '), call })))('$name --help', async ({ call }) => {
    const { status, out, err } = await command({}, ...call, '--help');
    expect(status).toBe(0);
    expect(err).toBe('');
    expect(out).toMatch(new RegExp(`^Usage: supervisor ${call.join(' ').replace('list', 'list(\\|ls)?')}`));
    expect(out).toContain('--json');
  });

  test('the overview has a line a command, in groups', async () => {
    const { status, out } = await command({}, '--help');
    expect(status).toBe(0);
    for (const [name, inner] of CALLS)
      if (inner === undefined) expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    for (const group of ['Supervisor:', 'Tasks:', 'Completion:', 'Runs:', 'Set-up:'])
      expect(out).toContain(`\n${group}\n`);
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(110);
  });
});

describe('wrong usage is exit 2, one sentence, with the next step', () => {
  test.each([
    [['statsu'], "unknown command 'statsu'; did you mean status?"],
    [['nonsense-word'], "unknown command 'nonsense-word'; `supervisor --help`"],
    [['add', 'x', '--exce', 'y'], "unknown option '--exce'; did you mean --exec?"],
    [['show'], "missing required argument 'task'"],
    [['fail', 'x'], "required option '--reason <text>' not specified"],
    [['add', 'Fix', 'it'], "too many arguments for 'add'"],
    [['runs', '--limit', '0'], 'Write a whole number from 1'],
    [['run', '--wait', '5'], 'Write a duration such as'],
    [['config', 'chekc'], "unknown command 'chekc'; did you mean check?"],
  ])('%j', async (argv, words) => {
    const { status, out, err } = await command({}, ...argv);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(words);
    expect(err).toMatch(/^supervisor: .*\n$/);
  });

  test('no command at all shows the help on stderr', async () => {
    const { status, out, err } = await command({});
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toContain('Usage: supervisor');
  });
});

test('--version is that of package.json', async () => {
  const { status, out } = await command({}, '--version');
  expect(status).toBe(0);
  expect(out).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
});

test('hostile arguments cannot play with the terminal', () => {
  expect(usageSentence("error: unknown command '\u001b[2Jx'\n")).toBe(
    "supervisor: unknown command 'x'; `supervisor --help` lists what there is\n",
  );
});
