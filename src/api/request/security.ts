// Access control: the checks of every request in their fixed order: Host, Origin, Sec-Fetch-Site, token. Decides from
// headers alone; which task a token is valid for is in task-access.ts.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RunOfToken, SupervisorControl } from '../../control/control.ts';
import type { Clock } from '../../platform/clock.ts';
import type { NamedTokens, TokenScope } from '../../runs/named-tokens.ts';
import { LIFE_CHARS, type PageSession, type PageSessions } from './page-sessions.ts';
import { ApiProblem } from './problem.ts';

/** The run of a token. */
export interface RunAccess extends RunOfToken {
  readonly kind: 'run';
}

/** What a request may do, apart from single runs. `name`: of its token, null for the one in api.json. */
export interface CallerAccess {
  readonly kind: 'caller';
  readonly name: string | null;
  readonly scope: TokenScope;
  /** Set where a browser asks, by the page. */
  readonly page?: PageSession;
}

/** What a request may do: by its scope, as one run, or nothing before a token is found in its body. */
export type Access = CallerAccess | RunAccess | { readonly kind: 'unknown' };

const OPERATOR: CallerAccess = { kind: 'caller', name: null, scope: 'operator' };

/** What each scope includes besides itself. */
const INCLUDED: Readonly<Record<TokenScope, readonly TokenScope[]>> = {
  operator: ['worker', 'read-only', 'remote'],
  worker: ['read-only', 'remote'],
  'read-only': [],
  // Not even reading: its machine may run untrusted code.
  remote: [],
};

/** Throws `forbidden` unless the access includes `needed`. */
export function requireScope(access: CallerAccess, needed: TokenScope): void {
  const { name, scope } = access;
  if (scope === needed || INCLUDED[scope].includes(needed)) return;
  if (access.page)
    throw new ApiProblem('forbidden', 'This page was opened for looking only.', {
      hint: 'open another with `supervisor open`',
    });
  throw new ApiProblem('forbidden', `The token ${name} has the scope ${scope}; this needs ${needed}.`, {
    hint: `create one with \`supervisor token create NAME --scope ${needed}\``,
  });
}

/** The transport of a request. A web page can reach TCP, but only processes of this user can reach the socket. */
export type Transport =
  | { readonly kind: 'socket' }
  | {
      readonly kind: 'tcp';
      /** Accepted Host headers, lower case, with port if one is expected. */
      readonly hosts: ReadonlySet<string>;
      /** Host names accepted with any port. */
      readonly hostNames: ReadonlySet<string>;
      readonly origins: ReadonlySet<string>;
      readonly port: number;
      /** Host headers under which the page may be reached; empty: it is switched off. */
      readonly pageHosts: ReadonlySet<string>;
    };

/** The page's own host name: cookies set for it are not sent to other services on 127.0.0.1. */
export const PAGE_HOST = 'workgraph.localhost';

/** In front of it stands a label for each start of the supervisor, which names the same door. */
const LABEL = new RegExp(`^[0-9a-f]{${LIFE_CHARS}}\\.(?=${PAGE_HOST.replace('.', '\\.')}:)`);

/** Throws ApiProblem unless the request's origin is allowed. On the socket every origin is. */
export function checkOrigin(request: IncomingMessage, door: Transport): void {
  if (door.kind === 'socket') return;
  const { host, origin } = request.headers;
  if (host === undefined || headerCount(request, 'host') !== 1)
    throw new ApiProblem('malformed-request', 'Exactly one Host header is needed.');
  const given = host.trim().toLowerCase();
  const name = door.pageHosts.size > 0 ? given.replace(LABEL, '') : given;
  if (!door.hosts.has(name) && !door.hostNames.has(name.replace(/:\d{1,5}$/, '')))
    throw new ApiProblem('host-not-allowed', 'This Host header is not allowed.', {
      hint: 'use the address in api.json, or add the name to [api] allowed_hosts',
    });
  const isOwnPage = origin === `http://${given}` && door.pageHosts.has(name);
  if (origin !== undefined && !isOwnPage && !door.origins.has(origin))
    throw new ApiProblem('origin-not-allowed', 'Requests from web pages are refused.', {
      hint: 'add the page to [api] allowed_origins if it is yours',
    });
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !opensPage(request))
    throw new ApiProblem('cross-site', 'Requests from other web sites are refused.');
}

/** A link elsewhere that opens the page: what is sent is the same for all, and what is to be done is asked for later. */
function opensPage({ method, url, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    url === '/' &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document'
  );
}

/** The Host header as it came, lower case. The one in `headers` is no longer it after the checks. */
export function askedHost({ rawHeaders }: IncomingMessage): string {
  const at = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === 'host');
  return (rawHeaders[at + 1] ?? '').trim().toLowerCase();
}

/** Whether a browser of this machine asks, under a name of this machine, and nothing stands in between. */
export function isOnLoopback(request: IncomingMessage, door: Transport): boolean {
  if (door.kind !== 'tcp' || !door.pageHosts.has(askedHost(request).replace(LABEL, ''))) return false;
  const { headers, socket } = request;
  const isForwarded = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'via'].some(
    (name) => name in headers,
  );
  return !isForwarded && [socket.localAddress, socket.remoteAddress].every(isLoopbackAddress);
}

function isLoopbackAddress(address: string | undefined): boolean {
  return /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/.test(address ?? '');
}

/** A cookie is sent to every port of a host, so its name says whose it is. */
export function pageCookieName(port: number): string {
  return `workgraph-${port}`;
}

/** The page's cookie in a request. */
export function pageCookie(request: IncomingMessage, port: number): string | undefined {
  const name = `${pageCookieName(port)}=`;
  const found = (request.headers.cookie ?? '').split('; ').find((pair) => pair.startsWith(name));
  return found?.slice(name.length);
}

function headerCount(request: IncomingMessage, name: string): number {
  let count = 0;
  for (let i = 0; i < request.rawHeaders.length; i += 2)
    if (request.rawHeaders[i]?.toLowerCase() === name) count++;
  return count;
}

/** Distinguishes operator, run and anonymous callers. */
export interface Gatekeeper {
  /** The access of the Authorization header; `unknown` if there is none on TCP. Throws for a wrong token. */
  admit(request: IncomingMessage, door: Transport): Access;
  /** The access of a lease token, wherever it was found. Throws for a wrong one. */
  admitToken(token: string): RunAccess;
  /** The access of a pre-signed URL's token. Throws for a wrong one. */
  admitCallback(token: string): RunAccess;
  /** The refusal of a request without any token. */
  unauthorized(): ApiProblem;
  /** Notes a wrong guess; gives its refusal, or the one that says to wait. */
  counted(refused: ApiProblem): ApiProblem;
}

/**
 * Failed attempts per minute before the response becomes 429. Valid tokens still pass: 256 bits cannot be guessed.
 */
const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;

export function createGatekeeper(options: {
  readonly operatorToken: string;
  readonly control: Pick<SupervisorControl, 'runOfToken'>;
  /** Absent: only the operator's token and those of runs exist. */
  readonly named?: Pick<NamedTokens, 'admit'> | undefined;
  /** Absent: there is no page. */
  readonly pageSessions?: Pick<PageSessions, 'admit'> | undefined;
  readonly clock: Clock;
}): Gatekeeper {
  const operator = digest(options.operatorToken);
  const failures: number[] = [];

  function counted(refused: ApiProblem): ApiProblem {
    const now = options.clock.now();
    const recent = failures.filter((at) => at <= now && now - at < WINDOW_MS);
    const oldest = recent[0] ?? now;
    if (recent.length >= MAX_FAILURES) {
      failures.splice(0, failures.length, ...recent);
      const wait = Math.max(1, Math.ceil((oldest + WINDOW_MS - now) / 1000));
      return new ApiProblem('too-many-failures', 'Too many requests with a wrong token.', {
        hint: `try again in ${wait} s with the token of api.json or of the run`,
        headers: { 'retry-after': String(wait) },
      });
    }
    failures.splice(0, failures.length, ...recent, now);
    return refused;
  }

  const refusal = (detail: string, header: string) =>
    counted(
      new ApiProblem('unauthorized', detail, {
        hint:
          "send 'authorization: Bearer TOKEN' with a token made by `supervisor token create NAME`, " +
          'that of api.json (new with every start), or that of the run',
        headers: { 'www-authenticate': header },
      }),
    );

  const wrong = () =>
    refusal('The token is not known here.', 'Bearer realm="workgraph-supervisor", error="invalid_token"');

  function admit(prefix: 'wgl_' | 'wgc_', token: string): RunAccess {
    const found = token.startsWith(prefix) ? options.control.runOfToken(token) : null;
    if (found === null) throw wrong();
    return { kind: 'run', ...found };
  }
  // A pre-signed URL ends up in places where headers do not: it can finish the run and nothing else.
  const admitToken = (token: string) => admit('wgl_', token);

  /** Both halves of the page's session, where a browser of this machine sends them. */
  function admitPage(request: IncomingMessage, door: Transport): CallerAccess | null {
    const key = request.headers['x-page-key'];
    if (!options.pageSessions || typeof key !== 'string' || !isOnLoopback(request, door)) return null;
    if (door.kind !== 'tcp') return null;
    try {
      const page = options.pageSessions.admit(pageCookie(request, door.port), key);
      return { kind: 'caller', name: 'page', scope: page.role, page };
    } catch (thrown) {
      throw thrown instanceof ApiProblem ? counted(thrown) : thrown;
    }
  }

  return {
    counted,
    admitToken,
    admitCallback: (token) => admit('wgc_', token),
    unauthorized: () => refusal('A token is needed.', 'Bearer realm="workgraph-supervisor"'),
    admit(request, door) {
      const header = request.headers.authorization;
      if (header === undefined)
        return door.kind === 'socket' ? OPERATOR : (admitPage(request, door) ?? { kind: 'unknown' });
      const token = /^bearer +(\S+) *$/i.exec(header)?.[1];
      if (token === undefined) throw wrong();
      // Digests have equal length, so the comparison reveals nothing about a guess.
      if (timingSafeEqual(digest(token), operator)) return OPERATOR;
      // Hashes are looked up, so there is no timing to measure.
      const named = token.startsWith('wgt_') ? options.named?.admit(token) : null;
      if (named) return { kind: 'caller', name: named.name, scope: named.scope };
      return admitToken(token);
    },
  };
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** The transport of a TCP listener at `host:port`. `publicUrl` and the configured names are accepted, too. */
export function tcpDoor(
  host: string,
  port: number,
  settings: {
    readonly publicUrl: string | null;
    readonly allowedHosts: readonly string[];
    readonly allowedOrigins: readonly string[];
    readonly page?: boolean;
  },
): Transport {
  const hosts = new Set<string>();
  const hostNames = new Set<string>();
  const written = host.includes(':') ? `[${host}]` : host;
  // Wildcard addresses are not valid names: browsers can be lured to them.
  const own = host === '0.0.0.0' || host === '::' ? [] : [written.toLowerCase()];
  for (const name of ['127.0.0.1', 'localhost', '[::1]', ...own]) {
    hosts.add(`${name}:${port}`);
    if (port === 80) hosts.add(name);
  }
  if (settings.publicUrl !== null) {
    const url = new URL(settings.publicUrl);
    hosts.add(url.host.toLowerCase());
    if (url.port === '') hosts.add(`${url.hostname.toLowerCase()}:${url.protocol === 'https:' ? 443 : 80}`);
  }
  for (const allowed of settings.allowedHosts) {
    const name = allowed.toLowerCase();
    (/:\d+$/.test(name) ? hosts : hostNames).add(name);
  }
  const local = [PAGE_HOST, '127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`);
  const pageHosts = new Set(settings.page ? local : []);
  for (const name of pageHosts) hosts.add(name);
  return { kind: 'tcp', hosts, hostNames, origins: new Set(settings.allowedOrigins), port, pageHosts };
}
