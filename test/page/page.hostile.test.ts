// Two thousand texts that mean harm, as titles, ids, reasons, tags, logs, questions and results: none runs, none hides
// what it is, and the page still holds together.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Browser } from 'playwright-core';
import { about, CONFIG, describeWhole, go, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

const COUNT = 2000;
const SEEDS = [
  '<script>window.harmed = 1</script>',
  '<img src=x onerror="window.harmed = 1">',
  '"><svg onload=window.harmed=1>',
  'javascript:window.harmed=1',
  '\u202egnp.exe\u202c',
  '\u001b]0;title\u0007\u001b[2J\u001b[31m',
  '\u0000\u0001\u007f',
  '{{constructor.constructor("window.harmed=1")()}}',
  '../../../etc/passwd',
  'a'.repeat(5000),
  '​‌‍zero',
  '𝕋𝕖𝕩𝕥 ﷽ Z̸̢̛a̵l̶g̷o̵',
  '%3Cscript%3E',
  '# not a route ?q=1&k=wgo_x',
  '`$(touch harmed)`',
];

const texts = fc.sample(
  fc.oneof(
    fc.constantFrom(...SEEDS),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.tuple(fc.constantFrom(...SEEDS), fc.string({ maxLength: 20 })).map(([a, b]) => a + b),
  ),
  { numRuns: COUNT, seed: 14 },
);

describeWhole('two thousand hostile texts', () => {
  let browser: Browser;
  let world: PageWorld;

  beforeAll(async () => {
    browser = await startBrowser();
    // Half of a surrogate pair makes a graph unreadable, for wg as well.
    const text = (n: number) => Buffer.from(texts[n % COUNT] ?? '').toString();
    const tasks = Array.from({ length: COUNT }, (_, n) => ({
      id: `h${n}`,
      title: text(n),
      description: text(n + 1),
      tags: [text(n + 2)],
      executor: n % 10 === 0 ? text(n + 3) || 'nobody' : 'nobody',
      artifacts: [text(n + 4)],
      log: [{ timestamp: '2026-05-01T00:00:00Z', actor: text(n + 5), message: text(n + 6) }],
      ...(n % 7 === 0 ? { status: 'failed', failure_reason: text(n + 7) } : {}),
      ...(n % 11 === 0 && n > 0 ? { after: [`h${n - 1}`] } : {}),
    }));
    const giant = { id: 'giant', title: '<b>'.repeat(350_000), executor: 'nobody' };
    const speaks = {
      id: 'speaks',
      exec: `printf '${'\\033[31m<script>window.harmed=1</script>\\n'.repeat(50)}'`,
    };
    world = await startWorld({ '': [...tasks, giant, speaks] }, CONFIG);
    await world.running.event('run.settled', 'speaks');
  }, 300_000);
  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  test('none runs or hides, on any screen', async () => {
    const { page, complaints } = await world.open(browser);
    const repo = world.playground.repo;
    const isSound = async (where: string) => {
      const state = (await page.evaluate(`(() => ({
        harmed: window.harmed ?? 0,
        elements: [...document.querySelectorAll('main script, main img, main iframe, main b > b > b, main [onload], main [onerror]')].length,
        hidden: /[\\u202a-\\u202e\\u200b\\u0000-\\u0008]/.test(document.body.textContent),
        links: [...document.querySelectorAll('a[href]')].map((one) => one.protocol).filter((one) => !['http:', 'https:'].includes(one)),
        wide: document.querySelector('main').scrollWidth > document.querySelector('main').clientWidth + 1,
      }))()`)) as object;
      expect([where, state]).toEqual([
        where,
        { harmed: 0, elements: 0, hidden: false, links: [], wide: false },
      ]);
    };
    await page
      .getByRole('region', { name: 'Needs you' })
      .getByRole('button', { name: /Show all/ })
      .click();
    await isSound('home');
    for (const hash of ['#/worktrees', '#/tasks', '#/runs', '#/capacity', '#/schedules']) {
      await go(page, hash);
      await page.getByText('Looking…').first().waitFor({ state: 'detached' });
      await isSound(hash);
    }
    await go(page, '#/tasks');
    for (let at = 0; at < COUNT; at += 250) {
      await page.evaluate(`document.querySelector('main').scrollTop = ${at * 52}`);
      await page.getByRole('link', { name: `h${at + 3}`, exact: true }).waitFor();
      await isSound(`tasks ${at}`);
    }
    for (const task of ['speaks', 'giant', ...Array.from({ length: 40 }, (_, n) => `h${n * 49}`)]) {
      await go(page, about('task', task, repo));
      await page.getByRole('heading', { level: 1, name: task }).waitFor();
      await isSound(task);
      await go(page, about('graph', task, repo));
      await page.getByRole('heading', { level: 1, name: `Around ${task}` }).waitFor();
      await isSound(`graph ${task}`);
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 300_000);
});
