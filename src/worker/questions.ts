// Questions of agents to a person, which a worker passes on: asked and answered by the same verbs as at home, over a socket
// of the worker's own.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AskedQuestion } from '../executors/queue/messages.ts';
import { newAskingId } from '../platform/identity.ts';
import { redact } from '../platform/log.ts';
import { AskedOfRun, type Asking } from './asked-of-run.ts';
import type { AgentCallback } from './order.ts';

const MAX_BODY_BYTES = 64 * 1024;
/** As the supervisor takes them. */
const MAX_QUESTION = 10_000;
const MAX_ID = 200;
const ROUTE = /^\/api\/task\/[^/]+\/(input|heartbeat)$/;

export class Questions {
  readonly #socket: string;
  readonly #asked = new Map<string, AskedOfRun>();
  /** Runs by the token of their agent. */
  readonly #tokens = new Map<string, string>();
  readonly #server: Server;

  private constructor(socket: string) {
    this.#socket = socket;
    this.#server = createServer((request, response) => void this.#answerTo(request, response));
  }

  /** Listens on a socket below a folder that is this user's alone. */
  static async listen(socket: string): Promise<Questions> {
    const questions = new Questions(socket);
    await rm(socket, { force: true });
    await new Promise<void>((resolve, reject) => {
      questions.#server.once('error', reject).listen(socket, resolve);
    });
    return questions;
  }

  /** How the agent of a run asks. The same after a restart, as long as the same secret holds its job. */
  callback(run: string, secret: string): AgentCallback {
    const token = `wgl_${createHmac('sha256', secret).update(`questions of ${run}`).digest('base64url')}`;
    this.#tokens.set(token, run);
    return { url: null, socket: this.#socket, token };
  }

  /** What the agent of a run asks and has no answer to; null: nothing. */
  of(run: string): AskedQuestion | null {
    return this.#asked.get(run)?.open() ?? null;
  }

  /** What was asked before this worker was started again: its agent may still be waiting. */
  restore(run: string, asked: AskedQuestion): void {
    this.#of(run).ask({ ...asked, id: asked.name });
  }

  /** A person answered. */
  answer(run: string, name: string, text: string): void {
    this.#asked.get(run)?.answer(name, text);
  }

  forget(run: string): void {
    this.#asked.delete(run);
    for (const [token, other] of this.#tokens) if (other === run) this.#tokens.delete(token);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  async #answerTo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const say = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    try {
      const verb = ROUTE.exec(request.url ?? '')?.[1];
      const run = this.#runOf(request.headers.authorization ?? '');
      if (request.method !== 'POST' || verb === undefined) return say(503, { code: 'not-running' });
      if (run === null) return say(401, { code: 'unauthorized' });
      const body = await bodyOf(request);
      const asking = verb === 'input' ? askingIn(body) : null;
      if (verb === 'input' && asking === null)
        return say(422, { code: 'invalid', detail: 'there is no question' });
      if (asking !== null) this.#of(run).ask(asking);
      const answer = this.#of(run).answerTo(asking?.id ?? idIn(body));
      // This worker was started again and does not know it yet: it is to be asked once more, under the same id.
      if (answer === 'unknown') return say(409, { code: 'nothing-asked' });
      say(200, {
        directive: 'continue',
        lease: { expires_at: null },
        deadline: null,
        ...(answer === null ? {} : { answer }),
      });
    } catch {
      // Torn off, or no JSON.
      say(400, { code: 'invalid' });
    }
  }

  #of(run: string): AskedOfRun {
    const asked = this.#asked.get(run) ?? new AskedOfRun();
    this.#asked.set(run, asked);
    return asked;
  }

  #runOf(authorization: string): string | null {
    const given = Buffer.from(authorization.replace(/^Bearer /, ''));
    for (const [token, run] of this.#tokens) {
      const known = Buffer.from(token);
      if (known.length === given.length && timingSafeEqual(known, given)) return run;
    }
    return null;
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > MAX_BODY_BYTES) throw new Error('too long');
  }
  return text === '' ? {} : JSON.parse(text);
}

function askingIn(body: unknown): Asking | null {
  if (typeof body !== 'object' || body === null) return null;
  const { question, options = [] } = body as { question?: unknown; options?: unknown };
  if (typeof question !== 'string' || question === '' || question.length > MAX_QUESTION) return null;
  if (options !== null && !Array.isArray(options)) return null;
  const texts = (options ?? []).map((option) => redact(String(option)).slice(0, 1000)).slice(0, 50);
  // Without a name it is one of its own, unless the same is open.
  return {
    id: idIn(body) ?? newAskingId(),
    question: redact(question).slice(0, MAX_QUESTION),
    options: texts,
  };
}

/** The asker's own name for its question; null: it gives none. */
function idIn(body: unknown): string | null {
  const id = typeof body === 'object' && body !== null && 'id' in body ? body.id : null;
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID ? id : null;
}
