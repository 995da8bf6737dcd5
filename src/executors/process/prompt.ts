// A spawned agent's prompt: its task, the results of its dependencies, why the last attempt failed, and how to report
// completion. Pure text. Nothing else goes in: how to work is the project's own business (CLAUDE.md).

import type { Assignment, DependencyResult, WgWord } from '../executor.ts';

/** Log lines of a dependency that are passed on; wg passes as many. */
const LOG_LINES = 5;
const LOG_CHARS = 600;
const FAILURE_CHARS = 4_000;

/** The prompt of one run, Markdown. */
export function renderPrompt(assignment: Assignment): string {
  const { task, dependencies, previousFailure, attempt, maxAttempts } = assignment;
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
    previousFailure === null
      ? undefined
      : `## The previous attempt failed\n\nThis is attempt ${attempt} of ${maxAttempts}. The one before ended with:\n\n` +
        previousFailure.slice(0, FAILURE_CHARS).trim(),
    list('What may still be spent', assignment.budgetsLeft ?? []),
    howToFinish(task.id, assignment.wgWords ?? []),
  ];
  return `${sections.filter((section) => section !== undefined && section !== '').join('\n\n')}\n`;
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

/** A text as one word of a shell command. */
function shellWord(text: string): string {
  return /^[\w.:@/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
