// The supervisor is killed, and upgraded, under the open page: real processes of the built program. The page says so, shows
// nothing as live meanwhile, and comes back on its own, as the new page where that changed.

import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, cp, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { connectSupervisor } from '../../src/api/client/client.ts';
import { resolvePaths } from '../../src/config/paths.ts';
import { watchedPage } from '../support/browser.ts';
import { builtCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { about, buildPage, CONFIG, describeWhole, go, startBrowser } from './page-kit.ts';

const told: string[] = [];

describeWhole('another process of the supervisor under the open page', () => {
  let browser: Browser;
  let playground: Playground;
  let child: ChildProcess | null = null;
  let page: Page;
  let origin: string;

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    process.stdout.write(told.map((line) => `  ${line}\n`).join(''));
  });
  beforeEach(async () => {
    playground = await createPlayground();
    await playground.writeConfig(CONFIG);
    await playground.writeGraph(playground.repo, [
      { id: 'breaks', exec: 'exit 3' },
      { id: 'asks', tags: ['executor:human'] },
    ]);
    await start(builtCli());
    const url = await addressOfPage();
    ({ origin } = new URL(url));
    ({ page } = await watchedPage(await browser.newContext(), origin));
    await page.goto(url);
    await page.locator('footer.is-live').waitFor();
    await page.getByRole('link', { name: 'breaks' }).first().waitFor();
  });
  afterEach(async () => {
    await page.context().close();
    await end('SIGTERM');
    await playground.remove();
  });

  async function start(main: string): Promise<void> {
    const flags = ['--config', playground.configFile, '--state-dir', playground.stateDir];
    const begun = spawn(process.execPath, [main, ...flags, 'run'], {
      cwd: playground.folder,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH ?? '', HOME: playground.folder },
    });
    child = begun;
    await new Promise<void>((resolve, reject) => {
      begun.stdout.once('data', () => resolve());
      begun.once('exit', (status) => reject(new Error(`the supervisor ended with ${status}`)));
    });
    begun.stdout.resume();
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child;
    child = null;
    if (!ending) return;
    const gone = new Promise((resolve) => ending.once('close', resolve));
    ending.kill(signal);
    await gone;
  }

  async function addressOfPage(): Promise<string> {
    const { socket } = resolvePaths(
      { variables: {}, home: playground.folder, platform: process.platform },
      { config: playground.configFile, stateDir: playground.stateDir },
    );
    const client = await connectSupervisor({ socket });
    if (!client) throw new Error('the supervisor is not there');
    try {
      return (await client.openPage('operator')).url;
    } finally {
      client.close();
    }
  }

  /** The program as it stands, in another folder, with a page that says which it is. */
  async function anotherBuild(): Promise<string> {
    buildPage();
    const root = join(dirname(builtCli()), '../..');
    const folder = join(playground.folder, 'upgraded');
    await mkdir(folder);
    await cp(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
    await cp(join(root, 'package.json'), join(folder, 'package.json'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await appendFile(join(folder, 'dist/page/page.js'), ";document.documentElement.dataset.build='new';");
    return join(folder, 'dist/cli/main.js');
  }

  test('killed at once, it is said to be gone, and back when it is', async () => {
    await end('SIGKILL');
    const killedAt = performance.now();
    await page.getByText('the supervisor is gone since').waitFor();
    told.push(`killed: the page says so after ${Math.round(performance.now() - killedAt)} ms`);
    expect(await page.locator('footer.is-live').count()).toBe(0);
    await playground.writeGraph(playground.repo, [{ id: 'new-one', executor: 'nobody' }]);
    await start(builtCli());
    const startedAt = performance.now();
    await page.locator('footer.is-live').waitFor();
    told.push(`started again: the page is live after ${Math.round(performance.now() - startedAt)} ms`);
    await page.getByRole('link', { name: 'new-one' }).first().waitFor();
    // Its session is one that may act, and a reload keeps it.
    await page.reload();
    await page.locator('footer.is-live').waitFor();
  });

  test('upgraded with a page that changed, the new page is loaded, where one was', async () => {
    await go(page, about('task', 'breaks', playground.repo));
    const where = page.url();
    const main = await anotherBuild();
    await end('SIGTERM');
    await page.getByText('the supervisor is gone since').waitFor();
    await start(main);
    await page.locator('html[data-build=new]').waitFor({ state: 'attached' });
    await page.locator('footer.is-live').waitFor();
    expect(page.url()).toBe(where);
    await page.getByRole('heading', { name: 'breaks' }).waitFor();
  });

  test('what is being typed is not lost by it: the page asks', async () => {
    await go(page, '#/tasks');
    await page.getByRole('checkbox', { name: 'Select breaks', exact: true }).check();
    const field = page.getByRole('textbox', { name: 'Tags for the selected tasks' });
    await field.fill('half a');
    const main = await anotherBuild();
    await end('SIGKILL');
    await page.getByText('the supervisor is gone since').waitFor();
    await start(main);
    await page.getByText('The supervisor was upgraded.').waitFor();
    await page.locator('footer.is-live').waitFor();
    expect(await field.inputValue()).toBe('half a');
    await page.getByRole('button', { name: 'Load the new page' }).click();
    await page.locator('html[data-build=new]').waitFor({ state: 'attached' });
    await page.locator('footer.is-live').waitFor();
  });
});
