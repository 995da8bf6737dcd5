// A real browser, where this machine has one, and everything on a page that must not be: messages, errors, breaches of
// the policy, and requests to anywhere else.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * The path of a Chromium, null if there is none. One named by CHROMIUM_BIN must exist: the suite then fails instead of
 * being skipped.
 */
export function findChromium(): string | null {
  const { CHROMIUM_BIN: named, PATH = '' } = process.env;
  if (named) {
    accessSync(named, constants.X_OK);
    return named;
  }
  for (const folder of PATH.split(delimiter).filter(Boolean))
    for (const name of NAMES) if (isProgram(join(folder, name))) return join(folder, name);
  return null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts it. `args`: further switches. */
export function launchChromium(path: string, args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    // Containers run tests as root, where Chromium has no sandbox.
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
  });
}

/** A page, and what happened on it that should not have. */
export interface Watched {
  readonly page: Page;
  /** Console messages, page errors, policy violations, requests to other origins, responses of 400 and above. */
  readonly complaints: string[];
}

const REPORT_VIOLATIONS = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample));`;

/** A page under watch; `origin`: the only one it may ask. */
export async function watchedPage(context: BrowserContext, origin: string): Promise<Watched> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`console ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) complaints.push(`elsewhere: ${url}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`answer ${response.status()}: ${response.url()}`);
  });
  await page.addInitScript(REPORT_VIOLATIONS);
  return { page, complaints };
}

/** What axe finds on the page, one line per rule. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run()')) as { violations: readonly AxeViolation[] };
  return violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`).join(' | ')}`,
  );
}

interface AxeViolation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}
