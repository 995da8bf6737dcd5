// A link that is opened in another tab takes the session along: the tab it was in gives the key to the one tab that can
// name that very press. Any other document at this address, such as one of another program that answered here for a
// while, asks in vain.

import type { Api } from './api.ts';
import { after, newKey } from './browser.ts';
import { parseRoute } from './route.ts';

const CHANNEL = 'workgraph.session';
const PARAMETER = 'tab';
/** How long the other tab may take to answer, ms. */
const ANSWER_MS = 1500;
/** A menu may stay open for a while before "in a new tab" is chosen, ms. */
const PRESS_MS = 60_000;

/** The key that the tab has which opened this one; null where none did. The address is left as it would be without. */
export function keyOfOtherTab(): Promise<string | null> {
  const press = parseRoute(location.hash).params[PARAMETER];
  if (press === undefined) return Promise.resolve(null);
  history.replaceState(null, '', location.hash.replace(/[?&]tab=[^&]*$/, ''));
  const channel = new BroadcastChannel(CHANNEL);
  return new Promise((resolve) => {
    const end = (key: string | null) => {
      cancel();
      channel.close();
      resolve(key);
    };
    const cancel = after(ANSWER_MS, () => end(null));
    channel.onmessage = ({ data }) => data?.press === press && typeof data.key === 'string' && end(data.key);
    channel.postMessage({ wanted: press });
  });
}

/** Marks links as they are opened in another tab, and answers that tab, once and only while the supervisor is there. */
export function tellOtherTabs(api: Api): void {
  const presses = new Set<string>();
  const mark = (event: MouseEvent) => {
    const link =
      event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href^="#/"]') : null;
    const isElsewhere =
      event.type !== 'click' || event.ctrlKey || event.metaKey || event.shiftKey || event.button === 1;
    if (!link || !isElsewhere) return;
    const press = newKey();
    const plain = (link.getAttribute('href') ?? '').replace(/[?&]tab=[^&]*$/, '');
    link.setAttribute('href', `${plain}${plain.includes('?') ? '&' : '?'}${PARAMETER}=${press}`);
    presses.add(press);
    after(PRESS_MS, () => {
      presses.delete(press);
      if (link.getAttribute('href')?.endsWith(press)) link.setAttribute('href', plain);
    });
  };
  for (const name of ['click', 'auxclick', 'contextmenu'] as const)
    document.addEventListener(name, mark, { capture: true });
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = async ({ data }) => {
    if (typeof data?.wanted !== 'string' || !presses.delete(data.wanted)) return;
    try {
      await api.unlock();
      channel.postMessage({ press: data.wanted, key: api.key() });
    } catch {
      // Nothing to give: the other tab says so.
    }
  };
}
