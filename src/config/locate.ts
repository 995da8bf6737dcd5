// Line numbers of keys in a TOML text. The parser gives no positions for valid documents, and an error without a line
// is half an error. Reads only texts that parse; checks nothing.

/** A path in a document: table keys, and indexes of arrays. */
export type KeyPath = readonly (string | number)[];

/** Finds 1-based line numbers of keys. */
export interface KeyLines {
  /** Line of the key, else of the nearest table or value around it, else null. */
  line(path: KeyPath): number | null;
}

/** Scans a valid TOML text once for the lines of all its keys. */
export function locateKeys(text: string): KeyLines {
  const lines = new Scanner(text).scan();
  return {
    line(path) {
      for (let length = path.length; length > 0; length--) {
        const line = lines.get(JSON.stringify(path.slice(0, length)));
        if (line !== undefined) return line;
      }
      return null;
    },
  };
}

class Scanner {
  readonly #text: string;
  readonly #lines = new Map<string, number>();
  /** How many `[[table]]` headers of a path were seen. */
  readonly #arrays = new Map<string, number>();
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): Map<string, number> {
    let table: (string | number)[] = [];
    for (;;) {
      this.#skipBlank(true);
      if (this.#at >= this.#text.length) return this.#lines;
      const before = this.#at;
      if (this.#peek() === '[') table = this.#header();
      else this.#pair(table);
      // Only a text that does not parse could make no progress here; giving up beats looping.
      if (this.#at === before) return this.#lines;
    }
  }

  #header(): (string | number)[] {
    const line = this.#line;
    this.#at++;
    const array = this.#peek() === '[';
    if (array) this.#at++;
    const keys = this.#key();
    while (this.#peek() === ']') this.#at++;
    // [a.b] below [[a]] means the last element of a.
    const path: (string | number)[] = [];
    for (const [index, key] of keys.entries()) {
      path.push(key);
      const id = JSON.stringify(path);
      const count = this.#arrays.get(id) ?? 0;
      const last = index === keys.length - 1;
      if (last && array) {
        this.#arrays.set(id, count + 1);
        if (count === 0) this.#note(path, line);
        path.push(count);
      } else {
        // [a.b] may be the first mention of an a without a header.
        this.#note(path, line);
        if (count > 0) path.push(count - 1);
      }
    }
    this.#note(path, line);
    return path;
  }

  #pair(table: KeyPath): void {
    const line = this.#line;
    const keys = this.#key();
    const path = [...table];
    for (const key of keys) {
      path.push(key);
      this.#note(path, line);
    }
    this.#skipBlank(false);
    if (this.#peek() === '=') this.#at++;
    this.#skipBlank(false);
    this.#value(path);
  }

  #value(path: KeyPath): void {
    const next = this.#peek();
    if (next === '"' || next === "'") this.#string();
    else if (next === '{') this.#elements('}', () => this.#pair(path));
    else if (next === '[') {
      let index = 0;
      this.#elements(']', () => {
        const element = [...path, index++];
        this.#note(element, this.#line);
        this.#value(element);
      });
    } else while (this.#at < this.#text.length && !/[,\]}\n#]/.test(this.#peek())) this.#at++;
  }

  /** What is between two brackets, parted by commas; stops where nothing can be read. */
  #elements(end: ']' | '}', read: () => void): void {
    this.#at++;
    for (;;) {
      this.#skipBlank(true);
      if (this.#peek() === ',') this.#at++;
      else if (this.#peek() === end || this.#at >= this.#text.length) break;
      else {
        const before = this.#at;
        read();
        if (this.#at === before) break;
      }
    }
    this.#at++;
  }

  /** A dotted key, bare or quoted parts. */
  #key(): string[] {
    const parts: string[] = [];
    for (;;) {
      this.#skipBlank(false);
      const next = this.#peek();
      if (next === '"' || next === "'") parts.push(this.#string());
      else {
        const start = this.#at;
        while (/[A-Za-z0-9_-]/.test(this.#peek())) this.#at++;
        parts.push(this.#text.slice(start, this.#at));
      }
      this.#skipBlank(false);
      if (this.#peek() !== '.') return parts;
      this.#at++;
    }
  }

  /** A string of any of the four kinds, as its value (escapes read as JSON reads them, else left). */
  #string(): string {
    const quote = this.#peek();
    const triple = this.#text.startsWith(quote.repeat(3), this.#at);
    const end = triple ? quote.repeat(3) : quote;
    this.#at += end.length;
    const start = this.#at;
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      if (quote === '"' && this.#peek() === '\\') this.#step();
      this.#step();
    }
    const raw = this.#text.slice(start, this.#at);
    this.#at += end.length;
    // """ may close after one or two quotes that belong to the text.
    if (triple) while (this.#peek() === quote) this.#at++;
    if (quote === "'" || !raw.includes('\\')) return raw;
    try {
      return String(JSON.parse(`"${raw}"`));
    } catch {
      // An escape that only TOML has (\U, \e): this key's own line may then be missed, its table's is still found.
      return raw;
    }
  }

  #skipBlank(overLines: boolean): void {
    for (;;) {
      const next = this.#peek();
      if (next === ' ' || next === '\t' || next === '\r' || next === '\uFEFF') this.#at++;
      else if (overLines && next === '\n') this.#step();
      else if (overLines && next === '#')
        while (this.#at < this.#text.length && this.#peek() !== '\n') this.#at++;
      else return;
    }
  }

  #note(path: KeyPath, line: number): void {
    const id = JSON.stringify(path);
    if (!this.#lines.has(id)) this.#lines.set(id, line);
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #step(): void {
    if (this.#peek() === '\n') this.#line++;
    this.#at++;
  }
}
