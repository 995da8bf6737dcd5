// A spawned agent's prompt: its task, the results of its dependencies, why the last attempt failed, and how to report
// completion. Pure text. Nothing else goes in: how to work is the project's own business (CLAUDE.md).

import { messageOf } from '../../domain/errors.ts';
import type { Deferred } from '../../domain/outcome.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { writeText } from '../../platform/regular-file.ts';
import type { Assignment, DependencyResult, PreviousAttempt, WgWord } from '../executor.ts';
import { promptFile } from '../placeholder-values.ts';
import { lastLinesOf } from './last-lines.ts';

/** What a prompt is made of. */
export type PromptFacts = Pick<
  Assignment,
  'task' | 'dependencies' | 'attempt' | 'maxAttempts' | 'worktree' | 'previous' | 'budgetsLeft' | 'wgWords'
>;

/** Log lines of a dependency that are passed on; wg passes as many. */
const LOG_LINES = 5;
const LOG_CHARS = 600;
const FAILURE_CHARS = 4_000;

/** The prompt of one run, Markdown. */
export function renderPrompt(assignment: PromptFacts, lastLines: readonly string[] = []): string {
  const { task, dependencies, previous = null, worktree } = assignment;
  const sections = [
    `# Task ${task.id}: ${task.title}`,
    task.description?.trim(),
    task.verify === undefined ? undefined : `## How it will be checked\n\n${task.verify.trim()}`,
    list('Expected deliverables', task.deliverables),
    list('Inputs', task.inputs),
    list('Skills', task.skills),
    dependencies.length === 0
      ? undefined
      : `## Results of the tasks before this one\n\n${dependencies.map(describeDependency).join('\n\n')}`,
    previous === null ? undefined : describePrevious(assignment, previous, lastLines),
    list('Where you work', [
      `Folder: ${worktree.path}`,
      ...(worktree.branch === null ? [] : [`Branch: ${worktree.branch}`]),
    ]),
    list('What may still be spent', assignment.budgetsLeft ?? []),
    howToFinish(task.id, assignment.wgWords ?? []),
  ];
  return `${sections.filter((section) => section !== undefined && section !== '').join('\n\n')}\n`;
}

/** Writes the prompt of a run into its folder. The problem if it cannot be written. */
export async function writePrompt(assignment: Assignment, now: number): Promise<Deferred | null> {
  const file = promptFile(assignment);
  try {
    await writeText(file, renderPrompt(assignment, await lastLinesOf(assignment.previous ?? null)));
    return null;
  } catch (thrown) {
    const because = `the prompt could not be written to ${file}: ${messageOf(thrown)}`;
    return { kind: 'deferred', code: 'executor-unavailable', because, until: now + 60_000, scope: 'task' };
  }
}

function describePrevious(
  { attempt, maxAttempts }: PromptFacts,
  { message, summary }: PreviousAttempt,
  lastLines: readonly string[],
): string {
  const parts = [
    `## The previous attempt\n\nThis is attempt ${attempt}${attempt > maxAttempts ? '' : ` of ${maxAttempts}`}. The one before ended with:`,
    message.slice(0, FAILURE_CHARS).trim(),
    summary === undefined ? '' : `It had reported: ${summary.slice(0, LOG_CHARS).trim()}`,
    lastLines.length === 0
      ? ''
      : `The last that it did:\n\n${lastLines.map((line) => `    ${line}`).join('\n')}`,
    'What it changed may still be in this folder: look before you repeat it.',
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function list(title: string, items: readonly string[]): string | undefined {
  return items.length === 0 ? undefined : `## ${title}\n\n${items.map((item) => `- ${item}`).join('\n')}`;
}

function describeDependency(dependency: DependencyResult): string {
  const lines = [`### ${dependency.id}: ${dependency.title} (${dependency.status})`];
  if (dependency.artifacts.length > 0) lines.push(`Artifacts: ${dependency.artifacts.join(', ')}`);
  for (const entry of dependency.log.slice(-LOG_LINES)) lines.push(`- ${entry.slice(0, LOG_CHARS)}`);
  return lines.join('\n');
}

function howToFinish(id: string, wgWords: readonly WgWord[]): string {
  const task = shellWord(id);
  const spelled = wgWords.map((word) =>
    word === 'done' ? `\`wg done ${task}\`` : `\`wg fail ${task} --reason "why"\``,
  );
  const same =
    spelled.length === 0
      ? ''
      : `${spelled.join(' and ')} ${spelled.length === 1 ? 'says' : 'say'} the same. `;
  return `## When you are finished

Report the result from this folder, once:

    supervisor done ${task} --summary "what was done, in one or two sentences"

If it cannot be done:

    supervisor fail ${task} --reason "why"

${same}If you report nothing, ending normally counts as done.`;
}
