// Request bodies: size limit, content types, JSON. Knows nothing of routes or schemas.

import type { IncomingMessage } from 'node:http';
import { messageOf } from '../../domain/errors.ts';
import { ApiProblem } from './problem.ts';

/** Deeper JSON is refused: nothing sensible nests that far, and serialising it recurses. */
const MAX_DEPTH = 100;

/**
 * `application/json` and `application/…+json`: types that a web page cannot send cross-origin without a preflight.
 */
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** The default content type of `curl -d`. */
const CURL_TYPE = 'application/x-www-form-urlencoded';

/** Throws `body-too-large` if the request declares more than `limit` bytes. Call before reading. */
export function checkDeclaredLength(request: IncomingMessage, limit: number): void {
  const declared = request.headers['content-length'];
  if (declared !== undefined && Number(declared) > limit) throw tooLarge(limit);
}

/** The bytes of a body of any type, within the limit. */
export async function readAnyBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  checkDeclaredLength(request, limit);
  return hasBody(request) ? await readBytes(request, limit) : Buffer.alloc(0);
}

/**
 * A body of any type: its JSON value, its text, or `{media_type, base64}` for anything else. Undefined if there is
 * none.
 */
export function looseValue(bytes: Buffer, mediaType: string): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return parseJson(bytes);
  } catch {
    // Any text is accepted here; everything else is stored as bytes.
  }
  const text = bytes.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(bytes)) return text;
  return { media_type: mediaType || 'application/octet-stream', base64: bytes.toString('base64') };
}

/**
 * The parsed body, or undefined if there is none. Throws ApiProblem for everything that is not JSON of reasonable
 * size. `fromAbove`: no web page can have sent it, so JSON under curl's default type is accepted as JSON.
 */
export async function readJsonBody(
  request: IncomingMessage,
  limit: number,
  fromAbove = false,
): Promise<unknown> {
  checkDeclaredLength(request, limit);
  const bytes = hasBody(request) ? await readBytes(request, limit) : null;
  if (bytes === null || bytes.length === 0) return undefined;
  const plainCurl = fromAbove && bytes[0] === 0x7b && request.headers['content-type'] === CURL_TYPE;
  if (!plainCurl) checkContentType(request);
  return parseJson(bytes);
}

function hasBody(request: IncomingMessage): boolean {
  if (request.headers['transfer-encoding'] !== undefined) return true;
  const declared = request.headers['content-length'];
  return declared !== undefined && declared !== '0';
}

function checkContentType(request: IncomingMessage): void {
  const type = request.headers['content-type'] ?? '';
  if (!JSON_TYPE.test(type))
    throw new ApiProblem('not-json', 'A body must have the content type application/json.', {
      hint: "add the header 'content-type: application/json'",
    });
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity')
    throw new ApiProblem('not-json', 'A body must not be compressed.', {
      hint: 'send it without a content-encoding',
    });
}

function tooLarge(limit: number): ApiProblem {
  return new ApiProblem('body-too-large', `A body may have at most ${limit} bytes.`, {
    hint: 'put large results into files and name them in artifacts',
    members: { max_bytes: limit },
  });
}

/** Reads with the cap applied to the received bytes, whatever was declared. */
function readBytes(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (act: () => void) => {
      request.off('data', onData);
      request.off('end', onEnd);
      request.off('close', onClose);
      act();
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) return settle(() => reject(tooLarge(limit)));
      chunks.push(chunk);
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)));
    const onClose = () =>
      settle(() => reject(new ApiProblem('malformed-request', 'The body ended before its end.')));
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('close', onClose);
    // Stays registered: an error after the response (the peer disconnected) must not crash the process.
    request.on('error', onClose);
  });
}

function parseJson(bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // TextDecoder's own message says no more than that.
    throw new ApiProblem('malformed-json', 'The body is not valid UTF-8.');
  }
  checkDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ApiProblem('malformed-json', `The body is not JSON: ${whereOf(error)}.`, {
      hint: 'check quotes and commas; an empty body or {} is fine where nothing needs saying',
    });
  }
  checkKeys(value);
  return value;
}

/** The parser's message without the text it quotes: that may be a secret. */
function whereOf(error: unknown): string {
  const position = /at position \d+/.exec(messageOf(error));
  return position
    ? `unexpected character ${position[0]}`
    : 'it ends too early or has an unexpected character';
}

function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH)
        throw new ApiProblem('invalid-request', `The body nests deeper than ${MAX_DEPTH} levels.`);
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
}

/** `__proto__` as a key would change objects instead of adding to them if a later reader copies by assignment. */
function checkKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Object.hasOwn(value, '__proto__'))
    throw new ApiProblem('invalid-request', 'The key "__proto__" is not accepted.');
  for (const inner of Object.values(value)) checkKeys(inner);
}
