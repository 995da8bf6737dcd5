// The address of a Redis or Valkey: from a profile or a command line, with everything secret from the environment. Pure
// but for the files of certificates.

import { messageOf, SupervisorError } from '../../domain/errors.ts';
import { isLoopback } from '../../domain/loopback.ts';
import { readText } from '../../platform/regular-file.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Where a queue lies. */
export interface QueueAddress {
  /** For people: without anything secret. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username: string | null;
  readonly password: string | null;
  /** Null: not encrypted. PEM texts. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null;
}

/** The variable that profiles and workers read the address from where none is given. */
export const URL_VARIABLE = 'SUPERVISOR_QUEUE_URL';
const FILE_TERMS = { maxBytes: 1024 * 1024, links: 'follow' } as const;
const DEFAULT_PORT = 6379;

/**
 * The address in a text. Credentials in the text itself count only with `mayHoldSecrets`; SUPERVISOR_QUEUE_USERNAME,
 * _PASSWORD, _CA, _CERT and _KEY (the last three name files) fill in what it lacks. Throws `config`.
 */
export async function queueAddress(
  text: string,
  variables: Variables,
  terms: { readonly insecure: boolean; readonly mayHoldSecrets: boolean },
): Promise<QueueAddress> {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '')
    throw new SupervisorError('config', 'the address of the queue is no redis:// or rediss:// address', {
      hint: 'write it like rediss://redis.example.net:6380',
    });
  const isEncrypted = url.protocol === 'rediss:';
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  const name = `${url.protocol}//${url.hostname}:${port}${url.pathname.replace(/\/$/, '')}`;
  if (url.password !== '' && !terms.mayHoldSecrets)
    throw new SupervisorError('config', `the address ${name} must not hold a password`, {
      hint: `name no address here and put the whole into ${URL_VARIABLE}, or the password into SUPERVISOR_QUEUE_PASSWORD`,
    });
  if (!isEncrypted && !isLoopback(url.hostname) && !terms.insecure)
    throw new SupervisorError(
      'config',
      `${name} is not encrypted: anyone listening could take over the work`,
      { hint: 'use rediss://, or say insecure on a network that you trust' },
    );
  const db = url.pathname.replace(/^\//, '');
  if (!/^\d{0,4}$/.test(db))
    throw new SupervisorError('config', `${name} must end in the number of a database, or in none`);
  return {
    name,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    db: Number(db),
    username: decoded(url.username) || variables.SUPERVISOR_QUEUE_USERNAME || null,
    password: decoded(url.password) || variables.SUPERVISOR_QUEUE_PASSWORD || null,
    tls: isEncrypted ? await certificates(variables) : null,
  };
}

/** A password with a bare % in it is meant as it stands. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function certificates(variables: Variables): Promise<NonNullable<QueueAddress['tls']>> {
  const found: { ca?: string; cert?: string; key?: string } = {};
  for (const [part, variable] of [
    ['ca', 'SUPERVISOR_QUEUE_CA'],
    ['cert', 'SUPERVISOR_QUEUE_CERT'],
    ['key', 'SUPERVISOR_QUEUE_KEY'],
  ] as const) {
    const file = variables[variable];
    if (!file) continue;
    const text = await readPem(file, variable);
    found[part] = text;
  }
  return found;
}

async function readPem(file: string, variable: string): Promise<string> {
  let text: string | null;
  try {
    text = await readText(file, FILE_TERMS);
  } catch (thrown) {
    throw new SupervisorError('config', `${file} (${variable}) cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
  if (text === null) throw new SupervisorError('config', `there is no file ${file} (${variable})`);
  return text;
}
