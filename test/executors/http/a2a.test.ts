import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readSendAnswer, readStreamResponse } from '../../../src/executors/http/a2a.ts';

const said = (text: string, more: object = {}) => ({ role: 'ROLE_AGENT', parts: [{ text }], ...more });
const update = (state: unknown, message?: object, more: object = {}) =>
  readStreamResponse({ statusUpdate: { taskId: 't', status: { state, message, ...more } } });
const ARTIFACTS = [{ artifactId: 'a', parts: [{ text: 'x' }] }];

describe('a StreamResponse', () => {
  test.each([
    ['TASK_STATE_SUBMITTED', { kind: 'working', message: 'hm' }],
    ['TASK_STATE_WORKING', { kind: 'working', message: 'hm' }],
    ['TASK_STATE_OF_A_LATER_VERSION', { kind: 'working', message: 'hm' }],
    ['TASK_STATE_COMPLETED', { kind: 'completed', summary: 'hm', result: null }],
    ['TASK_STATE_FAILED', { kind: 'failed', message: 'hm', retryable: true }],
    ['TASK_STATE_REJECTED', { kind: 'failed', message: 'the agent rejected it: hm', retryable: false }],
    ['TASK_STATE_CANCELED', { kind: 'failed', message: 'the agent cancelled it: hm', retryable: false }],
    ['TASK_STATE_INPUT_REQUIRED', { kind: 'asks', question: 'hm', name: 'hm' }],
    [
      'TASK_STATE_AUTH_REQUIRED',
      {
        kind: 'asks',
        question: 'The agent needs to be authorised: hm',
        name: 'The agent needs to be authorised: hm',
      },
    ],
  ])('a status update of %s', (state, expected) => {
    expect(update(state, said('hm'))).toEqual(expected);
  });

  test('without a message there are words of the supervisor, and a question that has none is asked all the same', () => {
    expect(update('TASK_STATE_FAILED')).toMatchObject({ message: 'the agent failed and gave no reason' });
    expect(update('TASK_STATE_REJECTED')).toMatchObject({ message: 'the agent rejected it' });
    expect(update('TASK_STATE_INPUT_REQUIRED')).toMatchObject({
      question: expect.stringContaining('needs input'),
    });
    expect(update('TASK_STATE_WORKING')).toEqual({ kind: 'working', message: null });
  });

  test('a question is named by its message, else by its instant: pushed twice it is one', () => {
    const at = { timestamp: '2026-05-01T00:00:00Z' };
    expect(update('TASK_STATE_INPUT_REQUIRED', said('q', { messageId: 'm1' }), at)).toMatchObject({
      name: 'm1',
    });
    expect(update('TASK_STATE_INPUT_REQUIRED', said('q'), at)).toMatchObject({ name: at.timestamp });
  });

  test('a task brings its artifacts, which are the result; messages are not', () => {
    const task = {
      id: 't',
      status: { state: 'TASK_STATE_COMPLETED', message: said('done it') },
      artifacts: ARTIFACTS,
      history: [said('chatter')],
    };
    expect(readStreamResponse({ task })).toEqual({
      kind: 'completed',
      summary: 'done it',
      result: ARTIFACTS,
    });
  });

  test('an artifact is a part of the result; a message is a sign of life', () => {
    const artifact = ARTIFACTS[0];
    expect(readStreamResponse({ artifactUpdate: { taskId: 't', artifact, append: true } })).toEqual({
      kind: 'part',
      name: 'a',
      more: true,
      part: artifact,
    });
    expect(readStreamResponse({ message: said('half-way') })).toEqual({
      kind: 'working',
      message: 'half-way',
    });
  });

  test.each([
    ['nothing', {}],
    ['two at once', { message: said('x'), statusUpdate: { status: { state: 'TASK_STATE_WORKING' } } }],
    ['none that is an object', { task: 'x', message: [], statusUpdate: null }],
    ['a task of A2A 0.3', { kind: 'task', id: 't', status: { state: 'completed' } }],
    ['a status without a state', { statusUpdate: { status: {} } }],
    ['an update without a status', { statusUpdate: { taskId: 't' } }],
    ['an artifact that is none', { artifactUpdate: { artifact: 1 } }],
  ])('%s is none', (_what, body) => {
    expect(readStreamResponse(body)).toBeNull();
  });

  test('whatever is in it, it is read or refused, and what is asked to people is of sane length', () => {
    const states = ['COMPLETED', 'FAILED', 'INPUT_REQUIRED', 'WORKING'].map((word) => `TASK_STATE_${word}`);
    const message = fc.oneof(fc.jsonValue(), fc.record({ parts: fc.jsonValue(), messageId: fc.jsonValue() }));
    const long = fc.constant(said('é'.repeat(50_000)));
    fc.assert(
      fc.property(fc.constantFrom(...states), fc.oneof(message, long), fc.jsonValue(), (state, one, more) => {
        const read = readStreamResponse({ task: { status: { state, message: one }, artifacts: more } });
        if (read?.kind === 'asks') expect(read.question.length).toBeLessThanOrEqual(20_000);
        if (read?.kind === 'failed') expect(read.message.length).toBeLessThanOrEqual(2100);
        expect(read).not.toBeNull();
      }),
    );
  });
});

describe('the answer to message:send', () => {
  const task = (state: string) => ({ task: { id: 'remote-1', status: { state }, artifacts: ARTIFACTS } });

  test.each([
    'SUBMITTED',
    'WORKING',
    'INPUT_REQUIRED',
    'AUTH_REQUIRED',
  ])('%s: accepted, by its id', (state) => {
    expect(readSendAnswer(task(`TASK_STATE_${state}`))).toEqual({ outcome: null, task: 'remote-1' });
  });

  test('a final state ends it at once', () => {
    expect(readSendAnswer(task('TASK_STATE_COMPLETED'))?.outcome).toEqual({
      kind: 'succeeded',
      artifacts: { result: ARTIFACTS },
    });
    expect(readSendAnswer(task('TASK_STATE_FAILED'))?.outcome).toMatchObject({
      kind: 'failed',
      failure: 'reported',
      retryable: true,
    });
    expect(readSendAnswer(task('TASK_STATE_REJECTED'))?.outcome).toMatchObject({ retryable: false });
  });

  test('a message alone is all that will ever come', () => {
    expect(readSendAnswer({ message: said('42') })?.outcome).toEqual({
      kind: 'succeeded',
      summary: '42',
      artifacts: { result: [{ text: '42' }] },
    });
  });

  test.each([
    {},
    { message: 'Workflow was started' },
    { message: { role: 'ROLE_USER', parts: [] } },
    { task: 'x' },
    { task: { id: 't', status: 'queued' } },
    { task: { status: {} } },
  ])('%j is the answer of something else', (body) => {
    expect(readSendAnswer(body)).toBeNull();
  });
});
