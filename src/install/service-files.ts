// The text of a systemd user unit and of a launchd agent. Pure.

/** What the service runs. */
export interface ServiceFacts {
  /** Absolute paths of node and of the program, then its arguments. */
  readonly command: readonly string[];
  /** The agents' PATH: service managers read no shell profile. */
  readonly path: string;
  /** Where launchd writes the output; systemd has its journal. */
  readonly logDir: string;
}

export const UNIT_NAME = 'workgraph-supervisor.service';
export const LAUNCHD_LABEL = 'dev.workgraph.supervisor';

/**
 * The unit. `KillMode=process`: stopping the supervisor leaves agents running, and the next start reattaches to them.
 * Not restarted after a bad configuration (3) or beside another supervisor (4): it would fail again.
 */
export function systemdUnit(facts: ServiceFacts): string {
  return `[Unit]
Description=workgraph supervisor: one dispatcher for every worktree
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
ExecStart=${facts.command.map(systemdWord).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Environment=${systemdWord(`PATH=${facts.path}`)}
EnvironmentFile=-%h/.config/workgraph-supervisor/env
KillMode=process
TimeoutStopSec=45
Restart=on-failure
RestartSec=3
RestartPreventExitStatus=3 4
OOMPolicy=continue
UMask=0077
LimitCORE=0
TasksMax=4096
SyslogIdentifier=workgraph-supervisor

[Install]
WantedBy=default.target
`;
}

/** The agent's property list. `AbandonProcessGroup`: agents keep running when the supervisor stops. */
export function launchdPlist(facts: ServiceFacts): string {
  const words = facts.command.map((word) => `    <string>${xml(word)}</string>`).join('\n');
  const log = (name: string) => xml(`${facts.logDir}/${name}`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>${LAUNCHD_LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${words}
  </array>
  <key>EnvironmentVariables</key>
  <dict><key>PATH</key><string>${xml(facts.path)}</string></dict>
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

/** One word of a systemd command line or assignment: quoted, with specifiers and variables taken literally. */
function systemdWord(word: string): string {
  const literal = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return /^[\w@%+=:,./-]+$/.test(literal) ? literal : `"${literal}"`;
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
