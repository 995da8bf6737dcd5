// The page's own files as the build left them, read once into memory: one script, one style sheet, and the document
// that names them by their content. Owns what every one of them is served with.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { SupervisorError } from '../../domain/errors.ts';
import { readBytesNow } from '../../platform/regular-file.ts';

/** One file, ready to be sent. */
export interface PageFile {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The same compressed; null where that is not worth it. */
  readonly gzipped: Buffer | null;
}

/** Nothing from outside, nothing inline, and no text becomes markup or script by any way. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** What every answer of the page carries. */
const PROTECTION: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

const MAX_BYTES = 4 << 20;

/** The page as it was built. */
export interface PageFiles {
  /** Of the content of script and style sheet: another build has another. */
  readonly print: string;
  /** By their address. */
  readonly byPath: ReadonlyMap<string, PageFile>;
}

/**
 * The files. `salt`: part of each address, so that no other program can have left anything in a browser under it.
 * Throws `failed` when the page was not built.
 */
export function readPageFiles(folder: string, salt: string): PageFiles {
  const [script, style] = [read(folder, 'page.js'), read(folder, 'page.css')];
  const print = createHash('sha256').update(script).update('\0').update(style).digest('hex').slice(0, 12);
  const place = `/page/${print}-${salt}`;
  const html = Buffer.from(documentText(`${place}/page.js`, `${place}/page.css`));
  // Named by their content, so they may be kept for good, and another build is another name.
  const headers = (type: string) => ({
    'content-type': type,
    'cache-control': 'max-age=31536000, immutable',
  });
  const byPath = new Map([
    ['/', fileOf(html, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' })],
    [`${place}/page.js`, fileOf(script, headers('text/javascript; charset=utf-8'))],
    [`${place}/page.css`, fileOf(style, headers('text/css; charset=utf-8'))],
  ]);
  return { print, byPath };
}

function read(folder: string, name: string): Buffer {
  const bytes = readBytesNow(join(folder, name), { maxBytes: MAX_BYTES, links: 'follow' });
  if (bytes !== null) return bytes;
  throw new SupervisorError('failed', `the page was not built: ${join(folder, name)} is missing`, {
    hint: 'run `npm run build`, or install the package again',
  });
}

function fileOf(body: Buffer, headers: Readonly<Record<string, string>>): PageFile {
  const gzipped = body.length > 1024 ? gzipSync(body) : null;
  return { body, gzipped, headers: { ...PROTECTION, ...headers, vary: 'accept-encoding' } };
}

function documentText(script: string, style: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>workgraph</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
<body><div id="page"></div><noscript>The page needs JavaScript; supervisor status shows the same in a terminal.</noscript></body>
</html>
`;
}
