import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { configExample, configJsonSchema } from '../../src/config/example.ts';
import { parseMachineConfig } from '../../src/config/load.ts';
import { machineSchema, SECTION_ORDER } from '../../src/config/schema.ts';
import { EXECUTOR_TYPES } from '../../src/executors/executor-types.ts';

const FILE = new URL('../../supervisor.toml.example', import.meta.url);
const HOME = { home: '/home/ada' };

/** The example with every setting switched on. */
function uncommentExample(text: string): string {
  return text.replaceAll(/^#(?=[\w[])/gm, '');
}

describe('supervisor.toml.example', () => {
  test('is what the schema says (write it again with `supervisor config example > supervisor.toml.example`)', () => {
    expect(readFileSync(FILE, 'utf8')).toBe(configExample());
  });

  test('as it stands it changes nothing', () => {
    const { config, problems } = parseMachineConfig('/x/s.toml', configExample(), HOME);
    const defaults = parseMachineConfig(null, '', HOME).config;
    expect(problems).toEqual([]);
    expect({ ...config, file: null }).toEqual(defaults);
  });

  test('with every setting switched on it loads', () => {
    const { config, problems } = parseMachineConfig('/x/s.toml', uncommentExample(configExample()), HOME);
    expect(problems).toEqual([]);
    expect(config.repos).toHaveLength(1);
    expect(config.roots).toHaveLength(1);
    expect([...config.profiles.values()].map((profile) => profile.type)).toEqual(
      expect.arrayContaining(['claude', 'command', 'http', 'schedule', 'external']),
    );
  });

  test('every section and every key of every type is in it', () => {
    const text = configExample();
    const keys = EXECUTOR_TYPES.flatMap(({ schema }) => Object.keys(schema.shape));
    for (const key of keys) expect(text).toMatch(new RegExp(`^#${key} = `, 'm'));
    expect(Object.keys(machineSchema.shape).sort()).toEqual([...SECTION_ORDER, 'executors'].sort());
  });

  test('a default that is shown is the default', () => {
    for (const [key, value] of [
      ['max_concurrent', '8'],
      ['safety_pass', '"30s"'],
      ['permission_mode', '"bypassPermissions"'],
      ['stale_after', '"24h"'],
    ])
      expect(configExample()).toContain(`#${key} = ${value}\n`);
  });
});

describe('the JSON Schema', () => {
  const schema = configJsonSchema();

  test('knows sections, defaults, words and profiles', () => {
    expect(schema).toMatchObject({
      title: 'supervisor.toml',
      type: 'object',
      additionalProperties: false,
      properties: {
        supervisor: {
          properties: { max_concurrent: { default: 8, minimum: 1 } },
          additionalProperties: false,
        },
        repos: { items: { required: ['path'] } },
        executors: { additionalProperties: { oneOf: expect.anything() } },
      },
    });
    expect(schema).not.toHaveProperty('required');
  });

  test('is plain JSON', () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });
});
