import { expect, test } from '@jest/globals';
import { pastInstant } from '../../src/domain/past-instant.ts';

const now = new Date(2027, 2, 10, 12, 30, 0).getTime();
const local = (...parts: [number, number, number, number, number, number?]) => new Date(...parts).getTime();

test.each<[string, number | null]>([
  ['now', now],
  ['2h', now - 7_200_000],
  ['90m ago', now - 5_400_000],
  ['03:00', local(2027, 2, 10, 3, 0)],
  ['3:00', local(2027, 2, 10, 3, 0)],
  // Not come yet today.
  ['23:15', local(2027, 2, 9, 23, 15)],
  ['today 03:00', local(2027, 2, 10, 3, 0)],
  ['yesterday 03:00:30', local(2027, 2, 9, 3, 0, 30)],
  ['Yesterday 23:15', local(2027, 2, 9, 23, 15)],
  ['today', local(2027, 2, 10, 0, 0)],
  ['Yesterday', local(2027, 2, 9, 0, 0)],
  ['2027-03-01', local(2027, 2, 1, 0, 0)],
  ['2027-03-01 14:05', local(2027, 2, 1, 14, 5)],
  ['2027-03-01T14:05:09', local(2027, 2, 1, 14, 5, 9)],
  ['2027-03-01T14:05:09Z', Date.UTC(2027, 2, 1, 14, 5, 9)],
  ['2027-03-01T14:05:09+02:00', Date.UTC(2027, 2, 1, 12, 5, 9)],
  ['24:00', null],
  ['12:60', null],
  ['2027-02-30', null],
  ['2027-13-01', null],
  ['tomorrow 03:00', null],
  ['soon', null],
  ['', null],
  ['2027-03-01T99:00:00Z', null],
])('%j', (text, expected) => expect(pastInstant(text, now)).toBe(expected));
