// What the ACP client is told on its command line.

/** How permission requests are settled, whom it speaks to, and the session that is to continue. */
export interface AcpOrder {
  readonly permission: 'ask' | 'allow' | 'deny';
  /** A session to resume, where the agent can; null: a new one. */
  readonly session: string | null;
  /** The mode of its session; null: the agent's own default. */
  readonly mode: string | null;
  /** The agent's program and arguments. */
  readonly argv: readonly string[];
}

/** The arguments for an order. */
export function orderArguments({ permission, session, mode, argv }: AcpOrder): string[] {
  return [permission, session ?? '', mode ?? '', ...argv];
}

/** The order of these arguments. */
export function readOrder([permission = '', session = '', mode = '', ...argv]: readonly string[]): AcpOrder {
  return {
    permission: permission === 'allow' || permission === 'deny' ? permission : 'ask',
    session: session === '' ? null : session,
    mode: mode === '' ? null : mode,
    argv,
  };
}
