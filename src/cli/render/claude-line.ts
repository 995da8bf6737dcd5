// One line of an agent's stream as people read it.

export { streamLine } from '../../executors/process/clis/stream-line.ts';
