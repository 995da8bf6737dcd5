// A route: method, path, schemas, permissions, and a handler that does not deal with HTTP. Mounting one wraps it in
// the checks, always in the same order: token, body, task, schema.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, Hono } from 'hono';
import type { z } from 'zod';
import type { Caller, SupervisorControl, TaskQuery } from '../../control/control.ts';
import type { SupervisorViews } from '../../control/views/views.ts';
import type { ActionTaken } from '../../domain/action.ts';
import type { Clock } from '../../platform/clock.ts';
import type { TokenScope } from '../../runs/named-tokens.ts';
import { taskId, type taskQuery } from '../shapes/schemas.ts';
import { readJsonBody } from './body.ts';
import type { Once } from './idempotency.ts';
import { hungUp } from './prefer.ts';
import { ApiProblem } from './problem.ts';
import { type Access, type CallerAccess, type Gatekeeper, requireScope, type Transport } from './security.ts';
import { accessTask, holderOf } from './task-access.ts';

/** What the listener passes to every request. */
export interface RequestEnv {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly door: Transport;
}

export type ApiApp = Hono<{ Bindings: RequestEnv }>;
export type ApiContext = Context<{ Bindings: RequestEnv }>;

/** What routes may use. */
export interface ApiParts {
  readonly control: SupervisorControl;
  readonly views: SupervisorViews;
  readonly gate: Gatekeeper;
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly once: Once;
}

export interface Reply {
  /** 200 when absent. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

interface RouteBase<Q extends z.ZodType, B extends z.ZodType> {
  readonly method: 'GET' | 'POST';
  /** A hono path; `:id` is a task id. */
  readonly path: string;
  /** Its purpose in one line, for the API's description. */
  readonly summary: string;
  readonly query: Q;
  readonly body: B;
  readonly answer: z.ZodType;
  /** Claiming tasks is not restricted to the operator. Otherwise GET is for all, and POST for the operator. */
  readonly scope?: 'worker' | 'remote';
  /** Not available to page sessions, whatever their role. */
  readonly notFromPage?: true;
  /** What was done by it, for the record of who did what; absent: nothing that is recorded. */
  acts?(body: z.infer<B>, answer: unknown): readonly Act[];
}

/** What was done, without who did it. */
export type Act = Omit<ActionTaken, 'actor'>;

/** That something was done to the task that the answer is about. A repetition is not done again. */
export function actOnTask(
  action: string,
  answer: unknown,
  detail: string | null | undefined,
): readonly Act[] {
  const { task, worktree, duplicate } = answer as { task: string; worktree: string; duplicate?: boolean };
  return duplicate ? [] : [{ action, task, worktree, target: null, detail: detail ?? '' }];
}

/** A route for the operator, or (`anyone`) without any token. */
export interface PlainRoute<Q extends z.ZodType = z.ZodType, B extends z.ZodType = z.ZodType>
  extends RouteBase<Q, B> {
  readonly access: 'operator' | 'anyone';
  handle(
    call: {
      readonly query: z.infer<Q>;
      readonly body: z.infer<B>;
      /** How far the token reaches that came with it. */
      readonly scope: TokenScope;
      /** The name of a token that reports only on what it claimed; null for others. */
      readonly holder: string | null;
      /** A parameter of the path. */
      readonly param: (name: string) => string;
      /** Aborted when the client has gone. */
      readonly gone: () => AbortSignal;
    },
    parts: ApiParts,
  ): Promise<Reply>;
}

/** A route about one task: for the operator, and with `run` also for the token of that task's run. */
export interface TaskRoute<Q extends z.ZodType = z.ZodType, B extends z.ZodType = z.ZodType>
  extends RouteBase<Q, B> {
  readonly access: 'task-operator' | 'task-run';
  handle(
    call: {
      readonly task: TaskQuery;
      readonly query: z.infer<Q>;
      readonly caller: Caller;
      /** The name of a token that reports only on what it claimed; null for others. */
      readonly holder: string | null;
      readonly body: z.infer<B>;
      readonly request: ApiContext['req'];
      /** Aborted when the client has gone. */
      readonly gone: () => AbortSignal;
    },
    parts: ApiParts,
  ): Promise<Reply>;
}

/** A route as mounted: its handler's input has been checked by its own schemas. */
export interface MountableRoute extends RouteBase<z.ZodType, z.ZodType> {
  readonly access: PlainRoute['access'] | TaskRoute['access'];
  answerTo(context: ApiContext, parts: ApiParts): Promise<Reply>;
}

/** A plain route, ready to be mounted. */
export function plainRoute<Q extends z.ZodType, B extends z.ZodType>(
  route: PlainRoute<Q, B>,
): MountableRoute {
  return {
    ...route,
    async answerTo(context, parts) {
      const { incoming, door } = context.env;
      const access = route.access === 'anyone' ? null : parts.gate.admit(incoming, door);
      if (access) requireCaller(access, neededScope(route), parts.gate);
      if (route.notFromPage && access?.kind === 'caller' && access.page)
        throw new ApiProblem('forbidden', 'A page cannot ask for this.', { hint: 'use the command line' });
      const raw = await readCallBody(route, context, parts);
      const query = parse(route.query, context.req.query(), 'query');
      const body = parse(route.body, raw, 'body');
      const gone = () => hungUp(context.env.outgoing);
      const caller = access?.kind === 'caller' ? access : null;
      const param = (name: string) => context.req.param(name) ?? '';
      const call = {
        query,
        body,
        param,
        gone,
        scope: caller?.scope ?? 'read-only',
        holder: caller && holderOf(caller),
      };
      const whose = caller ? scopeOf(caller) : 'operator';
      return doneOnce(context, parts, whose, raw, async () =>
        noted(route, caller, body, await route.handle(call, parts), parts),
      );
    },
  };
}

/** A route about one task, ready to be mounted. Its path has `:id`, its query may have `worktree` and `near`. */
export function taskRoute<Q extends typeof taskQuery, B extends z.ZodType>(
  route: TaskRoute<Q, B>,
): MountableRoute {
  return {
    ...route,
    async answerTo(context, parts) {
      const { incoming, door } = context.env;
      const first = parts.gate.admit(incoming, door);
      const mayCarryToken = route.access === 'task-run' && route.method === 'POST';
      if (!mayCarryToken && first.kind === 'unknown') throw parts.gate.unauthorized();
      const raw = await readCallBody(route, context, parts);
      const access = mayCarryToken ? accessWithBody(first, raw, parts.gate) : first;
      if (access.kind === 'unknown') throw parts.gate.unauthorized();
      if (access.kind === 'caller' || route.access === 'task-operator')
        requireCaller(access, neededScope(route), parts.gate);
      const asked = parse(route.query, context.req.query(), 'query');
      const { worktree, near } = asked;
      const id = parse(taskId, context.req.param('id'), 'task id');
      const named = {
        task: id,
        ...(worktree === undefined ? {} : { worktree }),
        ...(near === undefined ? {} : { near }),
      };
      const { query, caller } = await accessTask(parts.control, access, named, { reports: mayCarryToken });
      const body = parse(route.body, raw, 'body');
      const call = {
        task: query,
        query: asked,
        caller,
        holder: access.kind === 'caller' ? holderOf(access) : null,
        body,
        request: context.req,
        gone: () => hungUp(context.env.outgoing),
      };
      const scope = access.kind === 'run' ? access.run : scopeOf(access);
      return doneOnce(context, parts, scope, raw, async () =>
        noted(route, access.kind === 'caller' ? access : null, body, await route.handle(call, parts), parts),
      );
    },
  };
}

/** Writes down what was done by a reply, and by whom. What a run reports of itself is no person's doing. */
function noted(
  route: RouteBase<z.ZodType, z.ZodType>,
  caller: CallerAccess | null,
  body: unknown,
  reply: Reply,
  { control }: ApiParts,
): Reply {
  if (caller && route.acts)
    for (const act of route.acts(body, reply.body)) control.noteAction({ actor: actorOf(caller), ...act });
  return reply;
}

/** Who asks, for the record. */
function actorOf({ name, page }: CallerAccess): string {
  if (page) return 'page';
  return name === null ? 'operator' : `token ${name}`;
}

/** The access of a request whose body may contain a lease token. The token narrows what the operator may do. */
function accessWithBody(first: Access, body: unknown, gate: Gatekeeper): Access {
  const token =
    typeof body === 'object' && body !== null && 'lease_token' in body ? body.lease_token : undefined;
  if (typeof token !== 'string' || token === '') return first;
  const run = gate.admitToken(token);
  if (first.kind === 'run' && first.run !== run.run)
    throw new ApiProblem('forbidden', 'The tokens of header and body belong to different runs.');
  return run;
}

/** The scope a token needs for a route. */
export function neededScope(route: Pick<MountableRoute, 'method' | 'access' | 'scope'>): TokenScope {
  if (route.method === 'GET') return 'read-only';
  return route.scope ?? (route.access === 'task-run' ? 'worker' : 'operator');
}

/** The owner of an Idempotency-Key. */
function scopeOf({ name }: CallerAccess): string {
  return name === null ? 'operator' : `token ${name}`;
}

/** Throws unless the request has a token of that scope, and not that of a run. */
export function requireCaller(access: Access, needed: TokenScope, gate: Gatekeeper): void {
  if (access.kind === 'unknown') throw gate.unauthorized();
  if (access.kind === 'run')
    throw new ApiProblem('forbidden', 'The token of a run is good for its own task only.', {
      hint: 'use the token of api.json, or the socket',
    });
  requireScope(access, needed);
}

/** Only requests that change something can be repeated by mistake. */
export function doneOnce(
  context: ApiContext,
  parts: ApiParts,
  scope: string,
  body: unknown,
  act: () => Promise<Reply>,
): Promise<Reply> {
  const { incoming } = context.env;
  if (incoming.method !== 'POST') return act();
  const key = context.req.header('idempotency-key');
  const request = [incoming.url ?? '', JSON.stringify(body) ?? ''];
  return parts.once({ scope, key, request }, act);
}

async function readCallBody(
  route: RouteBase<z.ZodType, z.ZodType>,
  context: ApiContext,
  parts: ApiParts,
): Promise<unknown> {
  if (route.method !== 'POST') return {};
  const { incoming, door } = context.env;
  // A page can neither open the socket nor send this header to TCP without a preflight request.
  const fromAbove = door.kind === 'socket' || incoming.headers.authorization !== undefined;
  const body = await readJsonBody(incoming, parts.maxBodyBytes, fromAbove);
  return body === undefined ? {} : body;
}

/** The value as parsed by its schema. Throws `invalid-request` naming the first invalid fields. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.slice(0, 10).map((issue) => ({
    path: issue.path.map(String).join('.').slice(0, 200),
    message: issue.message.slice(0, 500),
  }));
  const first = errors[0];
  const place = first?.path ? `${what}, ${first.path}` : what;
  throw new ApiProblem('invalid-request', `The ${place}: ${first?.message ?? 'does not fit'}.`, {
    members: { errors },
  });
}

/** Adds the routes to the app; every other method on their paths is answered with 405 and Allow. */
export function mountRoutes(app: ApiApp, routes: readonly MountableRoute[], parts: ApiParts): void {
  for (const route of routes) {
    app.on(route.method, route.path, async (context) => {
      const { status, headers, body } = await route.answerTo(context, parts);
      return context.json(body ?? null, (status ?? 200) as 200, headers);
    });
  }
  const methodsByPath = new Map<string, Set<string>>();
  for (const { path, method } of routes) {
    const methods = methodsByPath.get(path) ?? new Set();
    methodsByPath.set(path, methods.add(method));
  }
  for (const [path, methods] of methodsByPath) refuseOtherMethods(app, path, [...methods], parts);
}

/**
 * Answers 405 to every other method of a path. Mount it after the path's routes. `parts` null: callers are told
 * without a token, because here the URL itself is the permission.
 */
export function refuseOtherMethods(
  app: ApiApp,
  path: string,
  methods: readonly string[],
  parts: ApiParts | null,
): void {
  const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].sort().join(', ');
  app.all(path, (context) => {
    const { incoming, door } = context.env;
    if (parts?.gate.admit(incoming, door).kind === 'unknown') throw parts.gate.unauthorized();
    throw new ApiProblem('method-not-allowed', `${incoming.method ?? 'This'} is not done here.`, {
      hint: `use ${allow}`,
      headers: { allow },
    });
  });
}
