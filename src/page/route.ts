// The address is the whole state of the page: which screen, of what, filtered how. It stands behind the #, so that it
// reaches no server and no log.

export const SCREENS = [
  'home',
  'worktrees',
  'tasks',
  'task',
  'graph',
  'runs',
  'capacity',
  'schedules',
] as const;
export type Screen = (typeof SCREENS)[number];

/** Where one is. */
export interface Route {
  readonly screen: Screen;
  /** The task that the screen is about; '' where it is about none. */
  readonly task: string;
  readonly params: Readonly<Record<string, string>>;
}

/** The route of a fragment; home for anything else. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name = '', task = ''] = path.split('/', 2);
  const screen = SCREENS.find((one) => one === name) ?? 'home';
  return { screen, task: decoded(task), params: Object.fromEntries(new URLSearchParams(query)) };
}

/** The fragment of a route. Parameters that are empty are left out. */
export function routeTo(screen: Screen, task = '', params: Readonly<Record<string, string>> = {}): string {
  const given = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== ''));
  const query = given.toString();
  const path = screen === 'home' ? '' : task === '' ? screen : `${screen}/${encodeURIComponent(task)}`;
  return `#/${path}${query === '' ? '' : `?${query}`}`;
}

/** The address of a task's own screen. */
export function taskRoute(task: string, worktree: string): string {
  return routeTo('task', task, { in: worktree });
}

/** The one-time code that a fragment carries, null where it carries none. */
export function codeIn(hash: string): string | null {
  return /^#k=([\w-]{20,200})$/.exec(hash)?.[1] ?? null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A % that means nothing stands for itself.
    return text;
  }
}
