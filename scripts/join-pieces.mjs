// Joins pieces of a split bundle. esbuild makes a piece of its own for each set of commands that shares some code:
// hundreds, of which a short command needs seventy, and Node takes half a millisecond for each. What is loaded
// together anyway becomes one file here.

import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';

/**
 * Writes the bundle in `from`, of which `outputs` tells (paths below `root`), to `to`. `together`: names of the files to be, each with
 * the sources whose pieces it gets, and all that those need and no earlier one has. Everything lies in `chunks`
 * but `main`, which stays a file of its own.
 */
export async function joinPieces({ root, outputs, from, to, main, together, options }) {
  const pieces = new Map(
    Object.entries(outputs).map(([path, { imports, exports, entryPoint }]) => [
      join(root, path),
      {
        needs: imports.filter((one) => one.kind === 'import-statement' && !one.external),
        names: exports,
        entryPoint,
      },
    ]),
  );
  const mainFile = join(from, `${main}.js`);
  const files = [...pieces.keys()];
  const joined = joinedPieces(root, pieces, mainFile, together);

  /** An export under a name that no other piece has. */
  const unique = (file, name) => `${name}_${basename(file, '.js').replace(/\W/g, '_')}`;
  const reexport = (file, source, spell) =>
    `export { ${pieces
      .get(file)
      .names.map((name) => spell(name, unique(file, name)))
      .join(', ')} } from ${JSON.stringify(source)};`;

  /** `chunks`: the folder of all others as seen from what is written. */
  const joining = (chunks) => ({
    name: 'joining',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^joined:/ }, ({ path, kind }) =>
        kind === 'entry-point'
          ? { path: path.slice(7), namespace: 'joined' }
          : { path: `${chunks}/${path.slice(7)}.js`, external: true },
      );
      onLoad({ filter: /./, namespace: 'joined' }, ({ path: name }) => ({
        contents: [...joined.keys()]
          .filter((file) => joined.get(file) === name)
          .map((file) => reexport(file, file, (own, other) => `${own} as ${other}`))
          .join('\n'),
        resolveDir: from,
      }));
      onResolve({ filter: /^\.{0,2}\// }, ({ path, importer, kind, namespace, resolveDir }) => {
        const file = resolve(resolveDir, path);
        if (kind === 'entry-point')
          return joined.has(file) ? { path: file, namespace: 'stand-in' } : { path: file };
        if (namespace === 'joined') return { path: file };
        const name = kind === 'import-statement' ? joined.get(file) : undefined;
        if (name === undefined) return { path: `${chunks}/${basename(file)}`, external: true };
        return joined.get(importer) === name ? { path: file } : { path: file, namespace: 'stand-in' };
      });
      onLoad({ filter: /./, namespace: 'stand-in' }, ({ path: file }) => ({
        contents: reexport(file, `joined:${joined.get(file)}`, (own, other) => `${other} as ${own}`),
        resolveDir: from,
      }));
    },
  });

  const others = files.filter(
    (file) => file !== mainFile && (!joined.has(file) || pieces.get(file).entryPoint !== undefined),
  );
  await build({
    ...options,
    outdir: to,
    entryPoints: { [main]: mainFile },
    plugins: [joining('../chunks')],
  });
  await build({
    ...options,
    outdir: join(to, 'chunks'),
    entryPoints: {
      ...Object.fromEntries(Object.keys(together).map((name) => [name, `joined:${name}`])),
      ...Object.fromEntries(others.map((file) => [basename(file, '.js'), file])),
    },
    plugins: [joining('.')],
  });
}

/** Which file each piece goes into. */
function joinedPieces(root, pieces, mainFile, together) {
  const joined = new Map();
  for (const [name, sources] of Object.entries(together)) {
    const seen = new Set();
    const visit = (file) => {
      if (seen.has(file) || joined.has(file)) return;
      seen.add(file);
      // What is needed comes before what needs it, as it is evaluated.
      for (const { path } of pieces.get(file).needs) visit(join(root, path));
      if (file !== mainFile) joined.set(file, name);
    };
    for (const source of sources) {
      const file = [...pieces.keys()].find((one) => pieces.get(one).entryPoint === source);
      if (file === undefined) throw new Error(`nothing loads ${source} by itself`);
      visit(file);
    }
  }
  return joined;
}
