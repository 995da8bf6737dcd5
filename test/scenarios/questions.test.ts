// A worker asks a person, and the person answers: over a real supervisor, its API and its commands' face. The clock of
// the lease is paused in between (http-protocol 2.2, `input`).

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Called, type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised;
let api: Caller;
let token: string;

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeGraph(playground.repo, [{ id: 'job', tags: ['executor:external'] }]);
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
  await begin();
  await supervised.event('run.handed-off', 'job');
  token = await claim({ lease_s: 100 });
});
afterEach(async () => {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

async function begin(): Promise<void> {
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

async function claim(terms: object): Promise<string> {
  const { json } = await api.post('/api/task/job/claim', { worker_id: 'w', ...terms });
  return (json.lease as unknown as { token: string }).token;
}

const beat = (body: object = {}) => api.post('/api/task/job/heartbeat', body, token);
const ask = (question: string, options?: readonly string[]) =>
  api.post('/api/task/job/input', { question, options }, token);
const answer = (text: string, more: object = {}) =>
  api.post('/api/task/job/answer', { answer: text, ...more });
const code = (answered: Called) => [answered.status, answered.json.code];

async function leaseNow(): Promise<unknown> {
  const { json } = await api.get('/api/task/job');
  return (json.runs as unknown as { lease: unknown }[])[0]?.lease;
}

describe('asking and answering', () => {
  test('the clock is paused while it waits, over heartbeats too; the answer sets it going and comes with every heartbeat', async () => {
    const asked = await ask('Blue or red?', ['blue', 'red']);
    expect([asked.status, asked.json.lease]).toEqual([200, { expires_at: null }]);
    expect((await supervised.event('run.input', 'job')).options).toEqual(['blue', 'red']);
    const waiting = await beat();
    expect(waiting.json).toEqual({ directive: 'continue', lease: { expires_at: null }, deadline: null });
    expect(await leaseNow()).toMatchObject({
      question: 'Blue or red?',
      options: ['blue', 'red'],
      answer: null,
      expires_at: null,
    });

    const said = await answer('blue');
    expect([said.status, said.json]).toEqual([
      200,
      expect.objectContaining({ question: 'Blue or red?', answer: 'blue', duplicate: false }),
    ]);
    expect(await supervised.event('run.answered', 'job')).toMatchObject({
      question: 'Blue or red?',
      answer: 'blue',
    });
    expect(await leaseNow()).toMatchObject({ answer: 'blue', expires_at: expect.any(String) });
    // An answer that is lost on its way must not be lost for good.
    for (let n = 0; n < 2; n++)
      expect((await beat()).json).toMatchObject({
        answer: 'blue',
        lease: { expires_at: expect.any(String) },
      });
  });

  test('the next question forgets the last answer', async () => {
    await ask('One?');
    await answer('1');
    await ask('Two?');
    expect((await beat()).json.answer).toBeUndefined();
    expect(await leaseNow()).toMatchObject({ question: 'Two?', options: [], answer: null });
    await answer('2');
    expect((await beat()).json.answer).toBe('2');
  });

  test('the same question again while it is open is one question', async () => {
    await ask('Really?');
    await ask('Really?');
    expect(supervised.count('run.input', 'job')).toBe(1);
    await answer('yes');
    // After the answer it is a new one: an agent may well ask the same before each step.
    await ask('Really?');
    expect(supervised.count('run.input', 'job')).toBe(2);
    expect((await beat()).json.answer).toBeUndefined();
  });

  test('an asking with a name is one question however often it is sent, also once it is answered', async () => {
    const named = (id: string) => api.post('/api/task/job/input', { question: 'Really?', id }, token);
    await named('1');
    await named('1');
    await answer('yes');
    expect((await named('1')).json.answer).toBe('yes');
    expect(supervised.count('run.input', 'job')).toBe(1);
    expect((await named('2')).json.answer).toBeUndefined();
    expect(supervised.count('run.input', 'job')).toBe(2);
    // Who asks the open question under another name joins those that wait for its answer.
    await named('3');
    expect(supervised.count('run.input', 'job')).toBe(2);
  });

  test('two agents of one run ask at once, over a restart: each gets its own answer, and no heartbeat mixes them up', async () => {
    const asks = (id: string, question: string) =>
      api.post('/api/task/job/input', { question, options: ['yes', 'no'], id, waits: true }, token);
    await asks('a', 'Read it?');
    await asks('b', 'Delete it?');
    expect(await leaseNow()).toMatchObject({ question: 'Read it?', answer: null });
    await answer('yes', { question: 'Read it?' });
    await asks('b', 'Delete it?');
    expect(await leaseNow()).toMatchObject({ question: 'Delete it?', answer: null });
    await supervised.stop({ cancelAgents: false });
    await begin();
    expect((await asks('a', 'Read it?')).json.answer).toBe('yes');
    expect((await asks('b', 'Delete it?')).json.answer).toBeUndefined();
    await answer('no');
    expect((await asks('b', 'Delete it?')).json.answer).toBe('no');
  });

  test('a worker that knows on its own now continues: its clock runs, and nothing is open any more', async () => {
    await ask('Where is the key?');
    expect((await beat({ waiting: false })).json).toMatchObject({
      lease: { expires_at: expect.any(String) },
    });
    expect(code(await answer('under the mat'))).toEqual([409, 'nothing-asked']);
  });

  test('question and answer outlive a restart', async () => {
    await ask('Blue or red?', ['blue', 'red']);
    await supervised.stop({ cancelAgents: false });
    await begin();
    expect((await beat()).json.lease).toEqual({ expires_at: null });
    await answer('red');
    await supervised.stop({ cancelAgents: false });
    await begin();
    expect((await beat()).json).toMatchObject({ answer: 'red', lease: { expires_at: expect.any(String) } });
    expect((await supervised.control.status()).runs[0]?.lease).toMatchObject({
      question: 'Blue or red?',
      answer: 'red',
    });
  });

  test('an answer by the id of the run is good too, and names the task', async () => {
    await ask('Which?');
    const [run] = await supervised.control.runs({ task: 'job' });
    const said = await api.post(`/api/task/${run?.run}/answer`, { answer: 'that one' });
    expect([said.status, said.json.task]).toEqual([200, 'job']);
  });

  test('a waiting client gets the answer by the event stream and by the ETag at once', async () => {
    await ask('Which?');
    await supervised.supervisor.quiet();
    const etag = (await api.get('/api/task/job')).headers.get('etag') ?? '';
    const waiting = api.get('/api/task/job', { 'if-none-match': etag, prefer: 'wait=50' });
    const stream = await fetch(`${api.url}/api/events`, {
      headers: { authorization: `Bearer ${api.token}` },
    });
    await answer('that one');
    expect(JSON.stringify((await waiting).json.runs)).toContain('that one');
    let seen = '';
    for await (const chunk of stream.body as unknown as AsyncIterable<Uint8Array>) {
      seen += Buffer.from(chunk).toString('utf8');
      if (seen.includes('event: run.answered')) break;
    }
    expect(seen).toContain('"answer":"that one"');
  });
});

describe('answers that come to nothing', () => {
  test('the same answer again is a duplicate, another one a contradiction', async () => {
    await ask('Which?');
    await answer('this');
    expect((await answer('this')).json).toMatchObject({ duplicate: true, answer: 'this' });
    expect(code(await answer('that'))).toEqual([409, 'already-answered']);
    expect(supervised.count('run.answered', 'job')).toBe(1);
    expect((await beat()).json.answer).toBe('this');
  });

  test('two answer at once: one counts, and both learn which', async () => {
    await ask('Which?');
    const both = await Promise.all([answer('this'), answer('that')]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const winner = both.find(({ status }) => status === 200)?.json.answer;
    expect((await beat()).json.answer).toBe(winner);
  });

  test('nothing was asked; it asks something else by now; no one works on it any more; there is no such task', async () => {
    expect(code(await answer('42'))).toEqual([409, 'nothing-asked']);
    await ask('Delete everything?');
    expect(code(await answer('yes', { question: 'Shall I continue?' }))).toEqual([409, 'nothing-asked']);
    expect((await answer('no', { question: 'Delete everything?' })).status).toBe(200);
    await api.post('/api/task/job/complete', {}, token);
    const over = await answer('no');
    expect([...code(over), over.json.task_id]).toEqual([409, 'not-claimed', 'job']);
    expect(code(await api.post('/api/task/nothing/answer', { answer: 'x' }))).toEqual([404, 'not-found']);
  });

  test('an answer is for the operator: the worker may not answer itself', async () => {
    await ask('May I?');
    const own = await api.post('/api/task/job/answer', { answer: 'yes' }, token);
    expect(code(own)).toEqual([403, 'forbidden']);
    const anonymous = await api.post('/api/task/job/answer', { answer: 'yes' }, null);
    expect(anonymous.status).toBe(401);
    expect((await leaseNow()) as object).toMatchObject({ answer: null });
  });

  test.each([{}, { answer: '' }, { answer: 1 }, { answer: 'x'.repeat(20_001) }])('422: %j', async (body) => {
    await ask('Which?');
    expect(code(await api.post('/api/task/job/answer', body))).toEqual([422, 'invalid-request']);
  });

  test('a worker that was superseded can ask nothing', async () => {
    await api.post('/api/task/job/release', {}, token);
    await supervised.nth(2, 'run.handed-off', 'job');
    await claim({});
    expect(code(await ask('Am I still needed?'))).toEqual([409, 'lease-superseded']);
  });
});
