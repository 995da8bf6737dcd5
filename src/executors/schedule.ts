// The executor type `schedule`: holds a task until its time, then another profile does the work. It is decided, not run.

import { z } from 'zod';
import { CATCHUPS, OVERLAPS } from '../domain/schedule-policy.ts';
import { schedulePolicy } from '../settings/schedule-policy.ts';
import { duration, optional, text, withDefault, zone } from '../settings/setting.ts';
import { executorType, profileSchema } from './executor-type.ts';

const schema = profileSchema(
  'schedule',
  'Holds a task until its time, then dispatches it elsewhere.',
  { is: '0', why: 'The profile that does the work has its own.' },
  {
    schedule: optional(text, {
      text: 'For tasks that name none: "HH:MM", an ISO instant, or five cron fields.',
      example: '09:00',
    }),
    via: withDefault(text, 'default', 'The profile that does the work when the time has come.'),
    timezone: optional(zone, {
      text: 'The zone of its schedules; a task may name its own. Default: that of [supervisor].',
      example: 'Europe/Berlin',
    }),
    catchup: optional(z.enum(CATCHUPS), {
      text: 'Overrides [schedule], as do the next four.',
      example: 'skip',
    }),
    catchup_window: optional(duration, { text: 'As in [schedule].', example: '1d' }),
    overlap: optional(z.enum(OVERLAPS), { text: 'As in [schedule].', example: 'queue_one' }),
    start_deadline: optional(duration, { text: 'As in [schedule].', example: '15m' }),
    jitter: optional(duration, { text: 'As in [schedule].', example: '5m' }),
  },
);

export const schedule = executorType({
  schema,
  builtIn: 'scheduled',
  examples: [{ name: 'nightly' }],
  troubles: ({ via }, name) =>
    via === name
      ? [{ path: ['via'], sentence: 'names the profile itself; name the one that does the work' }]
      : [],
  profile: (written, base) => ({
    ...base,
    type: 'schedule',
    schedule: written.schedule ?? null,
    via: written.via,
    timezone: written.timezone ?? null,
    policy: schedulePolicy(written),
  }),
});
