// Tags to be added and taken away, as requests name them.

import type { z } from 'zod';
import type { TaskRequest } from '../../graphs/authoring.ts';
import type { tagBody } from '../shapes/schemas.ts';

type TagBody = z.infer<typeof tagBody>;

/** The change of a task that is asked for. */
export function tagRequest({ add, remove }: TagBody): TaskRequest {
  return { addTags: add ?? [], removeTags: remove ?? [] };
}

/** The same in few words: `+area/web -old`. */
export function tagText({ add, remove }: TagBody): string {
  return [...(add ?? []).map((tag) => `+${tag}`), ...(remove ?? []).map((tag) => `-${tag}`)].join(' ');
}
