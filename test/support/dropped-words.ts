// Words and phrases that the project no longer uses, and what to write instead. The vocabulary itself is docs/glossary.md.
// Only prose is checked: comments, texts and documents, not identifiers.

export interface DroppedWord {
  /** Matched in prose, whatever the case. */
  readonly word: RegExp;
  readonly instead: string;
}

export const DROPPED_WORDS: readonly DroppedWord[] = [
  {
    word: /\b(?:some|any|every|no)body\b/,
    instead: 'name who it is: the owner, the caller, a worker, another process',
  },
  { word: /\bwhoever\b/, instead: 'name who it is: the owner, the caller, a worker, another process' },
  { word: /\bpullers?\b/, instead: 'worker' },
  { word: /\banew\b/, instead: 'again, from zero' },
  { word: /\b(?:go|goes|went|going) on\b(?! (?:a|the|to|with)\b)/, instead: 'continue' },
  { word: /\b(?:come|comes|came) of\b/, instead: 'the result, the outcome' },
  { word: /\b(?:become|becomes|became) of\b/, instead: 'happens to' },
  { word: /\b(?:is|are|was|were) over\b(?! \d)/, instead: 'has finished, has passed' },
  { word: /\bso many\b/, instead: 'this many, a number of' },
  { word: /\bof ours\b/, instead: 'of the supervisor, our own' },
  { word: /\b(?:let|lets|letting) go\b/, instead: 'release, skip, drop' },
  {
    word: /\b(?:give|gives|gave|given|giving) (?:it |them )?back\b/,
    instead: 'release (a task), return (a value)',
  },
  { word: /\b(?:hand|hands|handed|handing) (?:it |them )?back\b/, instead: 'release' },
  { word: /\b(?:take|takes|took|taken|taking) (?:it |them )?up\b/, instead: 'reattach to (a run)' },
  { word: /\b(?:put|puts|putting) right\b/, instead: 'repair, fix' },
  { word: /\bby (?:itself|themselves)\b/, instead: 'on its own, automatically' },
  { word: /\b(?:stand|stands|stood|standing) still\b/, instead: 'is paused' },
  { word: /\bfor want of\b/, instead: 'because … is missing' },
  { word: /\b(?:tell|tells|told) apart\b/, instead: 'distinguish' },
  { word: /\b(?:one|two) a (?:graph|line|machine|minute|repository|run|second|task)\b/, instead: 'per' },
];

/** Files that may use any of them, each with the reason. */
export const EXEMPT: Readonly<Record<string, string>> = {
  'src/runs/migrations.ts': 'a released step is never edited, not even its comments',
  'test/words.test.ts': 'its examples',
};
