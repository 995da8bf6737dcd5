// Who may come in. The checks of every request in their fixed order: Host, Origin, Sec-Fetch-Site, token. Decides
// from headers alone; which task a token is good for is task-access.ts.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RunOfToken, SupervisorControl } from '../control/control.ts';
import type { Clock } from '../platform/clock.ts';
import type { NamedTokens, TokenScope } from '../runs/named-tokens.ts';
import { ApiProblem } from './problem.ts';

/** The run that a token belongs to. */
export interface RunAccess extends RunOfToken {
  readonly kind: 'run';
}

/** What a request may do, as far as no single run is concerned. `name`: of its token, null for that of api.json. */
export interface CallerAccess {
  readonly kind: 'caller';
  readonly name: string | null;
  readonly scope: TokenScope;
}

/** What a request may do: what its scope allows, what one run may, or nothing before a token is found in its body. */
export type Access = CallerAccess | RunAccess | { readonly kind: 'unknown' };

const OPERATOR: CallerAccess = { kind: 'caller', name: null, scope: 'operator' };

/** What each scope includes besides itself. */
const INCLUDED: Readonly<Record<TokenScope, readonly TokenScope[]>> = {
  operator: ['worker', 'read-only', 'remote'],
  worker: ['read-only', 'remote'],
  'read-only': [],
  // Not even reading: the machine it is on may run what strangers wrote.
  remote: [],
};

/** Throws `forbidden` unless the access reaches as far as `needed`. */
export function requireScope(access: CallerAccess, needed: TokenScope): void {
  const { name, scope } = access;
  if (scope === needed || INCLUDED[scope].includes(needed)) return;
  throw new ApiProblem('forbidden', `The token ${name} has the scope ${scope}; this needs ${needed}.`, {
    hint: `create one with \`supervisor token create NAME --scope ${needed}\``,
  });
}

/** Where a request came in. A web page can reach TCP, and nothing but processes of this user the socket. */
export type Transport =
  | { readonly kind: 'socket' }
  | {
      readonly kind: 'tcp';
      /** Host headers that are ours, lower case, with port where one is expected. */
      readonly hosts: ReadonlySet<string>;
      /** Host names that are ours with any port. */
      readonly hostNames: ReadonlySet<string>;
      readonly origins: ReadonlySet<string>;
    };

/** Throws ApiProblem unless the request's origin is one we serve. On the socket every origin is. */
export function checkOrigin(request: IncomingMessage, door: Transport): void {
  if (door.kind === 'socket') return;
  const { host, origin } = request.headers;
  if (host === undefined || headerCount(request, 'host') !== 1)
    throw new ApiProblem('malformed-request', 'Exactly one Host header is needed.');
  const name = host.trim().toLowerCase();
  if (!door.hosts.has(name) && !door.hostNames.has(name.replace(/:\d{1,5}$/, '')))
    throw new ApiProblem('host-not-allowed', 'This Host header is not one of ours.', {
      hint: 'use the address in api.json, or add the name to [api] allowed_hosts',
    });
  if (origin !== undefined && !door.origins.has(origin))
    throw new ApiProblem('origin-not-allowed', 'Requests from web pages are refused.', {
      hint: 'add the page to [api] allowed_origins if it is yours',
    });
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new ApiProblem('cross-site', 'Requests from other web sites are refused.');
}

function headerCount(request: IncomingMessage, name: string): number {
  let count = 0;
  for (let i = 0; i < request.rawHeaders.length; i += 2)
    if (request.rawHeaders[i]?.toLowerCase() === name) count++;
  return count;
}

/** Tells operator, run and nobody apart. */
export interface Gatekeeper {
  /** The access that the Authorization header gives; `unknown` when there is none on TCP. Throws for a wrong token. */
  admit(request: IncomingMessage, door: Transport): Access;
  /** The access that a lease token gives, wherever it was found. Throws for a wrong one. */
  admitToken(token: string): RunAccess;
  /** The access that the token of a pre-signed URL gives. Throws for a wrong one. */
  admitCallback(token: string): RunAccess;
  /** The refusal of a request without any token. */
  unauthorized(): ApiProblem;
}

/** Failed attempts a minute before the answer becomes 429. Right tokens still pass: 256 bits are not guessed. */
const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;

export function createGatekeeper(options: {
  readonly operatorToken: string;
  readonly control: Pick<SupervisorControl, 'runOfToken'>;
  /** Absent: there is no token but the operator's and those of runs. */
  readonly named?: Pick<NamedTokens, 'admit'> | undefined;
  readonly clock: Clock;
}): Gatekeeper {
  const operator = digest(options.operatorToken);
  const failures: number[] = [];

  function refusal(detail: string, header: string): ApiProblem {
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
    return new ApiProblem('unauthorized', detail, {
      hint:
        "send 'authorization: Bearer TOKEN' with a token made by `supervisor token create NAME`, " +
        'that of api.json (new with every start), or that of the run',
      headers: { 'www-authenticate': header },
    });
  }

  const wrong = () =>
    refusal('The token is not known here.', 'Bearer realm="workgraph-supervisor", error="invalid_token"');

  function admit(prefix: 'wgl_' | 'wgc_', token: string): RunAccess {
    const found = token.startsWith(prefix) ? options.control.runOfToken(token) : null;
    if (found === null) throw wrong();
    return { kind: 'run', ...found };
  }
  // A pre-signed URL ends up in places where headers do not: it is good for ending the run and for nothing else.
  const admitToken = (token: string) => admit('wgl_', token);

  return {
    admitToken,
    admitCallback: (token) => admit('wgc_', token),
    unauthorized: () => refusal('A token is needed.', 'Bearer realm="workgraph-supervisor"'),
    admit(request, door) {
      const header = request.headers.authorization;
      if (header === undefined) return door.kind === 'socket' ? OPERATOR : { kind: 'unknown' };
      const token = /^bearer +(\S+) *$/i.exec(header)?.[1];
      if (token === undefined) throw wrong();
      // Digests have one length, so the comparison says nothing about how far a guess was right.
      if (timingSafeEqual(digest(token), operator)) return OPERATOR;
      // Hashes are looked up, so there is no guess whose nearness could be measured.
      const named = token.startsWith('wgt_') ? options.named?.admit(token) : null;
      if (named) return { kind: 'caller', name: named.name, scope: named.scope };
      return admitToken(token);
    },
  };
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** The door of a TCP listener at `host:port`. `publicUrl` and the configured names are ours too. */
export function tcpDoor(
  host: string,
  port: number,
  settings: {
    readonly publicUrl: string | null;
    readonly allowedHosts: readonly string[];
    readonly allowedOrigins: readonly string[];
  },
): Transport {
  const hosts = new Set<string>();
  const hostNames = new Set<string>();
  const written = host.includes(':') ? `[${host}]` : host;
  // The wildcard addresses are no names of ours: browsers can be lured to them.
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
  return { kind: 'tcp', hosts, hostNames, origins: new Set(settings.allowedOrigins) };
}
