// How a model names the system that runs it: `HANDLER:MODEL`, where the handler is a program or service with an
// account of its own (`pi:openrouter:z-ai/glm`, `codex:gpt-5.5`, `claude:opus`). A name without one is a Claude
// model.

import type { Profile } from './profile.ts';

/** Programs that wg calls by this name. */
const PROGRAMS: ReadonlySet<string> = new Set([
  ...['claude', 'codex', 'pi', 'opencode', 'aider', 'goose', 'qwen'],
  ...['cline', 'crush', 'amplifier', 'octomind', 'dexto'],
]);

/** Other spellings of wg's own agent, `nex`. */
const NEX: ReadonlySet<string> = new Set(['nex', 'native', 'local', 'oai-compat', 'openai']);

/** Providers that wg reaches through `nex` if no handler precedes them. */
const PROVIDERS: ReadonlySet<string> = new Set(['openrouter', 'gemini', 'ollama', 'vllm', 'llamacpp']);

/** The requested system. */
export interface ModelRoute {
  /** Its common name: `pi`, `codex`, `nex`, `openrouter`, … */
  readonly handler: string;
  /** Names under which a profile may serve it, best first. */
  readonly names: readonly string[];
  /** Spellings that a profile's patterns may match: as written, and as wg interprets it. */
  readonly spellings: readonly string[];
  /** The model, as the handler knows it; null: the handler's own default. */
  readonly model: string | null;
}

/** The project's own settings for tasks that name no model. */
export interface ProjectRoute extends ModelRoute {
  /** Which setting of which file says so. */
  readonly from: string;
}

/** The system that a model asks for by its prefix; null for a bare name, and for a colon that is part of the name. */
export function routeOfModel(model: string): ModelRoute | null {
  const written = model.trim();
  const colon = written.indexOf(':');
  if (colon <= 0) return null;
  return routeTo(written.slice(0, colon), written.slice(colon + 1), written);
}

/** The system of this name, as in a setting `executor`; null if unknown. */
export function routeOfHandler(name: string, model: string | null): ModelRoute | null {
  return routeTo(name.trim(), model ?? '', `${name.trim()}:${model ?? ''}`);
}

/** A model whose system is in a separate key, `provider`. An unknown provider is not Claude either. */
export function routeOfProvider(provider: string, model: string | null): ModelRoute {
  const name = provider.trim().toLowerCase();
  const handler = name === 'anthropic' ? 'claude' : name;
  const known = routeOfHandler(handler, model);
  if (known) return known;
  return { handler, names: [handler], spellings: [`${handler}:${model ?? ''}`], model };
}

function routeTo(prefix: string, rest: string, written: string): ModelRoute | null {
  const name = prefix.toLowerCase();
  const model = rest.trim() === '' ? null : rest.trim();
  if (PROGRAMS.has(name)) {
    const plain = `${name}:${rest}`;
    return { handler: name, names: [name], spellings: [...new Set([written, plain])], model };
  }
  if (NEX.has(name)) {
    const names = [...new Set([name, 'nex', 'native'])];
    return { handler: 'nex', names, spellings: [...new Set([written, `nex:${rest}`])], model };
  }
  if (!PROVIDERS.has(name)) return null;
  const names = [name, 'nex', 'native'];
  // A program of that name exists; the other providers are part of a model's name in nex.
  const own = name === 'gemini' ? model : written;
  return { handler: name, names, spellings: [written, `nex:${written}`], model: own };
}

/** The system whose account a profile spends; null if the profile does not say. */
export function handlerOfProfile(profile: Profile): string | null {
  if (!PROGRAMS.has(profile.type)) return null;
  return routeOfHandler(profile.name, null)?.handler ?? profile.type;
}

/** The pattern of a profile that matches a model: from its `route`, or from its `match` if that names a system. */
export function fittingPattern(profile: Profile, spellings: readonly string[]): string | null {
  const fits = (pattern: string) => spellings.some((text) => patternFits(pattern, text));
  const routed = profile.route?.find(fits);
  return routed ?? profile.match.find((pattern) => routeOfModel(pattern) !== null && fits(pattern)) ?? null;
}

/** The model to request from a profile: the task's own, without the system's prefix. */
export function modelOfTask(model: string | undefined): string | null {
  if (model === undefined || model.trim() === '') return null;
  const route = routeOfModel(model);
  return route === null ? model.trim() : route.model;
}

/** `x:*` matches every text that begins with `x:`; anything else matches itself. */
export function patternFits(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

/** The model that the project's settings name, for a profile of the system that they name it for. */
export function projectModel(project: ProjectRoute | undefined, profile: Profile): string | null {
  if (!project) return null;
  const isServed = project.names.includes(profile.name) || project.handler === handlerOfProfile(profile);
  return isServed || fittingPattern(profile, project.spellings) !== null ? project.model : null;
}
