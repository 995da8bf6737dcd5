// The routes of the wider views: everything at once, what happened, what is next. All are for reading.

import { type MountableRoute, plainRoute } from './route.ts';
import { emptyBody, noQuery, sinceQuery } from './schemas.ts';
import { digestAnswer, overviewAnswer } from './view-answers.ts';

/** Every route of the wider views. */
export function viewRoutes(): readonly MountableRoute[] {
  return [
    plainRoute({
      method: 'GET',
      path: '/api/overview',
      summary: 'Status without the long lists, and what comes next',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: overviewAnswer,
      handle: async (_call, { views }) => ({ body: await views.overview() }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/digest',
      summary: 'What happened since an instant, or in the last day',
      access: 'operator',
      query: sinceQuery,
      body: emptyBody,
      answer: digestAnswer,
      handle: async ({ query }, { views }) => ({
        body: await views.digest(query.since === undefined ? undefined : Date.parse(query.since)),
      }),
    }),
  ];
}
