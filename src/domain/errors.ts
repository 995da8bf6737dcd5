// Errors around the work. One class; one table maps its code to exit status and HTTP status.

/** code → exit status and HTTP status. Public: scripts rely on them. */
export const ERROR_CODES = {
  failed: { exit: 1, http: 409 },
  usage: { exit: 2, http: 400 },
  config: { exit: 3, http: 422 },
  'already-running': { exit: 4, http: 409 },
  'not-running': { exit: 5, http: 503 },
  graph: { exit: 6, http: 409 },
  'executor-unavailable': { exit: 7, http: 503 },
  'not-found': { exit: 8, http: 404 },
  ambiguous: { exit: 8, http: 409 },
  'service-manager': { exit: 9, http: 500 },
  conflict: { exit: 1, http: 409 },
  superseded: { exit: 1, http: 409 },
  unauthorized: { exit: 1, http: 401 },
  forbidden: { exit: 1, http: 403 },
  'too-large': { exit: 2, http: 413 },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An expected error: a sentence for people, the next step in `hint`, facts for programs in `details`. */
export class SupervisorError extends Error {
  override readonly name = 'SupervisorError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** The message of any thrown value. */
export function messageOf(thrown: unknown): string {
  if (
    typeof thrown === 'object' &&
    thrown !== null &&
    'message' in thrown &&
    typeof thrown.message === 'string'
  )
    return thrown.message;
  return String(thrown);
}

/** The system's error code (`ENOENT`, …) of any thrown value, or undefined. */
export function systemCode(thrown: unknown): string | undefined {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string')
    return thrown.code;
  return undefined;
}
