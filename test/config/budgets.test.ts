import { expect, test } from '@jest/globals';
import { parseMachineConfig } from '../../src/config/load.ts';
import { SupervisorError } from '../../src/domain/errors.ts';

const parse = (text: string) => parseMachineConfig('/etc/s.toml', text, { home: '/home/me' }).config.budgets;

function refusal(text: string): string {
  try {
    parse(text);
  } catch (thrown) {
    if (thrown instanceof SupervisorError) return thrown.message;
  }
  return 'taken';
}

test('a name is made from what a budget says; paths are made absolute', () => {
  expect(
    parse('[[budgets]]\nusd = 20\n[[budgets]]\ntokens = 5_000_000\nper = "task"\nrepo = "~/shop"'),
  ).toEqual([
    {
      name: '20.00 USD per day',
      unit: 'usd',
      cap: 20,
      per: 'day',
      repo: null,
      profile: null,
      account: null,
      model: null,
      warnAt: 0.8,
      onSpent: 'finish',
    },
    expect.objectContaining({
      name: '5 000 000 tokens per task for ~/shop',
      unit: 'tokens',
      cap: 5_000_000,
      repo: '/home/me/shop',
    }),
  ]);
  expect(parse('')).toBeUndefined();
  expect(parse('[[budgets]]\nname = "all"\nusd = 1\nruns = 2')?.map(({ name, cap }) => [name, cap])).toEqual([
    ['all (usd)', 1],
    ['all (runs)', 2],
  ]);
});

test.each([
  ['[[budgets]]', 'must have usd, tokens or runs'],
  ['[[budgets]]\nusd = 1\n[[budgets]]\nusd = 1', 'there is another budget 1.00 USD per day'],
  ['[[budgets]]\nusd = -1', 'budgets'],
  ['[[budgets]]\nusd = nan', 'budgets'],
  ['[[budgets]]\nusd = 1\nper = "month"', 'budgets'],
])('%j is refused', (text, because) => {
  expect(refusal(text)).toContain(because);
  expect(refusal(text)).toMatch(/^\/etc\/s\.toml:\d/);
});
