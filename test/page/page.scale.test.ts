// How it is with much to show: fifty worktrees of two hundred tasks, and ten thousand tasks in one. What is measured is
// printed; what is asserted is that it works, with room for a machine that has much else to do.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Locator, Page } from 'playwright-core';
import { CONFIG, describeWhole, go, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

const told: string[] = [];
const ROUNDS = 7;

/** How long the answer took that home is made of, as the browser saw it. */
const OVERVIEW_MS = `(() => {
  const [first] = performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/api/overview'));
  return first ? first.responseEnd - first.startTime : NaN;
})()`;

/** From the start of the navigation until `what` is there, ms by the page's own clock. */
async function opened(page: Page, address: string, what: (page: Page) => Locator): Promise<number> {
  await page.goto(address, { waitUntil: 'commit' });
  await what(page).waitFor();
  return (await page.evaluate('performance.now()')) as number;
}

function middle(samples: readonly number[]): number {
  return Math.round([...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN);
}

/** A server that has one page, with nothing on it. */
async function startEmptyPage(): Promise<{ readonly origin: string; close(): Promise<void> }> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>empty</title><p id="there">there</p>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

describeWhole('the page with much to show', () => {
  let browser: Browser;
  let world: PageWorld | null = null;

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterEach(async () => {
    await world?.stop();
    world = null;
  });
  afterAll(async () => {
    await browser.close();
    process.stdout.write(`${told.map((line) => `  ${line}\n`).join('')}`);
  });

  const tasks = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      id: `task-${n}`,
      title: `Task ${n} of many`,
      ...(n % 4 === 0 ? { status: 'done' } : {}),
      ...(n % 50 === 1 ? { status: 'failed', failure_reason: 'exit status 1' } : {}),
      ...(n % 4 === 2 ? { executor: 'nobody' } : {}),
      ...(n % 4 === 3 ? { after: [`task-${n - 1}`] } : {}),
      tags: [`area/${n % 7}`],
    }));

  /** From asking for it until it is there, as the page itself sees it, ms. */
  async function measure(page: Page, what: string, act: () => Promise<unknown>): Promise<void> {
    const before = (await page.evaluate('performance.now()')) as number;
    await act();
    const after = (await page.evaluate('performance.now()')) as number;
    told.push(`${what}: ${Math.round(after - before)} ms`);
  }

  test('fifty worktrees of two hundred tasks: home', async () => {
    const graphs = Object.fromEntries(Array.from({ length: 49 }, (_, n) => [`wt-${n}`, tasks(200)]));
    world = await startWorld({ '': tasks(200), ...graphs }, CONFIG);
    const { page, complaints } = await world.open(browser);
    const empty = await startEmptyPage();
    const bare = await page.context().newPage();
    try {
      const homes: number[] = [];
      const floors: number[] = [];
      const answers: number[] = [];
      for (let n = 0; n < ROUNDS; n++) {
        floors.push(await opened(bare, empty.origin, (at) => at.locator('#there')));
        homes.push(
          await opened(page, `${world.origin}/`, (at) =>
            at.getByRole('region', { name: 'Needs you' }).getByRole('link').first(),
          ),
        );
        answers.push((await page.evaluate(OVERVIEW_MS)) as number);
      }
      told.push(
        `home of 50 × 200 tasks: there ${middle(homes)} ms after its address was opened, the first time ${Math.round(homes[0] ?? 0)} ms`,
      );
      told.push(`  of that the supervisor took ${middle(answers)} ms to say what is on it`);
      told.push(`  the floor, an empty page of another server: ${middle(floors)} ms`);
    } finally {
      await empty.close();
    }
    await go(page, '#/worktrees');
    await page.getByText('50 of 50 worktrees').waitFor();
    await measure(page, 'list of 10,000 tasks in 50 worktrees', async () => {
      await go(page, '#/tasks');
      await page.getByText('10000 of 10000').waitFor();
    });
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 600_000);

  test('ten thousand tasks in one worktree: list, filter, and what is in the document', async () => {
    world = await startWorld({ '': tasks(10_000) }, CONFIG);
    const { page, complaints } = await world.open(browser);
    await measure(page, 'list of 10,000 tasks', async () => {
      await go(page, '#/tasks');
      await page.getByText('10000 of 10000').waitFor();
    });
    expect(await page.locator('li').count()).toBeLessThan(200);
    await page.evaluate("document.querySelector('main').scrollTop = 9000 * 52");
    await page.getByRole('link', { name: 'task-9003', exact: true }).waitFor();
    const filter = page.getByRole('searchbox', { name: 'Filter' });
    await filter.focus();
    const spent: number[] = [];
    for (const key of 'state:held task-99') {
      const ms = (await page.evaluate(`new Promise((resolve) => {
        const field = document.querySelector('[data-filter]');
        const begun = performance.now();
        field.value += ${JSON.stringify(key)};
        field.dispatchEvent(new Event('input', { bubbles: true }));
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun), 0));
      })`)) as number;
      spent.push(ms);
    }
    told.push(
      `a key in the filter: ${Math.round(spent.reduce((a, b) => a + b, 0) / spent.length)} ms, at most ${Math.round(Math.max(...spent))} ms`,
    );
    await page.getByText(/^\d+ of 10000$/).waitFor();
    expect(complaints).toEqual([]);
    const heap = (await page.evaluate('performance.memory?.usedJSHeapSize ?? 0')) as number;
    told.push(`heap with 10,000 tasks listed: ${Math.round(heap / 1e6)} MB`);
    await page.context().close();
  }, 600_000);
});
