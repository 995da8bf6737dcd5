// `add` and `edit`: tasks written into a graph, with or without a running supervisor.

import { SupervisorError } from '../../domain/errors.ts';
import type { TaskRequest } from '../../graphs/authoring.ts';
import { taskQuery, withLookout, worktreePath } from '../connect.ts';
import { type Context, compositionOf, shortPath } from '../context.ts';
import { plain } from '../render/plain.ts';

/** Flags of `add` and `edit`. */
export interface AuthorOptions extends Omit<TaskRequest, 'addTags' | 'removeTags'> {
  readonly worktree?: string;
  readonly id?: string;
  readonly tag?: readonly string[];
  readonly untag?: readonly string[];
}

/** `supervisor add TITLE`. Prints the id. */
export async function add(context: Context, title: string, options: AuthorOptions): Promise<number> {
  if (title.trim() === '')
    throw new SupervisorError('usage', 'the title is empty', { hint: 'say what is to be done' });
  const request = await requestOf(options);
  const [{ composeStore, locateGraph, whyNotServed }, { addTask, cycleOf }] = await Promise.all([
    import('../../compose/offline.ts'),
    import('../../graphs/authoring.ts'),
  ]);
  const place = await locateGraph({
    cwd: context.cwd,
    create: true,
    environment: context.environment,
    ...(options.worktree === undefined ? {} : { worktree: worktreePath(context.cwd, options.worktree) }),
  });
  const store = composeStore({ graph: place.graph });
  try {
    const { id } = await addTask(
      store,
      { ...request, title, ...(options.id === undefined ? {} : { id: options.id }) },
      context.now(),
    );
    const cycle = request.after?.length ? cycleOf(store, id) : [];
    const warning = place.trouble?.message ?? (await whyNotServed(compositionOf(context), place.worktree));
    if (context.json)
      context.outJson({
        id,
        worktree: place.worktree,
        graph: place.graph,
        ...(cycle.length === 0 ? {} : { cycle }),
        ...(warning === null ? {} : { warning }),
      });
    else {
      context.out(`${plain(id)}\n`);
      if (place.created) context.note(`supervisor: created the graph ${shortPath(place.graph, context)}`);
    }
    noteCycle(context, id, cycle);
    if (warning !== null)
      context.note(`supervisor: ${plain(id)} will not run as things stand: ${plain(warning)}`);
  } finally {
    await store.close();
  }
  return 0;
}

/** `supervisor edit TASK`. Prints the id. */
export async function edit(context: Context, task: string, options: AuthorOptions): Promise<number> {
  const request = await requestOf(options);
  if (Object.keys(request).length === 0)
    throw new SupervisorError('usage', 'nothing to change was given', {
      hint: '`supervisor edit --help` lists what can be changed',
    });
  const { cycleOf, editTask } = await import('../../graphs/authoring.ts');
  const changed = await withLookout(context, async (lookout) => {
    const found = lookout.storeOf(taskQuery(context, task, options.worktree));
    await editTask(found.store, found.task, request);
    const cycle = request.after?.length ? cycleOf(found.store, found.task) : [];
    const { task: id, worktree, store } = found;
    return { id, worktree, graph: store.graph, ...(cycle.length === 0 ? {} : { cycle }) };
  });
  if (context.json) context.outJson(changed);
  else context.out(`${plain(changed.id)}\n`);
  noteCycle(context, changed.id, changed.cycle ?? []);
  return 0;
}

/** Cycles are allowed, as in wg, and mostly not meant. */
function noteCycle(context: Context, id: string, cycle: readonly string[]): void {
  if (cycle.length === 0) return;
  const others = cycle.filter((member) => member !== id).map(plain);
  context.note(
    `supervisor: ${plain(id)} and ${others.join(', ')} wait for each other: a cycle, in which one dependency is not waited for, as in wg; \`supervisor edit ${plain(id)} --after ''\` takes its dependencies away`,
  );
}

/** The request from the flags. Throws `usage` for values that could never work. */
async function requestOf(options: AuthorOptions): Promise<TaskRequest> {
  if (options.timeout !== undefined && options.timeout !== '') {
    const { parseWgTimeout } = await import('../../domain/duration.ts');
    if (parseWgTimeout(options.timeout) === null)
      throw new SupervisorError('usage', `--timeout ${options.timeout} is not a duration wg accepts`, {
        hint: 'write 90s, 30m or 2h',
      });
  }
  if (options.schedule !== undefined && options.schedule !== '') {
    const [{ parseSchedule }, { localTimezone }] = await Promise.all([
      import('../../decide/schedules/schedule.ts'),
      import('../../settings/timezone.ts'),
    ]);
    const parsed = parseSchedule(options.schedule, options.timezone || localTimezone());
    if (!parsed.ok)
      throw new SupervisorError('usage', `--schedule: ${parsed.problem}`, {
        hint: `try it with \`supervisor schedule ${JSON.stringify(options.schedule)}\``,
      });
  }
  if (options.timezone) {
    const { isTimezone } = await import('../../settings/timezone.ts');
    if (!isTimezone(options.timezone))
      throw new SupervisorError('usage', `--timezone ${options.timezone} is not a valid time zone`, {
        hint: 'name one like Europe/Paris or UTC',
      });
  }
  const tags = [...(options.tag ?? []), ...(options.untag ?? [])];
  if (tags.includes('')) throw new SupervisorError('usage', 'a tag is empty');
  return {
    ...pick(options, ['title', 'description', 'after', 'executor', 'schedule', 'timezone']),
    ...pick(options, ['priority', 'exec', 'verify', 'timeout', 'model', 'paused']),
    ...(options.tag === undefined ? {} : { addTags: options.tag }),
    ...(options.untag === undefined ? {} : { removeTags: options.untag }),
  };
}

function pick<K extends keyof AuthorOptions>(
  options: AuthorOptions,
  names: readonly K[],
): Partial<Pick<AuthorOptions, K>> {
  const picked: Partial<Pick<AuthorOptions, K>> = {};
  for (const name of names) if (options[name] !== undefined) picked[name] = options[name];
  return picked;
}
