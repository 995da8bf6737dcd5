// `supervisor import routing FILE.toml`: converts an existing routing table into profiles of supervisor.toml.

import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf, SupervisorError } from '../../domain/errors.ts';
import { type Context, shortPath } from '../context.ts';
import { plain } from '../render/plain.ts';

/** Prints the profiles; with `--write` adds them to supervisor.toml instead. */
export async function importRoutingFile(
  context: Context,
  place: string,
  options: { readonly write?: boolean },
): Promise<number> {
  const { importRouting } = await import('../../config/import-routing.ts');
  const file = resolve(context.cwd, place);
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    throw new SupervisorError('config', `${file} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  });
  const { toml, names, notes } = importRouting(file, text);
  const target = (await context.paths()).configFile;
  if (options.write && names.length > 0) await write(context, target, toml, names);
  if (context.json) context.outJson({ profiles: names, toml, notes, written: options.write ? target : null });
  else if (options.write)
    context.out(
      `added to ${plain(shortPath(target, context))}: ${names.map(plain).join(', ') || 'nothing'}\n`,
    );
  else context.out(toml);
  if (!context.json) for (const note of notes) context.note(`supervisor: ${plain(note)}`);
  return 0;
}

async function write(
  context: Context,
  target: string,
  toml: string,
  names: readonly string[],
): Promise<void> {
  const { loadMachineConfig } = await import('../../config/load.ts');
  const { config, builtIn } = existing(loadMachineConfig(target, { home: context.environment.home }).config);
  const taken = names.filter((name) => config.has(name) && !builtIn.has(name));
  if (taken.length > 0)
    throw new SupervisorError('config', `${target} has ${taken.join(', ')} already`, {
      hint: 'rename them in one of the two files; nothing was written',
    });
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const before = existsSync(target) ? await readFile(target, 'utf8') : '';
  const gap = before === '' || before.endsWith('\n\n') ? '' : before.endsWith('\n') ? '\n' : '\n\n';
  await appendFile(target, gap + toml, { mode: 0o600 });
}

function existing(config: {
  readonly profiles: ReadonlyMap<string, { readonly origin: { readonly file: string } }>;
}): { readonly config: ReadonlySet<string>; readonly builtIn: ReadonlySet<string> } {
  const names = new Set(config.profiles.keys());
  const builtIn = [...config.profiles].filter(([, profile]) => profile.origin.file === 'built-in');
  return { config: names, builtIn: new Set(builtIn.map(([name]) => name)) };
}
