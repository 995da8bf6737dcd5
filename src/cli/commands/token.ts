// `supervisor token create|list|revoke`: tokens of API clients, even while no supervisor is running.

import { SupervisorError } from '../../domain/errors.ts';
import { isoTime } from '../../platform/clock.ts';
import { systemIdentity } from '../../platform/identity.ts';
import {
  addNamedToken,
  readNamedTokens,
  readTokenUses,
  revokeNamedToken,
  TOKEN_SCOPES,
} from '../../runs/named-tokens.ts';
import type { Context } from '../context.ts';
import { relativeTime } from '../render/relative-time.ts';
import { renderTable } from '../render/table.ts';

/** Creates a token and shows it, this once. */
export async function createToken(
  context: Context,
  name: string,
  options: { readonly scope: string },
): Promise<number> {
  const scope = TOKEN_SCOPES.find((one) => one === options.scope);
  if (scope === undefined)
    throw new SupervisorError('usage', `'${options.scope}' is not a valid scope`, {
      hint: `use ${TOKEN_SCOPES.join(', ')}`,
    });
  const { tokensFile } = await context.paths();
  const token = systemIdentity().token('wgt_');
  const createdAt = context.now();
  await addNamedToken(tokensFile, token, { name, scope, createdAt });
  if (context.json) context.outJson({ name, scope, created_at: isoTime(createdAt), token });
  else {
    context.out(`${token}\n`);
    context.note('supervisor: keep it now: only its hash is stored, and it is not shown again');
  }
  return 0;
}

/** The existing tokens, and when each was last used. */
export async function listTokens(context: Context): Promise<number> {
  const { tokensFile } = await context.paths();
  const uses = readTokenUses(tokensFile);
  const tokens = readNamedTokens(tokensFile).map(({ name, scope, createdAt, hash }) => ({
    name,
    scope,
    createdAt,
    usedAt: uses.get(hash) ?? null,
  }));
  if (context.json)
    context.outJson({
      tokens: tokens.map(({ name, scope, createdAt, usedAt }) => ({
        name,
        scope,
        created_at: isoTime(createdAt),
        last_used_at: usedAt === null ? null : isoTime(usedAt),
      })),
    });
  else if (tokens.length === 0) context.out('no tokens; `supervisor token create NAME` creates one\n');
  else {
    const when = (at: number | null) => (at === null ? 'never' : relativeTime(isoTime(at), context.now()));
    context.out(
      renderTable({
        columns: [{ head: 'NAME', min: 12 }, { head: 'SCOPE' }, { head: 'CREATED' }, { head: 'LAST USED' }],
        rows: tokens.map((one) => [one.name, one.scope, when(one.createdAt), when(one.usedAt)]),
        width: context.width,
        head: context.paint.faint,
      }),
    );
  }
  return 0;
}

/** Revokes a token: a running supervisor refuses it from the next request on. */
export async function revokeToken(context: Context, name: string): Promise<number> {
  const { tokensFile } = await context.paths();
  await revokeNamedToken(tokensFile, name);
  if (context.json) context.outJson({ name, revoked: true });
  else context.out(`revoked: ${name}\n`);
  return 0;
}
