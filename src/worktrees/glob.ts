// Globs on worktree paths: `*` and `?` stay within a folder name, `**` crosses folders, everything else is itself.

/** Whether a path fits a glob. A glob without a slash is held against the last folder name alone. */
export function matchesGlob(glob: string, path: string): boolean {
  const subject = glob.includes('/') ? path : (path.split('/').at(-1) ?? path);
  return globPattern(glob.length > 1 ? glob.replace(/\/+$/, '') : glob).test(subject);
}

function globPattern(glob: string): RegExp {
  let pattern = '';
  // More than two stars mean no more than two; repeated, they would only make matching slow.
  const text = glob.replace(/\*{3,}/g, '**').replace(/(?:\*\*\/)+/g, '**/');
  for (let at = 0; at < text.length; at++) {
    const next = text[at] ?? '';
    if (text.startsWith('**/', at)) {
      // Zero or more whole folders.
      pattern += '(?:[^/]*/)*';
      at += 2;
    } else if (text.startsWith('**', at)) {
      pattern += '.*';
      at += 1;
    } else if (next === '*') pattern += '[^/]*';
    else if (next === '?') pattern += '[^/]';
    else pattern += next.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  }
  return new RegExp(`^${pattern}$`, 'su');
}
