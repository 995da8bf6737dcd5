#!/usr/bin/env node
// The program `supervisor`: runs one command line, then exits.

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
// Handles left open must not keep the process alive; written output must be flushed.
process.stdout.write('', (failed) => {
  // Where it could not be written, the error that follows ends the process.
  if (!failed) process.exit(status);
});
