// `supervisor open`: the page of the running supervisor in the user's browser.

import { spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Environment, findOnPath } from '../../platform/environment.ts';
import { withSupervisor } from '../connect.ts';
import type { Context } from '../context.ts';

/** Flags of `open`. */
export interface OpenOptions {
  readonly readOnly?: boolean;
  readonly print?: boolean;
  readonly ip?: boolean;
  readonly revoke?: boolean;
}

/** Opens the page and prints its address, or ends all its sessions. */
export async function open(context: Context, options: OpenOptions): Promise<number> {
  if (options.revoke) {
    const { revoked } = await withSupervisor(context, (client) => client.revokePages());
    if (context.json) context.outJson({ revoked });
    else context.out(`${revoked === 1 ? '1 session' : `${revoked} sessions`} of the page ended\n`);
    return 0;
  }
  const role = options.readOnly ? 'read-only' : 'operator';
  const made = await withSupervisor(context, (client) => client.openPage(role));
  const url = options.ip ? made.url.replace(/\/\/(?:\w+\.)?workgraph\.localhost:/, '//127.0.0.1:') : made.url;
  if (context.json) {
    context.outJson({ url, role, expires_at: made.expires_at });
    return 0;
  }
  context.out(`${url}\n`);
  const browser = options.print ? null : browserCommand(context.environment);
  if (browser === null) {
    context.note('supervisor: it opens the page once, within a minute');
    return 0;
  }
  const { stateDir } = await context.paths();
  await show(browser, await redirectFile(stateDir, url));
  return 0;
}

/** What shows a file in the browser; null where there is no screen. */
function browserCommand(environment: Environment): string | null {
  if (environment.platform === 'darwin') return findOnPath('open', environment);
  const { DISPLAY, WAYLAND_DISPLAY } = environment.variables;
  return DISPLAY || WAYLAND_DISPLAY ? findOnPath('xdg-open', environment) : null;
}

/** Arguments of programs can be read by every user of a machine; this file cannot, and its code is spent at once. */
async function redirectFile(stateDir: string, url: string): Promise<string> {
  const file = join(stateDir, 'page-open.html');
  await rm(file, { force: true });
  const html = `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${url}"><title>workgraph</title>\n`;
  await writeFile(file, html, { mode: 0o600, flag: 'wx' });
  return file;
}

/** Whether the browser comes up is between it and the user: the address was printed. */
function show(browser: string, file: string): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(browser, [file], { detached: true, stdio: 'ignore' });
    child.once('error', () => resolve());
    child.once('spawn', () => {
      child.unref();
      resolve();
    });
  });
}
