// A command line as a shell's user types it, cut into words; and what may be offered to a shell.

/** The words of a line up to the cursor; the last one is being typed, and may be ''. Quotes may still be open. */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const char = line[at] ?? '';
    if (quote !== "'" && char === '\\') word = (word ?? '') + (line[++at] ?? '');
    else if (quote !== '') {
      if (char === quote) quote = '';
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + char;
  }
  words.push(word ?? '');
  return words;
}

/** Whether a shell gets it whole as one line, and the command takes it as an argument. */
export function isOfferable(candidate: string): boolean {
  return candidate !== '' && !candidate.startsWith('-') && !/\p{Control}/u.test(candidate);
}
