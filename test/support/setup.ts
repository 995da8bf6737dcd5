// Before every test file: git behaves the same on every machine, and nothing of an outer agent or supervisor leaks in.

process.env.GIT_CONFIG_GLOBAL = '/dev/null';
process.env.GIT_CONFIG_NOSYSTEM = '1';
process.env.GIT_AUTHOR_NAME = 'test';
process.env.GIT_AUTHOR_EMAIL = 'test@localhost';
process.env.GIT_COMMITTER_NAME = 'test';
process.env.GIT_COMMITTER_EMAIL = 'test@localhost';
for (const name of Object.keys(process.env)) {
  if (name.startsWith('SUPERVISOR_') || name.startsWith('WG_') || name === 'CLAUDECODE')
    delete process.env[name];
}
