// Error responses: application/problem+json (RFC 9457). Owns the closed list of problem codes and the mapping from
// SupervisorError. Knows nothing of routes or sockets.

import { type ErrorCode, messageOf, SupervisorError } from '../../domain/errors.ts';

/** The media type of every error response. */
export const PROBLEM_TYPE = 'application/problem+json';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** The SupervisorError code a client turns it into; decides the exit status of commands. */
  readonly category: ErrorCode;
  /** The very same request may succeed later. */
  readonly retryable?: true;
}

/** Every problem code → its meaning. Public and stable: clients rely on the codes. */
export const PROBLEMS = {
  'malformed-request': { status: 400, title: 'The request cannot be read', category: 'usage' },
  'malformed-json': { status: 400, title: 'The body is not JSON', category: 'usage' },
  usage: { status: 400, title: 'The request makes no sense', category: 'usage' },
  unauthorized: { status: 401, title: 'No valid token', category: 'unauthorized' },
  'page-code-unknown': { status: 401, title: 'No such code', category: 'unauthorized' },
  'page-code-used': { status: 401, title: 'The code was used', category: 'unauthorized' },
  'page-code-expired': { status: 401, title: 'The code is too old', category: 'unauthorized' },
  'page-session-incomplete': { status: 401, title: 'Half a session', category: 'unauthorized' },
  'page-session-unknown': { status: 401, title: 'The session has ended', category: 'unauthorized' },
  forbidden: { status: 403, title: 'Not allowed with this token', category: 'forbidden' },
  'host-not-allowed': { status: 403, title: 'Unknown Host header', category: 'forbidden' },
  'origin-not-allowed': { status: 403, title: 'Unknown Origin header', category: 'forbidden' },
  'cross-site': { status: 403, title: 'Sent by another web site', category: 'forbidden' },
  'not-found': { status: 404, title: 'Not found', category: 'not-found' },
  'no-such-route': { status: 404, title: 'No such address', category: 'not-found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed here', category: 'usage' },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    category: 'failed',
    retryable: true,
  },
  conflict: { status: 409, title: 'The task is in another state', category: 'conflict' },
  'ambiguous-task-id': { status: 409, title: 'The id names several tasks', category: 'ambiguous' },
  'lease-superseded': { status: 409, title: 'A newer attempt holds the task', category: 'superseded' },
  'already-terminal': { status: 409, title: 'The task ended otherwise', category: 'conflict' },
  'already-claimed': { status: 409, title: 'Another worker has the task', category: 'conflict' },
  'not-claimed': { status: 409, title: 'No worker has the task', category: 'conflict' },
  'nothing-asked': { status: 409, title: 'No such question is open', category: 'conflict' },
  'already-answered': { status: 409, title: 'It was answered otherwise', category: 'conflict' },
  'not-ready': { status: 409, title: 'The task may not start yet', category: 'conflict' },
  graph: { status: 409, title: 'The graph cannot be used at present', category: 'graph' },
  failed: { status: 409, title: 'It did not work', category: 'failed' },
  'already-running': { status: 409, title: 'It runs already', category: 'already-running' },
  'task-removed': { status: 410, title: 'The task is gone', category: 'not-found' },
  'task-cancelled': { status: 410, title: 'The task was cancelled', category: 'conflict' },
  'body-too-large': { status: 413, title: 'The body is too large', category: 'too-large' },
  'not-json': { status: 415, title: 'Only JSON is understood', category: 'usage' },
  'invalid-request': { status: 422, title: 'The request does not fit its schema', category: 'usage' },
  'idempotency-key-in-use': {
    status: 409,
    title: 'A request with this key is under way, or its answer is no longer known',
    category: 'conflict',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'This key belongs to another request',
    category: 'usage',
  },
  config: { status: 422, title: 'The configuration does not allow it', category: 'config' },
  'too-many-failures': {
    status: 429,
    title: 'Too many wrong tokens',
    category: 'unauthorized',
    retryable: true,
  },
  'headers-too-large': { status: 431, title: 'The headers are too large', category: 'usage' },
  internal: { status: 500, title: 'A bug in the supervisor', category: 'failed' },
  'service-manager': { status: 500, title: 'The service manager failed', category: 'service-manager' },
  'not-running': {
    status: 503,
    title: 'The supervisor is not ready',
    category: 'not-running',
    retryable: true,
  },
  'executor-unavailable': {
    status: 503,
    title: 'The executor cannot be used at present',
    category: 'executor-unavailable',
    retryable: true,
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

/** The problem code of each SupervisorError code, unless its `details.code` names a more specific one. */
const BY_ERROR: Readonly<Record<ErrorCode, ProblemCode>> = {
  failed: 'failed',
  usage: 'usage',
  config: 'config',
  'already-running': 'already-running',
  'not-running': 'not-running',
  graph: 'graph',
  'executor-unavailable': 'executor-unavailable',
  'not-found': 'not-found',
  ambiguous: 'ambiguous-task-id',
  'service-manager': 'service-manager',
  conflict: 'conflict',
  superseded: 'lease-superseded',
  unauthorized: 'unauthorized',
  forbidden: 'forbidden',
  'too-large': 'body-too-large',
};

/** A refusal specific to HTTP, thrown and answered inside the API. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly problem: ProblemCode;
  readonly hint: string | undefined;
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    problem: ProblemCode,
    detail: string,
    options: {
      readonly hint?: string;
      /** Further members of the response, snake_case. */
      readonly members?: Readonly<Record<string, unknown>>;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(detail);
    this.problem = problem;
    this.hint = options.hint;
    this.members = options.members ?? {};
    this.headers = options.headers ?? {};
  }
}

/** An error response, ready to be sent. */
export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** True: unexpected; the details must be logged. */
  readonly bug: boolean;
}

/** The response to any thrown value. A bug is reported without internals; `instance` leads to the log line. */
export function problemAnswer(thrown: unknown, instance: string): ProblemAnswer {
  if (thrown instanceof ApiProblem)
    return render(thrown.problem, thrown.message, thrown.hint, thrown.members, thrown.headers, instance);
  if (thrown instanceof SupervisorError) {
    const { code, details } = thrown;
    const problem = finerCode(details.code) ?? BY_ERROR[code];
    return render(problem, thrown.message, hintOf(thrown), details, {}, instance);
  }
  const detail = 'Something broke that should not. Nothing can be said of the task; ask for its state.';
  const hint = `look for ${instance} in the supervisor's log and report it`;
  return { ...render('internal', detail, hint, {}, {}, instance), bug: true };
}

/** HTTP has no flags: the task is identified by its machine-wide id. */
function hintOf({ code, details, hint }: SupervisorError): string | undefined {
  if (code !== 'ambiguous' || !Array.isArray(details.candidates)) return hint;
  return 'name the task by one of candidates[].id, or its worktree (--worktree PATH, over HTTP ?worktree=PATH)';
}

function finerCode(name: unknown): ProblemCode | null {
  return typeof name === 'string' && Object.hasOwn(PROBLEMS, name) ? (name as ProblemCode) : null;
}

function render(
  code: ProblemCode,
  detail: string,
  hint: string | undefined,
  members: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>>,
  instance: string,
): ProblemAnswer {
  const kind: ProblemKind = PROBLEMS[code];
  const standard = {
    type: `urn:workgraph:problem:${code}`,
    title: kind.title,
    status: kind.status,
    detail,
    instance,
    code,
    category: kind.category,
    ...(hint === undefined ? {} : { hint }),
    retryable: kind.retryable === true,
  };
  return {
    status: kind.status,
    headers: {
      'content-type': PROBLEM_TYPE,
      ...(kind.status === 503 ? { 'retry-after': '2' } : {}),
      ...headers,
    },
    body: asJson(standard, members),
    bug: false,
  };
}

/** Details are arbitrary; what cannot be written as JSON is omitted, never the whole response. */
function asJson(
  standard: Readonly<Record<string, unknown>>,
  members: Readonly<Record<string, unknown>>,
): string {
  try {
    return JSON.stringify({ ...members, ...standard });
  } catch (error) {
    return JSON.stringify({ ...standard, members_left_out: messageOf(error).split('\n', 1)[0] });
  }
}
