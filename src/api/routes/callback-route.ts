// The pre-signed callback: for tools that can neither set headers nor shape a body. The URL is the permission to
// finish one run, the whole body is its result, whatever its type.

import type { CompletionRequest } from '../../control/control.ts';
import { looseValue, readAnyBody } from '../request/body.ts';
import {
  type ApiApp,
  type ApiParts,
  doneOnce,
  parse,
  type Reply,
  refuseOtherMethods,
} from '../request/route.ts';
import { callbackQuery } from '../shapes/schemas.ts';
import { report } from './task-routes.ts';

/** The path; `:token` begins with `wgc_`. */
export const CALLBACK_PATH = '/api/callback/:token';

/** Mounts it. */
export function mountCallback(app: ApiApp, parts: ApiParts): void {
  app.post(CALLBACK_PATH, async (context) => {
    const { incoming } = context.env;
    const { run, task, graph } = parts.gate.admitCallback(context.req.param('token'));
    const bytes = await readAnyBody(incoming, parts.maxBodyBytes);
    const { outcome, agent } = parse(callbackQuery, context.req.query(), 'query');
    const value = looseValue(bytes, incoming.headers['content-type'] ?? '');
    const request: CompletionRequest = {
      task,
      worktree: graph,
      caller: { kind: 'run', run },
      ...(agent === undefined ? {} : { agent }),
      ...(outcome === 'fail' ? failure(value) : success(value)),
    };
    const act = (): Promise<Reply> => report(request, parts.control);
    const { status, headers, body } = await doneOnce(context, parts, run, bytes.toString('base64'), act);
    return context.json(body ?? null, (status ?? 200) as 200, headers);
  });
  // Other pre-signed URLs use PUT: trying that here must not look like guessing tokens.
  refuseOtherMethods(app, CALLBACK_PATH, ['POST'], null);
}

function success(value: unknown): Pick<CompletionRequest, 'result' | 'summary' | 'artifacts'> {
  if (typeof value === 'string' && value.length <= MAX_SUMMARY)
    return { result: 'succeeded', summary: value };
  return {
    result: 'succeeded',
    ...(value === undefined || value === null ? {} : { artifacts: { result: value } }),
  };
}

function failure(value: unknown): Pick<CompletionRequest, 'result' | 'reason' | 'retryable'> {
  const said = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const { error } = said;
  const nested = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  const words = [value, nested, said.message, said.reason].find(
    (one) => typeof one === 'string' && one !== '',
  );
  const reason =
    typeof words === 'string' ? words.slice(0, MAX_SUMMARY) : 'reported as failed by its callback URL';
  return { result: 'failed', reason, retryable: said.retryable !== false };
}

const MAX_SUMMARY = 2000;
