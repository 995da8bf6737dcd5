// Bundles the program for the package: all of src/ and every package without native code in a few files below bundle/.
// What is installed then is small, starts quickly, and needs no build. `node scripts/bundle.mjs [FOLDER]`.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { joinPieces } from './join-pieces.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = process.argv[2] ?? join(root, 'bundle');

/** Packages with native code stay packages: npm chooses their build for the machine. */
const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** So do those that only some users need, and install themselves. */
const external = [...Object.keys(dependencies), ...Object.keys(peerDependencies)];

/**
 * Modules find files by their own place, which is `its/path.js` from bundle/. `up`: the way there from the bundled file.
 */
const placeOfModule = (up) => ({
  name: 'place-of-module',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      if (path.includes('node_modules')) return undefined;
      const at = relative(join(root, 'src'), path).replace(/\.ts$/, '.js');
      const contents = readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        `new URL(${JSON.stringify(`${up}${at}`)}, import.meta.url).href`,
      );
      return { contents, loader: 'ts' };
    });
  },
});

/** Programs of their own that the supervisor starts; each is one file at the place of its module. */
const PROGRAMS = ['executors/process/clis/acp-client'];

/** What every command loads; what those that look load; what they load without a supervisor; what the supervisor loads. */
const TOGETHER = {
  every: ['src/cli/main.ts'],
  look: ['src/cli/commands/look.ts'],
  offline: [
    'src/compose/offline.ts',
    'src/control/offline-control.ts',
    'src/graphs/peers.ts',
    'src/graphs/supervised-graphs.ts',
  ],
  supervisor: ['src/cli/commands/run.ts', 'src/config/source.ts', 'src/compose/daemon.ts'],
};

const scratch = mkdtempSync(join(tmpdir(), 'bundle-'));
const options = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
};
// Packages in CommonJS ask for built-in modules by `require`.
const banner = {
  js: "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);",
};
const { metafile } = await build({
  ...options,
  entryPoints: { 'cli/main': 'src/cli/main.ts' },
  outdir: scratch,
  chunkNames: 'chunks/[name]-[hash]',
  splitting: true,
  // Names of functions and classes stay: errors show them.
  keepNames: true,
  metafile: true,
  plugins: [placeOfModule('../')],
  banner,
});
rmSync(out, { recursive: true, force: true });
await joinPieces({
  ...{ root, outputs: metafile.outputs, from: scratch, to: out, main: 'cli/main' },
  ...{ together: TOGETHER, options },
});
rmSync(scratch, { recursive: true, force: true });
const inputs = new Set(Object.keys(metafile.inputs));
for (const place of PROGRAMS) {
  const made = await build({
    ...options,
    banner,
    metafile: true,
    entryPoints: [`src/${place}.ts`],
    outfile: join(out, `${place}.js`),
    plugins: [placeOfModule('../'.repeat(place.split('/').length - 1))],
  });
  for (const input of Object.keys(made.metafile.inputs)) inputs.add(input);
}
await chmod(join(out, 'cli/main.js'), 0o755);

/** The licences of what is in the bundle go with it. */
// The page is bundled on its own, with the one package that it has.
const packages = new Map([['node_modules/preact', 'preact']]);
for (const input of inputs) {
  const found = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(input);
  if (found) packages.set(found[1], found[2]);
}
const notices = [...packages]
  .sort(([, a], [, b]) => (a < b ? -1 : 1))
  .map(([folder, name]) => {
    const { version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, folder)).find((each) => /^licen[cs]e/i.test(each));
    const text =
      file && existsSync(join(root, folder, file)) ? readFileSync(join(root, folder, file), 'utf8') : '';
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
writeFileSync(
  join(out, 'LICENSES.txt'),
  `The program contains these packages, each under its own licence.\n\n${notices.join(`\n${'-'.repeat(78)}\n\n`)}`,
);
