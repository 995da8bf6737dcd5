// Asks a person through the supervisor, as any agent may, and waits for the answer. The supervisor may be restarted
// meanwhile: then it is asked again.

import { request } from 'node:http';
import type { Clock } from '../../../platform/clock.ts';
import { newAskingId } from '../../../platform/identity.ts';

const POLL_MS = 1_000;

type Said = { readonly directive?: unknown; readonly answer?: unknown };
type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The answer; null when the work is to stop. Waits as long as it takes. Several may ask at once: each sends its asking
 * until it has been answered, and the supervisor puts one after the other to the person.
 */
export async function askPerson(
  question: string,
  options: readonly string[],
  variables: Variables,
  clock: Clock,
): Promise<string | null> {
  // One name for this asking, however often it is sent: the same words asked later are another question.
  const id = newAskingId();
  for (;;) {
    const said = await call({ question, options, id, waits: true }, variables);
    if (said?.directive === 'cancel') return null;
    if (typeof said?.answer === 'string') return said.answer;
    await clock.sleep(POLL_MS);
  }
}

/** What the supervisor says; null while it cannot be reached. */
function call(
  body: object,
  { SUPERVISOR_API = '', SUPERVISOR_TOKEN = '', WG_TASK_ID = '' }: Variables,
): Promise<Said | null> {
  const path = `/api/task/${encodeURIComponent(WG_TASK_ID)}/input`;
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${SUPERVISOR_TOKEN}`,
    host: 'localhost',
  };
  return new Promise((resolve) => {
    const sent = SUPERVISOR_API.startsWith('/')
      ? request({ socketPath: SUPERVISOR_API, path, method: 'POST', headers })
      : request(new URL(path, SUPERVISOR_API), { method: 'POST', headers: { ...headers, host: undefined } });
    sent.once('error', () => resolve(null));
    sent.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.once('close', () => {
        try {
          resolve(response.statusCode === 200 ? (JSON.parse(text) as object) : null);
        } catch {
          // Torn off in the middle: it is asked again.
          resolve(null);
        }
      });
    });
    sent.end(JSON.stringify(body));
  });
}
