// Every screen, by day and by night, wide and on a phone: no finding of axe, no message in the console, no request
// elsewhere, nothing wider than the screen, and every action within reach of the keyboard.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { axeFindings } from '../support/browser.ts';
import { about, CONFIG, describeWhole, go, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

const HOOKED = `[executors.hooked]
type = "command"
shell = "true"
before_run = "echo prepared"
after_run = "echo cleaned"
`;

describeWhole('every screen of the page', () => {
  let browser: Browser;
  let world: PageWorld;

  beforeAll(async () => {
    browser = await startBrowser();
    world = await startWorld(
      {
        '': [
          { id: 'design', status: 'done', completed_at: '2026-05-02T00:00:00Z' },
          { id: 'build', exec: 'echo building; sleep 600', after: ['design'], tags: ['area/web'] },
          { id: 'test', after: ['build'] },
          { id: 'release', after: ['test'], description: 'Ship it.\n\nTwo lines.' },
          { id: 'odd', executor: 'nobody' },
          { id: 'breaks', exec: 'echo broken >&2; exit 3' },
          { id: 'hooked', executor: 'hooked' },
        ],
        'feature-x': [
          { id: 'nightly', schedule: '30 2 * * *', exec: 'true', created_at: new Date().toISOString() },
          { id: 'elsewhere', tags: ['executor:human'] },
          { id: 'made', exec: 'true', artifacts: ['https://example.net/report', '{"a":1}'] },
        ],
      },
      `${CONFIG}[[budgets]]\nname = "day"\nruns = 50\nper = "day"\n${HOOKED}`,
    );
    await world.running.event('run.settled', 'breaks');
    await world.running.event('run.settled', 'hooked');
    await world.running.event('run.started', 'build');
    await world.api.post('/api/task/elsewhere/claim', { worker_id: 'w', lease_s: 0 });
    await world.api.post('/api/task/elsewhere/input', { question: 'Which?', options: ['this', 'that'] });
    await world.api.post('/api/control/pause', { target: 'human', reason: 'lunch' });
  });
  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  const screens = (): readonly (readonly [string, string])[] => [
    ['home', '#/'],
    ['worktrees', '#/worktrees'],
    ['tasks', '#/tasks'],
    ['tasks, filtered', '#/tasks?q=state:held'],
    ['a running task', about('task', 'build', world.playground.repo)],
    ['a failed task', about('task', 'breaks', world.playground.repo)],
    ['a task with hooks', about('task', 'hooked', world.playground.repo)],
    ['a task that asks', about('task', 'elsewhere', `${world.playground.folder}/feature-x`)],
    ['a task with a result', about('task', 'made', `${world.playground.folder}/feature-x`)],
    ['the graph', about('graph', 'test', world.playground.repo)],
    ['runs', '#/runs?hours=1'],
    ['runs by executor', '#/runs?by=executor'],
    ['capacity', '#/capacity'],
    ['schedules', '#/schedules'],
  ];

  async function settled(page: Page): Promise<void> {
    await page.getByText('Looking…').first().waitFor({ state: 'detached' });
  }

  describe.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 375],
    ['dark', 375],
  ] as const)('in %s, %d px wide', (colorScheme, width) => {
    test('nothing to find', async () => {
      const { page, complaints } = await world.open(browser, {
        colorScheme,
        reducedMotion: 'reduce',
        viewport: { width, height: 780 },
      });
      const found: Record<string, unknown> = {};
      for (const [name, hash] of screens()) {
        await go(page, hash);
        await settled(page);
        const findings = await axeFindings(page);
        const tooWide = await page.evaluate(
          "[...document.querySelectorAll('main, body')].some((one) => one.scrollWidth > one.clientWidth + 1)",
        );
        if (findings.length > 0) found[name] = findings;
        if (tooWide) found[`${name} is too wide`] = true;
      }
      expect(found).toEqual({});
      expect(complaints).toEqual([]);
      await page.context().close();
    }, 300_000);
  });

  test('every link and button of every screen is reached by Tab alone', async () => {
    const { page } = await world.open(browser);
    for (const [name, hash] of screens()) {
      await go(page, hash);
      await settled(page);
      const wanted = (await page.evaluate(
        `(() => {
          const all = [...document.querySelectorAll('a[href], button, input, summary, pre[tabindex]')].filter((one) => one.checkVisibility());
          all.forEach((one, n) => { one.dataset.reach = n; });
          document.activeElement?.blur();
          return all.length;
        })()`,
      )) as number;
      const reached = new Set<string>();
      for (let n = 0; n < wanted + 5; n++) {
        await page.keyboard.press('Tab');
        reached.add((await page.evaluate("document.activeElement?.dataset.reach ?? ''")) as string);
      }
      reached.delete('');
      const missed = await page.evaluate(
        `[...document.querySelectorAll('[data-reach]')].filter((one) => !${JSON.stringify([...reached])}.includes(one.dataset.reach)).map((one) => one.outerHTML.slice(0, 200))`,
      );
      expect([name, missed]).toEqual([name, []]);
    }
    await page.context().close();
  }, 300_000);

  test('the keyboard goes everywhere: screens, rows, filter, help', async () => {
    const { page } = await world.open(browser);
    const isAt = (hash: string) => expect(page.url()).toContain(hash);
    for (const [keys, hash] of [
      ['gw', '#/worktrees'],
      ['gt', '#/tasks'],
      ['gr', '#/runs'],
      ['gc', '#/capacity'],
      ['gs', '#/schedules'],
      ['gh', '#/'],
      ['gt', '#/tasks'],
    ] as const) {
      for (const key of keys) await page.keyboard.press(key);
      await page.locator('main .head, main .home').first().waitFor();
      isAt(hash);
    }
    await page.keyboard.press('/');
    await page.keyboard.type('breaks');
    await page.getByText('1 of 10').waitFor();
    isAt('q=breaks');
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    await page.getByText('1 task selected').waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'breaks' }).waitFor();
    await page.goBack();
    await page.getByText('1 of 10').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' });
    await page.context().close();
  });

  test('every number leads to the rows behind it', async () => {
    const { page } = await world.open(browser, { at: '#/tasks' });
    const failed = page.getByRole('button', { name: 'failed 1' });
    await failed.click();
    await page.getByText('1 of 10').waitFor();
    await go(page, '#/worktrees');
    await page.getByRole('link', { name: '1 held' }).click();
    await page.getByText('1 of 10').waitFor();
    await go(page, '#/capacity');
    await page
      .getByRole('link', { name: /^1 queued$|^0 queued$/ })
      .first()
      .click();
    expect(page.url()).toContain('state%3Aqueued');
    await page.context().close();
  });

  test('dragging over the time zooms into it, and a span leads back', async () => {
    const { page } = await world.open(browser, { at: '#/runs?hours=24' });
    await page.getByText(/\d+ runs? in 24 hours/).waitFor();
    const strip = page.locator('.track.brush');
    await strip.scrollIntoViewIfNeeded();
    const box = await strip.boundingBox();
    if (!box) throw new Error('the strip is not there');
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.75, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width, y, { steps: 4 });
    await page.mouse.up();
    await page.getByText(/\d+ runs? in (?:5 h 59 min|6 h)$/).waitFor();
    expect(page.url()).toMatch(/from=\d+&to=\d+/);
    await page.getByRole('button', { name: '24 h' }).click();
    await page.getByText(/\d+ runs? in 24 hours/).waitFor();
    await page.context().close();
  });

  test('the graph follows what runs', async () => {
    const { page } = await world.open(browser, { at: about('graph', 'release', world.playground.repo) });
    await page.getByRole('button', { name: 'Follow what runs' }).click();
    await page.getByRole('heading', { name: 'Around build' }).waitFor();
    await page.context().close();
  });

  test('what hooks printed is beside the log', async () => {
    const { page } = await world.open(browser, { at: about('task', 'hooked', world.playground.repo) });
    for (const [hook, printed] of [
      ['before_run', 'prepared'],
      ['after_run', 'cleaned'],
    ] as const) {
      await page.locator('summary', { hasText: hook }).click();
      await page
        .getByRole('log', { name: `Output of ${hook}` })
        .getByText(printed)
        .waitFor();
    }
    await page.context().close();
  });

  test('a log follows, is searched, and says when there is none', async () => {
    const { page } = await world.open(browser, { at: about('task', 'build', world.playground.repo) });
    await page.getByRole('log').getByText('building').waitFor();
    await page.getByRole('searchbox', { name: 'Search the log' }).fill('nothing like it');
    await page.getByText('(no line is like that)').waitFor();
    await page.context().close();
  });
});
