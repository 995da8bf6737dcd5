import { describe, expect, test } from '@jest/globals';
import { streamLine } from '../../../src/cli/render/claude-line.ts';

const line = (value: unknown) => streamLine(JSON.stringify(value));
const said = (...content: unknown[]) => line({ type: 'assistant', message: { content } });

describe('streamLine', () => {
  test('what Claude says, calls and hears', () => {
    expect(said({ type: 'text', text: 'I will write\nthe file.' })).toBe('I will write\nthe file.');
    expect(said({ type: 'tool_use', name: 'Bash', input: { command: 'echo hi\nls' } })).toBe(
      '→ Bash echo hi ls',
    );
    expect(said({ type: 'tool_use', name: 'Odd', input: { n: 1 } })).toBe('→ Odd {"n":1}');
    expect(line({ type: 'user', message: { content: [{ type: 'tool_result', content: 'hello' }] } })).toBe(
      '← hello',
    );
    expect(
      line({
        type: 'user',
        message: {
          content: [{ type: 'tool_result', is_error: true, content: [{ type: 'text', text: 'no' }] }],
        },
      }),
    ).toBe('✗ no');
  });

  test('a success needs is_error false, whatever subtype says', () => {
    expect(line({ type: 'result', subtype: 'success', is_error: true, result: 'limit reached' })).toBe(
      'failed: limit reached',
    );
    expect(
      line({
        type: 'result',
        subtype: 'success',
        is_error: false,
        result: 'x',
        num_turns: 2,
        total_cost_usd: 0.5,
      }),
    ).toBe('done, 2 turns, $0.5000');
    expect(line({ type: 'result', is_error: true, errors: ['gone'] })).toBe('failed: gone');
  });

  test('quota and the provider only where something is wrong', () => {
    expect(line({ type: 'rate_limit_event', rate_limit_info: { status: 'allowed' } })).toBeNull();
    expect(line({ type: 'rate_limit_event', rate_limit_info: { status: 'rejected' } })).toBe(
      '! quota: rejected',
    );
    expect(
      line({ type: 'system', subtype: 'api_retry', error_status: 529, error: 'overloaded', attempt: 3 }),
    ).toBe('! the provider answered 529 overloaded, retry 3');
  });

  test.each([
    ['', null],
    ['   ', null],
    ['{"type":"assistant","mess', '{"type":"assistant","mess'],
    ['hook says hi', 'hook says hi'],
    ['[1]', '[1]'],
    ['{"type":"news"}', null],
    ['{"type":"assistant"}', null],
    ['{"type":"assistant","message":{"content":[null,7]}}', null],
  ])('odd line %j', (text, shown) => {
    expect(streamLine(text)).toBe(shown);
  });

  test('harmless and short', () => {
    expect(said({ type: 'text', text: 'a\u001b[2Jb' })).toBe('ab');
    const long = said({ type: 'tool_use', name: 'Bash', input: { command: 'x'.repeat(100_000) } });
    expect(long?.length).toBeLessThan(250);
  });
});
