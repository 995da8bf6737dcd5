// Questions that a run's worker asks a person: how one is stored with the lease, and the effect of an answer. The
// clocks are in leases.ts.

import { SupervisorError } from '../domain/errors.ts';
import type { LeaseReport } from '../domain/report.ts';
import type { Run } from '../domain/run.ts';
import type { Lease } from '../runs/lease-row.ts';
import type { HeartbeatAnswer, HeartbeatFields, Leases } from './leases.ts';
import type { LiveRun } from './live-run.ts';
import type { RunEvents } from './run-events.ts';

/** A worker's question to a person. */
export interface Question {
  readonly question: string;
  readonly options: readonly string[];
  /** A worker may repeat itself: the same name means the same question. */
  readonly name?: string;
  /** It is sent again until it is answered, and waits while another asking is open. */
  readonly waits?: boolean;
}

/** A question and its answer. */
export interface AnsweredQuestion {
  readonly task: string;
  readonly worktree: string;
  readonly run: string;
  readonly question: string;
  readonly options: readonly string[];
  readonly answer: string;
  /** It had already been answered the same way. */
  readonly duplicate: boolean;
}

/** Since when a lease's question waits, ms; null: there is none, or it is unknown. */
export function askedAt({ question }: Lease): number | null {
  return question === null ? null : (readQuestion(question).askedAt ?? null);
}

/** A question as stored in the ledger. */
interface Stored extends Pick<Question, 'question' | 'options' | 'waits'> {
  /** ms; absent: an older version stored it. */
  readonly askedAt?: number;
  /** Every name under which it was asked. */
  readonly names: readonly string[];
  /** What was answered before, the newest last: its asker may not have heard it yet. */
  readonly earlier: readonly { readonly names: readonly string[]; readonly answer: string }[];
}

/** An agent whose tool ran out of time asks the same under another name, again and again. */
const MOST_NAMES = 50;
/** Answers that can still be fetched after the next question. */
const MOST_EARLIER = 20;
/** After this time without its asking, ms, the asker of an open question no longer keeps others waiting. */
const WANTED_MS = 15_000;

/** A lease's question, its options and its answer, as reports have them. */
export function questionOf(lease: Lease): Pick<LeaseReport, 'question' | 'options' | 'answer'> {
  const asked = lease.question === null ? null : readQuestion(lease.question);
  return { question: asked?.question ?? null, options: asked?.options ?? [], answer: lease.answer };
}

/**
 * A run's worker waits for a person: its clock is stopped. A repeated question is the same question. Several agents of
 * one run may ask at once: each gets the answer to its own question, never that to another's.
 */
export function askQuestion(
  live: LiveRun,
  asked: Question,
  facts: HeartbeatFields,
  { leases, events, now }: { readonly leases: Leases; readonly events: RunEvents; readonly now: number },
): HeartbeatAnswer {
  const { name } = asked;
  const known = live.lease?.question == null ? null : readQuestion(live.lease.question);
  const given = live.lease?.answer ?? null;
  const isOpen = known !== null && given === null;
  if (known && name !== undefined && known.names.includes(name)) {
    live.questionWantedAt = now;
    return leases.renew(live, facts);
  }
  const before = known?.earlier.find(({ names }) => name !== undefined && names.includes(name));
  // That answer only: a later question may have another one by now.
  if (before) return { ...leases.renew(live, facts), answer: before.answer };
  if (isOpen && isSameQuestion(known, asked)) {
    const names = name === undefined ? known.names : [...known.names, name].slice(-MOST_NAMES);
    return leases.renew(live, { ...facts, question: JSON.stringify({ ...known, names }) });
  }
  live.questionWantedAt ??= now;
  // One that is not sent again would be lost.
  const isWanted = !known?.waits || now - live.questionWantedAt < WANTED_MS;
  if (isOpen && asked.waits && isWanted) return leases.renew(live, facts);
  const earlier = [
    ...(known?.earlier ?? []),
    ...(known && given !== null ? [{ names: known.names, answer: given }] : []),
  ];
  const { question, options, waits = false } = asked;
  const names = name === undefined ? [] : [name];
  const stored: Stored = {
    question,
    options,
    waits,
    askedAt: now,
    names,
    earlier: earlier.slice(-MOST_EARLIER),
  };
  const answer = leases.renew(live, { ...facts, question: JSON.stringify(stored) });
  live.questionWantedAt = now;
  live.progress = `asks: ${question}`;
  events.emit('run.input', live.run, { question, options });
  return answer;
}

function isSameQuestion(one: Pick<Question, 'question' | 'options'>, other: Question): boolean {
  return JSON.stringify([one.question, one.options]) === JSON.stringify([other.question, other.options]);
}

/** Answers the open question of a live run. Throws `conflict`: `nothing-asked`, `already-answered`. */
export function answerQuestion(
  live: LiveRun,
  said: { readonly answer: string; readonly question?: string | undefined },
  parts: { readonly leases: Leases; readonly events: RunEvents },
): AnsweredQuestion {
  const { run, lease } = live;
  const asked = lease?.question == null ? null : readQuestion(lease.question);
  if (asked === null) throw refusal(run, 'nothing-asked', 'has asked nothing');
  if (said.question !== undefined && said.question !== asked.question)
    throw refusal(run, 'nothing-asked', `asks something else: ${asked.question}`);
  const { question, options } = asked;
  const about = { task: run.task, worktree: run.worktree, run: run.id, question, options };
  if (lease?.answer === said.answer) return { ...about, answer: said.answer, duplicate: true };
  if (lease?.answer != null)
    throw refusal(run, 'already-answered', `was answered already: ${lease.answer}`, 'it may have heard that');
  parts.leases.answered(live, said.answer);
  live.progress = `was answered: ${said.answer}`;
  parts.events.emit('run.answered', run, { question, answer: said.answer });
  return { ...about, answer: said.answer, duplicate: false };
}

function refusal(run: Run, code: string, how: string, hint = 'see `supervisor show`'): SupervisorError {
  return new SupervisorError('conflict', `the worker of ${run.task} ${how}`, {
    hint,
    details: { code, task_id: run.task },
  });
}

/** Older versions wrote one name at most. */
function readQuestion(text: string): Stored {
  const {
    name,
    names = name === undefined ? [] : [name],
    earlier = [],
    ...rest
  } = JSON.parse(text) as Stored & {
    readonly name?: string;
  };
  return { ...rest, names, earlier };
}
