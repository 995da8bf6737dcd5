import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { preferHere, withSupervisor, worktreePath } from '../../src/cli/connect.ts';
import type { TaskQuery } from '../../src/control/control.ts';
import { SupervisorError } from '../../src/domain/errors.ts';
import { fakeContext } from './fake-surroundings.ts';

describe('preferHere', () => {
  const here = '/repo/feature';
  const asked = async (known: Record<string, string>, query: TaskQuery) => {
    const calls: (string | undefined)[] = [];
    const ask = async (q: TaskQuery) => {
      calls.push(q.worktree);
      const found = known[q.worktree ?? 'anywhere'];
      if (found === undefined) throw new SupervisorError('not-found', 'no');
      return found;
    };
    return { found: await preferHere(query, here, ask), calls };
  };

  test('the task of the current folder first', async () => {
    expect(await asked({ [here]: 'here', anywhere: 'there' }, { task: 't' })).toEqual({
      found: 'here',
      calls: [here],
    });
  });

  test('else the only one anywhere', async () => {
    expect(await asked({ anywhere: 'there' }, { task: 't' })).toEqual({
      found: 'there',
      calls: [here, undefined],
    });
  });

  test('--worktree is asked alone', async () => {
    await expect(asked({ anywhere: 'there' }, { task: 't', worktree: '/other' })).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  test('any other trouble is not asked twice: it may have changed something', async () => {
    let calls = 0;
    const ask = async () => {
      calls++;
      throw new SupervisorError('conflict', 'no');
    };
    await expect(preferHere({ task: 't' }, here, ask)).rejects.toMatchObject({ code: 'conflict' });
    expect(calls).toBe(1);
  });
});

test('worktreePath follows symlinks and leaves names alone', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'supervisor-reach-')));
  try {
    mkdirSync(join(folder, 'real'));
    symlinkSync('real', join(folder, 'link'));
    expect(worktreePath(folder, 'link')).toBe(join(folder, 'real'));
    expect(worktreePath(join(folder, 'real'), '../link')).toBe(join(folder, 'real'));
    expect(worktreePath(folder, 'feature-branch')).toBe('feature-branch');
    expect(worktreePath(folder, './gone')).toBe(join(folder, 'gone'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('without a supervisor, steering says what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-reach-'));
  try {
    const context = fakeContext({ cwd: folder, flags: { stateDir: join(folder, 'state') } });
    await expect(withSupervisor(context, async () => 0)).rejects.toMatchObject({
      code: 'not-running',
      hint: expect.stringContaining('supervisor run'),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
