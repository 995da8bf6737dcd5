// The executor type `http`: an agent that is a web service.

import { z } from 'zod';
import { parseDuration } from '../../domain/duration.ts';
import type { SecretValue } from '../../domain/profile.ts';
import {
  optional,
  required,
  rhythm,
  secretValue,
  secretValues,
  text,
  withDefault,
} from '../../settings/setting.ts';
import { executorType, profileSchema, type Trouble } from '../executor-type.ts';
import { httpDelivery, httpDeliveryShape } from './delivery-settings.ts';

const schema = profileSchema(
  'http',
  'Sends the task to an agent that is a web service.',
  { is: '24h', why: 'The agent works on its own; after a day a person should have a look.' },
  {
    endpoint: required(text, { text: 'Where the task is sent.', example: 'http://localhost:3531/api/task' }),
    method: withDefault(z.enum(['POST', 'PUT', 'PATCH']), 'POST', 'The HTTP method.'),
    headers: optional(secretValues, {
      text: 'Further headers: texts with placeholders, or { env = "NAME" } for secrets.',
      example: { authorization: { env: 'DEPLOY_AUTHORIZATION' } },
    }),
    body: optional(
      z.union([z.string(), z.record(z.string(), z.unknown())], { error: 'must be a text or a table' }),
      {
        text: 'The body, as a table or a JSON text with placeholders. Default: the payload described in the documentation.',
        example: {
          task_id: '{{task.id}}',
          source: 'workgraph',
          category: '{{task.category}}',
          context: '{{task.description}}',
        },
      },
    ),
    completion: withDefault(
      z.enum(['callback', 'response', 'poll']),
      'callback',
      'How the end becomes known: the agent calls back, its answer is the result, or its status URL is asked.',
    ),
    status_url: optional(text, {
      text: 'What is asked with completion = "poll". Default: what the agent\'s answer names, else ENDPOINT/TASK.',
      example: 'http://localhost:3531/api/task/{{task.id}}',
    }),
    poll_interval: withDefault(rhythm, '5s', 'How often the status URL is asked.'),
    secret: optional(
      z.union([secretValue, z.array(secretValue)], {
        error: 'must be a text, { env = "NAME" } or a list of these',
      }),
      {
        text: 'Signs requests as Standard Webhooks does. A list rotates: newest first. Default: unsigned.',
        example: { env: 'DEPLOY_WEBHOOK_SECRET' },
      },
    ),
    format: withDefault(
      z.enum(['standard', 'cloudevents']),
      'standard',
      'The envelope of the payload that is ours.',
    ),
    ...httpDeliveryShape,
  },
);

export const http = executorType({
  schema,
  examples: [{ name: 'deploy-agent' }],
  templates: ['endpoint', 'headers', 'body', 'status_url'],
  troubles: httpTroubles,
  profile: (written, base) => ({
    ...base,
    type: 'http',
    endpoint: written.endpoint,
    method: written.method,
    headers: written.headers ?? {},
    body: written.body ?? null,
    completion: written.completion,
    statusUrl: written.status_url ?? null,
    pollIntervalMs: parseDuration(written.poll_interval),
    secrets: secretList(written.secret),
    format: written.format,
    ...httpDelivery(written),
  }),
  create: async (means) => (await import('./executor.ts')).createHttpExecutor(means),
});

type Written = z.output<typeof schema>;

function secretList(secret: SecretValue | SecretValue[] | undefined): SecretValue[] {
  if (secret === undefined) return [];
  return Array.isArray(secret) ? secret : [secret];
}

function httpTroubles(written: Written): Trouble[] {
  const troubles: Trouble[] = [];
  for (const [key, url] of urlsOf(written))
    if (!isHttpUrl(url, written.endpoint))
      troubles.push({ path: [key], sentence: `must be an http or https URL, not ${JSON.stringify(url)}` });
  for (const header of Object.keys(written.headers ?? {}))
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header))
      troubles.push({ path: ['headers', header], sentence: 'is no header name' });
  return troubles;
}

function urlsOf({ endpoint, status_url }: Written): [string, string][] {
  return [
    ['endpoint', endpoint],
    ...(status_url === undefined ? [] : [['status_url', status_url] as [string, string]]),
  ];
}

/** A status URL may be relative to the endpoint, or begin with `{endpoint}`. */
function isHttpUrl(template: string, endpoint: string): boolean {
  const filled = (text: string) => text.replaceAll(/\{\{[^{}]*\}\}/g, 'x');
  const base = template === endpoint || !URL.canParse(filled(endpoint)) ? undefined : filled(endpoint);
  const url = filled(template.replaceAll('{endpoint}', endpoint));
  return URL.canParse(url, base) && /^https?:$/.test(new URL(url, base).protocol);
}
