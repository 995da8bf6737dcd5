// The body and headers of a dispatch (http-protocol 1.2). Pure. The body is built once per run, so that every
// delivery sends the same bytes; headers are built for each delivery.

import type { HttpProfile } from '../../domain/profile.ts';
import { isoTime } from '../../platform/clock.ts';
import type { Assignment } from '../executor.ts';
import { placeholderValue } from '../placeholder-values.ts';
import { traceState } from '../trace-state.ts';
import { cutToFit, fitted } from './fit-body.ts';
import type { HttpSecrets } from './secrets.ts';
import { signatureHeader } from './signature.ts';
import { encodeForUrl, fillTemplate } from './template.ts';

/** The heartbeat interval suggested to agents, seconds; shorter if the lease is short. */
const HEARTBEAT_EVERY_S = 60;

/** Heartbeats that fit into a lease: two may be lost. */
const HEARTBEATS_A_LEASE = 3;

export interface Body {
  readonly bytes: Buffer;
  readonly contentType: string;
}

/**
 * The id of a run's deliveries: the same for all of them, never with a dot (Standard Webhooks signs `id.time.body`).
 */
export function messageId(run: string): string {
  return `msg_${run.replace(/^run_/, '').replace(/[^A-Za-z0-9_-]/g, '')}`;
}

/** The `data` of the standard payload. `now` in ms. */
export function dispatchData(assignment: Assignment, now: number) {
  const { task, worktree, callback } = assignment;
  const deadline = assignment.deadlineAt === null ? null : isoTime(assignment.deadlineAt);
  return {
    task: {
      id: assignment.globalTaskId,
      local_id: task.id,
      details_url: callback.url,
      truncated: [],
      title: task.title,
      instructions: task.description ?? '',
      inputs: task.inputs,
      deliverables: task.deliverables,
      skills: task.skills,
      tags: task.tags,
      priority: task.priority,
      graph: assignment.graph,
      depends_on: assignment.dependencies.map(({ id, title, status, artifacts, log }) => ({
        id,
        title,
        status,
        artifacts,
        log,
      })),
    },
    worktree: {
      id: worktree.id,
      path: worktree.path,
      branch: worktree.branch,
      head: worktree.head,
      remote: worktree.remote ?? null,
    },
    repo: { name: assignment.repo.name, path: assignment.repo.path },
    attempt: {
      id: assignment.run,
      number: assignment.attempt,
      max: assignment.maxAttempts,
      fence: assignment.fence,
      agent: assignment.agent,
      dispatched_at: isoTime(now),
      deadline,
      previous_failure: assignment.previousFailure,
    },
    lease: {
      token: callback.token,
      expires_at: leaseEnd(assignment),
      heartbeat_every_s: heartbeatEveryS(assignment, now),
    },
    callback:
      callback.url === null
        ? null
        : {
            base: callback.url,
            complete_url: `${callback.url}/complete`,
            fail_url: `${callback.url}/fail`,
            heartbeat_url: `${callback.url}/heartbeat`,
            release_url: `${callback.url}/release`,
            input_url: `${callback.url}/input`,
            signed_url: callback.signedUrl ?? null,
          },
  };
}

/** When the lease ends unless a heartbeat extends it: by the terms of the claim, else the attempt's own end. */
function leaseEnd({ deadlineAt, leaseUntil }: Assignment): string | null {
  const at = leaseUntil ?? deadlineAt;
  return at === null ? null : isoTime(at);
}

/** A worker with this heartbeat interval keeps its lease. */
function heartbeatEveryS({ leaseUntil }: Assignment, now: number): number {
  if (leaseUntil == null) return HEARTBEAT_EVERY_S;
  const pace = Math.round((leaseUntil - now) / HEARTBEATS_A_LEASE / 1000);
  return Math.min(HEARTBEAT_EVERY_S, Math.max(1, pace));
}

/** The body of a dispatch: standard or from the profile's template; null for methods without one. */
export function dispatchBody(
  assignment: Assignment,
  profile: HttpProfile,
  now: number,
  host: string,
): Body | null {
  if (profile.method === 'GET' || profile.method === 'HEAD') return null;
  const template = jsonTemplate(profile.body);
  const { envelope, contentType } = envelopeOf(profile, assignment, now, host);
  if (template === null) {
    return {
      bytes: fitted(dispatchData(assignment, now), (content) => jsonBytes(envelope(content))),
      contentType,
    };
  }
  const { description = '' } = assignment.task;
  const filled = (text: string): Buffer => {
    const cut = { ...assignment, task: { ...assignment.task, description: text } };
    if (typeof template === 'string' && profile.format === 'standard')
      return Buffer.from(filledText(template, cut, profile));
    const data = fillFor(template, cut);
    return jsonBytes(profile.format === 'cloudevents' ? envelope(data) : data);
  };
  const plain = typeof template === 'string' && profile.format === 'standard';
  return {
    bytes: cutToFit(description, filled, assignment.callback.url),
    contentType: plain ? 'text/plain; charset=utf-8' : contentType,
  };
}

/** The headers of one delivery. Names are lower-case; the profile's own take precedence where allowed. */
export function dispatchHeaders(
  assignment: Assignment,
  profile: HttpProfile,
  secrets: HttpSecrets,
  body: Body | null,
  delivery: number,
  now: number,
  version: string,
): Record<string, string> {
  const id = messageId(assignment.run);
  const seconds = Math.floor(now / 1000);
  return {
    ...(body === null ? {} : { 'content-type': body.contentType }),
    ...commonHeaders(assignment, version),
    ...(profile.completion === 'response' ? {} : { prefer: 'respond-async' }),
    ...secrets.headers,
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    ...(secrets.keys.length === 0
      ? {}
      : { 'webhook-signature': signatureHeader(secrets.keys, id, seconds, body?.bytes ?? '') }),
    'idempotency-key': profile.idempotencyKey === 'bare' ? id : `"${id}"`,
    'workgraph-delivery': String(delivery),
    ...(assignment.deadlineAt === null ? {} : { 'workgraph-deadline': isoTime(assignment.deadlineAt) }),
  };
}

/** The headers of a status request. */
export function pollHeaders(
  assignment: Assignment,
  secrets: HttpSecrets,
  version: string,
): Record<string, string> {
  const { 'content-type': _type, ...configured } = secrets.headers;
  return { ...commonHeaders(assignment, version), ...configured };
}

function commonHeaders(assignment: Assignment, version: string): Record<string, string> {
  return {
    accept: 'application/json',
    // Without this header any coding would be allowed, and compressed data has no visible bound.
    'accept-encoding': 'identity',
    'user-agent': version === '' ? 'workgraph-supervisor' : `workgraph-supervisor/${version}`,
    'workgraph-task-id': headerText(assignment.globalTaskId),
    'workgraph-attempt': String(assignment.attempt),
    traceparent: assignment.traceparent,
    tracestate: traceState(assignment.run),
  };
}

/** Printable ASCII unchanged, everything else percent-encoded: a header cannot contain it. */
function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeForUrl(text);
}

/** TOML has no nested JSON of every kind: a string that contains a JSON object or array is the template it spells. */
function jsonTemplate(template: unknown): unknown {
  if (typeof template !== 'string' || !/^\s*[[{]/.test(template)) return template ?? null;
  try {
    return JSON.parse(template);
  } catch {
    // A text that only looks like JSON, such as `[{{task.id}}] {{task.title}}`, is a text.
    return template;
  }
}

function fillFor(template: unknown, assignment: Assignment): unknown {
  return fillTemplate(template, {
    text: placeholderValue(assignment),
    lists: { 'task.tags': assignment.task.tags },
  });
}

/** A text template. In a form its values are encoded, so that a title cannot add fields of its own. */
function filledText(template: string, assignment: Assignment, profile: HttpProfile): string {
  const type = Object.entries(profile.headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  const form = typeof type === 'string' && type.toLowerCase().startsWith('application/x-www-form-urlencoded');
  const value = placeholderValue(assignment);
  return String(
    fillTemplate(template, {
      text: (name) => (form ? new URLSearchParams([['', value(name)]]).toString().slice(1) : value(name)),
      lists: {},
    }),
  );
}

/** The envelope around the data of the standard payload, and around a template's in a CloudEvent. */
function envelopeOf(profile: HttpProfile, assignment: Assignment, now: number, host: string) {
  if (profile.format !== 'cloudevents')
    return {
      contentType: 'application/json; charset=utf-8',
      envelope: (data: unknown): object => ({ type: 'task.dispatched', timestamp: isoTime(now), data }),
    };
  return {
    contentType: 'application/cloudevents+json; charset=utf-8',
    envelope: (data: unknown): object => ({
      specversion: '1.0',
      id: messageId(assignment.run),
      source: `workgraph://${host}/${encodeURIComponent(assignment.worktree.id)}`,
      type: 'dev.workgraph.task.dispatched.v1',
      subject: assignment.globalTaskId,
      time: isoTime(now),
      datacontenttype: 'application/json',
      traceparent: assignment.traceparent,
      tracestate: traceState(assignment.run),
      data,
    }),
  };
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}
