// One line of an agent's stream as people read it.

export { streamLine } from '../../executors/process/stream-line.ts';
