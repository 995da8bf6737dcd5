// The filter of a list as text: words that must occur, and `key:value` pairs. `state:held in:shop tag:area/* login`.

/** What a filter is held against. */
export interface Filterable {
  readonly task: string;
  readonly title: string;
  readonly state: string;
  readonly status: string;
  readonly code: string;
  readonly because: string;
  readonly executor: string | null;
  readonly tags: readonly string[];
  /** Repository, branch and path. */
  readonly places: readonly string[];
}

/** Whether something passes. */
export type Filter = (one: Filterable) => boolean;

/** The filter of a text. A word in front of which stands a minus must not occur. */
export function parseFilter(text: string): Filter {
  const tests = wordsOf(text).map((word): Filter => {
    const not = word.startsWith('-') && word.length > 1;
    const test = testOf(not ? word.slice(1) : word);
    return not ? (one) => !test(one) : test;
  });
  return (one) => tests.every((test) => test(one));
}

/** The text with one pair set, or taken out by ''. */
export function withPair(text: string, key: string, value: string): string {
  const others = wordsOf(text).filter((word) => !word.startsWith(`${key}:`));
  return [...others, ...(value === '' ? [] : [`${key}:${/\s/.test(value) ? `"${value}"` : value}`])]
    .map((word) => (/\s/.test(word) && !word.includes('"') ? `"${word}"` : word))
    .join(' ');
}

/** The value of a pair; '' where the text has none. */
export function pairIn(text: string, key: string): string {
  return (
    wordsOf(text)
      .find((word) => word.startsWith(`${key}:`))
      ?.slice(key.length + 1) ?? ''
  );
}

/** Words, where quotes keep blanks together. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)].map(([word]) => word.replaceAll('"', ''));
}

function testOf(word: string): Filter {
  const [, key = '', value = ''] = /^([a-z]+):(.*)$/s.exec(word) ?? [];
  if (value !== '')
    switch (key) {
      case 'state':
      case 'is': {
        const states = value.split(',');
        return ({ state, status }) => states.includes(state) || states.includes(status);
      }
      case 'status':
        return ({ status }) => status === value;
      case 'code':
        return ({ code }) => code === value;
      case 'by':
        return ({ executor }) => executor === value;
      case 'tag': {
        const isPrefix = value.endsWith('*');
        const wanted = isPrefix ? value.slice(0, -1) : value;
        return ({ tags }) => tags.some((tag) => (isPrefix ? tag.startsWith(wanted) : tag === wanted));
      }
      case 'in':
        return ({ places }) => places.some((place) => place === value || place.includes(value));
    }
  const wanted = word.toLowerCase();
  return ({ task, title, because }) =>
    [task, title, because].some((text) => text.toLowerCase().includes(wanted));
}
