// One line of Claude's stream-json for people. Uninteresting lines are dropped; what is not JSON is shown as it is,
// because hooks and shells print into the same stream.

import { plain, plainLines } from '../../../platform/plain-text.ts';
import { type Fields, fields, parseFields } from './stream-fields.ts';

/** Characters of a tool's call or answer that are shown. */
const TOOL_WIDTH = 200;

/** The readable text of a line, or null. */
export function streamLine(line: string): string | null {
  if (line.trim() === '') return null;
  const event = parseFields(line);
  if (event === null) return plainLines(line);
  switch (event.type) {
    case 'system':
      return systemLine(event);
    case 'assistant':
    case 'user':
      return (
        partsOf(event)
          .map(partLine)
          .filter((text) => text !== null)
          .join('\n') || null
      );
    case 'rate_limit_event': {
      const status = text(fields(event.rate_limit_info).status);
      return status === 'allowed' ? null : `! quota: ${plain(status)}`;
    }
    case 'result':
      return resultLine(event);
    default:
      return null;
  }
}

function systemLine(event: Fields): string | null {
  if (event.subtype === 'init')
    return `session ${plain(text(event.session_id))}, model ${plain(text(event.model))}`;
  if (event.subtype !== 'api_retry') return null;
  return `! the provider answered ${plain(text(event.error_status))} ${plain(text(event.error))}, retry ${plain(text(event.attempt))}`;
}

function partLine(part: Fields): string | null {
  switch (part.type) {
    case 'text':
      return plainLines(text(part.text)).trim() || null;
    case 'tool_use': {
      const input = fields(part.input);
      const about =
        text(input.command) || text(input.file_path) || text(input.pattern) || text(input.description);
      return `→ ${plain(text(part.name))} ${shorten(plain(about || JSON.stringify(input)), TOOL_WIDTH)}`;
    }
    case 'tool_result': {
      const mark = part.is_error === true ? '✗' : '←';
      return `${mark} ${shorten(plain(contentText(part.content)), TOOL_WIDTH)}`;
    }
    default:
      return null;
  }
}

function resultLine(event: Fields): string {
  const failed = event.is_error !== false;
  const errors = Array.isArray(event.errors) ? event.errors.map(String).join('; ') : '';
  const cost = typeof event.total_cost_usd === 'number' ? `, $${event.total_cost_usd.toFixed(4)}` : '';
  const turns = typeof event.num_turns === 'number' ? `, ${event.num_turns} turns` : '';
  // A good result repeats the last text; a bad one is the only place with the reason.
  const why = failed ? `: ${plain(text(event.result) || errors)}` : '';
  return `${failed ? 'failed' : 'done'}${turns}${cost}${why}`;
}

function partsOf(event: Fields): Fields[] {
  const { content } = fields(event.message);
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return Array.isArray(content) ? content.map(fields) : [];
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => text(fields(part).text)).join(' ');
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Cut by characters: how wide they are is known to a terminal only. */
function shorten(text: string, most: number): string {
  const characters = [...text.slice(0, 2 * most + 2)];
  return characters.length > most
    ? `${characters
        .slice(0, most - 1)
        .join('')
        .trimEnd()}…`
    : text;
}
