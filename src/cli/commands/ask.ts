// `supervisor ask`: an agent asks a person and waits for the answer.

import { SupervisorError } from '../../domain/errors.ts';
import { askPerson } from '../../executors/process/clis/acp-question.ts';
import { systemClock } from '../../platform/clock.ts';
import type { Context } from '../context.ts';

/** Prints the answer. Waits as long as it takes; exit status 1 when the work is to stop instead. */
export async function ask(
  context: Context,
  question: string,
  options: { readonly option?: readonly string[] },
): Promise<number> {
  if (question.trim() === '') throw new SupervisorError('usage', 'the question is empty');
  const { variables } = context.environment;
  if (!variables.SUPERVISOR_API || !variables.SUPERVISOR_TOKEN || !variables.WG_TASK_ID)
    throw new SupervisorError('usage', 'only the agent of a task can ask', {
      hint: 'run it inside an agent that a supervisor started',
    });
  const answer = await askPerson(question, options.option ?? [], variables, systemClock());
  if (answer === null)
    throw new SupervisorError('failed', 'the work is to stop, so there is no answer', {
      hint: 'end without a result',
    });
  if (context.json) context.outJson({ question, answer });
  else context.out(`${answer}\n`);
  return 0;
}
