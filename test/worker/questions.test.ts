// What agents ask a person through their worker, over its real socket and by the very call that `supervisor ask` makes.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { askPerson } from '../../src/executors/process/clis/acp-question.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { AskedOfRun } from '../../src/worker/asked-of-run.ts';
import { Questions } from '../../src/worker/questions.ts';

const LONG = 'x'.repeat(500);

describe('what one run asks', () => {
  const asking = (id: string, question = 'which?', options: readonly string[] = []) => ({
    ...{ id, question, options },
  });

  test.each([
    ['long ones with the same beginning', `${LONG}1`, `${LONG}2`, []],
    ['the same words with other options', 'which?', 'which?', ['left']],
  ])('%s are two', (_what, first, second, options) => {
    const asked = new AskedOfRun();
    asked.ask(asking('1', first));
    asked.answer('1', 'one');
    asked.ask(asking('2', second, options));
    expect(asked.open()?.name).toBe('2');
    expect([asked.answerTo('1'), asked.answerTo('2')]).toEqual(['one', null]);
  });

  test('sent again it is no second one, before its answer and after', () => {
    const asked = new AskedOfRun();
    asked.ask(asking('1'));
    asked.ask(asking('1'));
    asked.answer('1', 'left');
    asked.ask(asking('1'));
    expect([asked.open(), asked.answerTo('1')]).toEqual([null, 'left']);
  });

  test('asked again once it was answered it is a new one, and the old answer does not count', () => {
    const asked = new AskedOfRun();
    asked.ask(asking('1'));
    asked.answer('1', 'left');
    asked.ask(asking('2'));
    expect([asked.open()?.name, asked.answerTo('2')]).toEqual(['2', null]);
    asked.answer('1', 'late');
    expect([asked.answerTo('1'), asked.answerTo('2')]).toEqual(['left', null]);
  });

  test('an agent whose tool ran out of time asks the same again: it is still the same question', () => {
    const asked = new AskedOfRun();
    asked.ask(asking('1'));
    asked.ask(asking('2'));
    expect(asked.open()?.name).toBe('1');
    asked.answer('1', 'left');
    expect(asked.answerTo('2')).toBe('left');
  });

  test('two ask at once: one after the other, each gets its own answer', () => {
    const asked = new AskedOfRun();
    asked.ask(asking('1', 'one?'));
    asked.ask(asking('2', 'two?'));
    expect(asked.answerTo('1')).toBeNull();
    expect(asked.open()?.name).toBe('2');
    asked.answer('2', 'second');
    expect(asked.open()?.name).toBe('1');
    asked.answer('1', 'first');
    expect([asked.answerTo('1'), asked.answerTo('2'), asked.open()]).toEqual(['first', 'second', null]);
  });

  test('one that is not waited for any more is not asked after the next', () => {
    const asked = new AskedOfRun();
    asked.ask(asking('1', 'one?'));
    asked.ask(asking('2', 'two?'));
    asked.answer('2', 'second');
    expect(asked.open()).toBeNull();
  });

  test('an asker that is not known is told so', () => {
    expect(new AskedOfRun().answerTo('1')).toBe('unknown');
  });
});

describe('over the socket', () => {
  let folder: string;
  let questions: Questions;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'questions-'));
    questions = await Questions.listen(join(folder, 'agents.sock'));
  });
  afterEach(async () => {
    await questions.close();
    await rm(folder, { recursive: true });
  });

  const variables = () => {
    const { socket, token } = questions.callback('run_1', 'secret');
    return { SUPERVISOR_API: socket ?? '', SUPERVISOR_TOKEN: token, WG_TASK_ID: 'a' };
  };

  /** What is open once something is. */
  async function opened() {
    for (;;) {
      const open = questions.of('run_1');
      if (open) return open;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function answered(question: string, text: string): Promise<string | null> {
    const asked = askPerson(question, ['left', 'right'], variables(), systemClock());
    const open = await opened();
    expect(open).toMatchObject({ question, options: ['left', 'right'] });
    questions.answer('run_1', open.name, text);
    return await asked;
  }

  test('each asking has an answer of its own', async () => {
    expect(await answered(`${LONG}1`, 'left')).toBe('left');
    expect(await answered(`${LONG}2`, 'right')).toBe('right');
    expect(await answered(`${LONG}2`, 'left')).toBe('left');
  });

  test('a worker that starts again hears the same asking under the same name', async () => {
    const asked = askPerson('which?', [], variables(), systemClock());
    const { name } = await opened();
    await questions.close();
    questions = await Questions.listen(join(folder, 'agents.sock'));
    variables();
    expect((await opened()).name).toBe(name);
    questions.answer('run_1', name, 'left');
    expect(await asked).toBe('left');
  });

  test('what only its last sign of life still knows is restored, and its asker hears the answer', async () => {
    const asked = askPerson('which?', [], variables(), systemClock());
    const open = await opened();
    await questions.close();
    questions = await Questions.listen(join(folder, 'agents.sock'));
    variables();
    questions.restore('run_1', open);
    questions.answer('run_1', open.name, 'left');
    expect(await asked).toBe('left');
  });

  test('our own tokens in a question are struck out', async () => {
    const token = `wgt_${'x'.repeat(43)}`;
    const asked = askPerson(`May I use ${token}?`, [token], variables(), systemClock());
    const open = await opened();
    expect(JSON.stringify(open)).not.toContain(token);
    questions.answer('run_1', open.name, 'no');
    await asked;
  });
});
