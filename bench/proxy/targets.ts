/** The servers that are compared, each a process of its own before one upstream. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, startServer, type Target } from '../load/processes.ts'
import type { ProductStats } from '../load/server.ts'
import { startNginx } from './nginx.ts'
import { log, OURS, type Bench } from './part.ts'
import { installPortkey, startPortkey } from './portkey.ts'

/** As its README starts it, with a log for its console; and without. */
const PORTKEY_FLAGS = { portkey: [], portkey_headless: ['--headless'] }

const urlOf = ({ port }: Target): string => `http://127.0.0.1:${port}`

export const startOurs = (script: string, upstream: Target, dataDir: string): Promise<Target> =>
  startServer(script, OURS, urlOf(upstream), dataDir)

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

interface TargetsOptions extends Pick<Bench, 'script' | 'settings'> {
  /** of the part that compares them */
  name: string
  upstream: Target
}

const startPortkeys = async (
  { settings: { folder }, upstream }: TargetsOptions,
  targets: Map<string, Target>
): Promise<void> => {
  const installed = join(folder, 'portkey')
  try {
    if (!existsSync(installed)) await installPortkey(installed)
    for (const [name, flags] of Object.entries(PORTKEY_FLAGS))
      targets.set(name, await startPortkey(installed, urlOf(upstream), flags))
  } catch (error) {
    log(`SKIPPED portkey, so nothing is compared with it: ${reason(error)}`)
  }
}

/** Ours comes last, next to nginx, because the bar is a ratio to it. */
const startTargets = async (
  options: TargetsOptions,
  targets: Map<string, Target>
): Promise<void> => {
  const { script, settings, name, upstream } = options
  const folder = join(settings.folder, name)
  targets.set('hono_fetch', await startServer(script, 'fetch', urlOf(upstream)))
  targets.set('bare', await startServer(script, 'bare', urlOf(upstream)))
  await startPortkeys(options, targets)
  if (isInstalled('nginx')) {
    targets.set('nginx', await startNginx(join(folder, 'nginx'), upstream.port))
  } else log('SKIPPED nginx: not installed, so nothing is compared with it')
  targets.set(OURS, await startOurs(script, upstream, join(folder, 'data')))
}

/** @param work may take servers out of the map it gets. @returns the counts that ours prints at its end */
export const withTargets = async (
  options: TargetsOptions,
  work: (targets: Map<string, Target>) => Promise<void>
): Promise<ProductStats> => {
  const targets = new Map<string, Target>()
  let last = ''
  try {
    await startTargets(options, targets)
    await work(new Map(targets))
  } finally {
    for (const target of targets.values()) last = await target.stop()
  }
  return JSON.parse(last) as ProductStats
}
