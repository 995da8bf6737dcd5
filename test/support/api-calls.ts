// Talking to a supervised API over its TCP door, as an agent or orchestrator would.

import { readFile } from 'node:fs/promises';
import type { Supervised } from './supervised.ts';

export interface Called {
  readonly status: number;
  readonly headers: Headers;
  // Whatever the route answers; tests say what they expect of it.
  readonly json: Record<string, never> & { readonly [key: string]: unknown };
}

export interface Caller {
  readonly url: string;
  readonly token: string;
  /** `token`: null for none, absent for the operator's. A `body` that is a text is sent as it is. */
  call(
    method: string,
    path: string,
    options?: {
      readonly body?: unknown;
      readonly token?: string | null;
      readonly headers?: Readonly<Record<string, string>>;
      readonly signal?: AbortSignal;
    },
  ): Promise<Called>;
  post(path: string, body?: unknown, token?: string | null): Promise<Called>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Called>;
}

/** Someone who read api.json. The configuration must say `[api] listen = "127.0.0.1:0"`. */
export async function callerOf(supervised: Pick<Supervised, 'paths'>): Promise<Caller> {
  const { url, token } = JSON.parse(await readFile(supervised.paths.apiFile, 'utf8')) as {
    url: string;
    token: string;
  };
  const call: Caller['call'] = async (method, path, options = {}) => {
    const { body, headers = {}, signal } = options;
    const bearer = options.token === undefined ? token : options.token;
    const response = await fetch(path.startsWith('http') ? path : url + path, {
      method,
      ...(signal ? { signal } : {}),
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      json: (text === '' ? {} : JSON.parse(text)) as Called['json'],
    };
  };
  return {
    url,
    token,
    call,
    post: (path, body = {}, bearer) =>
      call('POST', path, { body, ...(bearer === undefined ? {} : { token: bearer }) }),
    get: (path, headers = {}) => call('GET', path, { headers }),
  };
}
