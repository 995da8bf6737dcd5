// Text from graphs and agents, made harmless for a terminal.

export { plain, plainLines } from '../../platform/plain-text.ts';
