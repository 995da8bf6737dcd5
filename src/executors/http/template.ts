// Fills a body template: any JSON value with placeholders in its strings. Pure; does not interpret the values.

import { fillPlaceholders, type Placeholder } from '../../domain/placeholder.ts';

/** The values of the placeholders. */
export interface TemplateValues {
  readonly text: (name: Placeholder) => string;
  /** Placeholders that become a JSON array if they are the entire string. */
  readonly lists: Readonly<Partial<Record<Placeholder, readonly string[]>>>;
}

const WHOLE = /^\{\{\s*([^{}]*?)\s*\}\}$/;

/** The template with every placeholder in its string values filled in. Keys are unchanged. */
export function fillTemplate(template: unknown, values: TemplateValues): unknown {
  if (typeof template === 'string') {
    const whole = WHOLE.exec(template)?.[1];
    const list = whole === undefined ? undefined : values.lists[whole as Placeholder];
    return list === undefined ? fillPlaceholders(template, values.text) : [...list];
  }
  if (Array.isArray(template)) return template.map((element) => fillTemplate(element, values));
  if (typeof template === 'object' && template !== null)
    return Object.fromEntries(
      Object.entries(template).map(([key, value]) => [key, fillTemplate(value, values)]),
    );
  return template;
}

/**
 * A URL template filled in; values are percent-encoded, so that a task can change neither host nor the surrounding
 * path. Null if a value is `.` or `..`, which no encoding keeps from climbing the path.
 */
export function fillUrl(template: string, text: (name: Placeholder) => string): string | null {
  let climbs = false;
  const filled = fillPlaceholders(template, (name) => {
    const value = text(name);
    if (value === '.' || value === '..') climbs = true;
    return encodeForUrl(value);
  });
  return climbs ? null : filled;
}

/**
 * A text percent-encoded as one piece of a URL. Graphs may contain lone surrogates, on which encodeURIComponent
 * throws.
 */
export function encodeForUrl(text: string): string {
  return encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '\ufffd'));
}
