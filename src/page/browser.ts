// The browser's own things: time, timers, storage, randomness. Their one home in the page.

/** Milliseconds since the epoch. */
export function now(): number {
  return Date.now();
}

/** Calls `act` once, `ms` from now; the result takes that back. */
export function after(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
}

/** A key that no other request has, for one press of a button. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What this tab remembers under a name; null when nothing, or nothing may be kept. */
export function recall(name: string): string | null {
  try {
    return sessionStorage.getItem(name);
  } catch {
    // Storage is switched off: the session then lasts as long as the document.
    return null;
  }
}

/** Remembers a text in this tab, or forgets it. */
export function remember(name: string, text: string | null): void {
  try {
    if (text === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    // As above.
  }
}

/** What this browser remembers beyond the tab, for what is no secret. */
export function recallLong(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Remembers it. */
export function rememberLong(name: string, text: string): void {
  try {
    localStorage.setItem(name, text);
  } catch {
    // It is a convenience.
  }
}

/** Puts a text into the clipboard; false where the browser does not let it. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
