import { describe, expect, test } from '@jest/globals';
import { profileNamed, routeTask } from '../../src/decide/route.ts';
import type { Profile, ProfileSet } from '../../src/domain/profile.ts';
import { claude, command, http, profiles, RETRY, scheduled, task } from '../support/tasks.ts';

const deploy = http('deploy-agent', { match: ['kind:deploy', 'ops:*'] });

/** `profile: because`, or `code: because`. */
function routed(more: object, set: ProfileSet = profiles([deploy])): string {
  const route = routeTask(task('a', more), set, RETRY);
  return route.routed ? `${route.profile.name}: ${route.because}` : `${route.code}: ${route.because}`;
}

describe('the order of the rules', () => {
  const set = profiles([deploy, http('samantha'), claude('default')]);
  const everything = {
    executor: 'samantha',
    tags: ['executor:external', 'kind:deploy', 'agent:samantha'],
    exec: 'make',
  };
  test('each rule is overruled by those before it', () => {
    expect(routed(everything, set)).toBe('samantha: key executor = samantha');
    const { executor, ...untold } = everything;
    expect(executor).toBe('samantha');
    expect(routed(untold, set)).toBe('external: tag executor:external');
    expect(routed({ ...untold, tags: untold.tags.slice(1) }, set)).toBe(
      'deploy-agent: tag kind:deploy matches "kind:deploy" of deploy-agent',
    );
    expect(routed({ ...untold, tags: untold.tags.slice(2) }, set)).toBe('samantha: tag agent:samantha');
    expect(routed({ exec: 'make' }, set)).toBe('command: its own exec command');
    expect(routed({}, set)).toBe('default: the default profile');
    expect(routed({})).toBe('claude: the built-in default');
  });

  test('an empty key, tag or command is none', () => {
    expect(routed({ executor: '  ', tags: ['executor:', 'agent:'], exec: ' ' })).toBe(
      'claude: the built-in default',
    );
  });

  test('a pattern with a star is a prefix, one without is the whole tag', () => {
    expect(routed({ tags: ['ops:restart'] })).toContain('deploy-agent');
    expect(routed({ tags: ['ops'] })).toContain('claude');
    expect(routed({ tags: ['kind:deployment'] })).toContain('claude');
  });

  test('of several fitting profiles the first configured one counts', () => {
    const two = profiles([http('one', { match: ['x'] }), http('two', { match: ['x'] })]);
    expect(routed({ tags: ['x'] }, two)).toContain('one:');
  });

  test('a tag agent: of nobody is only a tag', () => {
    expect(routed({ tags: ['agent:nobody'] })).toBe('claude: the built-in default');
  });

  test('`default` means the default also where no profile has that name', () => {
    expect(routed({ executor: 'default' })).toBe('claude: key executor = default');
    expect(routed({ executor: 'default', exec: 'make' })).toBe('command: key executor = default');
  });
});

describe('the durable owner in the agent field', () => {
  const owned = (agent: string, more: object = {}) => task('a', { agent, ...more });

  test('one with a profile gets the task, before its exec and the default', () => {
    const set = profiles([command('ada'), claude()]);
    const route = routeTask(owned('ada', { exec: 'make' }), set);
    expect(route).toMatchObject({
      routed: true,
      profile: { name: 'ada' },
      because: 'its owner ada (agent field)',
    });
  });

  test('one without a profile holds it for that person; whoever names an executor overrules that', () => {
    const set = profiles([claude()]);
    expect(routeTask(owned('ada'), set)).toMatchObject({
      routed: false,
      code: 'owner',
      because: expect.stringContaining('belongs to ada'),
    });
    expect(routeTask(owned('ada', { tags: ['executor:claude'] }), set)).toMatchObject({ routed: true });
  });

  test.each([
    '3184716484e6f0ea08bb',
    'c'.repeat(64),
    'programmer/careful',
    ' ',
  ])("a persona of wg's agency is no owner: %s", (agent) => {
    expect(routeTask(owned(agent), profiles([claude()]))).toMatchObject({ routed: true });
  });
});

describe('what is not configured is held, never sent elsewhere', () => {
  test('an unknown name, with the nearest known one', () => {
    expect(routed({ executor: 'deploy-agnet' })).toBe(
      'no-profile: no executor deploy-agnet is configured; did you mean deploy-agent? (key executor = deploy-agnet)',
    );
    expect(routed({ tags: ['executor:zzzzzzzz'] })).toContain('no-profile: no executor zzzzzzzz');
    expect(routed({ executor: 'deploy-agnet', exec: 'make' })).toContain('no-profile');
  });

  test('a broken profile, with its problem', () => {
    const set = profiles([], {
      broken: new Map([
        [
          'web',
          { name: 'web', origin: { file: '/x.toml', line: 3 }, problem: '/x.toml:3: endpiont is unknown' },
        ],
      ]),
    });
    expect(routed({ executor: 'web' }, set)).toContain('broken-profile: /x.toml:3: endpiont is unknown');
    expect(routed({ tags: ['agent:web'] }, set)).toContain('broken-profile');
  });

  test('a profile of a worktree that is not trusted', () => {
    const set = profiles([], { untrusted: ['web'] });
    expect(routed({ executor: 'web' }, set)).toContain('untrusted: executor web');
    expect(routed({ executor: 'web' }, set)).toContain('supervisor trust');
    const placed = { ...set, trustPath: '/work/theirs' };
    expect(routed({ executor: 'web' }, placed)).toContain('`supervisor trust /work/theirs`');
    expect(routed({ tags: ['agent:web'] }, set)).toContain('untrusted');
    expect(routed({}, profiles([], { untrusted: ['default'] }))).toContain('untrusted');
  });

  test('a trusted profile of the same name counts', () => {
    expect(
      routed({ executor: 'deploy-agent' }, profiles([deploy], { untrusted: ['deploy-agent'] })),
    ).toContain('deploy-agent: key');
  });
});

describe('addresses', () => {
  test('become an http profile named by themselves', () => {
    const route = routeTask(task('a', { executor: 'http://localhost:3530/api/task' }), profiles(), RETRY);
    if (!route.routed) throw new Error(route.because);
    expect(route.profile).toMatchObject({
      type: 'http',
      name: 'http://localhost:3530/api/task',
      endpoint: 'http://localhost:3530/api/task',
      origin: { file: 'task' },
      completion: 'callback',
      retry: RETRY,
    });
  });
  test('in a tag too', () => {
    expect(routed({ tags: ['executor:https://example.org/x'] })).toContain(
      'https://example.org/x: tag executor:https',
    );
  });
  test('one that is none is held', () => {
    expect(routed({ executor: 'http://' })).toBe('bad-url: http:// is no address (key executor = http://)');
  });
  test('a run finds its profile again', () => {
    expect(profileNamed('http://h/x', profiles(), RETRY)).toMatchObject({
      type: 'http',
      endpoint: 'http://h/x',
    });
    expect(profileNamed('deploy-agent', profiles([deploy]))).toBe(deploy);
    expect(profileNamed('gone', profiles())).toBeNull();
  });
});

describe('schedule profiles', () => {
  const via = (more: object, others: readonly Profile[]) => {
    const route = routeTask(task('a', more), profiles(others), RETRY);
    return route.routed ? [route.profile.name, route.scheduleProfile?.name, route.because] : route.code;
  };
  test('hand over to the default executor of the task', () => {
    expect(via({ executor: 'scheduled' }, [])).toEqual([
      'claude',
      'scheduled',
      'key executor = scheduled, then claude',
    ]);
    expect(via({ executor: 'scheduled', exec: 'make report' }, [])).toEqual([
      'command',
      'scheduled',
      'key executor = scheduled, then command',
    ]);
    expect(via({ executor: 'scheduled' }, [deploy, claude('default')])).toContain('default');
  });
  test('or to the profile they name, or an address', () => {
    expect(via({ executor: 'nightly' }, [deploy, scheduled('nightly', { via: 'deploy-agent' })])).toContain(
      'deploy-agent',
    );
    expect(via({ executor: 'nightly' }, [scheduled('nightly', { via: 'http://h/x' })])).toContain(
      'http://h/x',
    );
    const chain = [scheduled('a', { via: 'b' }), scheduled('b', { via: 'command' })];
    expect(via({ executor: 'a' }, chain)).toEqual(['command', 'a', 'key executor = a, then command']);
  });
  test('a circle is refused, however long', () => {
    expect(via({ executor: 'a' }, [scheduled('a', { via: 'b' }), scheduled('b', { via: 'a' })])).toBe(
      'profile-loop',
    );
    expect(via({ executor: 'a' }, [scheduled('a', { via: 'a' })])).toBe('profile-loop');
    expect(via({}, [scheduled('default')])).toBe('profile-loop');
    const tail = [scheduled('a', { via: 'b' }), scheduled('b', { via: 'c' }), scheduled('c', { via: 'b' })];
    expect(via({ executor: 'a' }, tail)).toBe('profile-loop');
  });
  test('a via of nobody is held', () => {
    expect(via({ executor: 'nightly' }, [scheduled('nightly', { via: 'nobody' })])).toBe('no-profile');
  });
});
