// Where A2A 1.0 agents push their progress: a StreamResponse, with the attempt's token. Answered with 204 once it is
// recorded, or early enough if a verify command takes long.

import { A2A_PAYLOADS, readStreamResponse } from '../../executors/http/a2a.ts';
import { readJsonBody } from '../request/body.ts';
import { ApiProblem } from '../request/problem.ts';
import {
  type ApiApp,
  type ApiContext,
  type ApiParts,
  doneOnce,
  refuseOtherMethods,
} from '../request/route.ts';
import type { RunAccess } from '../request/security.ts';

/** The path; `:attempt` is the id of a run. */
export const A2A_PATH = '/api/a2a/notify/:attempt';

/** Senders of push notifications time out after 10 to 30 s, and not all of them retry. */
const ANSWER_WITHIN_MS = 5000;

/** Mounts it. */
export function mountA2a(app: ApiApp, parts: ApiParts): void {
  app.post(A2A_PATH, async (context) => {
    const { run } = admit(context, parts);
    const body = await readJsonBody(context.env.incoming, parts.maxBodyBytes);
    const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
    const said = isObject ? readStreamResponse(body as Record<string, unknown>) : null;
    if (said === null)
      throw new ApiProblem(
        'invalid-request',
        `The body must be an A2A StreamResponse with exactly one of ${A2A_PAYLOADS.join(', ')}.`,
        { hint: 'A2A 1.0 is spoken here; an agent of an earlier version needs its compatibility layer' },
      );
    const reply = await doneOnce(context, parts, run, body, async () => {
      const taken = parts.control.pushed(run, said);
      let cancel = () => {};
      const late = new Promise<void>((resolve) => {
        cancel = parts.clock.after(ANSWER_WITHIN_MS, resolve);
      });
      // Later results are in the task; they are not reported here any more.
      taken.catch(() => {});
      await Promise.race([taken, late]).finally(() => cancel());
      return { status: 204, body: null };
    });
    // A refusal repeated for the same Idempotency-Key has a body.
    if (reply.status !== 204) return context.json(reply.body ?? null, reply.status as 409, reply.headers);
    return context.body(null, 204, reply.headers);
  });
  refuseOtherMethods(app, A2A_PATH, ['POST'], parts);
}

/** The attempt's own token is required, in one header or in both: nothing else proves the agent's identity. */
function admit(context: ApiContext, { gate }: ApiParts): RunAccess {
  const { incoming, door } = context.env;
  const bearer = gate.admit(incoming, door);
  const extra = context.req.header('x-a2a-notification-token');
  const own = extra === undefined ? bearer : gate.admitToken(extra);
  if (own.kind === 'unknown' || (own.kind === 'caller' && incoming.headers.authorization === undefined))
    throw gate.unauthorized();
  const others = bearer.kind === 'run' && own.kind === 'run' && bearer.run !== own.run;
  if (own.kind !== 'run' || own.run !== context.req.param('attempt') || others)
    throw new ApiProblem('forbidden', 'The token of this very attempt is needed here.', {
      hint: 'send the token that came with the task, as Bearer or as X-A2A-Notification-Token',
    });
  return own;
}
