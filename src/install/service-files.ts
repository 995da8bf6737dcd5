// The text of a systemd user unit and of a launchd agent. Pure.

import { xmlText } from '../domain/xml-text.ts';

/** What the service runs. */
export interface ServiceFacts {
  /** Absent: the supervisor's. */
  readonly service?: ServiceName;
  /** Absolute paths of node and of the program, then its arguments. */
  readonly command: readonly string[];
  /** PATH, and what decides which configuration and state are used: service managers read no shell profile. */
  readonly variables: Readonly<Record<string, string>>;
  /** More variables, which may be secret; it need not exist. */
  readonly environmentFile: string;
  /** Where launchd puts the output; systemd has its journal. */
  readonly logDir: string;
  /** In the file, so that another version is another text. */
  readonly version: string;
  /** Whether the program can tell systemd that it is ready and alive. */
  readonly notifies: boolean;
}

/** The services of this package: the supervisor, and a worker for one on another machine. */
export const SERVICES = {
  supervisor: {
    unit: 'workgraph-supervisor.service',
    label: 'dev.workgraph.supervisor',
    about: 'workgraph supervisor: one dispatcher for every worktree',
    stopSeconds: 45,
  },
  worker: {
    unit: 'workgraph-worker.service',
    label: 'dev.workgraph.worker',
    about: 'workgraph worker: tasks of a supervisor on another machine',
    // It completes what runs; killed after that, its agents run on and the next start reattaches to them.
    stopSeconds: 600,
  },
} as const;
export type ServiceName = keyof typeof SERVICES;

/** Three times the longest pause between two ticks. */
const WATCHDOG = `WatchdogSec=180
TimeoutStartSec=600
`;

/**
 * The unit. `KillMode=process`: stopping the supervisor leaves agents running, and the next start reattaches to them.
 * Not restarted after a bad configuration (3) or beside another supervisor (4): it would fail again.
 */
export function systemdUnit(facts: ServiceFacts): string {
  const [program = '', ...args] = facts.command;
  const { unit, about, stopSeconds } = SERVICES[facts.service ?? 'supervisor'];
  const variables = Object.entries(facts.variables).map(
    ([name, value]) => `Environment=${assignment(`${name}=${value}`)}\n`,
  );
  return `# Written by \`supervisor service install\` of version ${facts.version}; put changes into a drop-in (systemctl --user edit).
[Unit]
Description=${about}
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=${facts.notifies ? 'notify' : 'exec'}
${facts.notifies ? WATCHDOG : ''}ExecStart=${[programWord(program), ...args.map(argument)].join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
${variables.join('')}EnvironmentFile=-${specifiers(facts.environmentFile)}
KillMode=process
TimeoutStopSec=${stopSeconds}
Restart=on-failure
RestartSec=3
RestartPreventExitStatus=${facts.service === 'worker' ? '2 3 4' : '3 4'}
OOMPolicy=continue
UMask=0077
LimitCORE=0
TasksMax=4096
SyslogIdentifier=${unit.replace('.service', '')}

[Install]
WantedBy=default.target
`;
}

/** launchd restarts whatever fails; a supervisor that finds this name hides what would fail again the same way. */
export const UNDER_LAUNCHD = 'SUPERVISOR_UNDER_LAUNCHD';

/** The agent's property list. `AbandonProcessGroup`: agents live on when the supervisor stops. */
export function launchdPlist(facts: ServiceFacts): string {
  const words = facts.command.map((word) => `    <string>${xmlText(word)}</string>`).join('\n');
  const variables = Object.entries({ ...facts.variables, [UNDER_LAUNCHD]: '1' })
    .map(([name, value]) => `    <key>${xmlText(name)}</key><string>${xmlText(value)}</string>`)
    .join('\n');
  const log = (name: string) => xmlText(`${facts.logDir}/${name}`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by \`supervisor service install\` of version ${xmlText(facts.version)}. -->
<plist version="1.0">
<dict>
  <key>Label</key><string>${SERVICES[facts.service ?? 'supervisor'].label}</string>
  <key>ProgramArguments</key>
  <array>
${words}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables}
  </dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>10</integer>
  <key>ProcessType</key><string>Standard</string>
  <key>AbandonProcessGroup</key><true/>
  <key>ExitTimeOut</key><integer>45</integer>
  <key>Umask</key><integer>63</integer>
  <key>StandardOutPath</key><string>${log('stdout.log')}</string>
  <key>StandardErrorPath</key><string>${log('stderr.log')}</string>
</dict>
</plist>
`;
}

const specifiers = (text: string) => text.replaceAll('%', '%%');

/** The program itself: variables are not put in there, so that a `$` stands for itself. */
const programWord = (word: string) => quoted(specifiers(word));

/** An argument of a command line: specifiers and variables taken literally. */
const argument = (word: string) => quoted(specifiers(word).replaceAll('$', '$$$$'));

/** An assignment: specifiers are put in there, variables are not. */
const assignment = (word: string) => quoted(specifiers(word));

function quoted(word: string): string {
  const literal = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t');
  return /^[\w@%+=:,./$-]+$/.test(literal) ? literal : `"${literal}"`;
}

/** The words of the command in the text of a unit or a property list, as far as they are plain to see. */
export function commandIn(text: string): readonly string[] {
  const line = /^ExecStart=(.*)$/m.exec(text)?.[1];
  if (line !== undefined) return wordsOf(line.replaceAll('$$', '$'));
  return stringsOf(/<key>ProgramArguments<\/key>\s*<array>(.*?)<\/array>/s.exec(text)?.[1] ?? '');
}

/** The variables that it gives to the service. */
export function variablesIn(text: string): Record<string, string> {
  const assigned = [...text.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = '']) => wordsOf(line));
  const found = Object.fromEntries(
    assigned.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  );
  const dict = /<key>EnvironmentVariables<\/key>\s*<dict>(.*?)<\/dict>/s.exec(text)?.[1] ?? '';
  for (const [, name = '', value = ''] of dict.matchAll(/<key>(.*?)<\/key>\s*<string>(.*?)<\/string>/gs))
    found[fromXml(name)] = fromXml(value);
  return found;
}

/** The reverse of `quoted` and `specifiers`. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, inner, bare]) =>
    (inner ?? bare ?? '')
      .replaceAll('%%', '%')
      .replace(/\\(.)/g, (_all, sign: string) => ({ n: '\n', t: '\t' })[sign] ?? sign),
  );
}

const stringsOf = (text: string) =>
  [...text.matchAll(/<string>(.*?)<\/string>/gs)].map(([, inner = '']) => fromXml(inner));

const fromXml = (text: string) =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
