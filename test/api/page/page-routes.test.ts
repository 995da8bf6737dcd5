// The page over real sockets: who gets its files, and every way in that must stay shut.

import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openPageSessions } from '../../../src/api/request/page-sessions.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { systemIdentity } from '../../../src/platform/identity.ts';
import { type Answer, type Ask, send, startApi, type TestApi } from '../api-kit.ts';

let folder: string;
let api: TestApi;
let port: number;

async function begin(config: Parameters<typeof startApi>[0] = {}): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'page-'));
  await writeFile(join(folder, 'page.js'), 'document.title = 1;\n'.repeat(100));
  await writeFile(join(folder, 'page.css'), 'body { margin: 0 }\n');
  const sessions = openPageSessions(join(folder, 'sessions.json'), systemClock(), systemIdentity());
  api = await startApi({ page: { sessions, folder }, ...config });
}

beforeEach(async () => {
  await begin();
  await code();
});
afterEach(async () => {
  await api.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A fresh code, by the socket as `supervisor open` asks for it. */
async function code(role?: string): Promise<string> {
  const made = await api.ask({ method: 'POST', path: '/api/page/code', body: role ? { role } : {} });
  expect(made.status).toBe(201);
  const url = new URL((made.json as { url: string }).url);
  port = Number(url.port);
  expect(url.hostname).toMatch(/^[0-9a-f]{16}\.workgraph\.localhost$/);
  return url.hash.replace('#k=', '');
}

/** As a browser on this machine asks; undefined headers are left out. */
function browse(ask: Ask, host = `workgraph.localhost:${port}`): Promise<Answer> {
  return send({ host: '127.0.0.1', port }, { ...ask, headers: { host, ...ask.headers } });
}

interface Session {
  readonly cookie: string;
  readonly 'x-page-key': string;
}

const resumes = new Map<string, string>();

async function enter(role?: string): Promise<Session> {
  const answer = await browse({ method: 'POST', path: '/page/session', body: { code: await code(role) } });
  expect(answer.status).toBe(201);
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  const { key, resume } = answer.json as { key: string; resume: string };
  resumes.set(key, resume);
  return { cookie: cookie.split(';')[0] ?? '', 'x-page-key': key };
}

const codeOf = (answer: Answer) => (answer.json as { code?: string }).code;

describe('the files of the page', () => {
  test('are one document, one script and one style sheet, under a policy that lets nothing else in', async () => {
    const home = await browse({ path: '/' });
    expect(home.status).toBe(200);
    const policy = home.headers['content-security-policy'] ?? '';
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "require-trusted-types-for 'script'",
      "frame-ancestors 'none'",
    ])
      expect(policy).toContain(rule);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(home.headers['referrer-policy']).toBe('no-referrer');
    expect(home.text).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\son\w+=|https?:/);
    const [script = '', style = ''] = ['js', 'css'].map(
      (kind) => new RegExp(`"(/page/[0-9a-f]{12}-[0-9a-f]{16}/page\\.${kind})"`).exec(home.text)?.[1],
    );
    for (const path of [script, style]) {
      const file = await browse({ path });
      expect(file.status).toBe(200);
      expect(file.headers['cache-control']).toContain('immutable');
    }
    const packed = await browse({ path: script, headers: { 'accept-encoding': 'br, gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
  });

  test('are nothing else of the disk', async () => {
    for (const path of ['/page/sessions.json', '/page/', '/page/x/page.js'])
      expect([path, (await browse({ path })).status]).toEqual([path, 404]);
    for (const path of ['/page/../sessions.json', '/page/%2e%2e/sessions.json', '/page/..%2fsessions.json'])
      expect([401, 404]).toContain((await browse({ path })).status);
  });

  test('open by a link elsewhere, and are framed and fetched by no other site', async () => {
    const site = (mode: string, dest: string) =>
      browse({
        path: '/',
        headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': mode, 'sec-fetch-dest': dest },
      });
    expect((await site('navigate', 'document')).status).toBe(200);
    expect(codeOf(await site('navigate', 'iframe'))).toBe('cross-site');
    expect(codeOf(await site('no-cors', 'script'))).toBe('cross-site');
  });

  test('are not there on the socket, by another name, or through a proxy', async () => {
    expect((await api.ask({ path: '/' })).status).toBe(404);
    expect(codeOf(await browse({ path: '/' }, 'evil.test'))).toBe('host-not-allowed');
    expect(codeOf(await browse({ path: '/' }, `workgraph.localhost.evil.test:${port}`))).toBe(
      'host-not-allowed',
    );
    expect(codeOf(await browse({ path: '/', headers: { 'x-forwarded-for': '10.0.0.1' } }))).toBe(
      'no-such-route',
    );
  });

  test('that were never built are said to be missing', async () => {
    await rm(join(folder, 'page.js'));
    const answer = await browse({ path: '/' });
    expect([answer.status, answer.text]).toEqual([409, expect.stringContaining('npm run build')]);
  });
});

describe('a session', () => {
  test('may do what the operator may, and look only where it was made for looking', async () => {
    const session = await enter();
    expect((await browse({ path: '/api/status', headers: { ...session } })).status).toBe(200);
    const pause = { method: 'POST', path: '/api/control/pause', body: {} };
    expect((await browse({ ...pause, headers: { ...session } })).status).toBe(200);
    const viewer = await enter('read-only');
    expect((await browse({ path: '/api/status', headers: { ...viewer } })).status).toBe(200);
    expect(codeOf(await browse({ ...pause, headers: { ...viewer } }))).toBe('forbidden');
  });

  test('gets a cookie that scripts and other sites cannot reach', async () => {
    const answer = await browse({ method: 'POST', path: '/page/session', body: { code: await code() } });
    const [cookie = ''] = answer.headers['set-cookie'] ?? [];
    for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(cookie).toContain(part);
    expect(cookie).not.toContain('Domain');
  });

  test.each<[string, (whole: Session) => Partial<Session>, string]>([
    ['the cookie alone', ({ cookie }) => ({ cookie }), 'unauthorized'],
    ['the key alone', (whole) => ({ 'x-page-key': whole['x-page-key'] }), 'page-session-incomplete'],
    [
      'a guessed key',
      (whole) => ({ ...whole, 'x-page-key': `wgp_${'a'.repeat(43)}` }),
      'page-session-unknown',
    ],
    [
      'the cookie of another port',
      (whole) => ({ ...whole, cookie: whole.cookie.replace(/-\d+=/, '-1=') }),
      'page-session-incomplete',
    ],
  ])('is not had by %s', async (_what, part, expected) => {
    const session = await enter();
    const answer = await browse({ path: '/api/status', headers: { ...part(session) } });
    expect([answer.status, codeOf(answer)]).toEqual([401, expected]);
  });

  test.each<[string, Record<string, string>, string | undefined, string]>([
    ['another origin', { origin: 'http://127.0.0.1:1' }, undefined, 'origin-not-allowed'],
    [
      'the same name on another port',
      { origin: 'http://workgraph.localhost:1' },
      undefined,
      'origin-not-allowed',
    ],
    ['its own other name', { origin: 'http://127.0.0.1' }, undefined, 'origin-not-allowed'],
    ['no origin at all, as a frame that is sandboxed', { origin: 'null' }, undefined, 'origin-not-allowed'],
    ['another site', { 'sec-fetch-site': 'cross-site' }, undefined, 'cross-site'],
    ['another site of the same host', { 'sec-fetch-site': 'same-site' }, undefined, 'cross-site'],
    ['a name that was rebound', {}, 'rebound.test', 'host-not-allowed'],
    ['a proxy', { via: '1.1 proxy' }, undefined, 'unauthorized'],
  ])('is refused from %s', async (_what, headers, host, expected) => {
    const session = await enter();
    const answer = await browse({ path: '/api/status', headers: { ...session, ...headers } }, host);
    expect(codeOf(answer)).toBe(expected);
  });

  test('is taken from its own origin', async () => {
    const session = await enter();
    const origin = `http://workgraph.localhost:${port}`;
    const headers = { ...session, origin, 'sec-fetch-site': 'same-origin' };
    expect((await browse({ path: '/api/status', headers })).status).toBe(200);
  });

  test('hands out no codes, and is worth nothing on the socket as a token', async () => {
    const session = await enter();
    const asked = { method: 'POST', path: '/api/page/code', body: {}, headers: { ...session } };
    expect(codeOf(await browse(asked))).toBe('forbidden');
    const headers = { authorization: `Bearer ${session['x-page-key']}` };
    expect(codeOf(await browse({ path: '/api/status', headers }))).toBe('unauthorized');
  });

  test('ends by its own leave and by revocation, with its streams', async () => {
    const [one, two] = [await enter(), await enter()];
    const left = await browse({ method: 'POST', path: '/page/leave', body: {}, headers: { ...one } });
    expect(left.status).toBe(200);
    expect(codeOf(await browse({ path: '/api/status', headers: { ...one } }))).toBe('page-session-unknown');
    const stream = connect({ host: '127.0.0.1', port });
    const closed = new Promise((resolve) => stream.once('close', resolve));
    const begun = new Promise((resolve) => stream.once('data', resolve));
    const lines = [
      'GET /api/events HTTP/1.1',
      `host: workgraph.localhost:${port}`,
      'connection: close',
      `cookie: ${two.cookie}`,
      `x-page-key: ${two['x-page-key']}`,
    ];
    stream.write(`${lines.join('\r\n')}\r\n\r\n`);
    stream.on('data', () => undefined);
    await begun;
    const revoked = await api.ask({ method: 'POST', path: '/api/page/revoke', body: {} });
    expect(revoked.json).toEqual({ revoked: 1 });
    await closed;
    expect(codeOf(await browse({ path: '/api/status', headers: { ...two } }))).toBe('page-session-unknown');
  });
});

describe('the proof that a page asks for before it sends its key again', () => {
  const ask = (session: Partial<Session>, host?: string) =>
    browse(
      {
        method: 'POST',
        path: '/page/proof',
        body: { nonce: 'n'.repeat(32) },
        headers: session.cookie === undefined ? {} : { cookie: session.cookie },
      },
      host,
    );
  const expected = (session: Session, host: string) =>
    createHmac(
      'sha256',
      createHash('sha256')
        .update(resumes.get(session['x-page-key']) ?? '')
        .digest('hex'),
    )
      .update(`${'n'.repeat(32)} ${host}`)
      .digest('hex');

  test('is of the key, the nonce and the port', async () => {
    const session = await enter();
    const host = `workgraph.localhost:${port}`;
    const proofs = [expected(session, host)];
    expect((await ask(session)).json).toMatchObject({ proofs });
    expect((await ask(session, `127.0.0.1:${port}`)).json).not.toMatchObject({ proofs });
  });

  test('is had by no one without a session, nor under another name', async () => {
    const session = await enter();
    expect((await ask({})).json).toMatchObject({ proofs: [] });
    expect((await ask({ cookie: `workgraph-${port}=wgs_guess` })).json).toMatchObject({ proofs: [] });
    expect(codeOf(await ask(session, 'workgraph.localhost:1'))).toBe('host-not-allowed');
    const short = await browse({ method: 'POST', path: '/page/proof', body: { nonce: 'x' } });
    expect(codeOf(short)).toBe('invalid-request');
  });
});

describe('a document that is loaded again', () => {
  const again = (headers: Partial<Session>, body: unknown = { again: true }) =>
    browse({ method: 'POST', path: '/page/session', body, headers: { ...headers } });

  test('gets a key of its own for both halves of another, and for nothing less', async () => {
    const session = await enter('read-only');
    const made = await again(session);
    expect(made.json).toMatchObject({ role: 'read-only', life: expect.stringMatching(/^[0-9a-f]{16}$/) });
    const { key } = made.json as { key: string };
    const both = { cookie: session.cookie, 'x-page-key': key };
    expect((await browse({ path: '/api/status', headers: both })).status).toBe(200);
    expect(codeOf(await again({ cookie: session.cookie }))).toBe('unauthorized');
    expect(codeOf(await again({ 'x-page-key': key }))).toBe('page-session-incomplete');
    expect(codeOf(await again(session, { resume: session['x-page-key'] }))).toBe('page-session-unknown');
  });

  test('is found by the name of this start, of which any other label is no name', async () => {
    const label = 'a'.repeat(16);
    expect((await browse({ path: '/' }, `${label}.workgraph.localhost:${port}`)).status).toBe(200);
    for (const host of [
      `evil.workgraph.localhost:${port}`,
      `${label}.127.0.0.1:${port}`,
      `${label}.localhost:${port}`,
    ])
      expect([host, codeOf(await browse({ path: '/' }, host))]).toEqual([host, 'host-not-allowed']);
    const session = await enter();
    const origin = `http://${label}.workgraph.localhost:${port}`;
    const asked = { path: '/api/status', headers: { ...session, origin } };
    expect(codeOf(await browse(asked))).toBe('origin-not-allowed');
    expect((await browse(asked, `${label}.workgraph.localhost:${port}`)).status).toBe(200);
  });
});

describe('a code', () => {
  const redeem = (text: unknown, headers: Record<string, string> = {}) =>
    browse({ method: 'POST', path: '/page/session', body: { code: text }, headers });

  test('is spent once, and guesses are slowed down', async () => {
    const text = await code();
    expect((await redeem(text)).status).toBe(201);
    expect(codeOf(await redeem(text))).toBe('page-code-used');
    expect(codeOf(await redeem(5))).toBe('invalid-request');
    const answers: (string | undefined)[] = [];
    for (let n = 0; n < 12; n++) answers.push(codeOf(await redeem(`wgo_guess${n}`)));
    expect(answers.slice(0, 10)).toEqual(Array(10).fill('page-code-unknown'));
    expect(answers.slice(10)).toEqual(Array(2).fill('too-many-failures'));
    expect((await redeem(await code())).status).toBe(201);
  });

  test('is not taken from a form, another site, or where the page is not', async () => {
    const text = await code();
    expect(codeOf(await redeem(text, { 'content-type': 'text/plain' }))).toBe('not-json');
    expect(codeOf(await redeem(text, { origin: 'http://evil.test' }))).toBe('origin-not-allowed');
    const asked = { method: 'POST', path: '/page/session', body: { code: text } };
    expect((await api.ask(asked)).status).toBe(404);
    expect((await redeem(text)).status).toBe(201);
  });
});

test('where another answers at ::1, the address avoids the name that browsers take there', async () => {
  const { createServer } = await import('node:http');
  const other = createServer();
  const isV6 = await new Promise<boolean>((resolve) => {
    other.once('error', () => resolve(false));
    other.listen({ host: '::1', port: 0 }, () => resolve(true));
  });
  try {
    // Without IPv6 there is no one to be mistaken for us.
    if (!isV6) return expect(await code()).toMatch(/^wgo_/);
    const taken = (other.address() as { port: number }).port;
    await api.stop();
    await begin({ config: { listen: { kind: 'at', host: '127.0.0.1', port: taken } } });
    const made = await api.ask({ method: 'POST', path: '/api/page/code', body: {} });
    expect((made.json as { url: string }).url).toContain(`http://127.0.0.1:${taken}/#k=`);
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});

test('the name is answered at ::1, too', async () => {
  const answer = await send(
    { host: '::1', port },
    { path: '/', headers: { host: `workgraph.localhost:${port}` } },
  ).catch((thrown: unknown) => thrown as { code?: string });
  // 200, or no such address on this machine.
  expect('status' in answer ? answer.status : answer.code).toEqual(
    'status' in answer ? 200 : 'EADDRNOTAVAIL',
  );
});

test('where the page is switched off, or TCP is, the next step is said and nothing is served', async () => {
  const ask = () => api.ask({ method: 'POST', path: '/api/page/code', body: {} });
  await api.stop();
  await begin({ config: { page: false } });
  expect((await ask()).json).toMatchObject({ code: 'config', hint: expect.stringContaining('page = true') });
  expect((await api.askTcp({ path: '/' })).status).toBe(404);
  await api.stop();
  await begin({ config: { listen: { kind: 'off' } } });
  expect((await ask()).json).toMatchObject({ code: 'config', hint: expect.stringContaining('listen') });
});
