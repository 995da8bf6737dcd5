// What `retry` and `reopen` print: whether the task is open again, what it waits for, and what to do if it is not.

import type { TaskReport } from '../../domain/report.ts';
import { plain } from './plain.ts';

/** One line; `isWatched`: a supervisor runs, and has judged the task since. */
export function reopenedLine(report: TaskReport, isWatched: boolean): string {
  const task = plain(report.task);
  if (report.status === 'in-progress' && (!isWatched || report.code === 'status-in-progress')) {
    const by = report.assigned === null ? '' : ` by ${plain(report.assigned)}`;
    return `${task} is claimed${by}: nothing was changed; \`supervisor fail ${task} --reason WHY\` ends that attempt\n`;
  }
  const because = isWatched ? `: ${plain(report.because)}` : '';
  if (report.status !== 'open')
    return `${task} is ${plain(report.status)}${because || ': nothing was changed'}\n`;
  if (!isWatched) return `${task} is open again; no supervisor is running to start it\n`;
  return `${task} is open again, ${plain(report.state)}${because}\n`;
}
