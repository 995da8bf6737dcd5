// Refusals of model providers, in the words of their APIs.

import type { Refusal } from './model-api.ts';
import type { Cli } from './real-agents.ts';

/** A wrong key: each provider's shape in one body, for their clients read what they know. */
export const REFUSED_KEY: Refusal = {
  status: 401,
  body: {
    type: 'error',
    error: {
      ...{ type: 'authentication_error', code: 401, status: 'UNAUTHENTICATED' },
      message: 'Incorrect API key provided',
    },
  },
};

const openAi: Refusal = {
  status: 429,
  body: {
    error: {
      ...{ type: 'insufficient_quota', code: 'insufficient_quota', param: null },
      message: 'You exceeded your current quota, please check your plan and billing details.',
    },
  },
};

/** What a used-up quota looks like at the provider of each CLI. */
export const USED_UP: Readonly<Record<Cli, Refusal>> = {
  claude: {
    status: 429,
    headers: { 'retry-after': '3600' },
    body: {
      type: 'error',
      error: { type: 'rate_limit_error', message: "This request would exceed your account's rate limit." },
    },
  },
  codex: openAi,
  pi: openAi,
  opencode: openAi,
  gemini: {
    status: 429,
    body: {
      error: {
        ...{ code: 429, status: 'RESOURCE_EXHAUSTED' },
        message: 'You exceeded your current quota, please check your plan and billing details.',
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
            violations: [
              {
                quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
                quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier',
              },
            ],
          },
        ],
      },
    },
  },
};
