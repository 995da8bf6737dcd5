import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readServicePause } from '../../src/wg/provider-health.ts';

const NOW = Date.parse('2027-01-15T08:00:00Z');

let graph: string;

beforeEach(() => {
  graph = mkdtempSync(join(tmpdir(), 'health-'));
  mkdirSync(join(graph, 'service'));
});

afterEach(() => {
  rmSync(graph, { recursive: true, force: true });
});

function pauseIn(content: string) {
  writeFileSync(join(graph, 'service', 'provider_health.json'), content);
  return readServicePause(graph, NOW);
}

describe('the pause of the wg service', () => {
  test('is told with its reason and its end', () => {
    const until = '2027-01-15T09:00:00Z';
    expect(
      pauseIn(
        JSON.stringify({ providers: {}, service_paused: true, pause_reason: 'quota', auto_resume_at: until }),
      ),
    ).toEqual({ because: expect.stringContaining('quota'), until: Date.parse(until) });
    expect(pauseIn('{"service_paused": true, "auto_resume_at": null}')).toMatchObject({ until: null });
  });

  test.each([
    ['over', '{"service_paused": true, "auto_resume_at": "2027-01-15T08:00:00Z"}'],
    ['not set', '{"service_paused": false, "pause_reason": "old"}'],
    ['not a boolean', '{"service_paused": "yes"}'],
    ['torn', '{"service_pau'],
    ['null', 'null'],
  ])('is none when it is %s', (_what, content) => {
    expect(pauseIn(content)).toBeNull();
  });

  test('is none without the file, and without the folder', () => {
    expect(readServicePause(graph, NOW)).toBeNull();
    expect(readServicePause(join(graph, 'gone'), NOW)).toBeNull();
  });
});
