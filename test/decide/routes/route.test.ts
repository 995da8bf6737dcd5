import { describe, expect, test } from '@jest/globals';
import { profileNamed, routeTask } from '../../../src/decide/routes/route.ts';
import { routeOfModel } from '../../../src/domain/model-route.ts';
import type { Profile, ProfileSet } from '../../../src/domain/profile.ts';
import { claude, command, http, profiles, RETRY, scheduled, task } from '../../support/tasks.ts';

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

  test('a tag agent: of no one is only a tag', () => {
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

  test('an owner without a profile holds it for that person; a named executor overrules that', () => {
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

describe('a repository that is not trusted', () => {
  const safe = { ...command('safe', { command: ['true'] }), untrusted: true as const };
  const made = [
    safe,
    command('mine', { command: ['true'] }),
    claude('default'),
    scheduled('nightly', { via: 'safe' }),
  ];
  const strange = profiles(made, { repositoryUntrusted: true, trustPath: '/their/place' });

  test.each<[string, object, string]>([
    ['an exec of its own', { exec: 'make' }, 'its exec command is not run'],
    ['the default agent', {}, 'default does not work for it'],
    ['a profile of the machine', { executor: 'mine' }, 'mine does not work for it'],
    ['an address', { executor: 'http://x.example/' }, 'nothing is sent to http://x.example/'],
    ['an exec by way of a schedule', { executor: 'scheduled', exec: 'make' }, 'its exec command is not run'],
    ['a verify command', { executor: 'safe', verify: 'make test' }, 'its verify command is not run'],
    ['a verify command for an external worker', { executor: 'external', verify: 'x' }, 'its verify command'],
  ])('%s is held with the command that trusts', (_what, more, words) => {
    expect(routed(more, strange)).toContain(`untrusted: its repository is not trusted, so ${words}`);
    expect(routed(more, strange)).toContain('`supervisor trust /their/place` trusts it');
    expect(routed(more, profiles(made))).not.toContain('untrusted');
  });

  test('external tasks and profiles that say so work, and what is wrong is said as ever', () => {
    expect(routed({ executor: 'external' }, strange)).toContain('external: key');
    expect(routed({ executor: 'safe', exec: 'not run by it' }, strange)).toContain('safe: key');
    expect(routed({ executor: 'nightly' }, strange)).toContain('safe: key');
    expect(routed({ executor: 'nobody' }, strange)).toContain('no-profile');
  });
});

describe('addresses', () => {
  test('become an http profile named on their own', () => {
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
    expect(routed({ executor: 'http://' })).toBe(
      'bad-url: http:// is not a valid address (key executor = http://)',
    );
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
  test('a via of no one is held', () => {
    expect(via({ executor: 'nightly' }, [scheduled('nightly', { via: 'nobody' })])).toBe('no-profile');
  });
});

describe('what a model asks for', () => {
  const pi = command('pi', { command: ['pi'] });

  test.each<[object, Profile[], string]>([
    [{ model: 'pi:openrouter:a/b' }, [pi], "pi: the task's model pi:openrouter:a/b"],
    [
      { model: 'pi:x' },
      [command('mine', { route: ['pi:*'] }), pi],
      'mine: the task\'s model pi:x, which fits "pi:*" of mine',
    ],
    [
      { model: 'openrouter:a/b' },
      [command('mine', { route: ['nex:openrouter:*'] })],
      'mine: the task\'s model openrouter:a/b, which fits "nex:openrouter:*" of mine',
    ],
    [{ model: 'openrouter:a/b' }, [command('native')], "native: the task's model openrouter:a/b"],
    [{ model: 'a/b', provider: 'openrouter' }, [command('nex')], "nex: the task's provider openrouter"],
    [{ model: 'mistral:large' }, [command('mistral')], "mistral: the task's model mistral:large"],
    [{ execMode: 'codex' }, [command('codex')], "codex: the task's exec_mode codex"],
    [{ wgProfile: 'night' }, [command('night')], "night: the task's wg profile night"],
    [
      { model: 'gpt-5' },
      [command('g', { route: ['gpt-*'] })],
      'g: the task\'s model gpt-5, which fits "gpt-*" of g',
    ],
    [{ model: 'claude:opus' }, [], "claude: the task's model claude:opus"],
    [
      { model: 'claude:opus' },
      [http('default')],
      "default: the default profile, for the task's model claude:opus",
    ],
    [{ model: 'opus' }, [], 'claude: the built-in default'],
    [{ model: 'opus' }, [http('default')], 'default: the default profile'],
    [{ model: 'pi:x', exec: 'make' }, [], 'command: its own exec command'],
    [{ model: 'pi:x', executor: 'agent' }, [http('agent')], 'agent: key executor = agent'],
  ])('%j', (more, set, expected) => expect(routed(more, profiles(set))).toBe(expected));

  test.each<[object, Profile[], string]>([
    [{ model: 'pi:x' }, [], "no-route: the task's model asks for pi; add [executors.pi] (pi:x)"],
    [
      { model: 'codex:gpt-5.5' },
      [pi],
      "no-route: the task's model asks for codex; add [executors.codex] (codex:gpt-5.5)",
    ],
    [
      { model: 'nex:q' },
      [claude('default')],
      "no-route: the task's model asks for nex; add [executors.nex] (nex:q)",
    ],
    [
      { model: 'x', provider: 'deepseek' },
      [],
      "no-route: the task's provider asks for deepseek; add [executors.deepseek] (deepseek)",
    ],
    [
      { wgProfile: 'night' },
      [],
      "no-route: the task's wg profile asks for night; add [executors.night] (night)",
    ],
    [
      { model: 'pi:x', executor: 'claude' },
      [pi],
      "no-route: the task's model asks for pi (pi:x), and its executor claude runs claude; name an executor for pi, or change the model",
    ],
    [
      { model: 'pi:x', tags: ['a'] },
      [claude('mine', { match: ['a'] })],
      "no-route: the task's model asks for pi (pi:x), and its executor mine runs claude; name an executor for pi, or change the model",
    ],
    [
      { executor: 'scheduled', model: 'pi:x' },
      [],
      "no-route: the task's model asks for pi; add [executors.pi] (pi:x) (via of scheduled; key executor = scheduled)",
    ],
    [
      { executor: 'default', model: 'pi:x' },
      [],
      "no-route: the task's model asks for pi; add [executors.pi] (pi:x) (key executor = default)",
    ],
  ])('no one else is paid: %j', (more, set, expected) => expect(routed(more, profiles(set))).toBe(expected));

  test('a profile that no one configured counts only where its program is', () => {
    const builtIn = command('pi', { origin: { file: 'built-in' } });
    expect(routed({ model: 'pi:x' }, profiles([builtIn]))).toBe("pi: the task's model pi:x");
    const missing = { missing: new Set(['pi']) };
    expect(routed({ model: 'pi:x' }, profiles([builtIn], missing))).toContain('add [executors.pi]');
    expect(routed({ model: 'pi:x' }, profiles([pi], missing))).toContain('pi: ');
  });

  test('a wrapper of that name, or with a pattern, is what the user says it is', () => {
    expect(routed({ model: 'pi:x' }, profiles([claude('pi')]))).toContain('pi:');
    expect(routed({ model: 'pi:x', executor: 'w' }, profiles([claude('w', { route: ['pi:*'] })]))).toBe(
      'w: key executor = w',
    );
  });

  test('a profile that is broken or not trusted says so instead of giving its work away', () => {
    const broken = { name: 'pi', origin: { file: 'f' }, problem: 'f line 3: executors.pi.type is missing' };
    expect(routed({ model: 'pi:x' }, profiles([], { broken: new Map([['pi', broken]]) }))).toContain(
      'broken-profile: f line 3',
    );
    expect(routed({ model: 'pi:x' }, profiles([], { untrusted: ['pi'] }))).toContain('untrusted:');
  });
});

describe('what the project asks for', () => {
  const asks = (model: string): Partial<ProfileSet> => {
    const route = routeOfModel(model);
    if (!route) throw new Error(`${model} names no system`);
    return { project: { ...route, from: '[dispatcher] model of /w/config.toml' } };
  };
  const set = (model: string, more: Profile[] = []) => profiles(more, asks(model));

  test('a task that names no model goes where the project says, or nowhere', () => {
    expect(routed({}, set('pi:x'))).toBe(
      "no-route: the project's model asks for pi; add [executors.pi] ([dispatcher] model of /w/config.toml)",
    );
    expect(routed({}, set('pi:x', [command('pi')]))).toBe(
      "pi: the project's model ([dispatcher] model of /w/config.toml)",
    );
    expect(routed({}, set('claude:haiku'))).toContain('claude: the project');
    expect(routed({ model: 'gpt-5' }, set('codex:gpt-5.5'))).toContain('no-route');
  });

  test('a task that names a tier and no model goes where the settings have that tier', () => {
    const tier = (model: string) => asks(model).project;
    const fast = tier('codex:mini');
    if (!fast) throw new Error('no such system');
    const tiers = profiles([command('codex')], { ...asks('pi:x'), tiers: { fast } });
    expect(routed({ tier: 'fast' }, tiers)).toBe(
      "codex: the task's tier fast ([dispatcher] model of /w/config.toml)",
    );
    expect(routed({ tier: 'premium' }, tiers)).toContain('no-route: the project');
    expect(routed({ tier: 'fast', model: 'claude:opus' }, tiers)).toContain("claude: the task's model");
  });

  test("a model of Claude's is Claude's, and what the task names itself goes before", () => {
    expect(routed({ model: 'haiku' }, set('pi:x'))).toBe('claude: the built-in default');
    expect(routed({ model: 'claude:haiku' }, set('pi:x'))).toBe("claude: the task's model claude:haiku");
    expect(routed({ executor: 'claude' }, set('pi:x'))).toBe('claude: key executor = claude');
    expect(routed({ exec: 'make' }, set('pi:x'))).toBe('command: its own exec command');
  });

  test("the user's own default stands in, unless it would spend another account", () => {
    expect(routed({}, set('pi:x', [http('default')]))).toContain(
      'default: the default profile, for the project',
    );
    expect(routed({}, set('pi:x', [claude('default')]))).toContain('no-route');
    expect(routed({}, set('pi:x', [claude('default', { route: ['pi:*'] })]))).toContain('default: ');
  });

  test('as long as it is not known, no account is spent', () => {
    const unread = { projectUnread: '/w/config.toml line 2: not valid TOML' };
    expect(routed({}, profiles([], unread))).toMatch(/^no-route: .*\/w\/config.toml line 2/);
    expect(routed({}, profiles([http('default')], unread))).toBe('default: the default profile');
    expect(routed({ executor: 'claude' }, profiles([], unread))).toBe('claude: key executor = claude');
    expect(routed({ model: 'claude:opus' }, profiles([], unread))).toBe(
      "claude: the task's model claude:opus",
    );
  });
});
