// The page in a real browser, in short: in by a code, what needs a person is on top, one press settles it, what happens
// shows on its own, and nothing is sent or run that should not be. `npm run test:page` does the rest.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { axeFindings } from '../support/browser.ts';
import { about, describeShort, go, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

const HOSTILE = '<img src=x onerror=alert(1)> \u202egnp.exe';

describeShort('the page', () => {
  let browser: Browser;
  let world: PageWorld;

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    world = await startWorld({
      '': [
        { id: 'ask-me', tags: ['executor:human'] },
        {
          id: 'breaks',
          exec: 'if [ -f "$WG_DIR/mended" ]; then echo mended; else echo broken >&2; exit 3; fi',
        },
        { id: 'hostile', title: HOSTILE, executor: HOSTILE },
        { id: 'after-it', after: ['breaks'] },
      ],
    });
    await world.running.event('run.settled', 'breaks');
    await world.api.post('/api/task/ask-me/claim', { worker_id: 'w', lease_s: 0 });
    await world.api.post('/api/task/ask-me/input', { question: 'Blue or red?', options: ['blue', 'red'] });
  });
  afterEach(() => world.stop());

  test('from the address to an answered question, a retry by one key, and news on its own', async () => {
    const { page, complaints } = await world.open(browser);
    expect(page.url()).not.toContain('k=');
    const needs = page.getByRole('region', { name: 'Needs you' });
    await needs.getByText('Blue or red?').waitFor();

    // The first press: of the address. The second: of the answer.
    await needs.getByRole('button', { name: 'blue' }).click();
    expect((await world.running.event('run.answered', 'ask-me')).answer).toBe('blue');
    await needs.getByText('Blue or red?').waitFor({ state: 'detached' });
    await page.getByText('supervisor answer ask-me --worktree').waitFor();

    await needs.getByRole('link', { name: 'breaks' }).focus();
    await page.keyboard.press('r');
    await world.running.nth(2, 'run.settled', 'breaks');
    await page.getByText('supervisor retry breaks --worktree').waitFor();

    // What other people do shows on its own.
    await world.api.post('/api/task/ask-me/complete', { summary: 'red it is' });
    await page.getByText('red it is').waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test.each([
    'light',
    'dark',
  ] as const)('has no finding of axe in %s, and runs nothing of what it shows', async (colorScheme) => {
    const { page, complaints } = await world.open(browser, { colorScheme });
    await page.getByText('‹202e›').first().waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await go(page, about('task', 'hostile', world.playground.repo));
    await page.getByText('<img src=x').first().waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
