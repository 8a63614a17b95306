/**
 * The files that a browser loads beside the page: its own style and script, and those of the two libraries.
 * Their addresses contain a hash of their content, so a browser keeps them for ever.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packageFolder } from '../../package-folder.ts'

export interface Asset {
  /** with the hash, under the page's own path */
  path: string
  type: string
  body: Uint8Array<ArrayBuffer>
  /** gzip */
  compressed: Uint8Array<ArrayBuffer>
}

const require = createRequire(import.meta.url)

const OWN = join(packageFolder(), 'src/admin/page/assets')

const FILES = {
  'icon.svg': { file: () => join(OWN, 'icon.svg'), type: 'image/svg+xml' },
  'page.css': { file: () => join(OWN, 'page.css'), type: 'text/css; charset=utf-8' },
  'uplot.css': {
    file: () => require.resolve('uplot/dist/uPlot.min.css'),
    type: 'text/css; charset=utf-8',
  },
  'htmx.js': {
    file: () => require.resolve('htmx.org/dist/htmx.min.js'),
    type: 'text/javascript; charset=utf-8',
  },
  'uplot.js': {
    file: () => require.resolve('uplot/dist/uPlot.iife.min.js'),
    type: 'text/javascript; charset=utf-8',
  },
  'plots.js': { file: () => join(OWN, 'plots.js'), type: 'text/javascript; charset=utf-8' },
  'page.js': { file: () => join(OWN, 'page.js'), type: 'text/javascript; charset=utf-8' },
}

export type AssetName = keyof typeof FILES

const HASH_CHARS = 16

const load = (name: AssetName): Asset => {
  const { file, type } = FILES[name]
  const body = readFileSync(file())
  const hash = createHash('sha256').update(body).digest('hex').slice(0, HASH_CHARS)
  return { path: `assets/${hash}/${name}`, type, body, compressed: gzipSync(body) }
}

export type Assets = Record<AssetName, Asset>

/** Reads all of them once. @throws Error when the package is incomplete */
export const loadAssets = (): Assets =>
  Object.fromEntries(
    (Object.keys(FILES) as AssetName[]).map((name) => [name, load(name)])
  ) as Assets
