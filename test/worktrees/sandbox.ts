// A temporary folder with real git repositories in it, for the tests of this folder.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { RepoSettings, RootSettings } from '../../src/domain/config.ts';
import type { Environment } from '../../src/platform/environment.ts';
import { createDiscovery, type Discovery } from '../../src/worktrees/discover.ts';

export class Sandbox {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'worktrees-')));
  readonly home = join(this.folder, 'home');
  readonly environment: Environment = {
    variables: { PATH: process.env.PATH },
    home: this.home,
    platform: process.platform,
  };

  constructor() {
    mkdirSync(this.home);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  git(cwd: string, ...args: string[]): string {
    const environment = {
      PATH: process.env.PATH,
      HOME: this.home,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
    };
    const identity = ['-c', 'user.name=t', '-c', 'user.email=t@localhost', '-c', 'init.defaultBranch=main'];
    return execFileSync('git', [...identity, ...args], {
      cwd,
      env: environment,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  /** A repository with one commit. */
  repo(name: string, files: Readonly<Record<string, string>> = {}): string {
    const path = this.path(name);
    mkdirSync(path, { recursive: true });
    this.git(path, 'init', '-q');
    this.write(path, { 'README.md': name, ...files });
    this.git(path, 'add', '-A', '-f');
    this.git(path, 'commit', '-q', '-m', 'begin');
    return path;
  }

  /** A linked worktree on a branch of its own, `path` from the sandbox's folder unless absolute. */
  worktree(repo: string, path: string, ...options: string[]): string {
    const whole = path.startsWith('/') ? path : this.path(path);
    this.git(repo, 'worktree', 'add', '-q', ...options, whole);
    return whole;
  }

  write(folder: string, files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  }

  discovery(): Discovery {
    return createDiscovery(this.environment);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function repoAt(path: string, more: Partial<RepoSettings> = {}): RepoSettings {
  return {
    path,
    weight: 1,
    maxConcurrent: null,
    maxConcurrentPerWorktree: null,
    include: [],
    exclude: [],
    trust: true,
    duplicates: 'once',
    onRewind: 'restore',
    ...more,
  };
}

export function rootAt(path: string, more: Partial<RootSettings> = {}): RootSettings {
  return { path, depth: 3, trust: false, ...more };
}
