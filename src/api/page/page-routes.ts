// The page over HTTP: its files, for every client on this machine, and its session. What a session then may do is decided
// where every request is admitted; here nothing of a task is known.

import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { SupervisorError } from '../../domain/errors.ts';
import { readJsonBody } from '../request/body.ts';
import {
  type NewSession,
  type PageSession,
  type PageSessions,
  SESSION_MS,
} from '../request/page-sessions.ts';
import { ApiProblem } from '../request/problem.ts';
import { type ApiApp, type ApiParts, parse, plainRoute, refuseOtherMethods } from '../request/route.ts';
import { askedHost, isOnLoopback, pageCookie, pageCookieName, type Transport } from '../request/security.ts';
import { emptyBody, noQuery } from '../shapes/schemas.ts';
import type { PageFiles } from './page-files.ts';

/** What the page needs of the server. */
export interface PageParts {
  readonly sessions: PageSessions;
  /** The files, read when first asked for. */
  files(): PageFiles;
  /** Opens what browsers reach and gives its base URL. Throws `config` where that is not allowed. */
  open(): Promise<string>;
}

const role = z.enum(['operator', 'read-only']);
const codeBody = z.object({ role: role.optional().describe('operator when absent') });
const codeAnswer = z.object({
  url: z.string().describe('opens the page once, within a minute'),
  role,
  expires_at: z.string(),
});
const revokeAnswer = z.object({ revoked: z.number().int().min(0).describe('sessions that were ended') });
/** Chosen by the page, so that no proof serves twice. */
const proofBody = z.object({ nonce: z.string().min(16).max(200) });
/** By a code; by what a page that stayed open has in its memory; or for a document that was loaded again. */
const sessionBody = z.union([
  z.object({ code: z.string().min(1).max(200) }),
  z.object({ resume: z.string().min(1).max(200) }),
  z.object({ again: z.literal(true) }),
]);

/** The operator's side: hand out a code, take all sessions back. A page hands out neither. */
export function pageControlRoutes(page: PageParts | null, isoTime: (at: number) => string) {
  const pageOf = (): PageParts => {
    if (page) return page;
    throw new ApiProblem('config', 'The page is switched off.', { hint: 'set [api] page = true' });
  };
  return [
    plainRoute({
      method: 'POST',
      path: '/api/page/code',
      summary: 'A one-time address that opens the page',
      access: 'operator',
      notFromPage: true,
      query: noQuery,
      body: codeBody,
      answer: codeAnswer,
      async handle({ body }) {
        const parts = pageOf();
        const url = await parts.open();
        const wanted = body.role ?? 'operator';
        const { code, expiresAt } = parts.sessions.issue(wanted);
        return {
          status: 201,
          body: { url: `${url}/#k=${code}`, role: wanted, expires_at: isoTime(expiresAt) },
        };
      },
    }),
    plainRoute({
      method: 'POST',
      path: '/api/page/revoke',
      summary: 'End every session of the page, and every code',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: revokeAnswer,
      handle: async () => ({ body: { revoked: await pageOf().sessions.endAll() } }),
    }),
  ];
}

/** Mounts files and session. */
export function mountPage(app: ApiApp, page: PageParts, parts: ApiParts): void {
  for (const path of ['/', '/page/*'])
    app.get(path, (context) => {
      const { incoming, door } = context.env;
      requireLoopback(incoming, door);
      const file = filesOf(page).byPath.get(context.req.path);
      if (!file) throw new ApiProblem('no-such-route', 'There is nothing at this address.');
      const isGzip = file.gzipped !== null && /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
      const body = isGzip && file.gzipped ? file.gzipped : file.body;
      return context.body(new Uint8Array(body), 200, {
        ...file.headers,
        ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
      });
    });
  app.post('/page/session', async (context) => {
    const { incoming, door } = context.env;
    const port = requireLoopback(incoming, door);
    const asked = parse(sessionBody, await readJsonBody(incoming, parts.maxBodyBytes), 'body');
    const cookie = pageCookie(incoming, port);
    const { key, resume, role, expiresAt, ...made } = await begin(asked, cookie, () => {
      const access = parts.gate.admit(incoming, door);
      return access.kind === 'caller' ? access.page : undefined;
    });
    const attributes = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${SESSION_MS / 1000}`;
    const { life } = page.sessions;
    return context.json({ key, resume, role, life, expires_at: expiresAt }, 201, {
      'set-cookie': `${pageCookieName(port)}=${made.cookie}; ${attributes}`,
    });
  });

  /** `known`: the session whose key the request carries. */
  async function begin(
    asked: z.infer<typeof sessionBody>,
    cookie: string | undefined,
    known: () => PageSession | undefined,
  ): Promise<NewSession> {
    try {
      if ('code' in asked) return await page.sessions.redeem(asked.code, cookie);
      if ('resume' in asked) return page.sessions.resume(asked.resume, cookie);
    } catch (thrown) {
      // Guessing is slowed down as it is for tokens.
      const isGuess =
        thrown instanceof ApiProblem &&
        ['page-code-unknown', 'page-session-unknown'].includes(thrown.problem);
      throw isGuess ? parts.gate.counted(thrown) : thrown;
    }
    const session = known();
    if (!session || cookie === undefined) throw parts.gate.unauthorized();
    return await page.sessions.copy(session, cookie);
  }

  // Asked before a page that was cut off sends its key again: another may have taken the port meanwhile. The proof names
  // the port, so one that asks the true supervisor elsewhere gets nothing of use.
  app.post('/page/proof', async (context) => {
    const { incoming, door } = context.env;
    const port = requireLoopback(incoming, door);
    const { nonce } = parse(proofBody, await readJsonBody(incoming, parts.maxBodyBytes), 'body');
    const text = `${nonce} ${askedHost(incoming)}`;
    const { life } = page.sessions;
    return context.json({
      life,
      print: filesOf(page).print,
      proofs: page.sessions.prove(pageCookie(incoming, port), text),
    });
  });
  app.post('/page/leave', async (context) => {
    const { incoming, door } = context.env;
    requireLoopback(incoming, door);
    const access = parts.gate.admit(incoming, door);
    if (access.kind !== 'caller' || !access.page) throw parts.gate.unauthorized();
    await page.sessions.end(access.page);
    return context.json({ ended: true });
  });
  refuseOtherMethods(app, '/', ['GET'], null);
  refuseOtherMethods(app, '/page/session', ['POST'], null);
  refuseOtherMethods(app, '/page/leave', ['POST'], null);
  refuseOtherMethods(app, '/page/proof', ['POST'], null);
}

function filesOf(page: PageParts): PageFiles {
  try {
    return page.files();
  } catch (thrown) {
    const { message, hint } = thrown as SupervisorError;
    throw new ApiProblem('failed', message, hint === undefined ? {} : { hint });
  }
}

/** The port of a request from this machine's browser. Whatever came by another way gets nothing of the page. */
function requireLoopback(incoming: IncomingMessage, door: Transport): number {
  if (door.kind === 'tcp' && isOnLoopback(incoming, door)) return door.port;
  throw new ApiProblem('no-such-route', 'The page is served on loopback only.', {
    hint: 'open it on this machine with `supervisor open`, or through an SSH tunnel',
  });
}
