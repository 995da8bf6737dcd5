// The value of each `{{…}}` placeholder in one run. Filling in and quoting are up to the users.

import { join } from 'node:path';
import type { Placeholder } from '../domain/placeholder.ts';
import { tagValue } from '../domain/task.ts';
import type { Assignment } from './executor.ts';

/** The file with the run's prompt, for who is given one. */
export function promptFile({ folder }: Pick<Assignment, 'folder'>): string {
  return join(folder, 'prompt.txt');
}

/** The value of each placeholder for this run, as untrusted text; '' if the run has none. */
export function placeholderValue(assignment: Assignment): (name: Placeholder) => string {
  const { task, worktree, repo, callback } = assignment;
  return (name) => {
    switch (name) {
      case 'task.id':
        return task.id;
      case 'task.title':
        return task.title;
      case 'task.description':
        return task.description ?? '';
      case 'task.tags':
        return task.tags.join(',');
      case 'task.category':
        return tagValue(task, 'category:') ?? '';
      case 'worktree.path':
        return worktree.path;
      case 'worktree.branch':
        return worktree.branch ?? '';
      case 'worktree.head':
        return worktree.head ?? '';
      case 'repo.name':
        return repo.name;
      case 'repo.path':
        return repo.path;
      case 'run.id':
        return assignment.run;
      case 'run.attempt':
        return String(assignment.attempt);
      case 'run.fence':
        return String(assignment.fence);
      case 'run.agent':
        return assignment.agent;
      case 'prompt.file':
        return promptFile(assignment);
      case 'callback.complete_url':
        return callback.url === null ? '' : `${callback.url}/complete`;
      case 'callback.a2a_url':
        return callback.url === null
          ? ''
          : callback.url.replace(/\/api\/task\/[^/]*$/, a2aPath(assignment.run));
      case 'callback.token':
        return callback.token;
      default:
        // Configuration rejects unknown names; one that still gets here must not become text.
        return '';
    }
  };
}

/** The URL to which an A2A agent pushes the run's progress. */
function a2aPath(run: string): string {
  return `/api/a2a/notify/${encodeURIComponent(run)}`;
}
