// The page begins here: a code becomes a session, the session a live view, and the address decides what is shown of it.

import { render } from 'preact';
import { beginSession, createApi, Refusal, refuseWorkers, type Session } from './api.ts';
import { type App, AppContext, useApp, useCell } from './app.ts';
import { after, now, recall, remember } from './browser.ts';
import { Capacity } from './capacity.tsx';
import { createCell } from './cell.ts';
import { Graph } from './graph.tsx';
import { Home } from './home.tsx';
import { listenToKeys } from './keys.ts';
import { createLive } from './live.ts';
import { codeIn, parseRoute, routeTo } from './route.ts';
import { Runs } from './runs.tsx';
import { Schedules } from './schedules.tsx';
import { Shell } from './shell.tsx';
import { keyOfOtherTab, tellOtherTabs } from './tabs.ts';
import { Task } from './task.tsx';
import { Tasks } from './tasks.tsx';
import { plainText } from './words.ts';
import { Worktrees } from './worktrees.tsx';

const KEY = 'workgraph.key';

function Screens() {
  const app = useApp();
  const route = useCell(app.route);
  const link = useCell(app.live.link);
  if (link.kind === 'over') return <Closed because={link.because} />;
  switch (route.screen) {
    case 'home':
      return <Home />;
    case 'worktrees':
      return <Worktrees />;
    case 'tasks':
      return <Tasks />;
    case 'task':
      return <Task key={`${route.task} ${route.params.in}`} />;
    case 'graph':
      return <Graph />;
    case 'runs':
      return <Runs />;
    case 'capacity':
      return <Capacity />;
    case 'schedules':
      return <Schedules />;
  }
}

/** Nothing can be shown; what to do about it. */
function Closed({ because }: { readonly because: string }) {
  return (
    <div class="closed">
      <h1>workgraph</h1>
      <p>{plainText(because)}</p>
      <p>
        Open the page with <code>supervisor open</code>.
      </p>
    </div>
  );
}

/** The session of this document: of a code in the address, else with the key of before. Throws Refusal. */
async function enter(): Promise<Session> {
  await refuseWorkers();
  const code = codeIn(location.hash);
  if (code !== null) {
    // Gone from the address and the history before anything else happens.
    history.replaceState(null, '', routeTo('home'));
    return beginSession({ code });
  }
  const key = recall(KEY) ?? (await keyOfOtherTab());
  if (key === null) throw new Refusal(401, 'no-session', 'This tab has no session of the page.', '');
  return beginSession({ again: true }, key);
}

function createApp(session: Session): App {
  const api = createApi(session, (key) => remember(KEY, key));
  return {
    api,
    live: createLive(api),
    route: createCell(parseRoute(location.hash)),
    clock: createCell(now()),
    notice: createCell<ReturnType<App['notice']['get']>>(null),
    doubt: createCell<ReturnType<App['doubt']['get']>>(null),
    hovered: createCell(''),
    isHelpOpen: createCell(false),
  };
}

/** The clock is paused while the page is hidden. */
function keepTime(app: App): void {
  let cancel = () => {};
  const tick = () => {
    cancel();
    app.clock.set(now());
    cancel = after(1000, () => document.visibilityState === 'visible' && tick());
  };
  document.addEventListener('visibilitychange', () => {
    const isHidden = document.visibilityState === 'hidden';
    app.live.sleep(isHidden);
    if (!isHidden) tick();
  });
  tick();
}

async function begin(root: HTMLElement): Promise<void> {
  let session: Session;
  try {
    session = await enter();
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    remember(KEY, null);
    render(<Closed because={thrown.message} />, root);
    return;
  }
  remember(KEY, session.key);
  const app = createApp(session);
  tellOtherTabs(app.api);
  addEventListener('hashchange', () => {
    // A code that arrives in an open tab is a new session.
    if (codeIn(location.hash) !== null) return location.reload();
    app.route.set(parseRoute(location.hash));
    scrollTo(0, 0);
  });
  listenToKeys({
    go: (hash) => {
      location.hash = hash;
    },
    help: () => app.isHelpOpen.set(true),
    now,
  });
  render(
    <AppContext.Provider value={app}>
      <Shell>
        <Screens />
      </Shell>
    </AppContext.Provider>,
    root,
  );
  keepTime(app);
  app.live.sleep(document.visibilityState === 'hidden');
  app.live.start();
}

const root = document.getElementById('page');
if (root) void begin(root);
