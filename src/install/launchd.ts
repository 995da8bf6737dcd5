// The service as an agent of launchd.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Environment } from '../platform/environment.ts';
import { launchdPlist, SERVICES, type ServiceFacts, type ServiceName } from './service-files.ts';
import {
  callManager,
  notInstalled,
  putBack,
  readServiceFile,
  type ServiceManager,
  writeServiceFile,
} from './service-manager.ts';

/** `bootout` answers before the agent is gone, and until then `bootstrap` is refused. */
const BOOTSTRAP_TRIES = 20;
const BOOTSTRAP_PAUSE_MS = 500;

export function launchd(
  environment: Environment,
  clock: Clock,
  name: ServiceName = 'supervisor',
): ServiceManager {
  const { label } = SERVICES[name];
  const file = join(environment.home, 'Library', 'LaunchAgents', `${label}.plist`);
  const domain = `gui/${process.getuid?.() ?? 501}`;
  const service = `${domain}/${label}`;
  const launchctl = (...args: string[]) => callManager(environment, 'launchctl', args);

  /** What launchd shows of the agent, or null when it is not loaded. */
  async function shown(): Promise<string | null> {
    try {
      return await launchctl('print', service);
    } catch {
      // Exit 113: it knows no such service.
      return null;
    }
  }

  async function bootstrap(): Promise<void> {
    for (let tries = 1; ; tries++)
      try {
        await launchctl('bootstrap', domain, file);
        return;
      } catch (thrown) {
        if (tries === BOOTSTRAP_TRIES) throw thrown;
        await clock.sleep(BOOTSTRAP_PAUSE_MS);
      }
  }

  function installedFile(): string {
    const text = readServiceFile(file);
    if (text === null) throw notInstalled();
    return text;
  }

  return {
    file,
    logCommand: ['tail', '-n', '200', join(environment.home, 'Library/Logs/workgraph-supervisor/stderr.log')],
    async install(facts: ServiceFacts) {
      const wasLoaded = (await shown()) !== null;
      const before = readServiceFile(file);
      const text = launchdPlist(facts);
      if (wasLoaded && before === text) return { done: 'unchanged', notes: [] };
      await mkdir(facts.logDir, { recursive: true, mode: 0o700 });
      await writeServiceFile(file, text);
      try {
        if (wasLoaded) await launchctl('bootout', service);
        await bootstrap();
      } catch (thrown) {
        await putBack(file, before);
        throw thrown;
      }
      return { done: wasLoaded ? 'restarted' : 'started', notes: [] };
    },
    async uninstall() {
      const text = readServiceFile(file);
      if ((await shown()) !== null) await launchctl('bootout', service);
      else if (text === null) throw notInstalled();
      await rm(file, { force: true });
      return [];
    },
    async start() {
      installedFile();
      // Loaded but ended: started again. Not loaded, as after `stop`: loaded, which starts it.
      if ((await shown()) !== null) await launchctl('kickstart', service);
      else await bootstrap();
    },
    async stop() {
      installedFile();
      // It would be started again if it were only killed; the file stays for the next start.
      if ((await shown()) !== null) await launchctl('bootout', service);
    },
    async restart() {
      installedFile();
      if ((await shown()) !== null) await launchctl('kickstart', '-k', service);
      else await bootstrap();
    },
    async status() {
      try {
        const text = await launchctl('print', service);
        return {
          installed: true,
          running: /state = running/.test(text),
          file,
          detail: text.split('\n')[0] ?? '',
        };
      } catch (thrown) {
        return {
          installed: readServiceFile(file) !== null,
          running: false,
          file,
          detail: messageOf(thrown),
        };
      }
    },
  };
}
