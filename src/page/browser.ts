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

/** Which build of the page this script is of, as its address says. */
export function ownPrint(): string {
  return /^\/page\/([0-9a-f]+)-/.exec(new URL(import.meta.url).pathname)?.[1] ?? '';
}

/**
 * Whether another program that answered at this address left a worker in the browser, which would see whatever is sent
 * from here. It is removed: this page has none.
 */
export async function removeWorkers(): Promise<boolean> {
  const found = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  await Promise.all(found.map((one) => one.unregister()));
  return found.length > 0;
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

/** The host name that every start of the supervisor has a label of its own in front of. */
const SHARED = 'workgraph.localhost';
const YEAR_S = 31_536_000;
/** More is not sent with every request. */
const MOST_CHARS = 3000;

/** What this browser remembers beyond the tab and this start of the supervisor, for what is no secret. */
export function recallLong(name: string): string | null {
  try {
    if (!location.hostname.endsWith(`.${SHARED}`)) return localStorage.getItem(name);
    const found = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`));
    return found === undefined ? null : decodeURIComponent(found.slice(name.length + 1));
  } catch {
    // Storage is switched off, or what is there is not ours.
    return null;
  }
}

/** Remembers it. */
export function rememberLong(name: string, text: string): void {
  try {
    const encoded = encodeURIComponent(text);
    if (!location.hostname.endsWith(`.${SHARED}`)) localStorage.setItem(name, text);
    else if (encoded.length <= MOST_CHARS)
      // biome-ignore lint/suspicious/noDocumentCookie: the other interface is not in every browser
      document.cookie = `${name}=${encoded}; Domain=${SHARED}; Path=/; Max-Age=${YEAR_S}; SameSite=Strict`;
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
