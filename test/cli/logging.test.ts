import { describe, expect, test } from '@jest/globals';
import { jsonLog, prettyLog } from '../../src/cli/logging.ts';
import { colors } from '../../src/cli/render/color.ts';

const TOKEN = `wgl_${'a'.repeat(43)}`;

function kept(): { write: (text: string) => void; lines: string[] } {
  const lines: string[] = [];
  return { lines, write: (text) => void lines.push(text) };
}

describe('jsonLog', () => {
  test('one object a line: time, level, event, fields', () => {
    const { lines, write } = kept();
    jsonLog({ level: 'info', journal: false, write }).info('run.settled', { task: 'a', attempt: 2 });
    expect(lines).toHaveLength(1);
    const parsed = JSON.parse(lines[0] ?? '');
    expect(parsed).toMatchObject({ level: 'info', event: 'run.settled', task: 'a', attempt: 2 });
    expect(Number.isNaN(Date.parse(parsed.time))).toBe(false);
    expect(Object.keys(parsed)).not.toContain('hostname');
  });

  test('below its level nothing is written', () => {
    const { lines, write } = kept();
    const log = jsonLog({ level: 'warn', journal: false, write });
    log.info('a');
    log.debug('b');
    log.warn('c');
    expect(lines).toHaveLength(1);
  });

  test.each([
    ['debug', '<7>'],
    ['info', '<6>'],
    ['warn', '<4>'],
    ['error', '<3>'],
  ] as const)('for the journal %s begins with %s', (level, priority) => {
    const { lines, write } = kept();
    jsonLog({ level: 'debug', journal: true, write })[level]('x', { level: 'forged' });
    expect(lines[0]?.startsWith(`${priority}{`)).toBe(true);
  });

  test('tokens never get out, wherever they are', () => {
    const { lines, write } = kept();
    const log = jsonLog({ level: 'info', journal: false, write });
    log.info('x', {
      token: 'secret-value',
      url: `http://h/?t=${TOKEN}`,
      deep: { token: 'secret-value', list: [TOKEN] },
    });
    expect(lines.join()).not.toContain(TOKEN);
    expect(lines.join()).not.toContain('secret-value');
    expect(lines.join()).toContain('wgl_[redacted]');
  });
});

describe('prettyLog', () => {
  const pretty = (level: 'debug' | 'info' | 'error', write: (text: string) => void) =>
    prettyLog({ level, journal: false, write, paint: colors(false), now: () => 0 });

  test('only what the live lines do not say: warnings and errors, more when asked for', () => {
    const { lines, write } = kept();
    const log = pretty('info', write);
    log.info('a');
    log.warn('b', { because: 'c' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/warn +b because=c\n$/);
    pretty('debug', write).debug('d');
    pretty('error', write).warn('e');
    expect(lines).toHaveLength(2);
  });

  test('harmless and without tokens', () => {
    const { lines, write } = kept();
    pretty('info', write).error('x', { because: `\u001b[2J\n${TOKEN}` });
    expect(lines[0]).toMatch(/because= wgl_\[redacted\]\n$/);
  });
});
