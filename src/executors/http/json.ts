// JSON from an untrusted response. Never throws.

/** Deeper values are rejected: walking or writing them later would overflow the stack. */
const MAX_DEPTH = 100;

/** The JSON object in a body, or null if it contains anything else. */
export function parseJsonObject(body: Buffer): Record<string, unknown> | null {
  const json = parseJson(body);
  if (!json.ok || typeof json.value !== 'object' || json.value === null || Array.isArray(json.value))
    return null;
  return json.value as Record<string, unknown>;
}

/** The JSON value in a body. The content type is ignored: small agents often forget it. */
export function parseJson(
  body: Buffer,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false } {
  // Some write a byte order mark first, which RFC 8259 lets a reader ignore.
  const text = body.toString('utf8').replace(/^\ufeff/, '');
  if (nestsTooDeep(text)) return { ok: false };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    // Not JSON is a valid result.
    return { ok: false };
  }
}

// JSON.parse itself accepts any nesting.
function nestsTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === '\\') i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '[' || character === '{') {
      if (++depth > MAX_DEPTH) return true;
    } else if (character === ']' || character === '}') depth--;
  }
  return false;
}
