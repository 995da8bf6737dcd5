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

/** The question as stored in the ledger. */
function writeQuestion({ question, options, name }: Question): string {
  return JSON.stringify({ question, options, ...(name === undefined ? {} : { name }) });
}

/** A lease's question, its options and its answer, as reports have them. */
export function questionOf(lease: Lease): Pick<LeaseReport, 'question' | 'options' | 'answer'> {
  const asked = lease.question === null ? null : readQuestion(lease.question);
  return { question: asked?.question ?? null, options: asked?.options ?? [], answer: lease.answer };
}

/** Whether the lease already has this very asking, answered or not, or the same question and no answer yet. */
function isAskedAlready(lease: Lease | null, asked: Question): boolean {
  if (lease?.question == null) return false;
  const known = readQuestion(lease.question);
  if (asked.name !== undefined && asked.name === known.name) return true;
  return lease.answer === null && isSameQuestion(known, asked);
}

function isSameQuestion(one: Question, other: Question): boolean {
  return JSON.stringify([one.question, one.options]) === JSON.stringify([other.question, other.options]);
}

/** A run's worker waits for a person: its clock is stopped. A repeated question is the same question. */
export function askQuestion(
  live: LiveRun,
  asked: Question,
  facts: HeartbeatFields,
  { leases, events }: { readonly leases: Leases; readonly events: RunEvents },
): HeartbeatAnswer {
  if (isAskedAlready(live.lease, asked)) return leases.renew(live, facts);
  const answer = leases.renew(live, { ...facts, question: writeQuestion(asked) });
  const { question, options } = asked;
  live.progress = `asks: ${question}`;
  events.emit('run.input', live.run, { question, options });
  return answer;
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

function readQuestion(text: string): Question {
  return JSON.parse(text) as Question;
}
