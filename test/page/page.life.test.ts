// The page over time: the supervisor goes and comes back, sessions end, no one looks.

import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { CONFIG, describeWhole, go, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

describeWhole('the life of the page', () => {
  let browser: Browser;
  let world: PageWorld;

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    world = await startWorld({ '': [{ id: 'breaks', exec: 'exit 3' }] }, CONFIG);
    await world.running.event('run.settled', 'breaks');
  });
  afterEach(() => world.stop());

  test('it says that the supervisor is gone, shows nothing as live, and comes back on its own', async () => {
    const { page } = await world.open(browser);
    await page.getByRole('link', { name: 'breaks' }).first().waitFor();
    await world.running.stop({ cancelAgents: true });
    await page.getByText('the supervisor is gone since').waitFor();
    await page.getByRole('link', { name: 'breaks' }).first().waitFor();
    await world.playground.writeGraph(world.playground.repo, [{ id: 'new-one', executor: 'nobody' }]);
    await world.restart();
    await page.locator('footer.is-live').waitFor();
    await page.getByRole('link', { name: 'new-one' }).first().waitFor();
    const needs = page.getByRole('region', { name: 'Needs you' });
    await needs.getByRole('link', { name: 'breaks' }).waitFor({ state: 'detached' });
    await page.context().close();
  });

  test('another program that takes the port meanwhile is sent no key', async () => {
    const { page } = await world.open(browser);
    await world.running.stop({ cancelAgents: true });
    const keys: unknown[] = [];
    const thief = createServer((request, response) => {
      keys.push(request.headers['x-page-key'] ?? null);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ proofs: ['0'.repeat(64)] }));
    });
    await new Promise<void>((resolve) =>
      thief.listen(Number(new URL(world.origin).port), '127.0.0.1', resolve),
    );
    try {
      await page.getByText('Another program answers in place of the supervisor.').waitFor();
      expect(keys.length).toBeGreaterThan(0);
      expect(keys.filter((key) => key !== null)).toEqual([]);
    } finally {
      thief.closeAllConnections();
      await new Promise((resolve) => thief.close(resolve));
    }
    await page.context().close();
  });

  test('an open page brings TCP back although nothing else needs it', async () => {
    await world.stop();
    const auto = CONFIG.replace('[api]\nlisten = "127.0.0.1:0"\n', '');
    expect(auto).not.toContain('listen');
    world = await startWorld({ '': [{ id: 'idle', executor: 'nobody' }] }, auto);
    const { page } = await world.open(browser);
    await world.restart();
    await page.getByText('the supervisor is gone since').waitFor({ state: 'detached' });
    await page.locator('footer.is-live').waitFor();
    await page.context().close();
  });

  test('a revoked session shows nothing more and asks for nothing more', async () => {
    const { page } = await world.open(browser);
    await world.api.post('/api/page/revoke', {});
    await page.getByText('This session of the page has ended.').waitFor();
    await page.getByText('supervisor open').waitFor();
    expect(await page.getByRole('link', { name: 'breaks' }).count()).toBe(0);
    await page.context().close();
  });

  test('hidden, it asks for nothing; looked at again, it is live', async () => {
    const { page } = await world.open(browser);
    const asked: string[] = [];
    await page.evaluate(`(() => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
      document.dispatchEvent(new Event('visibilitychange'));
    })()`);
    await page.locator('footer.is-asleep').waitFor({ state: 'attached' });
    page.on('request', (request) => asked.push(request.url()));
    for (const n of [2, 3]) {
      await world.api.post('/api/task/breaks/retry', {});
      await world.running.nth(n, 'run.settled', 'breaks');
    }
    expect(asked).toEqual([]);
    await page.evaluate(`(() => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'visible' });
      document.dispatchEvent(new Event('visibilitychange'));
    })()`);
    await page.locator('footer.is-live').waitFor();
    expect(asked.some((url) => url.endsWith('/api/events'))).toBe(true);
    await page.context().close();
  });

  test('a link that is opened in another tab has the session; one without any says what to do', async () => {
    const { page } = await world.open(browser);
    const opening = page.context().waitForEvent('page');
    await page.getByRole('link', { name: 'Tasks' }).click({ modifiers: ['ControlOrMeta'] });
    const other = await opening;
    await other.getByRole('heading', { name: 'Tasks' }).waitFor();
    expect(other.url()).toBe(`${world.origin}/#/tasks`);
    await other.reload();
    await other.locator('footer.is-live').waitFor();
    await page.locator('footer.is-live').waitFor();
    // The same address typed by hand, or by a document of another, has none.
    const typed = await page.context().newPage();
    await typed.goto(`${world.origin}/#/tasks`);
    await typed.getByText('This tab has no session of the page.').waitFor();
    const stranger = await browser.newContext();
    const alone = await stranger.newPage();
    await alone.goto(`${world.origin}/`);
    await alone.getByText('This tab has no session of the page.').waitFor();
    await alone.getByText('supervisor open').waitFor();
    await stranger.close();
    await page.context().close();
  });

  test('a filter that was saved is there after a restart, under the new name of the page', async () => {
    const { page } = await world.open(browser, { at: '#/tasks?q=state:failed' });
    await page.getByRole('button', { name: 'save this filter' }).click();
    await world.restart();
    await page.goto(await world.address());
    await page.locator('footer.is-live').waitFor();
    expect(new URL(page.url()).origin).not.toBe(world.origin);
    await go(page, '#/tasks');
    await page.getByRole('button', { name: 'state:failed', exact: true }).waitFor();
    await page.context().close();
  });

  test('a reload stays where it was, and the address is the whole state', async () => {
    const { page } = await world.open(browser);
    await go(page, '#/tasks?q=breaks');
    await page.getByText('1 of 1').waitFor();
    await page.reload();
    await page.getByText('1 of 1').waitFor();
    expect(await page.getByRole('searchbox', { name: 'Filter' }).inputValue()).toBe('breaks');
    await page.context().close();
  });
});
