// A thing that can be done: what is sent, the command that does the same, and a button for it. One press does it once.

import { useRef, useState } from 'preact/hooks';
import { shellWord } from '../domain/shell-word.ts';
import { Refusal, taskPath } from './api.ts';
import { type App, useApp } from './app.ts';
import { newKey } from './browser.ts';
import { plainText } from './words.ts';

export interface Action {
  readonly label: string;
  /** The key that does it, as written on the keyboard. */
  readonly key?: string;
  readonly path: string;
  readonly body: unknown;
  readonly command: string;
  /** What is told when it was done. */
  readonly done: string;
  /** Asked before: it cannot be taken back. */
  readonly doubt?: { readonly question: string; readonly detail: string };
  readonly kind?: 'main' | 'quiet' | 'bad';
}

/** Does it and tells of it. `key`: of this one press. */
export async function perform(app: App, action: Action, key: string): Promise<boolean> {
  try {
    await app.api.post(action.path, action.body, key);
    app.notice.set({ text: action.done, command: action.command, isBad: false });
    return true;
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    const hint = thrown.hint === '' ? '' : ` ${thrown.hint}.`;
    app.notice.set({
      text: `Not done: ${plainText(thrown.message)}${hint}`,
      command: action.command,
      isBad: true,
    });
    return false;
  } finally {
    app.live.touch();
  }
}

/** A button for an action. */
export function ActionButton({ action }: { readonly action: Action }) {
  const app = useApp();
  const [isBusy, setBusy] = useState(false);
  // A second press before the first was answered is the same press.
  const pressed = useRef(false);
  const act = async () => {
    if (pressed.current) return;
    pressed.current = true;
    setBusy(true);
    await perform(app, action, newKey());
    pressed.current = false;
    setBusy(false);
  };
  const press = () => {
    const { doubt } = action;
    if (!doubt) return void act();
    app.doubt.set({ ...doubt, yes: action.label, command: action.command, act: () => void act() });
  };
  return (
    <button
      type="button"
      class={`button ${action.kind ?? ''}`}
      data-key={action.key}
      aria-keyshortcuts={action.key}
      aria-busy={isBusy}
      onClick={press}
      {...commandShown(app, action.command)}
    >
      {action.label}
      {action.key ? (
        <span class="key" aria-hidden="true">
          {action.key}
        </span>
      ) : null}
    </button>
  );
}

/** Shows a command at the foot of the page while something has the pointer or the focus. */
export function commandShown(app: App, command: string) {
  const show = () => app.hovered.set(command);
  const hide = () => app.hovered.set('');
  return { onMouseEnter: show, onFocus: show, onMouseLeave: hide, onBlur: hide };
}

/** The task of an action, for its command. */
function named(task: string, worktree: string): string {
  return worktree === '' ? shellWord(task) : `${shellWord(task)} --worktree ${shellWord(worktree)}`;
}

export function retryAction(task: string, worktree: string): Action {
  return {
    label: 'Retry',
    key: 'r',
    path: taskPath(task, worktree, '/retry'),
    body: {},
    command: `supervisor retry ${named(task, worktree)}`,
    done: `${plainText(task, 80)} is tried again`,
  };
}

export function doneAction(task: string, worktree: string): Action {
  return {
    label: 'Mark done',
    path: taskPath(task, worktree, '/complete'),
    body: { summary: 'marked as done on the page' },
    command: `supervisor done ${named(task, worktree)}`,
    done: `${plainText(task, 80)} is done`,
    doubt: {
      question: `Mark ${plainText(task, 80)} as done?`,
      detail: 'What waits for it may start. A run that is under way is ended.',
    },
    kind: 'quiet',
  };
}

export function cancelAction(task: string, worktree: string, label = 'Cancel'): Action {
  return {
    label,
    key: 'c',
    path: taskPath(task, worktree, '/cancel'),
    body: { reason: 'cancelled on the page' },
    command: `supervisor cancel ${named(task, worktree)}`,
    done: `${plainText(task, 80)} is cancelled`,
    doubt: {
      question: `Cancel ${plainText(task, 80)}?`,
      detail: 'Its agent is stopped, and the task stays paused until it is retried.',
    },
    kind: 'bad',
  };
}

export function answerAction(task: string, worktree: string, question: string, answer: string): Action {
  return {
    label: plainText(answer, 60),
    path: taskPath(task, worktree, '/answer'),
    body: { answer, question },
    command: `supervisor answer ${named(task, worktree)} ${shellWord(answer)}`,
    done: `Answered ${plainText(task, 80)}: ${plainText(answer, 80)}`,
  };
}

export function releaseAction(task: string, worktree: string): Action {
  return {
    label: 'Release',
    path: taskPath(task, worktree, '/release'),
    body: { reason: 'released on the page' },
    command: `supervisor release ${named(task, worktree)}`,
    done: `${plainText(task, 80)} is released`,
    doubt: {
      question: `Release ${plainText(task, 80)}?`,
      detail: 'Its worker loses its claim; the task may be taken by another.',
    },
  };
}

export function dispatchAction(task: string, worktree: string): Action {
  return {
    label: 'Run now',
    path: taskPath(task, worktree, '/dispatch'),
    body: {},
    command: `supervisor retry ${named(task, worktree)}`,
    done: `${plainText(task, 80)} is started`,
  };
}

/** Pausing or resuming of one task, in its graph. */
export function holdAction(task: string, worktree: string, isPaused: boolean): Action {
  const verb = isPaused ? 'resume' : 'pause';
  return {
    label: isPaused ? 'Resume' : 'Pause',
    key: 'p',
    path: taskPath(task, worktree, `/${verb}`),
    body: {},
    command: `supervisor ${verb} ${named(task, worktree)}`,
    done: isPaused
      ? `${plainText(task, 80)} may run again`
      : `${plainText(task, 80)} is paused; what runs goes to its end`,
    kind: 'quiet',
  };
}

/** Pausing or resuming of everything (null), a repository or an executor. */
export function pauseAction(target: string | null, isPaused: boolean): Action {
  const verb = isPaused ? 'resume' : 'pause';
  const what = target === null ? 'everything' : plainText(target, 80);
  return {
    label: isPaused ? 'Resume' : 'Pause',
    path: `/api/control/${verb}`,
    body: isPaused ? { target } : { target, reason: 'paused on the page' },
    command: `supervisor ${verb}${target === null ? '' : ` ${shellWord(target)}`}`,
    done: isPaused ? `${what} continues` : `${what} is paused; what runs goes to its end`,
  };
}
