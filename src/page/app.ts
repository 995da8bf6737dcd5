// What every part of the page may use, handed down by one context, and the hooks to use it with.

import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Api } from './api.ts';
import type { Cell } from './cell.ts';
import type { Answer, Live } from './live.ts';
import type { Route } from './route.ts';

/** Something that was done, or refused, told for a while. */
export interface Notice {
  readonly text: string;
  /** The command that does the same; '' where there is none. */
  readonly command: string;
  readonly isBad: boolean;
}

/** A question before something that cannot be taken back. */
export interface Doubt {
  readonly question: string;
  readonly detail: string;
  readonly yes: string;
  readonly command: string;
  act(): void;
}

export interface App {
  readonly api: Api;
  readonly live: Live;
  readonly route: Cell<Route>;
  /** ms; moves every second while the page is visible. */
  readonly clock: Cell<number>;
  readonly notice: Cell<Notice | null>;
  readonly doubt: Cell<Doubt | null>;
  /** The command of what is under the pointer or has the focus. */
  readonly hovered: Cell<string>;
  readonly isHelpOpen: Cell<boolean>;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('this part stands outside of the page');
  return app;
}

/** The value of a cell, drawn again when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const [value, show] = useState(cell.get());
  useEffect(() => {
    show(cell.get());
    return cell.on(() => show(cell.get()));
  }, [cell]);
  return value;
}

/** The answer of an address, kept fresh while it is shown. '' asks for nothing. */
export function useAnswer<T>(path: string): Answer<T> {
  const { live } = useApp();
  const cell = live.answer<T>(path);
  useEffect(() => (path === '' ? undefined : live.use(path)), [live, path]);
  return useCell(cell);
}

/** The time, to the second. */
export function useNow(): number {
  return useCell(useApp().clock);
}
