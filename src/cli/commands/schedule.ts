// `supervisor schedule WHEN`: the resulting instants, before a task gets the schedule.

import { parseInstant } from '../../decide/instant.ts';
import { nextInstant, parseSchedule } from '../../decide/schedules/schedule.ts';
import { scheduleNotes } from '../../decide/schedules/schedule-notes.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { isoTime } from '../../platform/clock.ts';
import { machineTimezone } from '../../settings/timezone.ts';
import type { Context } from '../context.ts';
import { relativeTime } from '../render/relative-time.ts';
import { renderTable } from '../render/table.ts';

const HOW_MANY = 5;

/** Prints the next five instants, with zone and daylight saving notes. */
export async function schedule(
  context: Context,
  when: string,
  options: { readonly tz?: string; readonly from?: string },
): Promise<number> {
  const zone = options.tz ?? (await zoneHere(context));
  const parsed = parseSchedule(when, zone);
  if (!parsed.ok && !parsed.never) throw new SupervisorError('usage', parsed.problem);
  const from = options.from === undefined ? context.now() : parseInstant(options.from);
  if (from === null)
    throw new SupervisorError('usage', `--from ${options.from} is not an instant`, {
      hint: 'write it like 2027-03-28T00:00:00Z',
    });
  const next: number[] = [];
  const notes: string[] = [];
  if (parsed.ok) {
    const { schedule } = parsed;
    for (let at = nextInstant(schedule, from); at !== null && next.length < HOW_MANY; ) {
      next.push(at);
      // A time of day and an instant come once: the task is done after that.
      at = schedule.kind === 'cron' ? nextInstant(schedule, at) : null;
    }
    notes.push(...scheduleNotes(when, schedule, zone, from), ...shiftNotes(next, zone));
  } else notes.push(`never fires: ${parsed.problem}`);
  if (context.json) {
    context.outJson({ next: next.map(isoTime), notes, zone });
    return 0;
  }
  if (next.length > 0)
    context.out(
      renderTable({
        columns: [{ head: 'NEXT' }, { head: 'LOCAL', min: 20 }, { head: '', drop: 1 }],
        rows: next.map((at) => [isoTime(at), localText(at, zone), relativeTime(isoTime(at), from)]),
        width: context.width,
        head: context.paint.faint,
      }),
    );
  for (const note of notes) context.out(`${note}\n`);
  return 0;
}

/** The zone of this machine's schedules; an unreadable configuration is reported elsewhere. */
async function zoneHere(context: Context): Promise<string> {
  const { variables, home } = context.environment;
  try {
    const { loadMachineConfig } = await import('../../config/load.ts');
    const { config } = loadMachineConfig((await context.paths()).configFile, { home });
    if (!config.timezoneIsMachines) return config.timezone;
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    context.note(`${thrown.message}; this machine's zone is taken\n`);
  }
  return machineTimezone(variables);
}

/** The UTC offsets of the shown instants, if they differ. */
function shiftNotes(next: readonly number[], zone: string): string[] {
  return next.flatMap((at, index) => {
    const before = next[index - 1];
    if (before === undefined || offsetOf(before, zone) === offsetOf(at, zone)) return [];
    return [
      `the clocks change between ${localText(before, zone)} and ${localText(at, zone)}: ${offsetOf(before, zone)} becomes ${offsetOf(at, zone)}`,
    ];
  });
}

function localText(at: number, zone: string): string {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  });
  const parts = new Map(format.formatToParts(at).map((part) => [part.type, part.value]));
  const part = (name: Intl.DateTimeFormatPartTypes) => parts.get(name) ?? '';
  return `${part('weekday')} ${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}:${part('second')} ${part('timeZoneName')}`;
}

function offsetOf(at: number, zone: string): string {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeZoneName: 'longOffset' });
  return format.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? '';
}
