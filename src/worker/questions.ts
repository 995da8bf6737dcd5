// Questions of agents to a person, which a worker passes on: asked and answered by the same verbs as at home, over a socket
// of the worker's own.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AskedQuestion } from '../executors/queue/messages.ts';
import type { AgentCallback } from './order.ts';

interface Asked extends AskedQuestion {
  readonly answer: string | null;
}

const MAX_BODY_BYTES = 64 * 1024;
const ROUTE = /^\/api\/task\/[^/]+\/(input|heartbeat)$/;

export class Questions {
  readonly #socket: string;
  readonly #asked = new Map<string, Asked>();
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

  /** How the agent of a run asks. The token is another one after a restart: an agent that was adopted can ask no more. */
  callback(run: string): AgentCallback {
    const token = `wgl_${randomBytes(32).toString('base64url')}`;
    this.#tokens.set(token, run);
    return { url: null, socket: this.#socket, token };
  }

  /** What the agent of a run asks and has no answer to; null: nothing. */
  of(run: string): AskedQuestion | null {
    const asked = this.#asked.get(run);
    if (!asked || asked.answer !== null) return null;
    const { name, question, options } = asked;
    return { name, question, options };
  }

  /** A person answered. */
  answer(run: string, name: string, text: string): void {
    const asked = this.#asked.get(run);
    if (asked?.name === name) this.#asked.set(run, { ...asked, answer: text });
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
      if (verb === 'input') {
        const asked = questionIn(body);
        if (asked === null) return say(422, { code: 'invalid', detail: 'there is no question' });
        if (this.#asked.get(run)?.name !== asked.name) this.#asked.set(run, { ...asked, answer: null });
      }
      const answer = this.#asked.get(run)?.answer ?? null;
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

function questionIn(body: unknown): AskedQuestion | null {
  if (typeof body !== 'object' || body === null) return null;
  const { question, options = [] } = body as { question?: unknown; options?: unknown };
  if (typeof question !== 'string' || question === '' || question.length > 10_000) return null;
  if (options !== null && !Array.isArray(options)) return null;
  const texts = (options ?? []).map((option) => String(option).slice(0, 1000)).slice(0, 50);
  return { name: `${question} ${texts.join(' ')}`.slice(0, 200), question, options: texts };
}
