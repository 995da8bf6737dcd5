import { describe, expect, test } from '@jest/globals';
import { explainFailure } from '../../src/cli/exit-status.ts';
import { ERROR_CODES, type ErrorCode, SupervisorError } from '../../src/domain/errors.ts';

describe('explainFailure', () => {
  test.each(Object.entries(ERROR_CODES))('%s has its exit status', (code, { exit }) => {
    expect(explainFailure(new SupervisorError(code as ErrorCode, 'x'), false).status).toBe(exit);
  });

  test('one sentence with the next step in it', () => {
    const error = new SupervisorError('not-found', 'there is no task x.', { hint: 'did you mean y?' });
    expect(explainFailure(error, false).text).toBe('supervisor: there is no task x; did you mean y?\n');
  });

  test('text of others cannot play with the terminal', () => {
    const error = new SupervisorError('graph', 'bad line: \u001b[2J\nsupervisor: all is well');
    expect(explainFailure(error, false).text).toBe('supervisor: bad line: supervisor: all is well\n');
  });

  test('a bug says so and keeps its stack for SUPERVISOR_DEBUG', () => {
    const bug = new TypeError('x is undefined', { cause: new Error('below') });
    const short = explainFailure(bug, false);
    expect(short.status).toBe(70);
    expect(short.text).toMatch(/^supervisor: this is a bug: x is undefined; .*SUPERVISOR_DEBUG=1.*\n$/);
    const long = explainFailure(bug, true);
    expect(long.text).toContain('exit-status.test');
    expect(long.text).toContain('caused by: Error: below');
  });

  test('a full disk is no bug', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(explainFailure(full, false)).toEqual({
      text: 'supervisor: ENOSPC: no space left on device, write\n',
      status: 1,
    });
  });

  test('what is no error at all still ends in words', () => {
    expect(explainFailure(undefined, true).status).toBe(70);
    expect(explainFailure('odd', false).text).toContain('odd');
  });
});
