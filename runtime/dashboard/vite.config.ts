import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const root = resolve(import.meta.dirname, 'page');
const outDir = process.env['CELLAR_DASHBOARD'] ?? resolve(import.meta.dirname, '../../target/dashboard');

/** Compresses the files, and writes last of all the list of them, which the build of the program reads. */
function pack(): Plugin {
  return {
    name: 'pack',
    apply: 'build',
    closeBundle() {
      const all = readdirSync(outDir, { recursive: true, encoding: 'utf8' })
        .map((name) => join(outDir, name))
        .filter((path) => statSync(path).isFile() && !path.endsWith('.gz') && !path.endsWith('files.txt'));
      for (const path of all) {
        const plain = readFileSync(path);
        const packed = gzipSync(plain, { level: 9 });
        if (packed.length < plain.length) writeFileSync(`${path}.gz`, packed);
        else rmSync(`${path}.gz`, { force: true });
      }
      const names = all.map((path) => relative(outDir, path).replaceAll('\\', '/')).sort();
      writeFileSync(join(outDir, 'files.txt'), names.join('\n') + '\n');
    },
  };
}

export default defineConfig({
  root,
  base: '/',
  publicDir: resolve(root, 'public'),
  plugins: [svelte({ configFile: resolve(import.meta.dirname, 'svelte.config.js') }), pack()],
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    // The policy of the page allows no text in the place of a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    // The library of the map is one part, which is loaded when a map is first shown.
    chunkSizeWarningLimit: 1200,
  },
});
