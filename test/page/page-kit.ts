// A real supervisor over real worktrees, and its page in a real browser.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { connectSupervisor } from '../../src/api/client/client.ts';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { findChromium, launchChromium, type Watched, watchedPage } from '../support/browser.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const ROOT = join(import.meta.dirname, '../..');

const path = findChromium();
const isWhole = process.env.PAGE_TESTS === 'all';

/** The suites of the short form; skipped in one line if there is no Chromium. */
export const describeShort = describeIf(true);
/** Those of `npm run test:page` alone. */
export const describeWhole = describeIf(isWhole);

function describeIf(isWanted: boolean) {
  if (!isWanted)
    return (name: string, _suite: () => void) => describe.skip(`${name} (npm run test:page)`, noTests);
  if (path !== null) return describe;
  if (isWhole) throw new Error('there is no chromium on PATH; install one, or name it with CHROMIUM_BIN');
  return (name: string, _suite: () => void) =>
    describe.skip(`${name}: skipped, there is no chromium on PATH (or CHROMIUM_BIN)`, noTests);
}

/** A suite that is skipped needs one test to be told of. */
function noTests(): void {
  test.skip('is skipped', () => undefined);
}

/** Builds the page unless it is newer than its sources. */
export function buildPage(): void {
  const built = join(ROOT, 'dist/page/page.js');
  const sources = readdirSync(join(ROOT, 'src/page')).map(
    (name) => statSync(join(ROOT, 'src/page', name)).mtimeMs,
  );
  if (existsSync(built) && statSync(built).mtimeMs > Math.max(...sources)) return;
  const run = spawnSync('npm', ['run', '--silent', 'build:page'], { cwd: ROOT, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`the page cannot be built:\n${run.stdout}${run.stderr}`);
}

/** A browser for one test file. */
export async function startBrowser(args: readonly string[] = []): Promise<Browser> {
  if (path === null) throw new Error('there is no chromium');
  buildPage();
  return launchChromium(path, args);
}

/** A supervisor with worktrees, and ways to open its page. */
export interface PageWorld {
  readonly playground: Playground;
  readonly running: Supervised;
  readonly api: Caller;
  readonly origin: string;
  /** A new page of a new session, with what must not happen on it. */
  open(
    browser: Browser,
    how?: BrowserContextOptions & { readonly role?: 'read-only'; readonly at?: string },
  ): Promise<Watched>;
  /** A one-time address. */
  address(role?: 'read-only'): Promise<string>;
  /** Stops the supervisor and starts another on the same state. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const CONFIG = `[supervisor]
timezone = "UTC"
[retry]
attempts = 1
[api]
listen = "127.0.0.1:0"
[executors.human]
type = "external"
`;

/** `graphs`: the tasks of each worktree by its name; '' is the main one. */
export async function startWorld(
  graphs: Readonly<Record<string, readonly TaskLine[]>>,
  config = CONFIG,
): Promise<PageWorld> {
  const playground = await createPlayground();
  for (const [name, tasks] of Object.entries(graphs)) {
    const worktree = name === '' ? playground.repo : await playground.worktree(name);
    await playground.writeGraph(worktree, tasks);
  }
  await playground.writeConfig(config);
  let running = await supervise(playground);
  const address = async (role: 'operator' | 'read-only' = 'operator') => {
    const client = await connectSupervisor({ socket: running.paths.socket });
    if (!client) throw new Error('the supervisor is not there');
    const { url } = await client.openPage(role);
    client.close();
    return url;
  };
  const origin = new URL(await address()).origin;
  // After the address was asked for: TCP is open then, whatever the configuration says.
  let api = await callerOf(running);
  return {
    playground,
    get running() {
      return running;
    },
    get api() {
      return api;
    },
    origin,
    address,
    async open(browser, { role, at, ...how } = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...how });
      const opened = await address(role);
      const watched = await watchedPage(context, new URL(opened).origin);
      await watched.page.goto(opened);
      await watched.page.locator('footer .is-live, footer.is-live').waitFor();
      if (at !== undefined) await go(watched.page, at);
      return watched;
    },
    async restart() {
      await running.stop({ cancelAgents: false });
      running = await supervise(playground);
      api = await callerOf(running);
    },
    async stop() {
      await running.stop({ cancelAgents: true });
      await playground.remove();
    },
  };
}

/** Goes to a screen by its address, as a link does. */
export async function go(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.locator('main .head, main .home').first().waitFor();
}

/** The address of a screen about a task. */
export function about(screen: string, task: string, worktree: string): string {
  return `#/${screen}/${encodeURIComponent(task)}?in=${encodeURIComponent(worktree)}`;
}
