// Parses what an A2A 1.0 agent sends: tasks, messages and updates. Pure; the input is untrusted, so every field may
// be missing or of any type.

import type { AgentUpdate } from '../../domain/agent-update.ts';
import type { Outcome } from '../../domain/outcome.ts';

type Json = Readonly<Record<string, unknown>>;

/** The members of a StreamResponse; it has exactly one of them. */
export const A2A_PAYLOADS = ['task', 'message', 'statusUpdate', 'artifactUpdate'] as const;

const MAX_TEXT = 2000;
const MAX_QUESTION = 20_000;

/** The content of a StreamResponse; null if it is not one. */
export function readStreamResponse(body: Json): AgentUpdate | null {
  const [only, ...others] = A2A_PAYLOADS.filter((name) => isObject(body[name]));
  if (only === undefined || others.length > 0) return null;
  const value = body[only] as Json;
  switch (only) {
    case 'task':
      return readTask(value);
    case 'message':
      return { kind: 'working', message: messageText(value) };
    case 'statusUpdate':
      return isObject(value.status) ? readStatus(value.status, null) : null;
    case 'artifactUpdate':
      return readPart(value);
  }
}

/**
 * How the response to `message:send` finishes the work: `{task}` in a final state, or `{message}` alone. Null: it
 * does not.
 */
export function readSendAnswer(
  body: Json,
): { readonly outcome: Outcome | null; readonly task: string | null } | null {
  if (isObject(body.task) && isObject(body.task.status)) {
    const { id } = body.task;
    const said = readTask(body.task);
    if (said === null) return null;
    return { outcome: outcomeOf(said), task: typeof id === 'string' ? id : null };
  }
  // An agent that answers with a message has created no task: nothing else will ever come.
  if (isObject(body.message) && body.message.role === 'ROLE_AGENT' && body.task === undefined)
    return { outcome: outcomeOf(completed(messageText(body.message), body.message.parts)), task: null };
  return null;
}

/** The final state in a response to GetTask; null: still working, or not such a response. */
export function readTaskEnd(task: Json): Outcome | null {
  const said = readTask(task);
  return said === null ? null : outcomeOf(said);
}

function readTask(task: Json): AgentUpdate | null {
  if (!isObject(task.status)) return null;
  const artifacts = Array.isArray(task.artifacts) && task.artifacts.length > 0 ? task.artifacts : null;
  return readStatus(task.status, artifacts);
}

function readStatus(status: Json, artifacts: readonly unknown[] | null): AgentUpdate | null {
  const { state } = status;
  const said = isObject(status.message) ? messageText(status.message) : null;
  switch (state) {
    case 'TASK_STATE_COMPLETED':
      return completed(said, artifacts);
    case 'TASK_STATE_FAILED':
      return { kind: 'failed', message: said ?? 'the agent failed and gave no reason', retryable: true };
    case 'TASK_STATE_REJECTED':
      return { kind: 'failed', message: `the agent rejected it${after(said)}`, retryable: false };
    case 'TASK_STATE_CANCELED':
      return { kind: 'failed', message: `the agent cancelled it${after(said)}`, retryable: false };
    case 'TASK_STATE_INPUT_REQUIRED':
      return asks(status, said ?? 'The agent needs input and did not say which.');
    case 'TASK_STATE_AUTH_REQUIRED':
      return asks(status, `The agent needs to be authorised${after(said)}`);
    default:
      // SUBMITTED, WORKING, and states of later versions: it is alive.
      return typeof state === 'string' ? { kind: 'working', message: said } : null;
  }
}

function completed(summary: string | null, result: unknown): AgentUpdate {
  return { kind: 'completed', summary, result: result ?? null };
}

function asks(status: Json, question: string): AgentUpdate {
  const id = isObject(status.message) ? status.message.messageId : undefined;
  const name = [id, status.timestamp].find((one) => typeof one === 'string' && one !== '');
  return {
    kind: 'asks',
    question: question.slice(0, MAX_QUESTION),
    name: String(name ?? question).slice(0, 200),
  };
}

function readPart(update: Json): AgentUpdate | null {
  const { artifact, append } = update;
  if (!isObject(artifact)) return null;
  const { artifactId } = artifact;
  return {
    kind: 'part',
    name: typeof artifactId === 'string' ? artifactId.slice(0, 200) : '',
    more: append === true,
    part: artifact,
  };
}

function outcomeOf(said: AgentUpdate): Outcome | null {
  if (said.kind === 'completed')
    return {
      kind: 'succeeded',
      ...(said.summary === null ? {} : { summary: said.summary }),
      ...(said.result === null ? {} : { artifacts: { result: said.result } }),
    };
  if (said.kind !== 'failed') return null;
  return { kind: 'failed', failure: 'reported', message: said.message, retryable: said.retryable };
}

function messageText({ parts }: Json): string | null {
  if (!Array.isArray(parts)) return null;
  const texts = parts.flatMap((part: unknown) =>
    isObject(part) && typeof part.text === 'string' && part.text.trim() !== '' ? [part.text.trim()] : [],
  );
  return texts.length === 0 ? null : texts.join('\n').slice(0, MAX_TEXT);
}

function after(said: string | null): string {
  return said === null ? '' : `: ${said}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
