// Several agents of one run may ask a person at once. No one may get the answer to another's question: it may be about
// what it must not do.

import { beforeEach, expect, test } from '@jest/globals';
import { Leases } from '../../src/run/leases.ts';
import { LiveRun } from '../../src/run/live-run.ts';
import { answerQuestion, askQuestion, questionOf } from '../../src/run/questions.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { NOW, run as runOf } from '../support/tasks.ts';

let clock: FakeClock;
let live: LiveRun;
let told: number;
let parts: Parameters<typeof answerQuestion>[2];
beforeEach(() => {
  clock = createFakeClock(NOW);
  live = new LiveRun(runOf('w', 't', { phase: 'started' }), null, NOW);
  told = 0;
  parts = {
    leases: new Leases({ clock, ledger: { setLease: () => {} } } as never),
    events: { emit: () => told++ } as never,
  };
});

const ask = (name: string, question: string, waits = true) =>
  askQuestion(live, { question, options: ['yes', 'no'], name, waits }, {}, { ...parts, now: clock.now() })
    .answer;
const answer = (text: string) => answerQuestion(live, { answer: text }, parts).question;
const open = () => {
  const asked = live.lease && questionOf(live.lease);
  return asked?.answer === null ? asked.question : null;
};

test('one after the other is put to the person, and each gets the answer to its own', () => {
  expect([ask('a', 'read?'), ask('b', 'delete?'), open()]).toEqual([undefined, undefined, 'read?']);
  expect(answer('yes')).toBe('read?');
  // The other one comes first, before the answer was fetched.
  expect([ask('b', 'delete?'), open()]).toEqual([undefined, 'delete?']);
  expect(ask('a', 'read?')).toBe('yes');
  expect(answer('no')).toBe('delete?');
  expect([ask('a', 'read?'), ask('b', 'delete?')]).toEqual(['yes', 'no']);
  expect(open()).toBe(null);
  // Two questions and two answers.
  expect(told).toBe(4);
});

test('the same words of another asker are answered with the open question, and asked again after it', () => {
  ask('a', 'read?');
  ask('b', 'read?');
  answer('yes');
  expect([ask('a', 'read?'), ask('b', 'read?'), ask('c', 'read?')]).toEqual(['yes', 'yes', undefined]);
  expect(open()).toBe('read?');
});

test('an asker that is gone does not keep the others waiting', () => {
  ask('gone', 'read?');
  clock.advance(14_000);
  ask('b', 'delete?');
  expect(open()).toBe('read?');
  clock.advance(2_000);
  ask('b', 'delete?');
  expect(open()).toBe('delete?');
  // Asked again all the same, it waits for its turn like any other.
  ask('gone', 'read?');
  expect(open()).toBe('delete?');
});

test('one that is not sent again is put at once, also while another waits', () => {
  ask('a', 'read?');
  ask('push', 'where?', false);
  expect(open()).toBe('where?');
  // It would be lost if the other one took its place.
  clock.advance(60_000);
  expect([ask('a', 'read?'), open()]).toEqual([undefined, 'where?']);
  answer('here');
  expect([ask('a', 'read?'), open()]).toEqual([undefined, 'read?']);
});

test('twenty answers are kept for those that have not fetched theirs; what an older version stored is read', () => {
  for (let n = 0; n < 22; n++) {
    ask(`${n}`, `${n}?`);
    answer(`${n}`);
  }
  expect([ask('1', '1?'), open()]).toEqual(['1', null]);
  expect(ask('0', '0?')).toBeUndefined();
  expect(open()).toBe('0?');
  live.lease = {
    ...live.lease,
    question: '{"question":"old?","options":[],"name":"a"}',
    answer: 'x',
  } as never;
  expect(ask('a', 'old?')).toBe('x');
});
