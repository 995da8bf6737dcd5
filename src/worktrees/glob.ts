// Globs on worktree paths, as in shells and .gitignore: picomatch, with one extra rule.

import picomatch from 'picomatch';

/** Whether a path matches a glob. A glob without a slash is matched against the last folder name alone. */
export function matchesGlob(glob: string, path: string): boolean {
  if (glob === '') return false;
  const subject = glob.includes('/') ? path : (path.split('/').at(-1) ?? path);
  const pattern = glob.length > 1 ? glob.replace(/\/+$/, '') : glob;
  // A folder whose name begins with a dot, or contains a line feed, is a folder like any other.
  return picomatch(pattern, { dot: true, nonegate: true, flags: 's' })(subject);
}
