// Every action of the page: the graph shows it, the notice names the command that does the same, and done twice is done
// once. A page for looking does none.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { ActionReport } from '../../src/domain/report.ts';
import { about, CONFIG, describeWhole, go, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

describeWhole('the actions of the page', () => {
  let browser: Browser;
  let world: PageWorld;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    world = await startWorld(
      {
        '': [
          { id: 'breaks', exec: 'exit 3' },
          { id: 'breaks-too', exec: 'exit 3' },
          { id: 'runs', exec: 'sleep 600' },
          { id: 'outside', tags: ['executor:human'] },
          { id: 'by-hand', executor: 'nobody' },
          { id: 'tomorrow', schedule: '2099-01-01T00:00:00Z', exec: 'echo early' },
        ],
      },
      CONFIG,
    );
    await Promise.all([
      world.running.event('run.settled', 'breaks'),
      world.running.event('run.settled', 'breaks-too'),
      world.running.event('run.started', 'runs'),
    ]);
    await world.api.post('/api/task/outside/claim', { worker_id: 'w', lease_s: 0 });
    ({ page, complaints } = await world.open(browser));
  });
  afterEach(async () => {
    await page.context().close();
    await world.stop();
  });

  const task = async (id: string) => (await world.playground.readGraph(world.playground.repo)).get(id) ?? {};
  const at = (id: string) => go(page, about('task', id, world.playground.repo));
  const press = (name: string) => page.locator('main').getByRole('button', { name }).first().click();
  const sure = (name: string) => page.getByRole('dialog').getByRole('button', { name }).click();
  /** What the ledger says was done, and by whom, newest first. */
  const actions = async () =>
    ((await world.api.get('/api/actions')).json.actions as unknown as ActionReport[]).map(
      ({ actor, action, task: about, target }) => [actor, action, about ?? target],
    );
  const told = (command: string) => page.locator('.notice').getByText(`$ supervisor ${command}`).waitFor();

  test('retry, on the task and by its key', async () => {
    await at('breaks');
    await press('Retry');
    await told('retry breaks');
    await world.running.nth(2, 'run.settled', 'breaks');
    await page.getByRole('button', { name: 'Retry' }).waitFor();
    await page.keyboard.press('r');
    await world.running.nth(3, 'run.settled', 'breaks');
    expect(complaints).toEqual([]);
  });

  test('a double press is one', async () => {
    await at('breaks');
    await page.locator('main').getByRole('button', { name: 'Retry' }).dblclick();
    await world.running.nth(2, 'run.settled', 'breaks');
    await page.getByRole('button', { name: 'attempt 1' }).nth(1).waitFor();
    expect(world.running.count('run.settled', 'breaks')).toBe(2);
    expect(await actions()).toEqual([['page', 'retry', 'breaks']]);
  });

  test('cancel asks with the name of the task, and may be left', async () => {
    await at('runs');
    await press('Cancel');
    const dialog = page.getByRole('dialog', { name: 'Cancel runs?' });
    await dialog.getByRole('button', { name: 'Leave it' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect((await world.api.get('/api/runs?open=true&task=runs')).json.runs).toHaveLength(1);
    await press('Cancel');
    await sure('Cancel');
    await told('cancel runs');
    await page.getByRole('heading', { name: 'runs paused' }).waitFor();
  });

  test('mark done, release, run now', async () => {
    await at('by-hand');
    await press('Mark done');
    await sure('Mark done');
    await told('done by-hand');
    expect((await task('by-hand')).status).toBe('done');
    await at('outside');
    await press('Release');
    await sure('Release');
    await told('release outside');
    await world.running.event('run.released', 'outside');
    await at('tomorrow');
    await press('Run now');
    await world.running.event('run.settled', 'tomorrow');
    expect((await task('tomorrow')).status).toBe('done');
    expect(await actions()).toEqual([
      ['page', 'dispatch', 'tomorrow'],
      ['page', 'release', 'outside'],
      ['page', 'done', 'by-hand'],
    ]);
    expect(complaints).toEqual([]);
  });

  test('an answer in words of one’s own', async () => {
    await world.api.post('/api/task/outside/input', { question: 'How?' });
    const field = page.getByRole('textbox', { name: 'Answer outside' });
    await field.fill('like this');
    await page.keyboard.press('Enter');
    expect((await world.running.event('run.answered', 'outside')).answer).toBe('like this');
    await told('answer outside');
  });

  test('many at once', async () => {
    await go(page, '#/tasks?q=state:failed');
    await page.getByRole('checkbox', { name: 'Select breaks', exact: true }).check();
    await page.getByRole('button', { name: 'Select all 2' }).click();
    await press('Retry 2');
    await Promise.all(['breaks', 'breaks-too'].map((id) => world.running.nth(2, 'run.settled', id)));
    expect((await actions()).sort()).toEqual([
      ['page', 'retry', 'breaks'],
      ['page', 'retry', 'breaks-too'],
    ]);
  });

  test('pausing a task, by its key, and many', async () => {
    await at('by-hand');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.keyboard.press('p');
    await told('pause by-hand');
    await page.getByRole('heading', { name: 'by-hand paused' }).waitFor();
    expect(await task('by-hand')).toMatchObject({ paused: true });
    await press('Resume');
    await told('resume by-hand');
    await go(page, '#/tasks?q=tomorrow');
    await page.getByRole('checkbox', { name: 'Select tomorrow', exact: true }).check();
    await press('Pause 1');
    await page.locator('.notice').getByText('Pause: 1 task').waitFor();
    expect(await task('tomorrow')).toMatchObject({ paused: true });
    await press('Resume 1');
    await page.locator('.notice').getByText('Resume: 1 task').waitFor();
    expect((await task('tomorrow')).paused).toBeUndefined();
    await page.keyboard.press('t');
    await page.keyboard.type('area/web -none');
    await page.keyboard.press('Enter');
    await page.locator('.notice').getByText('--tag area/web --untag none').waitFor();
    expect(await task('tomorrow')).toMatchObject({ tags: ['area/web'] });
    expect(await actions()).toEqual([
      ['page', 'tag', 'tomorrow'],
      ['page', 'resume', 'tomorrow'],
      ['page', 'pause', 'tomorrow'],
      ['page', 'resume', 'by-hand'],
      ['page', 'pause', 'by-hand'],
    ]);
    expect(complaints).toEqual([]);
  });

  test('pause and resume of everything, an executor and a repository', async () => {
    await go(page, '#/capacity');
    await press('Pause');
    await told('pause');
    await page.getByText('the whole machine is paused: paused on the page').first().waitFor();
    await press('Resume');
    await told('resume');
    const card = page.getByRole('region', { name: 'command', exact: true });
    await card.getByRole('button', { name: 'Pause' }).click();
    await told('pause command');
    await card.getByText('executor command is paused').waitFor();
    await card.getByRole('button', { name: 'Resume' }).click();
    await card.getByRole('button', { name: 'Pause' }).waitFor();
    const repositories = page.getByRole('region', { name: 'Repositories' });
    await repositories.getByRole('button', { name: 'Pause' }).click();
    await told('pause repo');
    await repositories.getByText('repository repo is paused').waitFor();
    expect((await actions()).slice(0, 2)).toEqual([
      ['page', 'pause', 'repo'],
      ['page', 'resume', 'command'],
    ]);
    expect(complaints).toEqual([]);
  });

  test('what is refused is said, with the next step, and nothing is lost', async () => {
    await at('breaks');
    await page.getByRole('button', { name: 'Retry' }).waitFor();
    await world.playground.writeGraph(world.playground.repo, [{ id: 'other' }]);
    await press('Retry');
    await page.locator('.notice.is-bad').getByText('there is no task breaks').waitFor();
    expect(complaints.filter((line) => !/answer 404|console error: Failed to load/.test(line))).toEqual([]);
  });

  test('a page for looking shows everything and does nothing', async () => {
    const looking = await world.open(browser, {
      role: 'read-only',
      at: about('task', 'breaks', world.playground.repo),
    });
    await looking.page.locator('main').getByRole('button', { name: 'Retry' }).click();
    await looking.page.locator('.notice.is-bad').getByText('opened for looking only').waitFor();
    expect(world.running.count('run.settled', 'breaks')).toBe(1);
    await looking.page.context().close();
  });

  test('who did it is written down', async () => {
    await at('by-hand');
    await press('Mark done');
    await sure('Mark done');
    await told('done by-hand');
    expect(JSON.stringify((await task('by-hand')).log ?? '')).toContain('marked as done on the page');
    expect(await actions()).toEqual([['page', 'done', 'by-hand']]);
    await page
      .getByRole('region', { name: 'History' })
      .getByText('asked: done (marked as done on the page)')
      .waitFor();
  });
});
