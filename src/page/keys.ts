// The keyboard: rows by j and k, screens by g and a letter, and what stands on a button by its letter. Acts on the
// document, so that every screen gets it by marking its rows and buttons.

import { routeTo, type Screen } from './route.ts';

/** What the keys do, for the help. */
export const KEY_HELP: readonly (readonly [string, string])[] = [
  ['j  k', 'next and previous row'],
  ['Enter', 'open the row'],
  ['/', 'filter'],
  ['x', 'select the row'],
  ['a', 'answer'],
  ['r', 'retry'],
  ['c', 'cancel'],
  ['p', 'pause, resume'],
  ['t', 'tag the selected'],
  ['w', 'why, log'],
  ['g h', 'home'],
  ['g w', 'worktrees'],
  ['g t', 'tasks'],
  ['g r', 'runs'],
  ['g c', 'capacity'],
  ['g s', 'schedules'],
  ['Esc', 'back out'],
  ['?', 'this help'],
];

const GOING: Readonly<Record<string, Screen>> = {
  h: 'home',
  w: 'worktrees',
  t: 'tasks',
  r: 'runs',
  c: 'capacity',
  s: 'schedules',
};

/** What the keys reach beyond the document. */
export interface KeyTargets {
  go(hash: string): void;
  help(): void;
  now(): number;
}

/** A letter after g counts for so long, ms. */
const PREFIX_MS = 1500;

/** Hears keys from now on; the result ends that. */
export function listenToKeys(targets: KeyTargets): () => void {
  let wentAt = 0;
  const hear = (event: KeyboardEvent) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]')) return;
    const isTyping = target instanceof HTMLElement && target.matches('input:not([type=checkbox])');
    if (isTyping) {
      if (key === 'Escape') target.blur();
      return;
    }
    const afterG = targets.now() - wentAt < PREFIX_MS;
    wentAt = key === 'g' ? targets.now() : 0;
    if (afterG && GOING[key]) targets.go(routeTo(GOING[key]));
    else if (key === '?') targets.help();
    else if (key !== 'g') act(event);
  };
  document.addEventListener('keydown', hear);
  return () => document.removeEventListener('keydown', hear);
}

/** What a key does in the document itself. */
function act(event: KeyboardEvent): void {
  const { key } = event;
  if (key === 'j' || key === 'ArrowDown') step(1, event);
  else if (key === 'k' || key === 'ArrowUp') step(-1, event);
  else if (key === '/') focusOn('[data-filter]', event);
  else if (key.length === 1) press(key, event);
}

const rows = () => [...document.querySelectorAll<HTMLElement>('[data-row]')];

function currentRow(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>('[data-row]') ?? null;
}

function step(by: 1 | -1, event: KeyboardEvent): void {
  const all = rows();
  const at = all.indexOf(currentRow() as HTMLElement);
  // Arrows scroll where there is no row to leave.
  if (event.key.startsWith('Arrow') && at < 0) return;
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
  if (!next) return;
  event.preventDefault();
  next.querySelector<HTMLElement>('[data-open]')?.focus();
  next.scrollIntoView({ block: 'nearest' });
}

/** The key itself is not typed into what it leads to. */
function focusOn(selector: string, event: KeyboardEvent): void {
  event.preventDefault();
  document.querySelector<HTMLElement>(selector)?.focus();
}

/** What carries the letter in the row, else the first that does. */
function press(key: string, event: KeyboardEvent): void {
  const selector = `[data-key="${CSS.escape(key)}"]`;
  const row = currentRow();
  const found =
    row?.querySelector<HTMLElement>(selector) ?? (row ? null : document.querySelector<HTMLElement>(selector));
  if (!found) return;
  if (found.matches('input:not([type=checkbox])')) {
    event.preventDefault();
    found.focus();
  } else found.click();
}
