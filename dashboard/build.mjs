// Bundles the dashboard into dashboard/dist: one script and what it fetches later, one style sheet, one icon, one page that names them by
// their hash.
// Plain JavaScript for any Node from 18 on, because hub/setup.mjs calls it before the pinned Node runs.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { context, build as esbuild } from 'esbuild'

const folder = dirname(fileURLToPath(import.meta.url))
const dist = join(folder, 'dist')

/** Builds once; with `watch` it goes on building whenever a source changes, until the process ends. */
export async function build({ watch = false } = {}) {
  mkdirSync(dist, { recursive: true })
  const options = {
    absWorkingDir: folder,
    entryPoints: ['src/main.tsx', 'src/icon.svg'],
    // The hash in the name lets the hub serve everything below assets/ as never changing.
    entryNames: 'assets/[name]-[hash]',
    chunkNames: 'assets/[name]-[hash]',
    splitting: true,
    outdir: dist,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: !watch,
    sourcemap: 'linked',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    // The hub's tsconfig speaks to tsc alone; nothing in it may change the bundle.
    tsconfigRaw: '{}',
    loader: { '.svg': 'copy' },
    metafile: true,
    logLevel: 'warning',
    plugins: [{ name: 'page', setup: (builder) => builder.onEnd(writePage) }],
  }
  if (watch) await (await context(options)).watch()
  else await esbuild(options)
}

function writePage({ metafile, errors }) {
  if (metafile === undefined || errors.length > 0) return
  const files = Object.keys(metafile.outputs).map((path) => path.slice(path.indexOf('dist/') + 'dist/'.length))
  removeOldAssets(files)
  const named = (start, end) => `/${files.find((file) => file.startsWith(`assets/${start}-`) && file.endsWith(end))}`
  writeFileSync(join(dist, 'index.html'), page({ script: named('main', '.js'), style: named('main', '.css'), icon: named('icon', '.svg') }))
}

function removeOldAssets(files) {
  for (const name of readdirSync(join(dist, 'assets'))) {
    if (!files.includes(`assets/${name}`)) rmSync(join(dist, 'assets', name))
  }
}

/** No inline script or style: the page runs under `default-src 'self'`. */
function page({ script, style, icon }) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Mooring</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body>
<div id="app"></div>
<noscript>The dashboard of Mooring needs JavaScript. The same facts are at /v1/devices and /v1/hub.</noscript>
</body>
</html>
`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await build({ watch: process.argv.includes('--watch') })
}
