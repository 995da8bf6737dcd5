#!/usr/bin/env node
// The program `supervisor`: one command line, then the end of the process.

import { explainFailure } from './exit-status.ts';
import { processSurroundings } from './process-io.ts';
import { runCommandLine } from './program.ts';

const around = processSurroundings();

function crash(thrown: unknown): void {
  const { text, status } = explainFailure(thrown, Boolean(around.environment.variables.SUPERVISOR_DEBUG));
  around.stderr.write(text);
  process.exit(status);
}
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

const status = await runCommandLine(process.argv.slice(2), around);
// What a command left open must not keep the process; what it wrote must be out.
process.stdout.write('', () => process.exit(status));
