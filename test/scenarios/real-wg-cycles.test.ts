// Cycles beside a real wg: it makes them, our supervisor turns them. `WG_BIN=/path/to/wg npm run test:wg`.

import { expect } from '@jest/globals';
import {
  besideRealWg,
  eachInProject,
  forAges,
  forEveryAge,
  linesOf,
  MAY,
  type WgProject,
} from '../support/real-wg.ts';

besideRealWg('cycles', () => {
  let project: WgProject;
  eachInProject((made) => {
    project = made;
  });

  /** a → b → a, with a's flags. */
  async function cycle(flags: readonly string[], exec: { readonly a?: string; readonly b?: string } = {}) {
    await project.draft('a', { exec: exec.a ?? 'echo a >>ran', flags });
    await project.draft('b', { exec: exec.b ?? 'echo b >>ran', after: ['a'] });
    await project.wg('edit', 'a', '--add-after', 'b');
    await project.draft('end', { exec: 'echo end >>ran', after: ['b'] });
    for (const id of ['a', 'b', 'end']) await project.release(id).catch(() => undefined);
    return await project.ours();
  }

  forEveryAge(
    'three iterations, each task once in each, no one held up, and then what waits for it',
    async () => {
      const { count } = await cycle(['--max-iterations', '3']);
      await project.reaches('end', 'done');
      expect(linesOf(project)).toEqual(['a', 'b', 'a', 'b', 'a', 'b', 'end']);
      expect([count('run.started', 'a'), count('run.started', 'b')]).toEqual([3, 3]);
      expect(count('task.held', 'a') + count('task.held', 'b')).toBe(0);
      expect(await project.show('a')).toMatchObject({ status: 'done' });
      await project.weSay('b', 'finished');
    },
  );

  forEveryAge('a delay between iterations is kept', async () => {
    await cycle(['--max-iterations', '2', '--cycle-delay', '2s'], { a: 'date +%s >>ran', b: 'true' });
    await project.reaches('end', 'done');
    const [first = 0, second = 0] = linesOf(project).map(Number);
    expect(second - first).toBeGreaterThanOrEqual(2);
  });

  forEveryAge('a guard that does not hold ends it', async () => {
    await project.draft('flag', { exec: 'true' });
    await cycle(['--max-iterations', '9', '--cycle-guard', 'task:flag=failed']);
    await project.reaches('end', 'done');
    expect(linesOf(project)).toEqual(['a', 'b', 'end']);
  });

  forEveryAge('tagged as converged by its own agent, it ends', async () => {
    await cycle(['--max-iterations', '9'], { a: 'echo a >>ran; wg edit a --add-tag converged' });
    await project.reaches('end', 'done');
    expect(linesOf(project)).toEqual(['a', 'b', 'end']);
  });

  forAges(
    [MAY],
    'March refuses to end the first task of a cycle, the newest ends tasks through candidates',
    'ended as converged by its own agent, it ends',
    async () => {
      await cycle(['--max-iterations', '9'], { a: 'echo a >>ran; wg done a --converged' });
      await project.reaches('end', 'done');
      expect(linesOf(project)).toEqual(['a', 'b', 'end']);
    },
  );
});
