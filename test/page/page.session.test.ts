// Attacks on the session in a real browser: what other sites, ports, frames and rebound names can get.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { CONFIG, describeWhole, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

/** Answers in place of the supervisor: takes what the browser has stored, asks other tabs, and leaves a worker. */
const THIEF = `<!doctype html><title>thief</title><p id="state">wait</p><script>
  window.stolen = sessionStorage.getItem('workgraph.key');
  window.heard = [];
  const channel = new BroadcastChannel('workgraph.session');
  channel.onmessage = ({ data }) => window.heard.push(data);
  channel.postMessage({ wanted: true });
  channel.postMessage({ wanted: 'guess' });
  const leave = () => navigator.serviceWorker.register('/worker.js').then(() => {
    document.getElementById('state').textContent = 'taken';
  }, (thrown) => {
    document.getElementById('state').textContent = 'again after ' + thrown;
    setTimeout(leave, 200);
  });
  leave();
</script>`;
const WORKER = `
  self.addEventListener('install', () => self.skipWaiting());
  self.addEventListener('activate', (event) => event.waitUntil(clients.claim()));
  self.addEventListener('fetch', (event) => event.respondWith(new Response('intercepted')));`;

async function startThief(at: number): Promise<{ readonly cookies: string[]; close(): Promise<void> }> {
  const cookies: string[] = [];
  const server = createServer((request, response) => {
    cookies.push(request.headers.cookie ?? '');
    const isWorker = request.url === '/worker.js';
    response.setHeader('content-type', isWorker ? 'text/javascript' : 'text/html');
    response.setHeader('cache-control', 'max-age=31536000');
    response.end(isWorker ? WORKER : THIEF);
  });
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
  return {
    cookies,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

describeWhole('attacks on the session of the page', () => {
  let browser: Browser;
  let world: PageWorld;
  let evil: Server;
  let evilPort: number;
  /** Cookies that the other server was sent. */
  let cookies: string[];
  let body = '';

  beforeAll(async () => {
    // A name that means this machine, as a rebound one does.
    browser = await startBrowser([
      '--host-resolver-rules=MAP rebound.test 127.0.0.1, MAP evil.test 127.0.0.1',
    ]);
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    world = await startWorld({ '': [{ id: 'secret-task', executor: 'nobody' }] }, CONFIG);
    cookies = [];
    evil = createServer((request, response) => {
      cookies.push(request.headers.cookie ?? '');
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><title>evil</title>${body}`);
    });
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
    evilPort = (evil.address() as AddressInfo).port;
  });
  afterEach(async () => {
    body = '';
    await new Promise((resolve) => evil.close(resolve));
    await world.stop();
  });

  const port = () => new URL(world.origin).port;

  test('a server on another port of this machine is not sent the cookie', async () => {
    const { page } = await world.open(browser);
    const other = await page.context().newPage();
    await other.goto(`http://127.0.0.1:${evilPort}/`);
    await other.goto(`http://localhost:${evilPort}/`);
    expect(cookies.filter((cookie) => cookie.includes('workgraph'))).toEqual([]);
    await page.context().close();
  });

  test('one that is opened under our name gets the cookie alone, which is worth nothing', async () => {
    const { page } = await world.open(browser);
    const other = await page.context().newPage();
    await other.goto(`http://workgraph.localhost:${evilPort}/`);
    const stolen = cookies.find((cookie) => cookie.includes('workgraph')) ?? '';
    const answer = await fetch(`http://127.0.0.1:${port()}/api/status`, { headers: { cookie: stolen } });
    expect(answer.status).toBe(401);
    // And nothing of the page's storage.
    expect(await other.evaluate('sessionStorage.length + localStorage.length')).toBe(0);
    await page.context().close();
  });

  test('a program that took the port while no supervisor ran, and was reloaded onto, got nothing that counts later', async () => {
    const { page } = await world.open(browser);
    const beside = await page.context().newPage();
    await beside.goto(await world.address());
    await beside.locator('footer.is-live').waitFor();
    await world.running.stop({ cancelAgents: true });
    const thief = await startThief(Number(port()));
    try {
      await page.reload();
      // Its registration may meet a connection that the stopped supervisor has closed.
      const state = page.locator('#state', { hasText: 'taken' });
      await state.waitFor({ timeout: 100_000 }).catch(async (thrown: unknown) => {
        throw new Error(`the thief got this far: ${await page.content()}`, { cause: thrown });
      });
    } finally {
      await thief.close();
    }
    const key = (await page.evaluate('window.stolen')) as string;
    const cookie = thief.cookies.find((one) => one.includes('workgraph')) ?? '';
    expect([key, cookie]).toEqual([expect.stringMatching(/^wgp_/), expect.stringMatching(/=wgs_/)]);
    await world.restart();
    const headers = { cookie, 'x-page-key': key };
    const answer = await fetch(`http://127.0.0.1:${port()}/api/status`, { headers });
    expect([answer.status, await answer.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'page-session-unknown' }),
    ]);
    // The tab that stayed open sends nothing through the worker that was left, and has no link for its document.
    await beside.getByText('left a worker behind').waitFor();
    expect(await page.evaluate('window.heard')).toEqual([]);
    // And the next page has another name, where nothing was left.
    await page.goto(await world.address());
    await page.locator('footer.is-live').waitFor();
    expect(new URL(page.url()).port).toBe(port());
    await page.context().close();
  }, 200_000);

  test('another site can neither frame it, nor read it, nor do anything with it', async () => {
    const { page } = await world.open(browser);
    const other = await page.context().newPage();
    body = `<iframe id="frame" src="${world.origin}/"></iframe>`;
    await other.goto(`http://evil.test:${evilPort}/`);
    const tried = (await other.evaluate(
      `(async () => {
      const told = [];
      for (const [path, init] of [
        ['/api/status', {}],
        ['/api/status', { mode: 'no-cors', credentials: 'include' }],
        ['/api/control/drain', { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}' }],
        ['/api/control/drain', { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body: '{}' }],
        ['/page/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"code":"x"}' }],
      ])
        try {
          const answer = await fetch(${JSON.stringify(world.origin)} + path, init);
          told.push(answer.type === 'opaque' ? 'opaque' : 'read ' + answer.status);
        } catch {
          told.push('refused');
        }
      return told;
    })()`,
    )) as string[];
    expect(tried.filter((line) => line.startsWith('read'))).toEqual([]);
    const frame = other.frames().find((one) => one !== other.mainFrame());
    expect((await frame?.content()) ?? '').not.toContain('id="page"');
    expect((await world.api.get('/api/status')).json).toMatchObject({ supervisor: { state: 'running' } });
    await page.context().close();
  });

  test('a name that was rebound to this machine reaches nothing', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const answer = await page.goto(`http://rebound.test:${port()}/`);
    expect(answer?.status()).toBe(403);
    expect(await page.content()).toContain('host-not-allowed');
    await context.close();
  });

  describe('a code', () => {
    test('is gone from the address and the history, and opens nothing again', async () => {
      const address = await world.address();
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(address);
      await page.locator('footer.is-live').waitFor();
      expect(page.url()).not.toContain('wgo_');
      expect(await page.evaluate('document.referrer + history.length')).not.toContain('wgo_');
      const second = await (await browser.newContext()).newPage();
      await second.goto(address);
      await second.getByText('This code was used already').waitFor();
      await second.context().close();
      await context.close();
    });

    test('that was guessed opens nothing', async () => {
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`${world.origin}/#k=wgo_${'a'.repeat(43)}`);
      await page.getByText('This code is not known here.').waitFor();
      await context.close();
    });
  });

  test('half a session, taken by a script that reads what it can, is refused', async () => {
    const { page } = await world.open(browser);
    const key = (await page.evaluate("sessionStorage.getItem('workgraph.key')")) as string;
    expect(await page.evaluate('document.cookie')).toBe('');
    const answer = await fetch(`http://127.0.0.1:${port()}/api/status`, { headers: { 'x-page-key': key } });
    expect([answer.status, (await answer.json()) as object]).toEqual([
      401,
      expect.objectContaining({ code: 'page-session-incomplete' }),
    ]);
    await page.context().close();
  });
});
