// The whole app: every route, the event stream, and the responses for unknown paths. Knows nothing of sockets.

import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { Hono } from 'hono';
import { type Clock, isoTime } from '../../platform/clock.ts';
import { mountMcp } from '../mcp/mcp-route.ts';
import type { McpCaller } from '../mcp/mcp-tools.ts';
import { mountPage, type PageParts, pageControlRoutes } from '../page/page-routes.ts';
import { ApiProblem } from '../request/problem.ts';
import {
  type ApiApp,
  type ApiParts,
  mountRoutes,
  type RequestEnv,
  refuseOtherMethods,
  requireCaller,
} from '../request/route.ts';
import { mountA2a } from './a2a-route.ts';
import { mountCallback } from './callback-route.ts';
import { type EventStream, lastEventId } from './event-stream.ts';
import { describeApi, describingRoute } from './openapi.ts';
import { supervisorRoutes } from './supervisor-routes.ts';
import { entityTag, matchesTag } from './task-news.ts';
import { taskRoutes } from './task-routes.ts';
import { viewRoutes } from './view-routes.ts';

/** The app. Everything it throws goes to `answer`, which turns it into a problem. */
export function createApiApp(
  parts: ApiParts & {
    readonly version: string;
    readonly clock: Clock;
    readonly events: EventStream;
    /** Null: there is no page. */
    readonly page: PageParts | null;
    /** Other tools for callers of MCP; absent: those about tasks. */
    readonly mcp?: (who: McpCaller) => McpHttpHandler;
    /** Null: nothing is measured. */
    readonly metrics: (() => Promise<{ readonly contentType: string; readonly text: string }>) | null;
  },
  answer: (thrown: unknown, outgoing: ServerResponse) => Response,
): ApiApp {
  const app: ApiApp = new Hono<{ Bindings: RequestEnv }>();

  // An unchanged task need not be sent again.
  app.use('/api/task/:id', async (context, next) => {
    await next();
    if (!['GET', 'HEAD'].includes(context.req.method) || context.res.status !== 200) return;
    const tag = entityTag(await context.res.clone().text());
    if (matchesTag(context.req.header('if-none-match'), tag))
      context.res = new Response(null, { status: 304, headers: { etag: tag } });
    else context.res.headers.set('etag', tag);
  });

  const { page } = parts;
  const routes = [
    ...supervisorRoutes(parts),
    ...taskRoutes(),
    ...viewRoutes(),
    ...pageControlRoutes(page, isoTime),
  ];
  mountRoutes(app, [...routes, describingRoute(() => describeApi(routes, parts.version))], parts);
  mountCallback(app, parts);
  mountA2a(app, parts);
  mountMcp(app, parts);

  app.get('/api/events', (context) => {
    const { incoming, outgoing, door } = context.env;
    const access = parts.gate.admit(incoming, door);
    requireCaller(access, 'read-only', parts.gate);
    if (incoming.method === 'HEAD') return context.body(null, 200, { 'content-type': 'text/event-stream' });
    const after = lastEventId(incoming.headers['last-event-id']);
    if (context.req.query('replay') === 'only') {
      parts.events.replay(outgoing, after);
      return RESPONSE_ALREADY_SENT;
    }
    parts.events.serve(outgoing, after);
    // What was opened for a session ends with it.
    if (access.kind === 'caller' && access.page && page)
      outgoing.once(
        'close',
        page.sessions.onEnd(access.page, () => outgoing.end()),
      );
    return RESPONSE_ALREADY_SENT;
  });
  refuseOtherMethods(app, '/api/events', ['GET'], parts);

  const { metrics } = parts;
  if (metrics) {
    app.get('/metrics', async (context) => {
      const { incoming, door } = context.env;
      requireCaller(parts.gate.admit(incoming, door), 'read-only', parts.gate);
      const { contentType, text } = await metrics();
      return context.body(text, 200, { 'content-type': contentType, 'cache-control': 'no-store' });
    });
    refuseOtherMethods(app, '/metrics', ['GET'], parts);
  }

  if (page) mountPage(app, page, parts);

  app.notFound((context) => {
    const { incoming, outgoing, door } = context.env;
    try {
      if (parts.gate.admit(incoming, door).kind === 'unknown') throw parts.gate.unauthorized();
      throw new ApiProblem('no-such-route', 'There is nothing at this address.', {
        hint: 'addresses begin with /api/; see GET /api/health, /api/status, /api/task/ID',
      });
    } catch (error) {
      return answer(error, outgoing);
    }
  });
  app.onError((error, context) => answer(error, context.env.outgoing));
  return app;
}
